"""The entrance of every estimator: what fit remembers and what later data must look like."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.base import BaseEstimator

from skmm import BagArray, ModalityDict
from skmm.containers import (
    Schema,
    as_modality_dict,
    check_finite,
    check_numeric,
    stack_rows,
    validate_modalities,
)


class Fitted(BaseEstimator):
    """Holds what validation sets."""


def fit(X, **options):
    """An estimator fitted on X, and X as it saw it."""
    estimator = Fitted()
    return estimator, validate_modalities(
        estimator, X, reset=True, **{"accept": ("table", "image", "bag", "text"), **options}
    )


X_FIT = {"rna": np.zeros((3, 2)), "note": ["a", "b", None], "mri": [np.ones((2, 4)), None, np.ones((1, 4))]}


def test_what_fit_remembers():
    """Names, kinds and entry shapes are kept; a container of several modalities sets no n_features_in_."""
    estimator, X = fit(X_FIT)

    assert estimator.modalities_ == X.modalities == ("rna", "note", "mri")
    assert estimator.schema_.kinds == {"rna": "table", "note": "text", "mri": "bag"}
    assert estimator.schema_.shapes == {"rna": (2,), "note": (), "mri": (4,)}
    assert not hasattr(estimator, "n_features_in_")


def test_sorted_order():
    """With order="sorted" the order of a dict does not matter."""
    estimator, X = fit(X_FIT, order="sorted")

    assert estimator.modalities_ == X.modalities == ("mri", "note", "rna")


@pytest.mark.parametrize(
    "bare",
    [
        np.ones((3, 2)),
        pd.DataFrame({"a": [1, 2, 3], "b": [4, 5, 6]}),
        sp.csr_matrix(np.ones((3, 2))),
        [[1, 2]] * 3,
    ],
)
def test_one_bare_table_is_named_x(bare):
    """A table without a name is modality "x", and scikit-learn's attributes are set."""
    estimator, X = fit(bare)

    assert X.modalities == ("x",)
    assert estimator.n_features_in_ == 2
    assert hasattr(estimator, "feature_names_in_") == isinstance(bare, pd.DataFrame)


def test_refitting_forgets_the_old_table():
    """n_features_in_ of an earlier fit does not survive a fit on several modalities."""
    estimator, _ = fit(np.ones((3, 2)))
    validate_modalities(estimator, X_FIT, reset=True, accept=("table", "bag", "text"))

    assert not hasattr(estimator, "n_features_in_")


def test_an_absent_key_is_missing_for_all():
    """Modalities of fit that are not there come back missing, in the order of fit, with the right shapes."""
    estimator, _ = fit(X_FIT)

    X = validate_modalities(estimator, {"note": ["c", None]}, reset=False)

    assert X.modalities == ("rna", "note", "mri")
    assert X.present.tolist() == [[False, True, False], [False, False, False]]
    assert X["rna"].shape == (2, 2)
    assert X["mri"].instance_shape == (4,)


def test_absent_keys_can_be_left_absent():
    """absent="leave" only reorders."""
    estimator, _ = fit(X_FIT)

    X = validate_modalities(estimator, {"note": ["c"], "rna": [[1.0, 2.0]]}, reset=False, absent="leave")

    assert X.modalities == ("rna", "note")


def test_kinds_of_fit_settle_doubt_later():
    """Equal arrays in a list, in doubt by themselves, are bags where fit saw bags."""
    estimator, _ = fit({"mri": [np.ones((2, 4)), np.ones((3, 4))]})

    X = validate_modalities(estimator, {"mri": [np.ones((2, 4)), np.ones((2, 4))]}, reset=False)

    assert isinstance(X["mri"], BagArray)


@pytest.mark.parametrize(
    ("new", "match"),
    [
        ({"dna": np.zeros((2, 2))}, "was fitted on the modalities 'rna', 'note', 'mri'. Got 'dna'"),
        ({"rna": np.zeros((2, 3))}, "'rna' has 3 features, but it had 2 in fit"),
        (
            {"mri": BagArray.from_list([np.ones((1, 5))])},
            r"'mri' has entries of shape \(5,\), but they had \(4,\)",
        ),
        (ModalityDict({"rna": np.zeros((2, 5, 5))}), "'rna' was of kind 'table' in fit. Got 'image'"),
        ({"rna": np.zeros((0, 2))}, "0 samples"),
    ],
)
def test_data_unlike_those_of_fit(new, match):
    """Unknown names, other kinds and other widths raise with what fit saw."""
    estimator, _ = fit(X_FIT)

    with pytest.raises(ValueError, match=match):
        validate_modalities(estimator, new, reset=False)


