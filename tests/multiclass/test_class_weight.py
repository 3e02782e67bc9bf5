"""ClassWeightClassifier: weights by class times the caller's, labels of any type, X handed on as it is."""

import numpy as np
import pandas as pd
import pytest
from lightgbm import LGBMClassifier
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from xgboost import XGBClassifier

from skmm import ModalityDict
from skmm.compose import ConcatModalities
from skmm.fusion import LateFusionClassifier
from skmm.multiclass import ClassWeightClassifier

NAMES = np.array(["Normal/Mild", "Moderate", "Severe"])


class Recorder(ClassifierMixin, BaseEstimator):
    """Keeps what its fit is handed."""

    def fit(self, X, y, sample_weight=None, groups=None):
        """Note all of it."""
        self.got_ = {"X": X, "y": y, "sample_weight": sample_weight, "groups": groups}
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        """The first class."""
        return np.full(len(X), self.classes_[0])


@pytest.fixture
def study():
    """Sixty overlapping samples of three classes, 42, 12 and 6 of them."""
    rng = np.random.default_rng(0)
    codes = np.repeat([0, 1, 2], [42, 12, 6])
    return rng.normal(size=(60, 3)) + 1.2 * codes[:, None], NAMES[codes]


def test_weights_are_those_of_the_classes_times_the_callers(study):
    """Every class gets the same total; a dict gives its weights, 1 for classes that it does not name."""
    X, y = study
    own = np.linspace(0.5, 2, 60)
    model = ClassWeightClassifier(Recorder()).fit(X, y, sample_weight=own)
    weight = model.estimator_.got_["sample_weight"]
    totals = [weight[y == name].sum() for name in model.classes_]
    model.set_params(class_weight={"Severe": 7.0}).fit(X, y, sample_weight=own)

    np.testing.assert_allclose(totals, own.sum() / 3)
    np.testing.assert_allclose(weight / own, [totals[0] / own[y == name].sum() for name in y])
    assert model.estimator_.got_["sample_weight"].tolist() == np.where(y == "Severe", 7 * own, own).tolist()
    assert model.class_weight_.tolist() == [1, 1, 7]


def test_balanced_equals_the_estimators_own(study):
    """Around logistic regression it gives what that gives with class_weight="balanced" of its own."""
    X, y = study
    model = ClassWeightClassifier(LogisticRegression()).fit(X, y)
    expected = LogisticRegression(class_weight="balanced").fit(X, y)

    np.testing.assert_allclose(model.predict_proba(X), expected.predict_proba(X), rtol=1e-4)
    np.testing.assert_allclose(
        model.decision_function(X), expected.decision_function(X), rtol=1e-3, atol=1e-3
    )
    assert model.predict(X).tolist() == expected.predict(X).tolist()


def test_none_hands_weights_on(study):
    """class_weight=None gives no weights where the caller gives none, and otherwise the caller's."""
    X, y = study
    plain = ClassWeightClassifier(Recorder(), class_weight=None)
    own = np.linspace(0.5, 2, 60)

    assert plain.fit(X, y).estimator_.got_["sample_weight"] is None
    assert plain.fit(X, y, sample_weight=own).estimator_.got_["sample_weight"].tolist() == own.tolist()


@pytest.mark.parametrize(
    "labels", [NAMES, np.array([0, 2, 5]), np.array([-1.0, 3.0, 2.0]), np.array([True, False, True])]
)
def test_xgboost_learns_labels_of_any_type(study, labels):
    """Strings, numbers with gaps and booleans come back as they were; XGBoost itself refuses them."""
    X, y = study
    codes = np.searchsorted(NAMES[[1, 0, 2]], y)
    y = labels[codes]
    model = ClassWeightClassifier(XGBClassifier(n_estimators=5, n_jobs=1)).fit(X, y)

    assert model.classes_.tolist() == np.unique(y).tolist()
    assert set(model.predict(X)) <= set(y)
    assert model.score(X, y) > 0.8
    assert model.predict_proba(X).shape == (60, len(np.unique(y)))
    assert model.estimator_.classes_.tolist() == list(range(len(np.unique(y))))


def test_rare_classes_are_found(study):
    """Weighted, XGBoost recalls the rare classes better than unweighted, on samples that it has not seen."""
    X, y = study
    rng = np.random.default_rng(1)
    codes = np.repeat([0, 1, 2], 200)
    new, truth = rng.normal(size=(600, 3)) + 1.2 * codes[:, None], NAMES[codes]
    booster = XGBClassifier(n_estimators=10, max_depth=2, n_jobs=1)
    scores = [
        balanced_accuracy_score(
            truth, ClassWeightClassifier(booster, class_weight=weight).fit(X, y).predict(new)
        )
        for weight in (None, "balanced")
    ]

    assert scores[1] > scores[0] + 0.02


def test_a_class_that_a_fold_lacks(study):
    """Folds that lack a class are fitted on the classes that they have, whichever it is."""
    X, y = study
    model = ClassWeightClassifier(XGBClassifier(n_estimators=3, n_jobs=1))
    folds = [(np.flatnonzero(y != name), np.flatnonzero(y == name)) for name in NAMES]
    result = cross_validate(model, X, y, cv=folds, error_score="raise", return_estimator=True)

    for name, fitted in zip(NAMES, result["estimator"], strict=True):
        assert fitted.classes_.tolist() == sorted(set(NAMES) - {name})
        assert fitted.predict_proba(X).shape == (60, 2)


