"""Simulated missingness: exact counts, nothing else changed, nobody left with nothing."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from scipy.sparse import csr_array

from skmm.containers import BagArray, ModalityDict
from skmm.datasets import drop_modalities


def tables(present):
    """Return a ModalityDict of one-column tables with the given presence."""
    present = np.asarray(present)
    names = [f"m{i}" for i in range(present.shape[1])]
    data = {name: np.arange(float(len(present)))[:, np.newaxis] for name in names}
    return ModalityDict(data, present=dict(zip(names, present.T, strict=True)))


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.25, 0.5, 0.55])
def test_counts_are_exact(rate):
    """Each modality loses its share of the present entries, rounded so that the total is right too."""
    rng = np.random.default_rng(0)
    before = tables(np.column_stack([rng.random((53, 2)) < 0.8, np.ones(53, dtype=bool)]))
    after = drop_modalities(before, rate, random_state=0)

    n_before = before.present.sum(axis=0)
    lost = n_before - after.present.sum(axis=0)
    assert (abs(lost - rate * n_before) < 1).all()
    assert lost.sum() == np.rint(rate * n_before.sum())
    assert not (after.present & ~before.present).any()
    assert after.present.any(axis=1).all()


def test_rates_by_name():
    """Modalities that are not named lose nothing; a whole modality may go when others stay."""
    X = drop_modalities(tables(np.ones((20, 3), dtype=bool)), {"m2": 1.0, "m0": 0.25}, random_state=0)

    assert_array_equal(X.present.sum(axis=0), [15, 20, 0])


def test_the_draw_depends_on_the_seed_alone():
    """The same seed drops the same entries; another one others; the global random state is not used."""
    X = tables(np.ones((40, 2), dtype=bool))

    first = drop_modalities(X, 0.3, random_state=3).present
    assert_array_equal(drop_modalities(X, 0.3, random_state=np.random.RandomState(3)).present, first)
    assert (drop_modalities(X, 0.3, random_state=4).present != first).any()


def test_without_a_seed_the_global_random_state_stays():
    """random_state=None draws anew each time, and neither reads nor moves NumPy's own state."""
    before = np.random.get_state()[2]
    draws = [drop_modalities(tables(np.ones((40, 2), dtype=bool)), 0.3).present for _ in range(2)]

    assert np.random.get_state()[2] == before
    assert (draws[0] != draws[1]).any()


def test_missing_completely_at_random_is_fair():
    """Over many draws every entry goes equally often, bar chance."""
    X = tables(np.ones((10, 3), dtype=bool))
    share = np.mean([~drop_modalities(X, 0.4, random_state=seed).present for seed in range(1000)], axis=0)

    assert abs(share - 0.4).max() < 0.07  # more than four standard errors of a share


def test_the_largest_rate_leaves_one_modality_each():
    """When just as many entries stay as there are samples, each keeps exactly one, whatever the seed."""
    for n_modalities in (2, 3, 6):
        X = tables(np.ones((61, n_modalities), dtype=bool))
        for seed in range(5):
            after = drop_modalities(X, 1 - 1 / n_modalities, random_state=seed)
            assert_array_equal(after.present.sum(axis=1), 1)
            assert np.ptp(after.present.sum(axis=0)) == 1


def test_chains_of_exchange_are_found():
    """Every solution of a tight problem is found, from whatever is drawn first."""
    # m0 stays with one of two samples, m1 with one of three, m2 with one of two: each sample must get one
    X = tables(np.array([[1, 1, 0], [1, 1, 1], [0, 1, 1]], dtype=bool))
    kept = set()
    for seed in range(40):
        after = drop_modalities(X, {"m0": 0.5, "m1": 2 / 3, "m2": 0.5}, random_state=seed)
        assert_array_equal(after.present.sum(axis=0), [1, 1, 1])
        assert_array_equal(after.present.sum(axis=1), [1, 1, 1])
        kept.add(after.present.tobytes())
    assert len(kept) == 3  # m1 may stay with sample 0, 1 or 2; the rest follows


@settings(max_examples=60, deadline=None)
@given(data=st.data(), n_samples=st.integers(1, 8), n_modalities=st.integers(1, 4), seed=st.integers(0, 99))
def test_what_can_be_met_is_met(data, n_samples, n_modalities, seed):
    """Counts taken from any drop that spares each sample can be reached, from whatever is drawn first."""
    shape = (n_samples, n_modalities)
    flags = st.lists(st.booleans(), min_size=n_samples * n_modalities, max_size=n_samples * n_modalities)
    present = np.reshape(data.draw(flags), shape)
    wanted = present & np.reshape(data.draw(flags), shape)
    bare = present.any(axis=1) & (wanted == present).all(axis=1)
    wanted[bare, present[bare].argmax(axis=1)] = False
    rates = {
        f"m{i}": wanted[:, i].sum() / present[:, i].sum() for i in range(n_modalities) if present[:, i].any()
    }
    after = drop_modalities(tables(present), rates, random_state=seed)

    assert_array_equal((present & ~after.present).sum(axis=0), wanted.sum(axis=0))
    assert_array_equal(after.present.any(axis=1), present.any(axis=1))


