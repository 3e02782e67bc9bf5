"""missing_modality_curve: what is dropped, that it grows, and what it does to scores."""

import numpy as np
import pytest
from joblib import parallel_config
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline

from skmm import ModalityDict
from skmm.compose import ConcatModalities
from skmm.model_selection import missing_modality_curve
from skmm.model_selection._simulate import largest_share, progressively


class CountingLR(LogisticRegression):
    """Counts its fits over the whole test."""

    fits = 0

    def fit(self, X, y, sample_weight=None):
        """Count, and fit."""
        CountingLR.fits += 1
        return super().fit(X, y, sample_weight)


@pytest.fixture
def model():
    """Logistic regression on the concatenation."""
    return make_pipeline(ConcatModalities(), LogisticRegression())


def test_what_is_missing_stays_missing(study):
    """Each rate drops its exact share and what earlier rates dropped; nobody loses everything."""
    X, _ = study
    before = np.ones((60, 3), dtype=bool)
    for rate, dropped in progressively(X, ["weak"], [0.0, 0.11, 0.25, 0.36, 0.5, 0.97, 1.0], 0):
        assert dropped.present[:, 1].sum() == round(60 * (1 - rate))
        assert dropped.present[:, [0, 2]].all()
        assert (dropped.present <= before).all()
        before = dropped.present

    before = np.ones((60, 3), dtype=bool)
    for rate, dropped in progressively(X, X.modalities, [0.0, 0.3, 0.6, 0.9], 0):
        assert dropped.present.any(axis=1).all()
        assert (dropped.present <= before).all()
        assert 1 - dropped.present.mean() == pytest.approx(min(rate, 2 / 3))
        before = dropped.present
    assert X.present.all()


@pytest.mark.parametrize(
    ("present", "columns", "share"),
    [
        ([[1, 1], [1, 1]], [0, 1], 0.5),  # one of two stays
        ([[1, 1], [1, 1]], [0], 1.0),  # the other one stays
        ([[1, 0], [1, 1], [1, 1], [0, 1]], [0], 2 / 3),  # one of three has nothing else
        ([[1, 0], [1, 0], [1, 0], [1, 1]], [0, 1], 0.2),  # four of five entries stay
        ([[1, 0], [1, 0], [1, 1], [0, 1], [0, 1]], [0, 1], 1 / 6),  # five of six entries stay
        ([[1, 0, 0], [1, 0, 1], [0, 1, 1]], [0], 0.5),
    ],
)
def test_the_largest_share_is_the_one_found_by_hand(present, columns, share):
    """No more entries go than leave each sample one of its own."""
    assert largest_share(np.array(present, dtype=bool), columns) == pytest.approx(share)


def test_the_largest_share_of_many_modalities_is_found():
    """Of 420 entries in twenty modalities each of the 40 samples keeps one."""
    present = np.vstack([np.eye(20, dtype=bool), np.ones((20, 20), dtype=bool)])

    assert largest_share(present, list(range(20))) == pytest.approx(1 - 40 / 420)
    assert largest_share(present, [3]) == pytest.approx(1 - 1 / 21)


def test_hardly_any_spare_entries_are_no_error():
    """With few samples that have two modalities, as many entries go as can, at every rate."""
    rng = np.random.default_rng(0)
    X = ModalityDict(
        {"a": rng.normal(size=(30, 1)), "b": rng.normal(size=(30, 1)), "c": rng.normal(size=(30, 1))}
    )
    for seed in range(20):
        present = np.random.default_rng(seed).random((30, 3)) < 0.4
        present[np.arange(30), np.random.default_rng(seed).integers(0, 3, 30)] = True
        part = ModalityDict(X, present=dict(zip("abc", present.T, strict=True)))
        shares = [
            1 - dropped.present.mean()
            for _, dropped in progressively(part, "abc", np.linspace(0, 1, 6), seed)
        ]
        assert shares == sorted(shares)
        for _, dropped in progressively(part, "abc", np.linspace(0, 1, 6), seed):
            assert dropped.present.any(axis=1).all()