def test_feature_names_unlike_those_of_fit():
    """Missing, new and reordered columns are told apart."""
    schema = Schema.of(ModalityDict({"t": pd.DataFrame({"a": [1], "b": [2]})}))

    with pytest.raises(ValueError, match="missing: 'b'; not seen in fit: 'c'"):
        schema.align(ModalityDict({"t": pd.DataFrame({"a": [1], "c": [2]})}))
    with pytest.raises(ValueError, match="missing: 'b'"):
        schema.align(ModalityDict({"t": pd.DataFrame({"a": [1]})}))
    with pytest.raises(ValueError, match="in another order"):
        schema.align(ModalityDict({"t": pd.DataFrame({"b": [1], "a": [2]})}))


def test_a_kind_that_is_not_taken():
    """The message says which kinds are, and how to turn the modality into one."""
    with pytest.raises(
        ValueError,
        match="Fitted takes modalities of kind 'table'. Got 'note', which is of kind 'text'.*TfidfVectorizer",
    ):
        fit(X_FIT, accept=("table",))


@pytest.mark.parametrize("X", ["rna", 3, np.zeros(3), None])
def test_what_is_neither_mapping_nor_table(X):
    """Anything else raises a TypeError that says what X must be."""
    with pytest.raises(TypeError, match="X must be a mapping"):
        as_modality_dict(X)


def test_numbers_out_of_tables():
    """Numeric tables of every form become numbers; NA becomes NaN."""
    frame = pd.DataFrame({"a": pd.array([1, None], dtype="Int64"), "b": [True, False]})

    np.testing.assert_array_equal(check_numeric(frame, "t"), [[1, 1], [np.nan, 0]])
    np.testing.assert_array_equal(check_numeric(np.array([["1", "2"]], dtype=object), "t"), [[1, 2]])
    assert check_numeric(frame[["b"]].astype(np.float32), "t").dtype == np.float32


def test_strings_name_their_column():
    """A column of strings is named, with the encoder to use."""
    with pytest.raises(ValueError, match="'t' must be numeric here, but column 'sex' is not.*OneHotEncoder"):
        check_numeric(pd.DataFrame({"age": [1, 2], "sex": ["m", "f"]}), "t")
    with pytest.raises(ValueError, match="column 1 is not"):
        check_numeric(np.array([[1, "m"]], dtype=object), "t")


@pytest.mark.parametrize("form", [np.asarray, sp.csr_matrix, sp.csc_array])
def test_infinities_and_holes_name_the_rows(form):
    """Infinities, and NaN in present rows, raise with modality and rows; absent rows may hold anything."""
    holes = form(np.array([[np.nan, np.nan], [1, np.nan], [1, 2]]))
    infinite = form(np.array([[0, 1], [0, -np.inf]]))

    with pytest.raises(ValueError, match=r"'t' contains NaN in a part of 1 rows \(1\).*SimpleImputer"):
        check_finite(holes, np.array([False, True, True]), "t")
    with pytest.raises(ValueError, match=r"'t' contains infinity in 1 rows \(11\)"):
        check_finite(infinite, np.array([True, True]), "t", rows=[10, 11])
    check_finite(holes, np.array([False, False, True]), "t")


@pytest.mark.parametrize("shape", [(5, 3), (5, 4, 4)])
def test_holes_in_bags_name_their_rows_once(shape):
    """NaN in instances raises with the rows of their bags, and with what to do, which is no imputer."""
    holes, owners = np.ones(shape), [3, 3, 7, 9, 9]
    holes[[0, 1, 4], 0] = np.nan

    with pytest.raises(ValueError, match=r"'mri' contains NaN in instances.* 2 rows \(3, 9\)\. Drop these"):
        check_finite(holes, np.ones(5, dtype=bool), "mri", rows=owners, in_bags=True)
    holes[:2] = np.inf
    with pytest.raises(ValueError, match=r"'mri' contains infinity in 1 rows \(3\)"):
        check_finite(holes, np.ones(5, dtype=bool), "mri", rows=owners, in_bags=True)


