"""Keys of rows by their content."""

import numpy as np
import pytest
import scipy.sparse as sp

from skmm import BagArray, ModalityDict
from skmm._training import content_order


def _keys_order(X, rows=None):
    """Return `content_order` over all rows."""
    X = ModalityDict(X) if isinstance(X, dict) else X
    return content_order(X, np.arange(len(X)) if rows is None else rows)


def test_the_order_follows_the_content(rng):
    """However rows are shuffled, their contents come in one order."""
    table = rng.normal(size=(20, 3))
    shuffled = rng.permutation(20)

    first, _ = _keys_order({"a": table})
    second, _ = _keys_order({"a": table[shuffled]})

    np.testing.assert_array_equal(table[first], table[shuffled][second])


def test_equal_rows_share_a_number(rng):
    """Repeated rows, and they alone, have one number, counted from 0; without any there are none."""
    table = rng.normal(size=(4, 3))
    rows = np.array([0, 1, 1, 2, 3, 3, 3])

    order, groups = _keys_order({"a": table}, rows)
    contents = rows[order]

    assert set(groups) == {0, 1, 2, 3}
    for number in range(4):
        assert len(set(contents[groups == number])) == 1
    assert _keys_order({"a": table})[1] is None


@pytest.mark.parametrize("form", [sp.csr_array, sp.csc_array])
def test_sparse_tables_have_the_keys_of_dense_ones(rng, form):
    """Explicit zeros, signed zeros and the order of entries do not matter."""
    table = np.where(rng.random((15, 6)) < 0.5, rng.normal(size=(15, 6)), 0.0)
    sparse = form(table)
    sparse.data[0] = 0.0
    dense = sparse.toarray()
    dense[dense == 0] = -0.0

    np.testing.assert_array_equal(_keys_order({"a": sparse})[0], _keys_order({"a": dense})[0])


def test_names_and_columns_matter():
    """The same values in other columns, or another modality, or a missing one, are other contents."""
    nan = np.nan
    X = {
        "a": np.array([[1.0, 2.0], [2.0, 1.0], [nan, nan], [0.0, 0.0]]),
        "b": np.array([[nan, nan], [nan, nan], [1.0, 2.0], [nan, nan]]),
    }
    X["a"] = np.vstack([X["a"], [[nan, nan]]])
    X["b"] = np.vstack([X["b"], [[0.0, 0.0]]])

    assert _keys_order(X)[1] is None


def test_float32_and_integers_have_the_keys_of_their_values():
    """The type of a table does not matter, its values do."""
    table = np.arange(12).reshape(6, 2) % 7

    orders = [_keys_order({"a": table.astype(dtype)})[0] for dtype in (np.int64, np.float32, np.float64)]

    np.testing.assert_array_equal(orders[0], orders[1])
    np.testing.assert_array_equal(orders[0], orders[2])


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 3), (2, 4, 4, 1)])
def test_images_and_volumes_have_keys(rng, shape):
    """They are ordered by content, and equal ones share a number, unless their tables differ."""
    images = rng.integers(0, 255, size=(6, *shape), dtype=np.uint8)[[0, 1, 2, 2, 3, 4]]
    shuffled = rng.permutation(6)
    table = np.arange(6.0)[:, None]

    first, groups = _keys_order({"image": images})
    second, _ = _keys_order({"image": images[shuffled]})

    np.testing.assert_array_equal(images[first], images[shuffled][second])
    assert sorted(np.bincount(groups)) == [1, 1, 1, 1, 2]
    assert _keys_order({"image": images, "table": table})[1] is None


def test_samples_without_table_or_image_are_told_apart():
    """Bags alone, equal ones too, are samples of their own."""
    order, groups = _keys_order({"bag": BagArray.from_list([np.zeros((2, 3))] * 5)})

    assert groups is None
    assert sorted(order) == list(range(5))


def test_values_of_missing_entries_do_not_matter(rng):
    """What stands in an absent entry has no influence."""
    table, other = rng.normal(size=(6, 2)), rng.normal(size=(6, 2))
    present = {"b": np.array([True, False, True, False, True, True])}
    changed = np.where(present["b"][:, None], other, 99.0)

    first, second = (
        _keys_order(ModalityDict({"a": table, "b": b}, present=present))[0] for b in (other, changed)
    )

    np.testing.assert_array_equal(first, second)