def test_lightgbm_and_linear_svc(study):
    """Other classifiers work as well; what an estimator does not have, the wrapper does not have."""
    X, y = study
    booster = ClassWeightClassifier(LGBMClassifier(n_estimators=3, min_child_samples=2, verbose=-1, n_jobs=1))
    svc = ClassWeightClassifier(LinearSVC(), random_state=0).fit(X, y)

    assert booster.fit(X, y).score(X, y) > 0.5
    assert hasattr(svc, "decision_function")
    assert not hasattr(svc, "predict_proba")
    assert svc.decision_function(X).shape == (60, 3)
    assert not hasattr(ClassWeightClassifier(XGBClassifier()), "decision_function")


def test_modalities_are_handed_on(study):
    """A ModalityDict arrives as it is, with its groups; a dict as a ModalityDict, a DataFrame as it is."""
    X, y = study
    data = ModalityDict({"a": X, "note": list(y)}, groups=np.arange(60))
    model = ClassWeightClassifier(Recorder()).fit(data, y)
    frame = pd.DataFrame(X, columns=list("xyz"))

    assert model.estimator_.got_["X"] == data
    assert model.estimator_.got_["X"].groups.tolist() == list(range(60))
    assert model.modalities_ == ("a", "note")
    assert model.fit({"a": X}, y).estimator_.got_["X"] == ModalityDict({"a": X})
    assert model.fit(frame, y).estimator_.got_["X"] is frame
    assert model.feature_names_in_.tolist() == list("xyz")


def test_fusion_of_modalities(study):
    """Late fusion and an early fusion with XGBoost inside learn modalities with balanced classes."""
    X, y = study
    present = {"a": np.arange(60) % 4 != 0}
    data = ModalityDict({"a": X[:, :2], "b": X[:, 2:]}, present=present)
    early = make_pipeline(ConcatModalities(), StandardScaler(), XGBClassifier(n_estimators=3, n_jobs=1))

    for inner in (LateFusionClassifier(random_state=0), early):
        model = ClassWeightClassifier(inner).fit(data, y)
        proba = model.predict_proba(data)
        assert model.score(data, y) > 0.5
        np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-5)


def test_samples_without_a_modality_count_for_nothing(study):
    """Class weights come from the samples that can be learned from."""
    X, y = study
    X = X.copy()
    X[:12] = np.nan  # of the largest class, 30 are left
    model = ClassWeightClassifier(Recorder()).fit({"a": X}, y)
    weight = model.estimator_.got_["sample_weight"]

    np.testing.assert_allclose([weight[12:][y[12:] == name].sum() for name in NAMES], 16)


def test_groups_go_where_they_are_taken(study):
    """Groups reach an estimator whose fit takes them, and no other."""
    X, y = study
    groups = np.arange(60) // 2
    model = ClassWeightClassifier(Recorder()).fit(X, y, groups=groups)

    assert model.estimator_.got_["groups"].tolist() == groups.tolist()
    ClassWeightClassifier(GaussianNB()).fit(X, y, groups=groups)


def test_metadata_routing(study):
    """With routing on the estimator gets what it requests; one that requests no weights is refused."""
    X, y = study
    with config_context(enable_metadata_routing=True):
        inner = Recorder().set_fit_request(sample_weight=True, groups=True)
        model = ClassWeightClassifier(inner).fit(X, y, groups=np.arange(60))
        assert model.estimator_.got_["groups"].tolist() == list(range(60))
        np.testing.assert_allclose(model.estimator_.got_["sample_weight"].sum(), 60)
        silent = ClassWeightClassifier(Recorder().set_fit_request(sample_weight=False))
        with pytest.raises(ValueError, match=r"set_fit_request\(sample_weight=True\)"):
            silent.fit(X, y)


def test_an_estimator_without_sample_weight_is_refused(study):
    """Nearest neighbours take no weights, also inside a pipeline: the message says what to do."""
    X, y = study
    for inner in (KNeighborsClassifier(), make_pipeline(KNeighborsClassifier())):
        with pytest.raises(ValueError, match=r"fit must take it. Got .*KNeighbors.*ModalitySampler"):
            ClassWeightClassifier(inner).fit(X, y)
    assert ClassWeightClassifier(KNeighborsClassifier(), class_weight=None).fit(X, y).score(X, y) > 0.5


def test_parameters_are_searched(study):
    """Nested parameters have names as everywhere, and the template stays unfitted."""
    X, y = study
    inner = LogisticRegression()
    search = GridSearchCV(ClassWeightClassifier(inner), {"estimator__C": [0.1, 1.0]}, cv=2).fit(X, y)

    assert search.best_params_["estimator__C"] in {0.1, 1.0}
    assert not hasattr(inner, "classes_")


@pytest.mark.parametrize(
    ("params", "error", "match"),
    [
        ({"estimator": LogisticRegression}, TypeError, "must be a classifier instance"),
        ({"estimator": StandardScaler()}, TypeError, "with fit and predict. Got StandardScaler"),
        ({"class_weight": "equal"}, ValueError, "must be 'balanced', a dict .* Got 'equal'"),
        ({"class_weight": {"Severe": -1}}, ValueError, "class_weight must be finite, not negative"),
    ],
)
def test_wrong_parameters(study, params, error, match):
    """Each is named, with what is allowed."""
    with pytest.raises(error, match=match):
        ClassWeightClassifier(**{"estimator": LogisticRegression(), **params}).fit(*study)


def test_other_refusals(study):
    """One class only, negative weights, and prediction before fit or after a fit that failed."""
    X, y = study
    model = ClassWeightClassifier(LogisticRegression()).fit(X, y)
    with pytest.raises(ValueError, match=r"at least 2 classes. Got 60 samples of 1 class, \['Severe'\]"):
        model.fit(X, np.full(60, "Severe"))
    with pytest.raises(NotFittedError):
        model.predict(X)
    with pytest.raises(ValueError, match="sample_weight must not be negative"):
        model.fit(X, y, sample_weight=-np.ones(60))
