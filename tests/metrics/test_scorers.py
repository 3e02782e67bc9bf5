"""The papers' scorers by name, alone and in scikit-learn's tools."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
import sklearn
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import make_classification
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import get_scorer as sklearn_get_scorer
from sklearn.model_selection import GridSearchCV, KFold, cross_validate
from sklearn.svm import SVC

from skmm.metrics import get_scorer, get_scorer_names, paper_scorers


class Oracle(ClassifierMixin, BaseEstimator):
    """Classifier that answers with the probabilities in X."""

    def __init__(self, classes):
        self.classes = classes

    def fit(self, X, y):
        """Take the classes from the parameter."""
        self.classes_ = np.asarray(self.classes)
        return self

    def predict_proba(self, X):
        """Return X."""
        return np.asarray(X)

    def predict(self, X):
        """Return the class of the largest column."""
        return self.classes_[np.argmax(X, axis=1)]


@pytest.fixture
def oracle():
    """Return an oracle of three classes with four answers: a, b, a, c."""
    X = np.array([[0.7, 0.2, 0.1], [0.2, 0.5, 0.3], [0.6, 0.3, 0.1], [0.1, 0.1, 0.8]])
    return Oracle(["a", "b", "c"]).fit(None, None), X


# Truth a, b, b, a against predictions a, b, a, c.
# Precision: a 1/2, b 1, c 0. Recall: a 1/2, b 1/2. F1: a 1/2, b 2/3, c 0.
BY_HAND = {
    "f1_weighted": (1 / 2 + 2 / 3) / 2,
    "f1_macro": (1 / 2 + 2 / 3 + 0) / 3,
    "recall_weighted": 1 / 2,
    "recall_macro": (1 / 2 + 1 / 2 + 0) / 3,
    "precision_weighted": (1 / 2 + 1) / 2,
    "precision_macro": (1 / 2 + 1 + 0) / 3,
    "accuracy": 1 / 2,
    "balanced_accuracy": 1 / 2,
    "roc_auc_ovr": (2 / 4 + 4 / 4) / 2,
    "neg_log_loss": (np.log(0.7) + np.log(0.5) + np.log(0.3) + np.log(0.1)) / 4,
}


@pytest.mark.parametrize("name", BY_HAND)
def test_values_by_hand(oracle, name):
    """Each score is the number that one gets with pencil and paper, without a warning."""
    estimator, X = oracle

    assert get_scorer(name)(estimator, X, np.array(["a", "b", "b", "a"])) == pytest.approx(BY_HAND[name])


@pytest.mark.parametrize("name", BY_HAND)
def test_weights_repeat_rows(oracle, name):
    """Weights 2, 1, 0, 1 score as the first row twice and the third not at all."""
    estimator, X = oracle
    y, rows = np.array(["a", "b", "b", "a"]), [0, 0, 1, 3]

    weighted = get_scorer(name)(estimator, X, y, sample_weight=[2, 1, 0, 1])
    assert weighted == pytest.approx(get_scorer(name)(estimator, X[rows], y[rows]))


def test_the_names_mean_what_they_mean_in_scikit_learn():
    """On data with every class in the fold the values are those of scikit-learn's scorers."""
    X, y = make_classification(120, n_informative=4, n_classes=3, random_state=0)
    model = LogisticRegression().fit(X[:80], y[:80])
    for name in set(get_scorer_names()) - {"roc_auc"}:
        expected = sklearn_get_scorer(name)(model, X[80:], y[80:])
        assert get_scorer(name)(model, X[80:], y[80:]) == pytest.approx(expected, abs=1e-12), name

    two = y < 2
    model = LogisticRegression().fit(X[two], y[two])
    expected = sklearn_get_scorer("roc_auc")(model, X[two], y[two])
    assert get_scorer("roc_auc")(model, X[two], y[two]) == pytest.approx(expected, abs=1e-12)
    assert get_scorer("roc_auc_ovr")(model, X[two], y[two]) == pytest.approx(expected, abs=1e-12)


def test_roc_auc_refuses_three_classes(oracle):
    """The binary score names the one for several classes, also when the fold holds two of three."""
    estimator, X = oracle

    with pytest.raises(ValueError, match=r'"roc_auc" needs two classes, got 3.*"roc_auc_ovr"'):
        get_scorer("roc_auc")(estimator, X, np.array(["a", "b", "b", "a"]))


def test_a_class_of_one_patient_leaves_no_nan():
    """Folds that lack classes, and folds with a class unseen in training, have a value for every score."""
    X, y = make_classification(60, n_informative=4, n_classes=3, random_state=0)
    order = np.argsort(y, kind="stable")
    X, y = X[order], y[order].astype(str)

    folds = [(np.arange(20, 60), np.arange(20)), (np.r_[0:30, 50:60], np.arange(30, 50))]
    assert set(y[folds[0][1]]) == {"0"}
    assert set(y[folds[1][0]]) == {"0", "1", "2"}
    with pytest.warns(UndefinedMetricWarning, match="set to 0.5"):
        result = cross_validate(
            LogisticRegression(), X, y, cv=folds, scoring=paper_scorers(), error_score="raise"
        )

    assert result["test_roc_auc_ovr"][0] == 0.5
    for name in paper_scorers():
        assert np.isfinite(result[f"test_{name}"]).all(), name