def test_rates_that_cannot_be_met_raise():
    """Never is less dropped than asked: the error says how much is possible."""
    X = tables(np.ones((10, 2), dtype=bool))

    with pytest.raises(
        ValueError, match=r"drop 12 of 20 .*\[6, 6\] by modality.*At most 10 can go, .* 0\.500"
    ):
        drop_modalities(X, 0.6, random_state=0)
    after = drop_modalities(X, 0.6, keep_at_least_one=False, random_state=0)
    assert_array_equal(after.present.sum(axis=0), [4, 4])
    only_one = tables([[True, False]] * 4)
    with pytest.raises(ValueError, match="At most 0 can go"):
        drop_modalities(only_one, {"m0": 0.5}, random_state=0)
    assert not drop_modalities(only_one, 1, keep_at_least_one=False, random_state=0).present.any()


def test_samples_without_anything_stay_so():
    """A sample that had no modality is neither repaired nor an obstacle."""
    X = tables([[False, False], [True, True], [True, True]])
    after = drop_modalities(X, {"m0": 1.0}, random_state=0)

    assert_array_equal(after.present, [[False, False], [False, True], [False, True]])


def test_missingness_by_label():
    """One sample of the third class is about as likely to lose an entry as three of the first."""
    y = np.repeat(["a", "b", "c"], 1000)
    after = drop_modalities(
        tables(np.ones((3000, 2), dtype=bool)), 0.1, y=y, mechanism="label", random_state=0
    )
    lost = ~after.present
    by_class = lost.reshape(3, 1000, 2).mean(axis=(1, 2))

    assert_array_equal(lost.sum(axis=0), 300)
    np.testing.assert_allclose(by_class / by_class[0], [1, 2, 3], rtol=0.25)


def test_nothing_else_changes():
    """Kinds, names, ids and groups stay, values are shared, and the caller's data are untouched."""
    table = pd.DataFrame({"age": [1.0, 2, 3, 4], "sex": list("mfmf")}, index=list("wxyz"))
    data = {
        "clinical": table,
        "rna": csr_array(np.eye(4)),
        "scan": np.arange(64, dtype=np.uint8).reshape(4, 4, 4),
        "slices": BagArray(np.ones((6, 2)), [0, 1, 3, 3, 6]),
        "report": ["none", "some", None, "all"],
    }
    X = ModalityDict(data, groups=[0, 0, 1, 1], feature_names={"rna": list("ABCD")})
    before = X.present.copy()
    after = drop_modalities(X, 0.5, random_state=0)

    assert_array_equal(X.present, before)
    assert after.kinds == X.kinds
    assert after.modalities == X.modalities
    assert list(after.feature_names["rna"]) == list("ABCD")
    assert list(after.index) == list("wxyz")
    assert_array_equal(after.groups, [0, 0, 1, 1])
    assert np.shares_memory(after["scan"], X["scan"])
    assert_array_equal(after.present.sum(axis=0), [2, 2, 2, 1, 2])  # 9 of 18, from 4, 4, 4, 3 and 3
    assert not after.is_present("report")[2]


def test_a_plain_dict_is_taken():
    """A mapping of arrays needs no wrapping."""
    after = drop_modalities({"a": np.ones((4, 1)), "b": np.ones((4, 2))}, {"a": 0.5}, random_state=0)

    assert isinstance(after, ModalityDict)
    assert_array_equal(after.present.sum(axis=0), [2, 4])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rate": 1.2}, r"`rate` must be a number from 0 to 1, got 1\.2"),
        ({"rate": "half"}, "got 'half'"),
        ({"rate": np.nan}, "got nan"),
        ({"rate": {"m0": -0.1}}, r"The rate of modality 'm0' must be a number from 0 to 1, got -0\.1"),
        ({"rate": {"rna": 0.1}}, r"unknown modalities \['rna'\]. Choose among \['m0', 'm1'\]"),
        ({"rate": 0.1, "mechanism": "mnar"}, r"one of \['mcar', 'label'\], got 'mnar'"),
        ({"rate": 0.1, "mechanism": "label"}, "pass `y`"),
        ({"rate": 0.1, "mechanism": "label", "y": [0, 1]}, "expected 6, got 2"),
        ({"rate": 0.1, "mechanism": "label", "y": ["a", None] * 3}, "but 3 are missing"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    """Every wrong argument says what was expected."""
    with pytest.raises(ValueError, match=message):
        drop_modalities(tables(np.ones((6, 2), dtype=bool)), **arguments)
