"""Checks of the forms in which data may come: dicts, containers, rows, sparse tables, files on disk."""

import tempfile
from unittest import SkipTest

import joblib
import numpy as np
import pandas as pd
import scipy.sparse as sp
from sklearn.base import is_classifier
from sklearn.utils import get_tags

from skmm.containers import as_modality_dict
from skmm.testing._compare import assert_same, fitted, fitted_if_taken, outputs, take
from skmm.testing._data import (
    complete_rows,
    dense_tables,
    incomplete,
    memory_mapped,
    plain_dict,
    read_only,
    rebuild,
)


def complete(X, y):
    """The samples that have every modality."""
    rows = complete_rows(X)
    return X[rows], y[rows]


def check_dict_equals_modality_dict(estimator, X, y):
    """A plain dict is understood as the ModalityDict is, in fit and after it."""
    X, y = complete(rebuild(X, groups=None), y)  # a dict has no groups
    plain, rows = plain_dict(X)
    if as_modality_dict(plain).kinds != X.kinds:
        raise SkipTest("a plain dict cannot say the kinds of this data")
    expected = outputs(fitted(estimator, X, y), X)
    got = fitted(estimator, plain, y[rows])
    assert_same(outputs(got, plain), expected, "A dict must give what the ModalityDict gives")
    assert_same(outputs(got, X), expected, "Fitted on a dict, a ModalityDict must give the same")


def check_order_of_modalities(estimator, X, y):
    """The order in which modalities come changes no prediction, and after fit no output at all."""
    X, y = complete(X, y)
    if len(X.modalities) < 2:
        raise SkipTest("there is one modality only")
    turned = X[list(X.modalities[::-1])]
    model = fitted(estimator, X, y)
    expected = outputs(model, X)
    assert_same(
        outputs(model, turned), expected, "Another order of modalities than in fit must give the same"
    )
    assert_same(
        outputs(fitted(estimator, turned, y), X),
        expected,
        "Modalities in another order in fit must give the same predictions",
        only=lambda name: not name.startswith("transform"),
    )


def check_row_selection(estimator, X, y):
    """Every way to select rows gives the results of these rows."""
    X, y = complete(X, y)
    model = fitted(estimator, X, y)
    expected = outputs(model, X)
    mask = np.arange(len(X)) % 2 == 0
    rows = np.array([3, 0, 3])
    indexers = {
        "an integer array": (rows, rows),
        "a boolean mask": (mask, np.flatnonzero(mask)),
        "a list": ([2, 1], [2, 1]),
        "a slice": (slice(1, 6, 2), [1, 3, 5]),
        "(rows, Ellipsis)": ((rows, Ellipsis), rows),
        "a scalar": (np.int64(2), [2]),
    }
    for name, (indexer, taken) in indexers.items():
        law = f"X selected by {name} must give the rows of the results for X"
        assert_same(outputs(model, X[indexer]), take(expected, taken), law, rtol=1e-4, atol=1e-5)


def check_array_of_handles(estimator, X, y):
    """The object array that scikit-learn's tools make of a ModalityDict works as the ModalityDict does."""
    X, y = complete(X, y)
    handles = np.asarray(X)
    expected = outputs(fitted(estimator, X, y), X)
    got = outputs(fitted(estimator, handles, y), handles)
    assert_same(got, expected, "np.asarray(X) must give what X gives")


def check_one_table(estimator, X, y):
    """One table without a name equals a dict of the one modality 'x', and sets n_features_in_."""
    if not get_tags(estimator).input_tags.two_d_array:
        raise SkipTest("the estimator takes no single table")
    tables = [X[name] for name, kind in X.kinds.items() if kind == "table" and X.is_present(name).all()]
    if not tables:
        raise SkipTest("the data have no complete table")
    table = tables[0]
    model = fitted(estimator, table, y)
    expected = outputs(fitted(estimator, {"x": table}, y), {"x": table})
    assert_same(outputs(model, table), expected, "One table must give what {'x': table} gives")
    n_features = getattr(model, "n_features_in_", None)
    expected = table.shape[1]
    assert n_features == expected, f"n_features_in_ must be {expected} after one table. Got {n_features!r}."


