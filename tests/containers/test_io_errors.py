"""What can be neither saved nor loaded is named, nothing is unpickled, no other file is read or replaced."""

import json

import numpy as np
import pandas as pd
import pytest

from skmm import ModalityDict


def test_a_manifest_of_something_else_is_never_replaced(tmp_path):
    """Even overwrite=True keeps off a manifest.json that is not of a container."""
    (tmp_path / "manifest.json").write_text('{"name": "web app"}')

    with pytest.raises(FileExistsError, match="not empty"):
        ModalityDict({"x": np.eye(2)}).save(tmp_path, overwrite=True)
    with pytest.raises(ValueError, match="of something else"):
        ModalityDict.load(tmp_path)


@pytest.mark.parametrize(
    ("value", "where"),
    [
        (
            pd.DataFrame({"when": pd.period_range("2020", periods=2)}),
            "Modality 't', column 'when' holds .*period",
        ),
        (pd.DataFrame({"obj": [{1}, {2}]}), "Modality 't', column 'obj' holds a value of type set"),
        (pd.DataFrame({"one": [1, 2], b"x": [1, 2]}), "Modality 't' holds a value of type bytes"),
        (
            np.array([[1 + 2j, object()]] * 2, dtype=object),
            "Modality 't', column 0 holds a value of type complex",
        ),
    ],
    ids=["period", "set", "label", "object"],
)
def test_what_needs_pickle_is_refused(value, where, tmp_path):
    """A value without a safe form is an error that names modality and column, and nothing is written."""
    with pytest.raises(TypeError, match=f"{where}.*, which cannot be saved without pickle"):
        ModalityDict({"t": value}).save(tmp_path / "new")
    assert not (tmp_path / "new").exists()


def edit_manifest(directory, **changes):
    """Change entries of a manifest."""
    path = directory / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 99}, "saved in format 99, but this version of skmm reads formats up to 1. Upgrade"),
        ({"files": ["../secret.npy"]}, "names the file '../secret.npy'"),
        ({"files": ["gone.npy"]}, "the file 'gone.npy' is missing"),
        ({"n_samples": 3}, "files differ in their numbers of samples"),
        ({"modalities": [{"name": "x"}]}, "the manifest does not fit"),
    ],
    ids=lambda value: value if isinstance(value, str) else next(iter(value)),
)
def test_a_broken_directory_is_an_error(changes, message, tmp_path):
    """A manifest that does not fit its files says what is wrong."""
    ModalityDict({"x": np.eye(2)}).save(tmp_path)
    edit_manifest(tmp_path, **changes)

    with pytest.raises(ValueError, match=message):
        ModalityDict.load(tmp_path)


def test_files_outside_the_directory_are_never_read(tmp_path):
    """An entry that leads out of the directory is refused though it is not in the list of files."""
    np.save(tmp_path / "secret.npy", np.eye(2))
    ModalityDict({"x": np.eye(2)}).save(tmp_path / "study")
    text = (tmp_path / "study" / "manifest.json").read_text()
    (tmp_path / "study" / "manifest.json").write_text(
        text.replace('"file": "00_x.npy"', '"file": "../secret.npy"')
    )

    with pytest.raises(ValueError, match="names the file '../secret.npy'"):
        ModalityDict.load(tmp_path / "study")


def test_pickles_are_never_read(tmp_path):
    """An npy file that holds pickled objects is refused."""
    ModalityDict({"x": np.eye(2)}).save(tmp_path)
    np.save(tmp_path / "00_x.npy", np.array([[print, 1], [2, 3]], dtype=object), allow_pickle=True)

    with pytest.raises(ValueError, match="object"):
        ModalityDict.load(tmp_path)


def test_a_directory_without_a_manifest_is_named(tmp_path):
    """Loading from the wrong path says so."""
    with pytest.raises(FileNotFoundError, match=r"holds no saved ModalityDict: it has no manifest\.json"):
        ModalityDict.load(tmp_path)
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(ValueError, match="is not JSON"):
        ModalityDict.load(tmp_path)
