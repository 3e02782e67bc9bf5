"""ModalityTransformer: parameters, searches, copies, and the same for any n_jobs."""

import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    StandardScaler,
)
from sklearn.utils.estimator_checks import check_no_attributes_set_in_init

from skmm import BagArray, ModalityDict
from skmm.compose import ConcatModalities, ModalityTransformer

NAN = np.nan


def test_nested_parameters_work_on_a_copy():
    """set_params replaces and changes transformers without touching the caller's dict or transformers."""
    pca, transformers = PCA(5), {"note": "drop"}
    transformers["rna"] = pca
    prepare = ModalityTransformer(transformers)

    assert prepare.transformers is transformers
    assert prepare.get_params()["rna__n_components"] == 5
    assert prepare.get_params()["rna"] is pca
    assert set(prepare.get_params(deep=False)) == {"transformers", "remainder", "share", "n_jobs", "verbose"}
    prepare.set_params(rna__n_components=2, note=StandardScaler(), note__with_mean=False, n_jobs=2)
    assert prepare.get_params()["rna__n_components"] == 2
    assert prepare.get_params()["note__with_mean"] is False
    assert prepare.n_jobs == 2
    assert transformers == {"note": "drop", "rna": pca}
    assert pca.n_components == 5
    prepare.set_params(transformers={"rna": MinMaxScaler()}, rna__clip=True)
    assert prepare.transformers["rna"].clip
    with pytest.raises(ValueError, match=r"Invalid parameter 'xray'.*Valid names are \['rna'\]"):
        prepare.set_params(xray=PCA())
    with pytest.raises(ValueError, match="'note' is 'drop'"):
        ModalityTransformer({"note": "drop"}).set_params(note__k=1)


def test_parameters_of_a_tuple_and_of_the_remainder():
    """The transformer of a tuple has the names joined by a plus sign."""
    prepare = ModalityTransformer({("ct", "mri"): PCA()}, remainder=PCA())
    prepare.set_params(**{"ct+mri__n_components": 3, "remainder__n_components": 4})

    assert prepare.transformers[("ct", "mri")].n_components == 3
    assert prepare.remainder.n_components == 4


def test_the_callers_remainder_stays_as_it_is():
    """Parameters of the remainder are set on a copy too, and a keyword has none."""
    mine = PCA(5)
    prepare = ModalityTransformer({}).set_params(remainder=mine, remainder__n_components=2)

    assert mine.n_components == 5
    assert prepare.remainder.n_components == 2
    with pytest.raises(ValueError, match="'remainder' is 'drop'"):
        ModalityTransformer({}, remainder="drop").set_params(remainder__n_components=2)


def test_clone_pickle_and_joblib(X):
    """Clones are unfitted and alike, pickles transform alike, and nothing is set in __init__."""
    prepare = ModalityTransformer({"rna": PCA(2), "note": TfidfVectorizer()}).fit(X)
    other = clone(prepare)

    assert not hasattr(other, "transformers_")
    assert other.get_params()["rna__n_components"] == 2
    assert other.transformers is not prepare.transformers
    assert pickle.loads(pickle.dumps(prepare)).transform(X) == prepare.transform(X)
    assert joblib.hash(clone(prepare)) == joblib.hash(other)
    check_no_attributes_set_in_init("ModalityTransformer", ModalityTransformer({"rna": PCA()}))


def test_fit_leaves_the_callers_transformers_unfitted(X):
    """Clones are fitted."""
    scaler = StandardScaler()
    ModalityTransformer({"rna": scaler}).fit(X)

    assert not hasattr(scaler, "mean_")


