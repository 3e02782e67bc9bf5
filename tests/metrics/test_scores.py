"""ROC AUC and log-loss that stay defined in folds without, or with new, classes."""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import log_loss, roc_auc_score

from skmm.metrics import aligned_log_loss, roc_auc_ovr_score
from skmm.metrics._scores import balanced_accuracy

CLASSES = np.array(["a", "b", "c"])
PROBA = np.array([[0.7, 0.2, 0.1], [0.2, 0.5, 0.3], [0.6, 0.3, 0.1], [0.1, 0.1, 0.8]])


def some_scores(n_samples=60, n_classes=4, seed=0):
    """Return labels and probabilities of several classes with ties among them."""
    rng = np.random.default_rng(seed)
    proba = rng.dirichlet(np.ones(n_classes), n_samples).round(2)
    return rng.integers(n_classes, size=n_samples), proba / proba.sum(axis=1, keepdims=True)


def test_all_classes_present_is_scikit_learns_macro_ovr():
    """With every class in the fold nothing differs from scikit-learn, weights included."""
    y, proba = some_scores()
    weight = np.random.default_rng(1).uniform(0.1, 2, len(y))

    expected = roc_auc_score(y, proba, multi_class="ovr", sample_weight=weight)
    assert roc_auc_ovr_score(y, proba, classes=range(4), sample_weight=weight) == pytest.approx(
        expected, abs=1e-12
    )
    expected = log_loss(y, proba, sample_weight=weight)
    assert aligned_log_loss(y, proba, classes=range(4), sample_weight=weight) == pytest.approx(
        expected, abs=1e-12
    )


def test_an_absent_class_is_left_out_of_the_average():
    """Hand-computed: class a ranks 3 of 4 pairs right, class b 2 of 4, class c has no sample."""
    y = ["a", "b", "b", "a"]
    # a: positives .7 .1, negatives .2 .6 -> .7 wins twice, .1 never: 2 of 4
    # b: positives .5 .3, negatives .2 .1 -> all four pairs
    assert roc_auc_ovr_score(y, PROBA, classes=CLASSES) == pytest.approx((2 / 4 + 4 / 4) / 2)


def test_a_class_the_estimator_never_saw_counts_as_chance():
    """Its scores are all equal, so its AUC is one half; the others are averaged as usual."""
    y = ["a", "b", "z", "c"]
    # a: .7 against .2 .6 .1, b: .5 against .2 .3 .1, c: .8 against .1 .3 .1 -> 3 of 3 each; z: 1/2
    assert roc_auc_ovr_score(y, PROBA, classes=CLASSES) == pytest.approx((1 + 1 + 1 + 0.5) / 4)


def test_one_class_left_gives_one_half_and_a_warning():
    """There is nothing to rank, so the value is chance, never NaN."""
    with pytest.warns(UndefinedMetricWarning, match=r"One class only \(b\).*0\.5"):
        assert roc_auc_ovr_score(["b"] * 4, PROBA, classes=CLASSES) == 0.5


def test_two_classes_are_the_usual_auc():
    """Probabilities in two columns and decision values in one give scikit-learn's binary AUC."""
    y, decision = np.array([0, 1, 1, 0, 1]), np.array([-2.0, 0.3, -0.5, 0.1, 4.0])
    proba = 1 / (1 + np.exp(-np.column_stack([-decision, decision])))

    # positives .3 -.5 4, negatives -2 .1: .3 and 4 win twice, -.5 once: 5 of 6
    assert roc_auc_ovr_score(y, decision, classes=[0, 1]) == pytest.approx(5 / 6)
    assert roc_auc_ovr_score(y, proba, classes=[0, 1]) == pytest.approx(5 / 6)


def test_an_estimator_of_one_class_is_at_chance():
    """An estimator that only knows one class ranks nothing, whichever class it is."""
    for known in (0, 1):
        assert roc_auc_ovr_score([0, 1, 1], np.ones((3, 1)), classes=[known]) == 0.5


def test_rows_of_weight_zero_do_not_count():
    """A class whose samples all weigh nothing is absent."""
    y = np.array(["a", "b", "b", "a", "c"])
    proba = np.vstack([PROBA, [0.9, 0.05, 0.05]])

    weighted = roc_auc_ovr_score(y, proba, classes=CLASSES, sample_weight=[1, 1, 1, 1, 0])
    assert weighted == pytest.approx(0.75)
    with pytest.raises(ValueError, match="All sample weights are zero"):
        roc_auc_ovr_score(y, proba, classes=CLASSES, sample_weight=np.zeros(5))


