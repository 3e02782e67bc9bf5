"""Containers from AnnData and MuData objects, in memory and backed by files."""

import warnings

import anndata
import mudata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from skmm.containers import LazyArray, from_anndata, from_mudata

COUNTS = np.random.default_rng(0).poisson(0.7, size=(6, 4)).astype("f4")
CELLS = [f"c{i}" for i in range(6)]
GENES = ["GAPDH", "TP53", "CD3E", "MS4A1"]
PROTEIN = pd.DataFrame(np.arange(12.0).reshape(6, 2), index=CELLS, columns=["CD3", "CD19"])


def make_anndata(X=COUNTS):
    """Six cells of two donors, with layers, proteins and a table of the cells."""
    obs = pd.DataFrame(
        {"donor": list("aabbbb"), "age": [30, 30, 40, 40, 40, 40], "note": list("uvwxyz")}, index=CELLS
    )
    return anndata.AnnData(
        X,
        obs=obs,
        var=pd.DataFrame(index=GENES),
        layers={"counts": sparse.csr_matrix(COUNTS * 2)},
        obsm={"protein": PROTEIN, "pca": COUNTS[:, :2] - 1},
    )


def dense(values):
    """Values as an ndarray."""
    return values.toarray() if sparse.issparse(values) else np.asarray(values)


LOCATIONS = {
    "rna": "X",
    "counts": "layers/counts",
    "protein": "obsm/protein",
    "pca": "obsm/pca",
    "clinical": "obs/age",
}


@pytest.mark.parametrize("is_view", [False, True], ids=["whole", "view"])
def test_anndata_becomes_modalities(is_view):
    """Every place gives its values, names and ids, of a view too; nothing of AnnData's wrappers is left."""
    adata = make_anndata()
    rows, columns = ([4, 1, 0], [2, 0]) if is_view else (range(6), range(4))
    adata = adata[rows, columns] if is_view else adata
    X = from_anndata(adata, LOCATIONS, groups="donor")

    np.testing.assert_array_equal(X["rna"], COUNTS[np.ix_(rows, columns)])
    np.testing.assert_array_equal(dense(X["counts"]), 2 * COUNTS[np.ix_(rows, columns)])
    pd.testing.assert_frame_equal(X["protein"], PROTEIN.iloc[list(rows)])
    np.testing.assert_array_equal(X["pca"], COUNTS[rows][:, :2] - 1)
    assert X["clinical"]["age"].tolist() == [(30, 30, 40, 40, 40, 40)[row] for row in rows]
    assert (
        X.feature_names["rna"].tolist() == X.feature_names["counts"].tolist() == [GENES[j] for j in columns]
    )
    assert X.feature_names["pca"] is None
    assert X.index.tolist() == [CELLS[row] for row in rows]
    assert X.groups.tolist() == ["aabbbb"[row] for row in rows]
    assert {type(X[name]).__module__.partition(".")[0] for name in X} == {"numpy", "scipy", "pandas"}


def test_raw_obs_and_texts_are_found():
    """The raw matrix keeps its own genes; a column of obs may be text."""
    adata = make_anndata()
    adata.raw = adata
    adata = adata[:, :1].copy()
    X = from_anndata(adata, {"raw": "raw/X", "obs": "obs", "note": "obs/note"}, kinds={"note": "text"})

    np.testing.assert_array_equal(dense(X["raw"]), COUNTS)
    assert X.feature_names["raw"].tolist() == GENES
    assert X["obs"].columns.tolist() == ["donor", "age", "note"]
    assert X["note"].tolist() == list("uvwxyz")


