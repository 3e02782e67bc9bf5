"""Batches as slices."""

from itertools import chain

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch

from skmm import BagArray, ModalityDict
from skmm._training import ModalityBatches, make_inputs
from skmm._training._batches import BatchIterator
from skmm.containers import Schema


def _batches(X, **options):
    """Return batches of raw values."""
    X = ModalityDict(X) if isinstance(X, dict) else X
    inputs = make_inputs(Schema.of(X), X.modalities, standardize=False)
    return ModalityBatches(X, inputs, dtype=np.float64, **options)


@pytest.mark.parametrize("form", [np.asarray, sp.csr_array, sp.csc_array, pd.DataFrame, "memmap"])
def test_a_batch_is_the_rows_asked_for(rng, form, tmp_path):
    """Values, presence, labels and weights of a batch are those of its rows, whatever holds the table."""
    table = rng.normal(size=(20, 3))
    if form == "memmap":
        np.save(tmp_path / "table.npy", table)
        held = np.load(tmp_path / "table.npy", mmap_mode="r")
    else:
        held = form(table)
    X = ModalityDict({"a": held}, present={"a": np.arange(20) % 5 > 0}, kinds={"a": "table"})
    rows, weights = np.arange(19, 3, -1), np.arange(16.0)
    data = _batches(X, rows=rows, y=np.arange(16), weights=weights)

    batch, y = data[np.array([0, 4, 7])]

    expected = table[[19, 15, 12]]
    expected[1] = 0
    np.testing.assert_array_equal(batch.inputs["a"], expected)
    assert batch.present.tolist() == [[True], [False], [True]]
    assert y.tolist() == [0, 4, 7]
    np.testing.assert_allclose(batch.weights, weights[[0, 4, 7]] / weights.mean())
    assert len(batch) == 3


def test_equal_weights_are_no_weights(rng):
    """Where all weights are equal, batches carry none."""
    data = _batches({"a": rng.normal(size=(4, 1))}, weights=np.full(4, 3.0))

    assert data[slice(None)][0].weights is None


def test_an_epoch_visits_every_row_once(rng):
    """Batches partition the rows, in sizes that differ by one at most, shuffled or in order."""
    X = {"a": np.arange(50.0)[:, None]}
    for shuffle in (None, np.random.default_rng(0)):
        iterator = BatchIterator(_batches(X, shuffle=shuffle), 12, shuffle=True)
        seen = [batch.inputs["a"].ravel().tolist() for batch, _ in iterator]
        again = [batch.inputs["a"].ravel().tolist() for batch, _ in iterator]

        assert len(iterator) == len(seen) == 5
        assert [len(part) for part in seen] == [10] * 5
        assert sorted(chain(*seen)) == list(range(50))
        assert (seen == again) == (shuffle is None)
        assert (list(chain(*seen)) == list(range(50))) == (shuffle is None)


def test_a_single_batch_is_made_once(rng):
    """Where all rows are one batch, each epoch gets the same tensors."""
    iterator = BatchIterator(_batches({"a": rng.normal(size=(5, 2))}), 5)

    assert next(iter(iterator))[0] is next(iter(iterator))[0]


def test_batches_do_not_share_the_caller_s_memory(rng):
    """A change of a batch changes nothing of the caller's, who may have handed in read-only data."""
    table = rng.normal(size=(4, 2))
    table.flags.writeable = False
    before = table.copy()

    batch, _ = _batches({"a": table})[slice(0, 2)]
    batch.inputs["a"].fill_(7)

    np.testing.assert_array_equal(table, before)


def test_new_values_are_checked(rng):
    """Batches not looked at before raise for partly NaN rows, with the rows of the caller's data."""
    table = rng.normal(size=(6, 2))
    table[3, 0] = np.nan

    with pytest.raises(ValueError, match=r"'a'.*3"):
        _batches({"a": table}, rows=np.array([5, 3]))[slice(None)]


def test_padding_adds_samples_without_modalities():
    """A padded batch starts with the batch; what follows is zero, absent, and bags without instances."""
    X = {"a": np.ones((3, 2)), "b": BagArray.from_list([np.ones((2, 1)), np.ones((1, 1)), np.ones((3, 1))])}
    batch, _ = _batches(X)[slice(None)]

    padded = batch.padded(4)

    assert padded.inputs["a"].tolist() == [[1, 1]] * 3 + [[0, 0]]
    assert padded.inputs["b"].offsets.tolist() == [0, 2, 3, 6, 6]
    assert padded.present.tolist() == [[True, True]] * 3 + [[False, False]]
    assert batch.padded(3) is batch


def test_presence_follows_the_network_s_modalities(rng):
    """Columns of presence are the inputs', not those of the container."""
    X = ModalityDict(
        {"a": rng.normal(size=(2, 1)), "b": rng.normal(size=(2, 1)), "c": rng.normal(size=(2, 1))},
        present={"c": [True, False], "a": [False, True]},
    )
    inputs = make_inputs(Schema.of(X), ("c", "a"), standardize=False)

    batch, _ = ModalityBatches(X, inputs)[slice(None)]

    assert batch.present.tolist() == [[True, False], [False, True]]
    assert isinstance(batch.inputs["c"], torch.Tensor)