def test_decision_functions_rank_too():
    """A support vector machine without probabilities has an AUC, for two classes and for more."""
    X, y = make_classification(150, n_informative=4, n_classes=3, class_sep=2, random_state=0)
    svm = SVC(random_state=0).fit(X[:100], y[:100])
    decision = svm.decision_function(X[100:])
    from sklearn.metrics import roc_auc_score

    expected = np.mean([roc_auc_score(y[100:] == label, decision[:, label]) for label in range(3)])
    assert get_scorer("roc_auc_ovr")(svm, X[100:], y[100:]) == pytest.approx(expected)
    with pytest.raises(AttributeError, match="needs an estimator with predict_proba, which SVC"):
        get_scorer("neg_log_loss")(svm, X[100:], y[100:])
    one_vs_one = SVC(decision_function_shape="ovo", random_state=0).fit(X, np.arange(len(X)) % 4)
    with pytest.raises(ValueError, match=r'4 classes.*\(150, 6\).*decision_function_shape="ovr"'):
        get_scorer("roc_auc_ovr")(one_vs_one, X, np.arange(len(X)) % 4)


def test_a_regressor_is_refused():
    """Without classes there is nothing to align to."""
    from sklearn.linear_model import LinearRegression

    X, y = np.arange(6.0).reshape(-1, 1), [0, 1, 0, 1, 0, 1]
    with pytest.raises(AttributeError, match="LinearRegression does not have"):
        get_scorer("roc_auc_ovr")(LinearRegression().fit(X, y), X, y)
    del (model := Oracle([0, 1]).fit(None, None)).classes_
    with pytest.raises(TypeError, match="needs a fitted classifier with `classes_`, got Oracle"):
        get_scorer("roc_auc_ovr")(model, np.ones((2, 2)), [0, 1])


def test_grid_search_refits_on_a_named_scorer():
    """The dict goes to `scoring=`, one of its names to `refit=`; several processes can pickle it."""
    X, y = make_classification(80, n_informative=4, n_classes=3, random_state=0)
    grid, scoring = {"C": [1e-4, 1.0]}, paper_scorers()
    search = GridSearchCV(LogisticRegression(), grid, scoring=scoring, refit="neg_log_loss", cv=3, n_jobs=2)
    search.fit(X, y)

    assert search.best_params_ == {"C": 1.0}
    assert search.cv_results_["mean_test_f1_macro"].max() > 0.5


def test_sample_weights_are_routed():
    """A weight request reaches the score, and stays on the user's own copy of the scorer."""
    X, y = make_classification(80, n_informative=4, random_state=0)
    weight = np.random.default_rng(0).uniform(0.1, 3, len(y))
    folds = list(KFold(2).split(X))
    scorer = get_scorer("neg_log_loss")
    with sklearn.config_context(enable_metadata_routing=True):
        model = LogisticRegression().set_fit_request(sample_weight=False)
        scoring = {"loss": scorer.set_score_request(sample_weight=True)}
        result = cross_validate(model, X, y, cv=folds, scoring=scoring, params={"sample_weight": weight})
        with pytest.raises(sklearn.exceptions.UnsetMetadataPassedError, match="sample_weight"):
            cross_validate(
                model, X, y, scoring=paper_scorers(["neg_log_loss"]), params={"sample_weight": weight}
            )

    for (train, test), value in zip(folds, result["test_loss"], strict=True):
        fitted = LogisticRegression().fit(X[train], y[train])
        expected = get_scorer("neg_log_loss")(fitted, X[test], y[test], sample_weight=weight[test])
        assert value == pytest.approx(expected)


def test_scorers_from_before_the_import_of_imbalanced_learn():
    """Routing works with imbalanced-learn, which adds a method to scikit-learn's requests, imported later."""
    code = """
import sklearn
from sklearn.utils.metadata_routing import get_routing_for_object
from skmm.metrics import get_scorer

scorer = get_scorer("neg_log_loss")
import imblearn

with sklearn.config_context(enable_metadata_routing=True):
    print(get_routing_for_object(scorer.set_score_request(sample_weight=True)).score.requests)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "{'sample_weight': True}\n"


def test_weights_without_routing_in_a_dict_of_scorers():
    """scikit-learn's permutation importance hands its weights to every scorer of a dict."""
    from sklearn.inspection import permutation_importance

    X, y = make_classification(60, random_state=0)
    model = LogisticRegression().fit(X, y)
    weight = np.where(np.arange(60) < 30, 1.0, 0.0)
    scoring = paper_scorers(["accuracy", "roc_auc_ovr"])

    importances = permutation_importance(model, X, y, scoring=scoring, sample_weight=weight, random_state=0)
    first = np.arange(60) < 30
    flipped = permutation_importance(
        model, X, np.where(first, y, 1 - y), scoring=scoring, sample_weight=weight, random_state=0
    )
    for name in scoring:  # what the rows of weight 0 are labelled makes no difference
        np.testing.assert_array_equal(importances[name].importances, flipped[name].importances)
        assert importances[name].importances.any()


def test_names_are_checked():
    """Unknown names list the known ones; one name may be a plain string; the order is kept."""
    with pytest.raises(ValueError, match=r"Unknown scorer 'f1'. Choose one of \['accuracy'"):
        get_scorer("f1")
    with pytest.raises(ValueError, match="Name at least one scorer"):
        paper_scorers([])
    assert list(paper_scorers("accuracy")) == ["accuracy"]
    assert list(paper_scorers(["roc_auc", "accuracy"])) == ["roc_auc", "accuracy"]
    assert len(paper_scorers()) == 8


def test_scorers_survive_a_pickle(oracle):
    """What travels to another process scores the same there."""
    estimator, X = oracle
    for name, scorer in paper_scorers().items():
        again = pickle.loads(pickle.dumps(scorer))
        assert again(estimator, X, np.array(["a", "b", "b", "a"])) == pytest.approx(BY_HAND[name])