def test_stacking_undoes_splitting():
    """Pieces of any kind, stacked again, equal the whole."""
    for value in (
        np.arange(6.0).reshape(3, 2),
        sp.csr_array(np.eye(3)),
        BagArray.from_list([[[1]], None, [[2], [3]]]),
    ):
        X = ModalityDict({"m": value})

        assert ModalityDict({"m": stack_rows([X[:1]["m"], X[1:]["m"]])}) == X


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
def test_modalities_of_one_sample_may_be_missing_at_predict(missing):
    """A key whose entries are all missing is as good as an absent key, whatever its kind in fit."""
    seen = {
        "rna": np.ones((2, 3)),
        "mri": [np.ones((2, 4)), np.ones((3, 4))],
        "xray": [np.ones((2, 3)), np.ones((4, 5))],
        "note": ["a", "b"],
    }
    estimator, _ = fit(seen)

    X = validate_modalities(
        estimator, {"note": ["c"], "rna": [missing], "mri": [missing], "xray": [missing]}, reset=False
    )

    assert X.present.tolist() == [[False, False, False, True]]
    assert X["rna"].shape == (1, 3)
    assert X["mri"].instance_shape == (4,)


def test_a_missing_modality_of_another_width_takes_the_width_of_fit():
    """Values that are missing throughout never matter, nor does their width."""
    estimator, _ = fit({"rna": np.ones((2, 3)), "age": np.ones((2, 1))})

    X = validate_modalities(estimator, {"age": [[1.0]], "rna": np.full((1, 7), np.nan)}, reset=False)

    assert X["rna"].shape == (1, 3)
    assert X.present.tolist() == [[False, True]]


def test_objects_that_are_numbers_are_numeric():
    """Columns of Python numbers count as numeric, None as NaN; dates and digits in strings do not."""
    values = check_numeric(pd.DataFrame({"a": np.array([1, None], dtype=object), "b": [2**70, 1]}), "rna")

    np.testing.assert_array_equal(values, [[1.0, 2.0**70], [np.nan, 1.0]])
    for wrong in (np.array([["2020"]], dtype="M8[D]"), np.array([["1.5"]]), pd.DataFrame({0: ["1.5x"]})):
        with pytest.raises(ValueError, match="'rna' must be numeric here, but column 0 is not"):
            check_numeric(wrong, "rna")


def test_nullable_columns_are_numeric():
    """Nullable integers, floats and booleans become floats, with NaN where missing."""
    frame = pd.DataFrame({name: pd.array([1, None], dtype=name) for name in ("Int64", "Float64", "boolean")})

    np.testing.assert_array_equal(check_numeric(frame, "rna"), [[1, 1, 1], [np.nan] * 3])


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_large_finite_numbers_are_finite(dtype):
    """Sums that overflow neither raise nor warn."""
    value = np.full((3, 30), np.finfo(dtype).max, dtype=dtype)

    assert check_finite(value, np.ones(3, dtype=bool), "rna") is None


def test_images_of_different_sizes_after_one_size():
    """They are refused, whatever the rows; after a fit on different sizes all sizes are taken."""
    one, several = np.ones((2, 4, 5)), [np.ones((4, 5)), np.ones((5, 4)), np.ones((4, 5))]
    X = ModalityDict({"scan": several}, kinds={"scan": "image"})
    estimator, _ = fit({"scan": one})

    for new in (X, X[[0, 2]]):
        with pytest.raises(ValueError, match=r"'scan' holds images of different sizes.*\(4, 5\) in fit"):
            validate_modalities(estimator, new, reset=False)
    ragged, _ = fit(X)
    assert len(validate_modalities(ragged, {"scan": one}, reset=False)) == 2
    assert len(validate_modalities(ragged, X, reset=False)) == 3


def test_a_refused_kind_names_who_takes_it():
    """Where the estimator knows one."""
    estimator = Fitted()
    estimator._instead = {"image": "Photographer"}

    with pytest.raises(ValueError, match="'scan', which is of kind 'image': use Photographer, flatten or"):
        validate_modalities(estimator, {"scan": np.ones((2, 4, 5))}, reset=True, accept=("table",))
    with pytest.raises(ValueError, match="which is of kind 'bag': pool each bag"):
        validate_modalities(estimator, {"mri": X_FIT["mri"]}, reset=True, accept=("table",))
