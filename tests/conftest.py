"""Fixtures that many folders use: small mixed data, and a runner for the code blocks of the documentation."""

import doctest
import os
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import settings
from scipy import sparse

# Examples are as slow as the machine is busy, which says nothing of the package.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")

KINDS = ("dense", "sparse", "image", "bag", "text")
_WORDS = {"a": "clear lungs", "b": "small effusion", "c": "large opacity"}


class Modalities(NamedTuple):
    """A data set: a ModalityDict, its labels, and the patient of each sample."""

    X: object
    y: np.ndarray
    groups: np.ndarray


def _make_dense(y, rng):
    """Return a table of five columns whose first three tell the class."""
    table = rng.normal(size=(len(y), 5))
    table[np.arange(len(y)), np.searchsorted(["a", "b", "c"], y)] += 2.5
    return table


def _make_modality(kind, y, rng):
    """Return a modality of one kind that tells the class of each sample."""
    level = np.searchsorted(["a", "b", "c"], y)
    if kind == "dense":
        return _make_dense(y, rng)
    if kind == "sparse":
        table = _make_dense(y, rng)
        return sparse.csr_array(np.where(table > 0.5, table, 0.0))
    if kind == "image":
        images = rng.integers(0, 60, size=(len(y), 8, 8), dtype=np.uint8)
        images[:, 2:6, 2:6] += (60 * level)[:, None, None].astype(np.uint8)
        return images
    if kind == "bag":
        return [rng.normal(size=(rng.integers(1, 5), 3)) + label for label in level]
    return [f"{_WORDS[label]} seen" for label in y]


@pytest.fixture(scope="session")
def real_data():
    """Return the folder of the real data sets; skip the test where there is none."""
    folder = os.environ.get("SKMM_TEST_DATA")
    if not folder:
        pytest.skip("SKMM_TEST_DATA is not set: it names the folder of the real data sets")
    return Path(folder)


@pytest.fixture(scope="session")
def make_modalities():
    """Return a function that makes small data of any kinds: ``make_modalities(kinds, n_samples=30)``.

    Three classes "a", "b" and "c", two samples a patient (of one class), every modality tells the class. A
    share `missing_rate` of the entries is missing, declared as each kind allows; each sample keeps at least
    one modality.
    """
    from skmm.containers import BagArray, ModalityDict

    def make(kinds=KINDS, n_samples=30, missing_rate=0.2, seed=0):
        rng = np.random.default_rng(seed)
        groups = np.arange(n_samples) // 2
        y = np.array(["a", "b", "c"])[groups % 3]
        data = {kind: _make_modality(kind, y, rng) for kind in kinds}
        present = rng.random((n_samples, len(kinds))) >= missing_rate
        present[~present.any(axis=1), 0] = True
        masks = {}
        for kind, mask in zip(kinds, present.T, strict=True):
            if kind == "dense":
                data[kind][~mask] = np.nan
            elif kind == "bag":
                bags = [bag if seen else bag[:0] for bag, seen in zip(data[kind], mask, strict=True)]
                data[kind] = BagArray.from_list(bags)
            elif kind == "text":
                data[kind] = [text if seen else None for text, seen in zip(data[kind], mask, strict=True)]
            else:
                masks[kind] = mask
        return Modalities(ModalityDict(data, present=masks or None, groups=groups), y, groups)

    return make


@pytest.fixture
def modalities(make_modalities):
    """Thirty samples: a dense and a sparse table, images, bags, texts; a fifth of the entries is missing."""
    return make_modalities()


def _markdown_blocks(text):
    """Yield the line and the source of each Python block of a Markdown text."""
    for match in re.finditer(r"^```python\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE):
        yield text[: match.start(1)].count("\n"), match.group(1)


def _rst_blocks(text):
    """Yield the line and the source of each Python block of a reStructuredText page."""
    lines = text.split("\n")
    for number, line in enumerate(lines):
        if line.strip() != ".. code-block:: python":
            continue
        indent = len(line) - len(line.lstrip()) + 3
        block = []
        for following in lines[number + 1 :]:
            if following.strip() and len(following) - len(following.lstrip()) < indent:
                break
            block.append(following[indent:])
        yield number + 1, "\n".join(block)


@pytest.fixture
def run_code_blocks(monkeypatch, tmp_path):
    """Return a function that runs the Python blocks of a page in order and returns their number.

    The blocks of a page share one namespace. A block with ``>>>`` is run as a doctest, so what it shows is
    compared; every other block has to run. The working directory is a temporary one: a page may write files.
    """
    monkeypatch.chdir(tmp_path)
    options = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS

    def run(path):
        text = path.read_text(encoding="utf-8")
        blocks = _markdown_blocks(text) if path.suffix == ".md" else _rst_blocks(text)
        namespace = {"__name__": "__main__"}
        n_blocks = 0
        for line, source in blocks:
            n_blocks += 1
            if ">>>" in source:
                test = doctest.DocTestParser().get_doctest(source, namespace, path.name, str(path), line)
                messages = []
                runner = doctest.DocTestRunner(optionflags=options)
                runner.run(test, out=messages.append, clear_globs=False)
                namespace = test.globs
                if runner.failures:
                    pytest.fail("".join(messages), pytrace=False)
            else:
                # Empty lines in front give tracebacks the line of the page.
                exec(compile("\n" * line + source, str(path), "exec"), namespace)
        return n_blocks

    return run
