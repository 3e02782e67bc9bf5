"""Rows of a modality spread over all samples, names of columns, and columns of a table."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from skmm import BagArray
from skmm.compose._columns import column_positions
from skmm.compose._outputs import output_kind, spread_rows
from skmm.containers import LazyArray, n_rows, read_rows, take_rows
from skmm.containers._schema import column_names


def forms(n):
    """Each stored form with ``n`` rows."""
    numbers = np.arange(1.0, 2 * n + 1).reshape(n, 2)
    objects = np.empty(n, dtype=object)
    objects[:] = [f"document {row}" for row in range(n)]
    return {
        "float": numbers,
        "integer": numbers.astype(np.int32),
        "image": np.arange(4 * n, dtype=np.uint8).reshape(n, 2, 2),
        "text": objects,
        "csr": sp.csr_array(numbers),
        "csc": sp.csc_matrix(numbers),
        "bag": BagArray(np.arange(float(n * (n + 1) // 2)), np.cumsum([0, *range(1, n + 1)])),
        "lazy": LazyArray(np.arange(6 * n).reshape(n, 3, 2)),
        "frame": pd.DataFrame(
            {"a": numbers[:, 0], "b": numbers[:, 1].astype(int), "c": objects, "d": pd.Categorical(objects)}
        ),
    }


def as_lists(value):
    """Values of any form for comparison."""
    value = read_rows(value, slice(None))
    if isinstance(value, BagArray):
        return [bag.tolist() for bag in value]
    return value.toarray().tolist() if sp.issparse(value) else np.asarray(value).tolist()


@pytest.mark.parametrize("form", forms(2))
@settings(max_examples=20, deadline=None)
@given(present=st.lists(st.booleans(), min_size=1, max_size=7).filter(any))
def test_spreading_and_taking_is_a_round_trip(form, present):
    """Rows come back from where they were put, in their type; all others are there too."""
    rows = np.flatnonzero(present)
    value = forms(len(rows))[form]
    spread = spread_rows(value, rows, len(present))

    assert n_rows(spread) == len(present)
    assert as_lists(take_rows(spread, rows)) == as_lists(value)
    if isinstance(value, pd.DataFrame):
        pd.testing.assert_series_equal(spread.dtypes, value.dtypes)
    else:
        assert type(spread) in {type(value), sp.csr_matrix}
        assert getattr(spread, "dtype", None) == getattr(value, "dtype", None)


def test_missing_rows_are_nan_none_empty_or_zero():
    """A form says itself that a row is missing where it can."""
    spread = {form: spread_rows(value, np.array([0, 2]), 3) for form, value in forms(2).items()}

    assert np.isnan(spread["float"][1]).all()
    assert spread["text"][1] is None
    assert spread["bag"].lengths.tolist() == [1, 0, 2]
    assert spread["csr"].toarray()[1].tolist() == [0, 0]
    assert spread["integer"][1].tolist() == [0, 0]
    assert spread["frame"].iloc[1].isna().tolist() == [True, False, True, True]


def test_names_of_columns():
    """Prefix and name, number or place; kinds without columns have the modality's name."""
    assert column_names("rna", "table", (2,), ["A", "B"]) == ["rna__A", "rna__B"]
    assert column_names("rna", "table", (2,), None) == ["rna__x0", "rna__x1"]
    assert column_names("xray", "image", (1, 2), None) == ["xray__0_0", "xray__0_1"]
    assert column_names("mri", "volume", (1, 1, 2, 1), None) == ["mri__0_0_0_0", "mri__0_0_1_0"]
    assert column_names("note", "text", (), None) == ["note"]


@pytest.mark.parametrize(
    ("value", "kind_in", "expected"),
    [
        (np.zeros((2, 3)), "image", "table"),
        (sp.eye_array(2), "text", "table"),
        (np.zeros((2, 3, 4)), "image", "image"),
        (np.zeros((2, 3, 4)), "bag", "bag"),
        (np.zeros((2, 3, 4)), "table", None),
        (np.zeros((2, 3, 4, 3, 1)), "volume", "volume"),
        ([np.zeros((2, 3)), None], "bag", "bag"),
        ([None, np.zeros((2, 3))], "image", "image"),
        (["a", "b"], "text", None),
        (BagArray(np.zeros((2, 3)), [0, 1, 2]), "image", "bag"),
        (np.zeros(3), "table", None),
    ],
)
def test_kind_of_an_output(value, kind_in, expected):
    """The kind that went in wins where the form leaves doubt; None leaves the matter to the container."""
    assert output_kind(value, kind_in) == expected


FRAME = pd.DataFrame(np.zeros((1, 4)), columns=["a", "b", "c", "d"])


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ("b", [1]),
        (["d", "a"], [3, 0]),
        (pd.Index(["c"]), [2]),
        (slice("b", "d"), [1, 2, 3]),
        (slice(None, "b"), [0, 1]),
        (slice(1, 3), [1, 2]),
        (slice(-2, None), [2, 3]),
        (2, [2]),
        ([-1, 0], [3, 0]),
        ([True, False, True, False], [0, 2]),
        (lambda X: [c for c in X.columns if c > "b"], [2, 3]),
    ],
)
def test_columns_by_any_specification(columns, expected):
    """Names, slices of names (ends included), positions, masks, callables."""
    assert column_positions(columns, FRAME, "here").tolist() == expected


@pytest.mark.parametrize(
    ("columns", "X", "message"),
    [
        ("z", FRAME, "here names columns that X does not have: 'z'"),
        (["a", "z"], FRAME, "does not have: 'z'"),
        (slice("a", "z"), FRAME, "does not have: 'z'"),
        ("a", FRAME.to_numpy(), "X is no DataFrame"),
        (4, FRAME, "out of range: X has 4 feature"),
        ([True, False], FRAME, "out of range: X has 4 feature"),
        ([], FRAME, "selects no column"),
        (slice(9, 12), FRAME, "selects no column"),
        ([0.5], FRAME, "must be names, positions, a slice, a mask or a callable"),
    ],
)
def test_columns_that_are_not_there(columns, X, message):
    """Errors say who asked, for what, and what there is."""
    with pytest.raises(ValueError, match=message):
        column_positions(columns, X, "here")
