"""Synthetic modalities: what each parameter promises, measured with a simple model."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import issparse
from scipy.stats import norm
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, KFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier

from skmm.datasets import make_multimodal_classification

EVERY_KIND = {
    "dense": "table",
    "sparse": {"kind": "table", "sparse": True},
    "image": "image",
    "colour": {"kind": "image", "size": (10, 14), "channels": 3, "dtype": "float32"},
    "volume": "volume",
    "bag": {"kind": "bag"},
    "text": "text",
}


def simple_features(X, name):
    """Return one row of numbers a sample: pixels, the mean of a bag, the share of each topic of a text."""
    values = X[name]
    if X.kinds[name] == "bag":
        return np.stack([bag.mean(axis=0) for bag in values])
    if X.kinds[name] == "text":
        topics = CountVectorizer(token_pattern=r"topic\d+").fit_transform(values).toarray()
        return topics / topics.sum(axis=1, keepdims=True)
    if issparse(values):
        return values.toarray()
    return values.reshape(len(values), -1) / (255 if values.dtype == np.uint8 else 1)


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("name", EVERY_KIND)
def test_informativeness_runs_from_chance_to_separable(name, n_classes):
    """Accuracy of a logistic regression grows with informativeness, for every kind of modality."""
    accuracy = []
    for informativeness in (0.0, 0.4, 0.65, 1.0):
        X, y = make_multimodal_classification(
            400,
            modalities={name: EVERY_KIND[name]},
            n_classes=n_classes,
            informativeness=informativeness,
            random_state=0,
        )
        model = LogisticRegression(C=1 if X.kinds[name] in ("bag", "text") else 0.03, max_iter=300)
        accuracy.append(cross_val_score(model, simple_features(X, name), y, cv=3).mean())

    assert abs(accuracy[0] - 1 / n_classes) < 0.09  # about three standard errors
    assert (np.diff(accuracy) > 0.03).all()
    assert accuracy[-1] >= 0.995


def test_kinds_and_shapes():
    """Each modality has the form that its options ask for."""
    X, y = make_multimodal_classification(30, modalities=EVERY_KIND, n_classes=3, random_state=0)

    expected = {name: spec if isinstance(spec, str) else spec["kind"] for name, spec in EVERY_KIND.items()}
    assert X.kinds == expected
    assert X["dense"].shape == (30, 20)
    assert X["sparse"].format == "csr"
    assert 0.2 < X["sparse"].nnz / (30 * 20) < 0.45
    assert (X["image"].shape, X["image"].dtype) == ((30, 16, 16), np.uint8)
    assert (X["colour"].shape, X["colour"].dtype) == ((30, 10, 14, 3), np.float32)
    assert X["volume"].shape == (30, 4, 12, 12, 1)
    assert X["bag"].lengths.min() >= 3
    assert X["bag"].lengths.max() <= 12
    assert all(20 <= len(text.split()) <= 60 for text in X["text"])
    assert_array_equal(np.bincount(y), [10, 10, 10])
    assert X.groups is None
    assert list(X.feature_names["dense"]) == [f"signal_{i}" for i in range(6)] + [
        f"noise_{i}" for i in range(14)
    ]


def test_a_number_of_modalities_gives_tables():
    """An integer is the shortest way to ask for tables."""
    X, _ = make_multimodal_classification(20, modalities=3, random_state=0)

    assert X.kinds == {"table0": "table", "table1": "table", "table2": "table"}


def test_informativeness_of_one_half_is_the_documented_overlap():
    """Two classes overlap as normal distributions two standard deviations apart."""
    problem = make_multimodal_classification(20000, modalities=1, random_state=0, return_X_y=False)
    z, y = problem.latent["table0"], problem.target

    # the best rule compares the two latent values
    assert np.mean((z[:, 1] > z[:, 0]) == y) == pytest.approx(norm.cdf(1), abs=0.01)
    assert_array_equal(problem.data["table0"][:, :4], z[:, [0, 1, 0, 1]])


def test_signal_and_noise_columns_are_what_they_say():
    """Noise columns know nothing of the class, signal columns do."""
    options = {"n_features": 10, "n_informative": 3}
    X, y = make_multimodal_classification(
        2000, modalities={"rna": options}, informativeness=0.7, random_state=0
    )
    difference = abs(X["rna"][y == 1].mean(axis=0) - X["rna"][y == 0].mean(axis=0))

    assert list(X.feature_names["rna"][:4]) == ["signal_0", "signal_1", "signal_2", "noise_0"]
    assert difference[:3].min() > 0.8
    assert difference[3:].max() < 0.2


@pytest.mark.parametrize(("redundancy", "expected"), [(0.0, norm.cdf(np.sqrt(2))), (1.0, norm.cdf(1))])
def test_redundancy_decides_what_fusion_can_gain(redundancy, expected):
    """Two modalities of one half reach the accuracy that theory gives: .92 when independent, .84 when not."""
    problem = make_multimodal_classification(
        20000, modalities=2, redundancy=redundancy, random_state=0, return_X_y=False
    )
    z = np.hstack(list(problem.latent.values()))
    accuracy = LogisticRegression().fit(z, problem.target).score(z, problem.target)

    assert accuracy == pytest.approx(expected, abs=0.01)


def test_a_redundant_weaker_modality_adds_nothing():
    """With redundancy 1 the weaker modality is the stronger one plus noise; without a signal, only noise."""
    strengths = {"strong": 0.5, "weak": 0.35, "none": 0.0}
    problem = make_multimodal_classification(
        20000,
        modalities={name: {"informativeness": value} for name, value in strengths.items()},
        redundancy=1.0,
        random_state=0,
        return_X_y=False,
    )
    z = problem.latent
    alone = LogisticRegression().fit(z["strong"], problem.target).score(z["strong"], problem.target)
    together = np.hstack(list(z.values()))
    joint = LogisticRegression().fit(together, problem.target).score(together, problem.target)

    assert abs(joint - alone) < 0.005
    assert abs(np.corrcoef(z["none"][:, 0], z["strong"][:, 0])[0, 1]) < 0.03


def test_groups_make_random_folds_look_too_good():
    """Without a signal, neighbours find the patient across random folds; folds of patients show chance."""
    X, y = make_multimodal_classification(
        400, modalities=4, informativeness=0.0, n_groups=40, group_effect=0.9, random_state=0
    )
    assert (np.bincount(X.groups) == 10).all()
    assert all(len(set(y[X.groups == group])) == 1 for group in range(40))
    signal = np.hstack([X[name][:, :4] for name in X])
    model = KNeighborsClassifier(3)
    leaking = cross_val_score(model, signal, y, cv=KFold(5, shuffle=True, random_state=0)).mean()
    honest = cross_val_score(model, signal, y, groups=X.groups, cv=GroupKFold(5)).mean()

    assert leaking > 0.8
    assert abs(honest - 0.5) < 0.2


def test_the_group_effect_is_a_share_of_the_noise():
    """The total variance does not depend on it, and the share lies between the groups."""
    problem = make_multimodal_classification(
        20000,
        modalities=1,
        informativeness=0.0,
        n_groups=2000,
        group_effect=0.3,
        random_state=0,
        return_X_y=False,
    )
    z, groups = problem.latent["table0"][:, 0], problem.data.groups
    means = np.bincount(groups, weights=z) / np.bincount(groups)

    assert z.var() == pytest.approx(1, abs=0.05)
    assert means.var() == pytest.approx(0.3 + 0.7 / 10, abs=0.03)


def test_class_weights_are_exact():
    """Shares of the classes are met to the sample, by largest remainders."""
    _, y = make_multimodal_classification(50, n_classes=3, weights=[0.1, 0.25, 0.65], random_state=0)

    assert_array_equal(np.bincount(y), [5, 13, 32])


def test_flipped_labels():
    """The share of samples is drawn anew, so that half of the flips of two classes hit the old label."""
    problem = make_multimodal_classification(10000, flip_y=0.4, random_state=0, return_X_y=False)

    assert np.mean(problem.target != problem.clean_target) == pytest.approx(0.2, abs=0.02)


def test_missing_entries():
    """Shares are met by modality, more often for the second class if missingness depends on the label."""
    X, y = make_multimodal_classification(
        1000,
        modalities={"rna": {"missing": 0.4}, "scan": "image", "text": {"kind": "text", "missing": 0}},
        missing=0.1,
        mechanism="label",
        random_state=0,
    )

    assert_array_equal(X.present.sum(axis=0), [600, 900, 1000])
    lost = ~X.is_present("rna")
    assert lost[y == 1].mean() > 1.4 * lost[y == 0].mean()


def test_the_seed_fixes_everything():
    """The same seed gives equal data, another one different data."""
    arguments = {"modalities": EVERY_KIND, "missing": 0.3, "n_groups": 10, "flip_y": 0.1}
    X, y = make_multimodal_classification(40, **arguments, random_state=5)
    again, y_again = make_multimodal_classification(40, **arguments, random_state=np.random.RandomState(5))
    other, _ = make_multimodal_classification(40, **arguments, random_state=6)

    assert again == X
    assert_array_equal(y, y_again)
    assert other != X


def test_the_bunch_tells_how_it_was_made():
    """Data and target are those of return_X_y, with the latent vectors beside them."""
    X, y = make_multimodal_classification(30, modalities={"a": "image", "b": "table"}, random_state=1)
    problem = make_multimodal_classification(
        30, modalities={"a": "image", "b": "table"}, random_state=1, return_X_y=False
    )

    assert problem.data == X
    assert_array_equal(problem.target, y)
    assert_allclose([len(z) for z in problem.latent.values()], 30)
    assert list(problem.feature_names) == ["b"]
    assert list(problem.target_names) == ["class_0", "class_1"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"modalities": 0}, "positive integer or a dict"),
        ({"modalities": {}}, "positive integer or a dict"),
        ({"modalities": {"a": "sound"}}, "Modality 'a': the kind must be one of .*got 'sound'"),
        ({"modalities": {"a": {"kind": "text", "size": 3}}}, r"unknown options \['size'\] of a text"),
        ({"modalities": {"a": {"n_features": 3, "n_informative": 4}}}, "from 1 to n_features=3, got 4"),
        ({"modalities": {"a": {"kind": "image", "channels": 2}}}, "channels must be None, 1, 3 or 4, got 2"),
        ({"modalities": {"a": {"kind": "image", "dtype": "int8"}}}, "got 'int8'"),
        ({"modalities": {"a": {"kind": "bag", "n_features": 1}}}, "at least n_classes=2, got 1"),
        (
            {"modalities": {"a": {"kind": "bag", "n_instances": (0, 3)}}},
            "low, must be a positive integer, got 0",
        ),
        ({"modalities": {"a": {"kind": "bag", "n_instances": (5, 3)}}}, r"low <= high, got \(5, 3\)"),
        ({"modalities": {"a": {"kind": "text", "n_words": 5}}}, r"n_words must be \(low, high\), got 5"),
        ({"modalities": {"a": {"kind": "text", "vocabulary": 0}}}, "vocabulary must be a positive integer"),
        ({"modalities": {"a": {"kind": "image", "size": (4, 4, 4)}}}, r"size must be \(height, width\), got"),
        ({"modalities": {"a": {"n_features": 2.5}}}, r"n_features must be a positive integer, got 2\.5"),
        ({"modalities": {"a": None}}, "Modality 'a': expected a kind or a dict of options, got None"),
        (
            {"modalities": {"a": {"informativeness": 2}}},
            "informativeness of 'a' must be a number from 0 to 1",
        ),
        ({"modalities": {"a": {"missing": -1}}}, "`missing` of 'a' must be a number from 0 to 1"),
        ({"redundancy": 1.5}, "`redundancy` must be a number from 0 to 1"),
        ({"flip_y": -0.5}, "`flip_y` must be"),
        ({"missing": 0.8}, "At most"),
        ({"n_samples": 0}, "`n_samples` must be a positive integer, got 0"),
        ({"n_classes": 1}, "`n_classes` must be at least 2, got 1"),
        ({"n_classes": 2.5}, r"`n_classes` must be a positive integer, got 2\.5"),
        ({"n_samples": 10, "n_groups": 20}, "must not exceed n_samples=10, got 20"),
        ({"n_samples": 2, "n_classes": 3}, "2 samples are too few"),
        ({"n_groups": 2, "n_classes": 3}, "2 groups are too few"),
        ({"weights": [0.5, 0.6]}, "2 shares"),
        ({"weights": [1.0]}, "2 shares"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    """Every wrong argument says what was expected, and in which modality."""
    with pytest.raises(ValueError, match=message):
        make_multimodal_classification(**arguments, random_state=0)