def test_rate_0_is_cross_validation_and_the_curve_falls(study, model):
    """Rate 0 is cross_val_score; without the strong modality scores fall, without noise they do not."""
    X, y = study
    cv = StratifiedGroupKFold(3, shuffle=True, random_state=0)

    scores = missing_modality_curve(model, X, y, rates=(0, 0.5, 1), cv=3, scoring="accuracy")

    assert scores["modality"].unique().tolist() == ["strong", "weak", "noise", "overall"]
    for _, part in scores.query("rate == 0").groupby("modality"):
        np.testing.assert_array_equal(part["value"], cross_val_score(model, X, y, groups=X.groups, cv=cv))
    means = scores.groupby(["modality", "rate"])["value"].mean()
    assert means["strong", 0] > means["strong", 0.5] > means["strong", 1]
    assert means["noise", 1] > means["noise", 0] - 0.1
    shares = scores.groupby(["modality", "rate"])["share_missing"].mean()
    assert shares["strong", 1] == 1
    assert shares["overall", 1] == pytest.approx(2 / 3)


def test_one_fit_a_fold_or_one_a_rate(study):
    """Without train_missing there is one fit a fold; with it, one more for each modality and rate above 0."""
    X, y = study
    model = make_pipeline(ConcatModalities(), CountingLR())
    options = {"rates": (0, 0.2, 0.4), "modalities": ["weak", "overall"], "cv": 2, "scoring": "accuracy"}

    CountingLR.fits = 0
    missing_modality_curve(model, X, y, **options)
    assert CountingLR.fits == 2

    missing_modality_curve(model, X, y, train_missing=True, **options)
    assert CountingLR.fits == 2 + 2 * (1 + 4)


def test_training_samples_lose_entries_only_when_asked(study):
    """With train_missing the fits see as many missing entries as the rate says."""
    X, y = study
    seen = []

    class Watching(ConcatModalities):
        def fit(self, X, y=None):
            seen.append(1 - X.is_present("weak").mean())
            return super().fit(X, y)

        def fit_transform(self, X, y=None):
            return self.fit(X, y).transform(X)

    model = make_pipeline(Watching(), LogisticRegression())
    missing_modality_curve(
        model, X, y, rates=(0, 0.5), modalities="weak", cv=2, train_missing=True, scoring="accuracy"
    )

    np.testing.assert_allclose(seen, [0, 0.5, 0, 0.5], atol=0.02)


def test_n_jobs_does_not_change_the_table(study, model):
    """Two threads drop the same entries as one."""
    X, y = study
    with parallel_config(backend="threading"):
        one, two = (
            missing_modality_curve(
                model, X, y, rates=(0.3,), cv=2, random_states=(0, 1), n_jobs=n, scoring="f1_macro"
            )
            for n in (1, 2)
        )
    assert one.equals(two)
    assert one["seed"].nunique() == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rates": (0.5, 1.2)}, "rates must be numbers from 0 to 1"),
        ({"rates": ()}, "rates must be numbers"),
        ({"rates": None}, "rates must be numbers .* Got None"),
        ({"rates": ["half"]}, r"rates must be numbers .* Got \['half'\]"),
        ({"modalities": ["mri"]}, "modalities must be among"),
        ({"cv": None}, "cv must be"),
    ],
)
def test_bad_input_is_refused(study, model, options, message):
    """Wrong rates and unknown modalities raise."""
    X, y = study
    with pytest.raises(ValueError, match=message):
        missing_modality_curve(model, X, y, **options)


def test_a_modality_called_overall_is_refused(study, model):
    """Its curve could not be told from that of all modalities."""
    X, y = study
    X = ModalityDict({"overall": X["weak"], "strong": X["strong"]})
    with pytest.raises(ValueError, match="Give the modality of that name another one"):
        missing_modality_curve(model, X, y)
