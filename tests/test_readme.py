"""The README keeps what it promises."""

import re
from pathlib import Path

import pytest

import skmm

ROOT = Path(skmm.__file__).parents[1]
README = ROOT / "README.md"


@pytest.mark.uses_global_state(reason="a layer of torch is made as a reader would make it")
def test_code_of_the_readme_runs(run_code_blocks):
    """Every Python block of the README runs, from top to bottom."""
    assert run_code_blocks(README) >= 2


def test_links_of_the_readme_exist():
    """Every relative link of the README, CONTRIBUTING and CHANGELOG leads to a file of the project."""
    for page in (README, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"):
        links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
        missing = [link for link in links if not (ROOT / link).exists()]

        assert missing == [], page.name


def test_names_of_the_readme_exist():
    """Every `skmm.folder.Name` that the README mentions can be imported."""
    text = README.read_text(encoding="utf-8")
    folders = "compose|containers|datasets|fusion|inspection|metrics|model_selection|testing"
    names = set(re.findall(rf"`((?:{folders})\.\w+)", text))

    assert len(names) >= 5
    for name in names:
        folder, _, public = name.partition(".")
        assert public in getattr(skmm, folder).__all__, name
