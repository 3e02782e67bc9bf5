"""The mean of a bag's instances."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import config_context
from sklearn.base import clone

from skmm import BagArray, ModalityDict
from skmm.compose import ModalityTransformer
from skmm.embedding import AveragePooling
from skmm.embedding import _bags as bags_module

BAGS = BagArray(np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 9.0]]), [0, 1, 1, 3])


def test_mean_and_maximum_by_value():
    """Statistics are computed over the instances; a sample without a bag stays missing."""
    pooled = AveragePooling(statistics=["max", "mean"]).fit_transform(BAGS)

    np.testing.assert_array_equal(pooled, [[1, 2, 1, 2], [np.nan] * 4, [5, 9, 4, 6.5]])


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=8), st.integers(1, 20))
def test_equals_a_loop_whatever_is_read_at_once(lengths, at_once):
    """Parts of any size that are read at once give the means of a loop over the bags."""
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    values = np.random.default_rng(0).normal(size=(offsets[-1], 3))
    bags = BagArray(values, offsets)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bags_module, "_VALUES", at_once)
        pooled = AveragePooling(statistics=("mean", "max")).fit_transform(bags)

    expected = [np.concatenate([bag.mean(axis=0), bag.max(axis=0)]) for bag in bags]
    np.testing.assert_allclose(pooled, expected, rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize(
    ("given_type", "expected"), [("f2", "f4"), ("f4", "f4"), ("f8", "f8"), ("u1", "f8"), ("i8", "f8")]
)
def test_types(given_type, expected):
    """float32 and float64 are kept, half floats become float32, integers float64; bytes never wrap."""
    bags = BagArray(np.full((4, 1), 200, dtype=given_type), [0, 4])
    pooled = AveragePooling().fit_transform(bags)

    assert pooled.dtype == expected
    assert pooled.tolist() == [[200.0]]


def test_sums_keep_their_digits():
    """The mean of a long float32 bag is right to float32."""
    values = np.full((300_000, 1), 0.1, dtype=np.float32)

    np.testing.assert_allclose(AveragePooling().fit_transform(BagArray(values, [0, 300_000])), 0.1, rtol=1e-6)


def test_forms_of_bags(tmp_path):
    """Lists, equal bags in one array, and files that are mapped to memory give the same as a BagArray."""
    values = np.random.default_rng(0).normal(size=(4, 3, 2))
    expected = values.mean(axis=1)
    stored = np.memmap(tmp_path / "bags.dat", dtype=float, mode="w+", shape=(12, 2))
    stored[:] = values.reshape(12, 2)
    stored.flush()
    mapped = np.memmap(tmp_path / "bags.dat", dtype=float, mode="r", shape=(12, 2))

    for bags in (list(values), values, BagArray(mapped, np.arange(0, 13, 3))):
        np.testing.assert_allclose(AveragePooling().fit_transform(bags), expected)


def test_within_a_modality_transformer():
    """A bag modality becomes a table; the sample without a bag stays missing."""
    X = ModalityDict({"scan": BAGS, "age": np.array([[1.0], [2.0], [3.0]])})

    out = ModalityTransformer({"scan": AveragePooling()}).fit_transform(X)

    assert out.kinds["scan"] == "table"
    assert out.is_present("scan").tolist() == [True, False, True]
    np.testing.assert_array_equal(out["scan"][[0, 2]], [[1, 2], [4, 6.5]])


def test_names_and_set_output():
    """Columns are named after the class, also in the DataFrame that is asked for."""
    pooling = AveragePooling().fit(BAGS)

    assert pooling.get_feature_names_out().tolist() == ["averagepooling0", "averagepooling1"]
    with config_context(transform_output="pandas"):
        frame = clone(pooling).fit_transform(BAGS)
    assert frame.columns.tolist() == ["averagepooling0", "averagepooling1"]
    np.testing.assert_array_equal(frame, pooling.transform(BAGS))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(pooling)).transform(BAGS), frame)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.eye(3), r"pools bags of vectors.*Got one table of shape \(3, 3\) instead"),
        ({"scan": BAGS}, "Got a mapping instead.*ModalityTransformer applies it"),
        (np.zeros((2, 3, 4, 5)), r"Got instances of shape \(4, 5\) instead: embed them first"),
    ],
)
def test_what_is_not_a_bag_of_vectors(X, message):
    """Tables, dicts and bags of images are refused with what to do."""
    with pytest.raises(ValueError, match=message):
        AveragePooling().fit(X)


def test_what_transform_refuses():
    """Instances of another width, and values that are infinite or NaN, are refused with their rows."""
    pooling = AveragePooling().fit(BAGS)

    with pytest.raises(ValueError, match="shape"):
        pooling.transform(np.ones((2, 3, 5)))
    values = BAGS.values.copy()
    values[2, 0] = np.inf
    with pytest.raises(ValueError, match="infinit.*2"):
        pooling.transform(BagArray(values, BAGS.offsets))
    values[2, 0] = np.nan
    with pytest.raises(ValueError, match=r"contains NaN in instances of the bags of 1 rows \(2\)\. Drop"):
        pooling.transform(BagArray(values, BAGS.offsets))


@pytest.mark.parametrize("statistics", ["mean", (), ("mean", "mean"), ("median",), (1,)])
def test_parameters(statistics):
    """Statistics are some of the names, each once."""
    with pytest.raises(ValueError, match="'statistics' parameter of AveragePooling must be a tuple.*'max'"):
        AveragePooling(statistics=statistics).fit(BAGS)