def test_grid_search_over_nested_parameters():
    """A search finds the number of components that carries the label."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 30)
    rna = rng.normal(size=(60, 5)) * [10, 8, 1, 1, 1]
    rna[:, 2] += 6 * y
    rna[::7] = NAN
    pipe = Pipeline(
        [
            ("prep", ModalityTransformer({"rna": PCA(random_state=0)})),
            ("concat", ConcatModalities()),
            ("clf", LogisticRegression()),
        ]
    )
    search = GridSearchCV(pipe, {"prep__rna__n_components": [2, 3], "prep__n_jobs": [None]}, cv=3).fit(
        ModalityDict({"rna": rna, "age": rng.normal(size=(60, 1))}), y
    )

    assert search.best_params_["prep__rna__n_components"] == 3
    assert search.best_score_ > 0.85
    assert search.best_estimator_[0].transformers_["rna"].n_components_ == 3


def test_a_search_can_replace_transformers(X):
    """Whole transformers are parameters too."""
    pipe = Pipeline(
        [
            ("prep", ModalityTransformer({"rna": PCA(1)}, remainder="drop")),
            ("concat", ConcatModalities()),
            ("clf", LogisticRegression()),
        ]
    )
    X, y = X[[0, 2, 3, 5] * 3], np.array([0, 1, 0, 1] * 3)
    search = GridSearchCV(
        pipe, {"prep__rna": [PCA(2), "passthrough"], "prep__rna__copy": [True]}, cv=2, error_score="raise"
    )
    with pytest.raises(ValueError, match="'rna' is 'passthrough'"):
        search.fit(X, y)
    search = GridSearchCV(pipe, {"prep__rna": [PCA(2), StandardScaler()]}, cv=2, error_score="raise").fit(
        X, y
    )
    assert search.cv_results_["mean_test_score"].shape == (2,)
    assert pipe.get_params()["prep__rna"].n_components == 1


@pytest.mark.parametrize("method", ["fit", "fit_transform"])
def test_parallel_equals_serial(X, method):
    """Two processes give the same as one."""
    transformers = {"rna": PCA(2, random_state=0), "note": TfidfVectorizer(), "xray": "drop"}
    serial, parallel = (ModalityTransformer(transformers, n_jobs=n_jobs) for n_jobs in (None, 2))
    first, second = (getattr(prepare, method)(X) for prepare in (serial, parallel))
    if method == "fit_transform":
        assert first == second

    assert parallel.transform(X) == serial.transform(X)


def test_what_joblib_maps_for_its_workers_does_not_come_back_lazy():
    """Large arrays that a transformer returns as they are come back in memory from another process."""
    images = np.zeros((40, 100, 100))
    bags = BagArray(np.ones((400, 1000)), np.arange(0, 401, 10))
    table = np.eye(400)[:40]
    X = {"xray": images, "ct": bags, "rna": table}
    prepare = ModalityTransformer({}, remainder=FunctionTransformer(), n_jobs=2)
    first, second = prepare.fit_transform(X), prepare.transform(X)

    for out in (first, second):
        assert type(out["xray"]) is np.ndarray
        assert type(out["rna"]) is np.ndarray
        assert type(out["ct"].values) is np.ndarray
        assert out == ModalityDict(X)


@pytest.mark.parametrize("form", [np.asarray, pd.DataFrame, sp.csr_array, sp.csc_matrix])
@pytest.mark.parametrize("missing", [False, True])
def test_transformers_that_work_in_place_change_nothing_of_the_callers(form, missing):
    """With ``copy=False``, what is written to is never the data that came in."""
    values = form(np.arange(6.0).reshape(3, 2))
    kept = values.copy()
    X = ModalityDict({"a": values}, present={"a": np.array([True, not missing, True])})
    ModalityTransformer({"a": MaxAbsScaler(copy=False)}).fit(X).transform(X)
    ModalityTransformer({"a": MaxAbsScaler(copy=False)}).fit_transform(X)

    assert ModalityDict({"a": values}) == ModalityDict({"a": kept})


@pytest.mark.parametrize(
    "images", [[np.ones((3, 3)), np.ones((2, 2))], [np.ones((3, 3)), np.ones((2, 2)), None]]
)
def test_images_of_different_sizes_cannot_be_written_to(images):
    """A transformer that writes into single images gets an error, and the caller's stay as they are."""

    def erase(values):
        for image in values:
            image[:] = 0
        return values

    X = ModalityDict({"a": images}, kinds={"a": "image"})
    with pytest.raises(ValueError, match="read-only"):
        ModalityTransformer({"a": FunctionTransformer(erase)}).fit_transform(X)
    assert images[0].sum() == 9


def test_read_only_memory_maps_work(tmp_path):
    """Data as joblib maps them for its workers."""
    mapped = joblib.load(joblib.dump(np.arange(6.0).reshape(3, 2), tmp_path / "x.joblib")[0], mmap_mode="r")
    out = ModalityTransformer({"x": StandardScaler(copy=False)}).fit_transform(mapped)

    np.testing.assert_allclose(out["x"].mean(axis=0), 0)