def test_integer_weights_repeat_rows():
    """Weight 2 is the same as the row written twice."""
    y, proba = some_scores()
    weight = np.random.default_rng(2).integers(0, 3, len(y))
    rows = np.repeat(np.arange(len(y)), weight)

    for score in (roc_auc_ovr_score, aligned_log_loss):
        weighted = score(y, proba, classes=range(4), sample_weight=weight)
        assert weighted == pytest.approx(score(y[rows], proba[rows], classes=range(4)), abs=1e-12)


def test_log_loss_is_aligned_to_the_classes_of_the_estimator():
    """Hand-computed with two of three classes in the fold."""
    loss = aligned_log_loss(["a", "c"], PROBA[[0, 3]], classes=CLASSES)

    assert loss == pytest.approx(-(np.log(0.7) + np.log(0.8)) / 2)


def test_log_loss_of_a_class_never_seen_is_large_but_finite():
    """Probability 0 is clipped at the machine precision of float64."""
    loss = aligned_log_loss(["a", "z"], PROBA[[0, 1]], classes=CLASSES)

    assert loss == pytest.approx(-(np.log(0.7) + np.log(np.finfo(np.float64).eps)) / 2)


def test_log_loss_of_one_known_class_is_zero():
    """Where only one answer is possible there is no loss."""
    assert aligned_log_loss([1, 1], np.ones((2, 1)), classes=[1]) == 0.0


def test_float32_probabilities_give_no_warning():
    """Rows that sum to one in single precision only are taken as they are meant."""
    y, proba = some_scores(n_classes=7)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loss = aligned_log_loss(y, proba.astype(np.float32), classes=range(7))

    assert loss == pytest.approx(aligned_log_loss(y, proba, classes=range(7)), rel=1e-6)


def test_the_order_of_the_classes_does_not_matter():
    """Columns belong to the classes by name, also when the estimator does not sort them."""
    y, order = ["a", "b", "b", "c"], [2, 0, 1]

    for score in (roc_auc_ovr_score, aligned_log_loss):
        expected = score(y, PROBA, classes=CLASSES)
        assert score(y, PROBA[:, order], classes=CLASSES[order]) == pytest.approx(expected)


@pytest.mark.parametrize("score", [roc_auc_ovr_score, aligned_log_loss])
def test_bad_input_is_named(score):
    """Wrong columns, lengths, kinds of labels, no samples and NaN are errors that say so."""
    with pytest.raises(ValueError, match=r"one column for each of the 2 classes.*\(4, 3\)"):
        score(["a", "b", "b", "a"], PROBA, classes=["a", "b"])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        score(["a", "b"], PROBA, classes=CLASSES)
    with pytest.raises(ValueError, match="Mix of label input types"):
        score([0, 1, 1, 0], PROBA, classes=CLASSES)
    with pytest.raises(ValueError, match="at least one sample"):
        score([], np.empty((0, 3)), classes=CLASSES)
    broken = PROBA.copy()
    broken[1] = np.nan
    with pytest.raises(ValueError, match="scores must be finite"):
        score(["a", "b", "b", "c"], broken, classes=CLASSES)


def test_scores_that_are_not_finite_are_refused():
    """NaN in a column that the AUC of two classes would not look at raises too."""
    with pytest.raises(ValueError, match=r"finite, but 1 rows are not \(the first is 1\)"):
        roc_auc_ovr_score([0, 1, 1], [[0.9, 0.1], [np.nan, 1], [0, 1]], classes=[0, 1])


def test_log_loss_wants_one_column_a_class():
    """Decision values in one dimension are no probabilities."""
    with pytest.raises(ValueError, match=r"one column a class, got an array of shape \(4,\)"):
        aligned_log_loss([0, 1, 1, 0], PROBA[:, 0], classes=[0, 1])


def test_balanced_accuracy_averages_over_the_classes_with_samples():
    """Recall of a is 1 of 2 and of b 1 of 1; c, only predicted, does not count."""
    assert balanced_accuracy(["a", "a", "b"], ["a", "c", "b"]) == pytest.approx(0.75)
    assert balanced_accuracy(["a", "a", "b"], ["a", "c", "b"], sample_weight=[3, 1, 1]) == pytest.approx(
        0.875
    )