@pytest.mark.parametrize("form", ["dense", "csr"])
@pytest.mark.parametrize("is_view", [False, True], ids=["whole", "view"])
def test_backed_anndata_stays_lazy(form, is_view, tmp_path):
    """The matrix of a backed file, and of a view of it, is read by rows and travels by path."""
    matrix = COUNTS if form == "dense" else sparse.csr_matrix(COUNTS)
    make_anndata(matrix).write_h5ad(tmp_path / "a.h5ad")
    adata = anndata.read_h5ad(tmp_path / "a.h5ad", backed="r")
    rows, columns = ([5, 1, 0, 3], [3, 0]) if is_view else (range(6), range(4))
    view = adata[rows, columns] if is_view else adata
    X = from_anndata(view, {"rna": "X", "protein": "obsm/protein"})
    expected = COUNTS[np.ix_(rows, columns)]

    assert isinstance(X["rna"], LazyArray)
    assert X["rna"].is_sparse == (form == "csr")
    np.testing.assert_array_equal(dense(X["rna"][[3, 0, 0]]), expected[[3, 0, 0]])
    adata.file.close()
    np.testing.assert_array_equal(dense(X[[2, 1]]["rna"][:]), expected[[2, 1]])
    assert X.feature_names["rna"].tolist() == [GENES[j] for j in columns]
    assert X.index.tolist() == [CELLS[row] for row in rows]


@pytest.mark.parametrize("is_view", [False, True], ids=["whole", "view"])
def test_a_backed_matrix_stored_by_columns_is_read(is_view, tmp_path):
    """Its rows lie scattered in the file, so it is read once, whole."""
    make_anndata(sparse.csc_matrix(COUNTS)).write_h5ad(tmp_path / "a.h5ad")
    adata = anndata.read_h5ad(tmp_path / "a.h5ad", backed="r")
    X = from_anndata(adata[[4, 0], :3] if is_view else adata, {"rna": "X"})

    assert isinstance(X["rna"], sparse.csr_array)
    np.testing.assert_array_equal(X["rna"].toarray(), COUNTS[[4, 0], :3] if is_view else COUNTS)


@pytest.mark.parametrize(
    ("modalities", "options", "message"),
    [
        ({"a": "layers/log"}, {}, r"'a': there is no 'layers/log'\. There are 'X', 'layers/counts'"),
        ({"a": "protein"}, {}, "there is no 'protein'"),
        ({"a": "raw/X"}, {}, "there is no 'raw/X'"),
        ({"a": "obs/weight"}, {}, "there is no 'obs/weight'"),
        (
            {"a": "X"},
            {"groups": "patient"},
            "groups='patient' is not a column: there are 'donor', 'age', 'note'",
        ),
    ],
    ids=["layer", "bare", "raw", "obs", "groups"],
)
def test_wrong_places_are_errors(modalities, options, message):
    """A place that is not there is named with those that are."""
    with pytest.raises(ValueError, match=message):
        from_anndata(make_anndata(), modalities, **options)


def make_mudata():
    """Cells of which some lack proteins and some lack RNA, in another order."""
    rna = anndata.AnnData(
        sparse.csr_matrix(COUNTS[:4]), obs=pd.DataFrame(index=CELLS[:4]), var=pd.DataFrame(index=GENES)
    )
    protein = anndata.AnnData(
        PROTEIN.to_numpy()[[5, 1, 4, 0]],
        obs=pd.DataFrame(index=[CELLS[i] for i in (5, 1, 4, 0)]),
        var=pd.DataFrame(index=["CD3", "CD19"]),
        obsm={"frame": PROTEIN.iloc[[5, 1, 4, 0]].astype("i8"), "pca": PROTEIN.to_numpy()[[5, 1, 4, 0], :1]},
    )
    with mudata.set_options(pull_on_update=False):
        mdata = mudata.MuData({"rna": rna, "prot": protein})
    mdata.obs["donor"] = ["d" + name[1] for name in mdata.obs_names]
    mdata.obsm["joint"] = np.array([[float(name[1])] for name in mdata.obs_names])
    return mdata


