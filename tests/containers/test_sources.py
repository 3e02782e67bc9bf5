"""Sources of lazy arrays: HDF5 read in runs, sparse matrices by rows."""

import anndata
import h5py
import numpy as np
import pytest
from scipy import sparse

from skmm.containers import LazyArray

VALUES = np.random.default_rng(0).normal(size=(40, 6)).round(3).astype("f4")


def test_an_open_h5_file_is_used(tmp_path):
    """Values that this process has written and not yet closed are read."""
    with h5py.File(tmp_path / "w.h5", "w") as file:
        lazy = LazyArray(file.create_dataset("x", data=VALUES))
        file["x"][3] = 9

        np.testing.assert_array_equal(lazy[[3]], np.full((1, 6), 9, "f4"))


@pytest.mark.parametrize(
    "rows",
    [[0, 1, 2, 30, 31, 33, 150, 299, 298], [*range(40), *range(200, 290)], [*range(0, 300, 2)], range(300)],
    ids=["scattered", "two runs", "gaps", "all"],
)
@pytest.mark.parametrize("width", [3, 70000], ids=["narrow", "wide"])
def test_h5_rows_are_read_in_runs(rows, width, tmp_path):
    """Rows that lie far apart, close together and beyond the longest run come back in order."""
    values = np.arange(300, dtype="u2")[:, None] + np.zeros(width, dtype="u2")
    with h5py.File(tmp_path / "wide.h5", "w") as file:
        file["x"] = values
    lazy = LazyArray(h5py.File(tmp_path / "wide.h5", "r")["x"])

    np.testing.assert_array_equal(lazy[list(rows)], values[list(rows)])


def test_sparse_reads_are_csr(tmp_path):
    """Rows of a backed sparse matrix come as CSR with the stored values only; rows without any too."""
    values = np.zeros((5, 3))
    values[1, 2] = 4
    anndata.AnnData(sparse.csr_matrix(values)).write_h5ad(tmp_path / "s.h5ad")
    lazy = LazyArray(anndata.read_h5ad(tmp_path / "s.h5ad", backed="r").X)
    read = lazy[[4, 1, 1]]

    assert isinstance(read, sparse.csr_array)
    assert read.nnz == 2
    np.testing.assert_array_equal(lazy[[0, 3]].toarray(), np.zeros((2, 3)))


def test_a_matrix_stored_by_columns_is_refused(tmp_path):
    """Its rows lie scattered in the file; the message says what to do."""
    anndata.AnnData(sparse.csc_matrix(VALUES)).write_h5ad(tmp_path / "s.h5ad")

    with pytest.raises(ValueError, match=r"stored by columns .* Write it as CSR, or read it whole"):
        LazyArray(anndata.read_h5ad(tmp_path / "s.h5ad", backed="r").X)
