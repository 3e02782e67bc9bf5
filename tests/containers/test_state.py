"""What is pickled, copied and hashed: the same for equal containers."""

import copy
import os
import pickle
import subprocess
import sys

import joblib
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from skmm import BagArray, ModalityDict
from skmm.containers import as_modality_dict

SCRIPT = "import joblib, runpy; print(joblib.hash(runpy.run_path({path!r})['make']()))"


def make(order="C"):
    """Every kind, and a column of every sort."""
    frame = pd.DataFrame(
        {
            "float": np.arange(6) + 0.5,
            "category": pd.Categorical(list("ababab")),
            "Int64": pd.array([1, None] * 3, dtype="Int64"),
            "string": pd.array(["x", None] * 3, dtype="string"),
            "object": ["u", "v"] * 3,
            "date": pd.date_range("2020", periods=6),
            "zone": pd.date_range("2020", periods=6, tz="UTC"),
            "boolean": pd.array([True, None] * 3, dtype="boolean"),
            "sparse": pd.array([0.0, 1.0] * 3, dtype="Sparse[float]"),
        }
    )
    return ModalityDict(
        {
            "rna": np.asarray(np.arange(18.0).reshape(6, 3), order=order),
            "one": np.asarray(np.arange(18.0).reshape(6, 3), order=order)[:, 1:2],
            "counts": sp.csr_array(np.eye(6, 3)),
            "clinical": frame,
            "age": frame[["float"]],
            "xray": [np.full((i + 2, i + 3), i, np.uint8) for i in range(6)],
            "mri": BagArray.from_list([np.full((i % 3, 2), i * 1.0) for i in range(6)]),
            "note": np.array(["a b", None, ""] * 2, dtype=object),
        },
        index=[f"s{i}" for i in range(6)],
        groups=list("aabbcc"),
        feature_names={"rna": ["g1", "g2", "g3"]},
    )


WAYS = {
    "pickle": lambda X: pickle.loads(pickle.dumps(X)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "all rows": lambda X: X[list(range(6))],
    "slice": lambda X: X[:],
    "twice reversed": lambda X: X[::-1][::-1],
    "modalities": lambda X: X[list(X.modalities)],
    "handles": lambda X: as_modality_dict(np.asarray(X)),
    "two parents": lambda X: as_modality_dict(np.concatenate([np.asarray(X[:2]), np.asarray(X[2:])])),
    "anew": ModalityDict,
    "Fortran": lambda X: make("F"),
}


@pytest.mark.parametrize("way", WAYS)
def test_equal_containers_have_equal_hashes(way):
    """However an equal container comes about, it is equal, keeps its data types and has the same hash."""
    X = make()
    other = WAYS[way](X)

    assert other == X
    assert other["clinical"].dtypes.tolist() == X["clinical"].dtypes.tolist()
    assert joblib.hash(other) == joblib.hash(X)


@pytest.mark.parametrize("rows", [slice(None, None, 2), slice(None, None, -1), slice(1, 4), slice(2, 3)])
def test_views_and_copies_have_equal_hashes(rows):
    """A selection that is a view has the hash of the same selection that is a copy."""
    X = make()

    assert joblib.hash(X[rows]) == joblib.hash(X[np.arange(6)[rows]])
    assert joblib.hash(X[rows]) != joblib.hash(X)


def test_use_does_not_change_the_hash():
    """Looking at a container, its sparse matrices and its ids leaves the hash as it was."""
    X = make()
    before = joblib.hash(X)

    assert X["counts"].has_canonical_format
    assert X.loc["s3"] == X[3]
    assert "ModalityDict" in repr(X)

    assert joblib.hash(X) == before


def test_hash_is_the_same_in_another_process():
    """The hash does not depend on the seed with which a process hashes strings."""
    printed = {
        subprocess.run(
            [sys.executable, "-c", SCRIPT.format(path=__file__)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }

    assert printed == {joblib.hash(make())}


@pytest.mark.parametrize("rows", [[0, 1], []])
def test_multi_index_survives_a_pickle(rows):
    """Ids of several levels keep their levels and names, also where no sample is left."""
    index = pd.MultiIndex.from_tuples([("ann", 1), ("bob", 2)], names=["patient", "visit"])
    X = ModalityDict({"rna": np.ones((2, 1))}, index=index)[rows]

    restored = pickle.loads(pickle.dumps(X)).index

    assert restored.names == ["patient", "visit"]
    assert restored.tolist() == index[rows].tolist()


def _sum_and_hash(X):
    """What a worker sees of a container that joblib hands over in a memory map."""
    return X["rna"].sum(), X.present.sum(), joblib.hash(X)


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_workers_see_the_same(backend):
    """Workers get the same values, presence and hash, also through joblib's memory maps."""
    X = ModalityDict(
        {
            "rna": np.arange(4000.0).reshape(1000, 4),
            "counts": sp.csr_array(np.eye(1000, 5)),
            "note": ["a"] * 1000,
        }
    )

    seen = joblib.Parallel(2, backend=backend, max_nbytes="1K")(
        joblib.delayed(_sum_and_hash)(X) for _ in range(2)
    )

    assert seen == [(7998000.0, 3000, joblib.hash(X))] * 2