def check_mudata(X, rows):
    """Assert that each cell has its own rows, and lacks what its modality lacks."""
    cells = [int(name[1]) for name in X.index]
    assert sorted(cells) == sorted(rows)
    np.testing.assert_array_equal(X.is_present("rna"), [cell < 4 for cell in cells])
    np.testing.assert_array_equal(X.is_present("prot"), [cell in (5, 1, 4, 0) for cell in cells])
    for name, values in (("rna", COUNTS), ("prot", PROTEIN.to_numpy())):
        present = np.flatnonzero(X.is_present(name))
        read = X[name][present]
        np.testing.assert_array_equal(dense(read), values[np.array(cells)[present]])


@pytest.mark.uses_global_state(reason="MuData draws names of columns from Python's generator")
def test_mudata_becomes_modalities():
    """The union of the cells, each with the rows that its modalities have.

    Features and groups go with them.
    """
    mdata = make_mudata()
    X = from_mudata(mdata, groups="donor")

    assert X.modalities == ("rna", "prot")
    check_mudata(X, range(6))
    assert X.index.tolist() == mdata.obs_names.tolist()
    assert X.feature_names["rna"].tolist() == GENES
    assert X.groups.tolist() == ["d" + name[1] for name in X.index]


@pytest.mark.uses_global_state(reason="MuData draws names of columns from Python's generator")
def test_places_of_mudata_are_found():
    """Embeddings and tables of a modality, and of the whole object.

    Ints stay ints where cells lack the modality.
    """
    X = from_mudata(
        make_mudata(), {"p": "prot/obsm/frame", "e": "prot/obsm/pca", "j": "obsm/joint", "o": "obs/donor"}
    )
    cells = [int(name[1]) for name in X.index]
    has_protein = X.is_present("p")

    np.testing.assert_array_equal(has_protein, [cell in (5, 1, 4, 0) for cell in cells])
    assert X["p"].dtypes.tolist() == [np.dtype("i8")] * 2
    np.testing.assert_array_equal(X["p"][has_protein], PROTEIN.loc[X.index[has_protein]])
    assert np.isnan(X["e"][~has_protein]).all()
    assert X["j"].ravel().tolist() == cells
    assert X["o"]["donor"].tolist() == [f"d{cell}" for cell in cells]


@pytest.mark.uses_global_state(reason="MuData draws names of columns from Python's generator")
def test_backed_mudata_stays_lazy(tmp_path):
    """Matrices of a backed file are read by rows, with the cells that lack them declared missing."""
    mdata = make_mudata()
    with mudata.set_options(pull_on_update=False):
        mdata.write(tmp_path / "m.h5mu")
        mdata = mudata.read_h5mu(tmp_path / "m.h5mu", backed="r")
    X = from_mudata(mdata)

    assert {type(X[name]) for name in X} == {LazyArray}
    check_mudata(X, range(6))
    check_mudata(X[[5, 0, 1]], [int(X.index[row][1]) for row in (5, 0, 1)])


@pytest.mark.uses_global_state(reason="MuData draws names of columns from Python's generator")
def test_wrong_mudata_is_an_error():
    """A place that is not there, repeated cells and shared features are named."""
    mdata = make_mudata()
    with pytest.raises(
        ValueError, match=r"'a': there is no 'atac'\. There are 'rna', 'prot', 'obs', 'obsm/joint'"
    ):
        from_mudata(mdata, {"a": "atac"})
    with pytest.raises(ValueError, match="there is no 'obsm/umap'"):
        from_mudata(mdata, {"a": "prot/obsm/umap"})
    mdata.mod["rna"].obs_names = ["c0", "c0", "c1", "c2"]
    with pytest.raises(ValueError, match="obs_names of 'rna' must be unique"):
        from_mudata(mdata)
    genes = {"a": anndata.AnnData(np.eye(2)), "b": anndata.AnnData(np.ones((1, 2)))}
    with mudata.set_options(pull_on_update=False), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shared = mudata.MuData(genes, axis=1)
    with pytest.raises(ValueError, match="must share observations .*axis=1"):
        from_mudata(shared)
