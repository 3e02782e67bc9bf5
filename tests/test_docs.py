"""The documentation runs, is complete, and speaks of what exists."""

import re
from pathlib import Path

import pytest

import skmm

ROOT = Path(skmm.__file__).parents[1]
PAGES = sorted((ROOT / "docs").glob("*.rst"))  # generated pages lie in folders of their own
PAGES = [path for path in PAGES if path.name != "sg_execution_times.rst"]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_code_of_the_documentation_runs(path, run_code_blocks):
    """Every Python block of a page runs, from top to bottom."""
    n_blocks = run_code_blocks(path)

    assert n_blocks == path.read_text(encoding="utf-8").count(".. code-block:: python")


def test_every_public_name_is_in_the_api_page():
    """The API page lists every public name of every public folder, and no other."""
    text = (ROOT / "docs" / "api.rst").read_text(encoding="utf-8")
    listed = {}
    folder = None
    for line in text.splitlines():
        if match := re.match(r"\.\. currentmodule:: skmm\.(\w+)", line):
            folder = match.group(1)
        elif folder and (match := re.match(r"   (\w+)$", line)):
            listed.setdefault(folder, []).append(match.group(1))
    public = {name: sorted(getattr(skmm, name).__all__) for name in skmm.__all__ if name[0].islower()}

    assert {name: sorted(names) for name, names in listed.items()} == public


def test_every_page_is_reached_from_the_index():
    """Each page stands in a table of contents."""
    contents = "\n".join(path.read_text(encoding="utf-8") for path in PAGES)

    for path in PAGES:
        name = path.relative_to(ROOT / "docs").with_suffix("").as_posix()
        assert name == "index" or re.search(rf"^   {name}$", contents, flags=re.MULTILINE), name


def test_words_of_the_house_are_in_the_glossary():
    """The glossary explains the words that the package uses in one sense only."""
    text = (ROOT / "docs" / "glossary.rst").read_text(encoding="utf-8")
    words = ["modality", "present", "mask", "encoder", "backbone", "embedder", "pooling", "early fusion"]
    words += ["intermediate fusion", "late fusion", "informativeness", "confidence", "weights"]

    for word in words:
        assert re.search(rf"^   {word}$", text, flags=re.MULTILINE), word