def check_sparse_equals_dense(estimator, X, y):
    """Sparse tables give what dense ones give."""
    X, y = complete(dense_tables(X), y)
    if not get_tags(estimator).input_tags.sparse:
        raise SkipTest("the estimator declares that it takes no sparse tables")
    tables = {
        name: np.where(value > 0, value, 0)
        for name, value in X.items()
        if X.kinds[name] == "table" and isinstance(value, np.ndarray) and value.dtype.kind == "f"
    }
    if not tables:
        raise SkipTest("the data have no table of floats in memory")
    dense = rebuild(X, {**dict(X.items()), **tables})
    expected = outputs(fitted(estimator, dense, y), dense)
    for form in (sp.csr_array, sp.csc_matrix):
        sparse = rebuild(X, {**dict(X.items()), **{name: form(value) for name, value in tables.items()}})
        law = f"Tables as {form.__name__} must give what dense ones give"
        assert_same(outputs(fitted(estimator, sparse, y), sparse), expected, law, rtol=1e-3, atol=1e-4)


def check_dataframe_equals_array(estimator, X, y):
    """DataFrames of numbers give what arrays give."""
    X, y = complete(rebuild(X, groups=None), y)
    frames = {
        name: pd.DataFrame(value).rename(columns=str)
        for name, value in X.items()
        if X.kinds[name] == "table" and isinstance(value, np.ndarray)
    }
    if not frames:
        raise SkipTest("the data have no table in memory")
    with_frames = {**dict(X.items()), **frames}
    expected = outputs(fitted(estimator, X, y), X)
    got = outputs(fitted(estimator, with_frames, y), with_frames)
    assert_same(got, expected, "DataFrames must give what arrays give")


def check_data_unchanged(estimator, X, y):
    """Neither fit nor anything after it writes into the caller's data, complete or not."""
    sparser = incomplete(X)
    for data in (X,) if sparser is None else (X, sparser):
        plain, rows = plain_dict(data)
        labels = y[rows].copy()
        before = {name: joblib.hash(value) for name, value in plain.items()}, joblib.hash(labels)
        model = fitted_if_taken(estimator, plain, labels)
        if model is not None:
            outputs(model, plain)
        assert list(plain) == list(before[0]), "The caller's dict must stay as it is, but its keys changed."
        for name, value in plain.items():
            assert joblib.hash(value) == before[0][name], (
                f"The caller's {name!r} must not change, but it did."
            )
        assert joblib.hash(labels) == before[1], "The caller's y must not change, but it did."


def check_read_only_data(estimator, X, y):
    """Read-only arrays and memory maps work, and give what arrays in memory give."""
    X, y = complete(X, y)
    expected = outputs(fitted(estimator, X, y), X)
    frozen = read_only(X)
    got = outputs(fitted(estimator, frozen, y), frozen)
    assert_same(got, expected, "Read-only arrays must give what others give")
    with tempfile.TemporaryDirectory() as directory:
        mapped = memory_mapped(X, directory)
        model = fitted(estimator, mapped, y)  # batches may come in another order, so another model
        got, expected = outputs(model, mapped), outputs(model, X)
        del mapped
    assert_same(got, expected, "Memory maps must give what arrays in memory give", rtol=1e-4, atol=1e-5)


def check_batch_of_one(estimator, X, y):
    """A sample alone gives what it gives among others."""
    data = incomplete(X)
    model = None if data is None else fitted_if_taken(estimator, data, y)
    X, y = complete(X, y) if model is None else (data, y)
    model = fitted(estimator, X, y) if model is None else model
    expected = outputs(model, X)
    for row in range(min(len(X), 6)):
        law = f"Sample {row} alone must give what it gives among others"
        assert_same(outputs(model, X[[row]]), take(expected, [row]), law, rtol=1e-4, atol=1e-5)


def check_labels(estimator, X, y):
    """Labels of any type and order are learned alike, and come back as they were."""
    if not is_classifier(estimator):
        raise SkipTest("the estimator is no classifier")
    X, y = complete(X, y)
    codes = np.unique(y, return_inverse=True)[1]
    n_classes = codes.max() + 1
    expected = outputs(fitted(estimator, X, codes), X)
    words = np.array([f"class {number}" for number in range(n_classes)])
    alphabets = {
        "strings": words,
        "objects": words.astype(object),
        "integers with gaps": 10 * np.arange(n_classes) - 7,
        "floats": np.arange(n_classes) * 1.0,
    }
    for name, labels in alphabets.items():
        model = fitted(estimator, X, labels[codes])
        kept = np.array_equal(model.classes_, labels)
        assert kept, f"classes_ must be {labels.tolist()} for {name}. Got {model.classes_!r}."
        predicted = np.asarray(model.predict(X))
        foreign = sorted(set(predicted.tolist()) - set(labels.tolist()), key=str)
        assert not foreign, f"Predictions must be labels of fit ({name}). Got {foreign}."
        law = f"Labels that are {name} must be learned as integers are"
        assert_same(outputs(model, X), expected, law, only=lambda key: key != "predict")
