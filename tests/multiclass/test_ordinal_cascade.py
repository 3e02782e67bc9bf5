"""OrdinalCascadeClassifier: formulas, order, classes that are absent, what its estimator is handed."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from joblib import parallel_config
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC
from sklearn.utils.estimator_checks import parametrize_with_checks

from skmm import ModalityDict
from skmm.compose import ConcatModalities
from skmm.exceptions import NoModalityWarning
from skmm.fusion import LateFusionClassifier
from skmm.multiclass import OrdinalCascadeClassifier
from skmm.multiclass._ordinal_cascade import cascade_probabilities
from skmm.testing import make_modalities

GRADES = ["Normal/Mild", "Moderate", "Severe"]


class Recorder(ClassifierMixin, BaseEstimator):
    """Remembers what its fit was given, and answers with the share of class 1."""

    def __init__(self, random_state=None):
        self.random_state = random_state

    def fit(self, X, y, sample_weight=None, groups=None):
        """Remember."""
        self.classes_ = np.unique(y)
        self.X_, self.y_, self.weight_, self.groups_ = X, y, sample_weight, groups
        return self

    def predict(self, X):
        """Class 1."""
        return np.ones(X.shape[0], dtype=int)

    def predict_proba(self, X):
        """Share of class 1."""
        return np.tile([1 - self.y_.mean(), self.y_.mean()], (X.shape[0], 1))


@pytest.fixture
def graded():
    """Sixty samples of three grades, which the first feature tells in the order of severity."""
    rng = np.random.default_rng(0)
    level = np.arange(60) % 3
    X = rng.normal(size=(60, 3))
    X[:, 0] += 2 * level
    return X, np.array(GRADES)[level], level


@parametrize_with_checks([OrdinalCascadeClassifier(LogisticRegression(), order="sorted")])
@pytest.mark.uses_global_state(reason="some of scikit-learn's checks draw from NumPy's generator")
def test_contract_of_scikit_learn(estimator, check):
    """Around a classifier of scikit-learn it passes all of scikit-learn's checks."""
    check(estimator)


# --- the formulas -------------------------------------------------------------------------------------


@given(arrays(float, st.tuples(st.integers(1, 4), st.integers(1, 6)), elements=st.floats(0, 1)))
def test_probabilities_sum_to_one_for_any_answers(stages):
    """Whatever the stages answer, the probabilities are not negative and sum to one."""
    proba = cascade_probabilities(stages)

    assert (proba >= 0).all()
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=0, atol=1e-12)
    np.testing.assert_allclose(proba[:, -1], stages.prod(axis=1), atol=1e-12)


def test_three_classes_are_the_published_cascade():
    """P(normal) = 1 - p1, P(moderate) = p1 (1 - p2), P(severe) = p1 p2."""
    p1, p2 = np.array([0.25, 0.5, 1.0]), np.array([0.5, 0.25, 0.0])

    proba = cascade_probabilities(np.column_stack([p1, p2]))

    np.testing.assert_array_equal(proba, np.column_stack([1 - p1, p1 * (1 - p2), p1 * p2]))


def test_stages_are_the_two_questions(graded):
    """Stage 1 learns from all whether it is there, stage 2 from those that have it how severe it is."""
    X, y, level = graded
    cascade = OrdinalCascadeClassifier(LogisticRegression(), order=GRADES).fit(X, y)
    there = LogisticRegression().fit(X, level > 0)
    severe = LogisticRegression().fit(X[level > 0], level[level > 0] > 1)

    p1, p2 = there.predict_proba(X)[:, 1], severe.predict_proba(X)[:, 1]
    np.testing.assert_allclose(cascade.stage_proba(X), np.column_stack([p1, p2]), rtol=1e-12)
    expected = {"Normal/Mild": 1 - p1, "Moderate": p1 * (1 - p2), "Severe": p1 * p2}
    for label, column in zip(cascade.classes_, cascade.predict_proba(X).T, strict=True):
        np.testing.assert_allclose(column, expected[label], rtol=1e-12)
    assert cascade.classes_.tolist() == sorted(GRADES)
    assert cascade.order_.tolist() == GRADES
    assert cascade.score(X, y) > 0.7


def test_two_classes_are_the_estimator_itself(graded):
    """With two classes there is one question, and its answer is the estimator's."""
    X, _, level = graded
    y = (level > 0).astype(int)

    cascade = OrdinalCascadeClassifier(LogisticRegression()).fit(X, y)

    expected = LogisticRegression().fit(X, y).predict_proba(X)
    np.testing.assert_allclose(cascade.predict_proba(X), expected, rtol=1e-12)


# --- the order, and classes that are absent -----------------------------------------------------------


def test_labels_do_not_depend_on_the_alphabet(graded):
    """S3-4: other words for the same grades give the same probabilities of the same grades."""
    X, _, level = graded
    cascades = {}
    for words in (["a", "b", "c"], ["c", "a", "b"], GRADES):
        cascade = OrdinalCascadeClassifier(LogisticRegression(), order=words).fit(X, np.array(words)[level])
        columns = [cascade.classes_.tolist().index(word) for word in words]
        cascades[tuple(words)] = cascade.predict_proba(X)[:, columns]

    first, *others = cascades.values()
    for other in others:
        np.testing.assert_array_equal(first, other)


def test_strings_without_an_order_are_refused(graded):
    """S3-4: the alphabet is never taken for an order, unless it is asked for."""
    X, y, _ = graded

    with pytest.raises(ValueError, match="no order but the alphabet.*'Moderate', 'Normal/Mild', 'Severe'"):
        OrdinalCascadeClassifier(LogisticRegression()).fit(X, y)
    asked = OrdinalCascadeClassifier(LogisticRegression(), order="sorted").fit(X, y)
    assert asked.order_.tolist() == sorted(GRADES)


def test_numbers_are_ascending_and_ordered_categoricals_know_their_order(graded):
    """Without an order numbers are taken in ascending order, and pandas' ordered categoricals in theirs."""
    X, y, level = graded
    cascade = OrdinalCascadeClassifier(LogisticRegression())

    assert cascade.fit(X, 10.0 * level - 5).order_.tolist() == [-5, 5, 15]
    ordered = pd.Series(pd.Categorical(y, categories=GRADES, ordered=True))
    assert cascade.fit(X, ordered).order_.tolist() == GRADES
    with pytest.raises(ValueError, match="no order but the alphabet"):
        cascade.fit(X, ordered.cat.as_unordered())


@pytest.mark.parametrize("lacking", range(4))
def test_no_class_vanishes(lacking):
    """S3-4: a class that no training sample has keeps its column, with probability 0; no other is shifted."""
    rng = np.random.default_rng(0)
    order, level = ["none", "mild", "moderate", "severe"], np.arange(80) % 4
    X = rng.normal(size=(80, 2)) + 3 * level[:, None]
    kept = level != lacking
    y = np.array(order)[level]

    cascade = OrdinalCascadeClassifier(LogisticRegression(), order=order).fit(X[kept], y[kept])
    proba = cascade.predict_proba(X)

    assert cascade.classes_.tolist() == sorted(order)
    assert (proba[:, cascade.classes_ == order[lacking]] == 0).all()
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    assert np.isfinite(proba).all()
    others = [label for label in order if label != order[lacking]]
    without = OrdinalCascadeClassifier(LogisticRegression(), order=others).fit(X[kept], y[kept])
    np.testing.assert_allclose(proba[:, cascade.classes_ != order[lacking]], without.predict_proba(X))


def test_every_class_is_predicted_for_imbalanced_grades():
    """S3-4: a middle class of a few per cent is trained on, predicted, and scored."""
    rng = np.random.default_rng(0)
    level = np.repeat([0, 1, 2], [180, 12, 8])
    X = rng.normal(size=(200, 1)) + 5 * level[:, None]

    cascade = OrdinalCascadeClassifier(LogisticRegression(), order=GRADES).fit(X, np.array(GRADES)[level])

    assert set(cascade.predict(X)) == set(GRADES)
    np.testing.assert_allclose(cascade.class_prior_, [0.06, 0.9, 0.04])


@pytest.mark.parametrize(
    ("order", "message"),
    [
        (["Normal/Mild", "Severe"], r"y also holds \['Moderate'\]"),
        (["Normal/Mild", "Normal/Mild", "Severe"], "each once"),
        (["Severe"], "two or more"),
        ("Severe", "list of labels"),
        (3, "list of labels"),
        ([0, 1, 2], "y also holds"),
    ],
)
def test_wrong_orders_are_refused(graded, order, message):
    """An order that is incomplete, repeated, too short or no list is refused."""
    X, y, _ = graded

    with pytest.raises(ValueError, match=message):
        OrdinalCascadeClassifier(LogisticRegression(), order=order).fit(X, y)


# --- what the estimator is handed ---------------------------------------------------------------------


def test_weights_and_groups_are_handed_on(graded):
    """Each stage gets the weights and groups of its own samples; weight 0 leaves a sample out."""
    X, y, level = graded
    weight, groups = np.linspace(0, 1, 60), np.arange(60) // 2

    cascade = OrdinalCascadeClassifier(Recorder(), order=GRADES).fit(X, y, weight, groups=groups)

    first, second = cascade.estimators_
    rows = np.flatnonzero((level > 0) & (weight > 0))
    np.testing.assert_array_equal(first.weight_, weight[1:])
    np.testing.assert_array_equal(second.weight_, weight[rows])
    np.testing.assert_array_equal(second.groups_, groups[rows])
    np.testing.assert_array_equal(second.X_, X[rows])
    np.testing.assert_array_equal(second.y_, level[rows] > 1)


def test_metadata_routing(graded):
    """With metadata routing the estimator's requests decide what it gets."""
    X, y, _ = graded
    weight = np.linspace(0.5, 1, 60)
    with config_context(enable_metadata_routing=True):
        inner = Recorder().set_fit_request(sample_weight=True, groups=False)
        cascade = OrdinalCascadeClassifier(inner, order=GRADES)
        cascade.set_fit_request(sample_weight=True, groups=True)
        cascade.fit(X, y, sample_weight=weight, groups=np.arange(60))

    np.testing.assert_array_equal(cascade.estimators_[0].weight_, weight)
    assert cascade.estimators_[0].groups_ is None


def test_each_stage_has_a_seed_of_its_own(graded):
    """random_state seeds the stages, whatever n_jobs is; a seed of the estimator stays."""
    X, y, _ = graded
    cascade = OrdinalCascadeClassifier(Recorder(), order=GRADES, random_state=0)

    seeds = [stage.random_state for stage in cascade.fit(X, y).estimators_]
    with parallel_config("threading"):
        with_jobs = clone(cascade).set_params(n_jobs=2).fit(X, y)

    assert len(set(seeds)) == 2
    assert [stage.random_state for stage in with_jobs.estimators_] == seeds
    own = cascade.set_params(estimator__random_state=7).fit(X, y)
    assert [stage.random_state for stage in own.estimators_] == [7, 7]


@pytest.mark.parametrize("form", [sp.csr_array, sp.coo_matrix, pd.DataFrame, np.ndarray.tolist])
def test_forms_of_one_table(graded, form):
    """Sparse tables, DataFrames and lists give what arrays give."""
    X, y, _ = graded
    X = np.where(X > 0, X, 0)
    table = form(X) if form is not pd.DataFrame else pd.DataFrame(X, columns=list("abc"))
    cascade = OrdinalCascadeClassifier(LogisticRegression(), order=GRADES)

    proba = clone(cascade).fit(table, y).predict_proba(table)

    np.testing.assert_allclose(proba, cascade.fit(X, y).predict_proba(X), rtol=1e-5)


def test_texts(graded):
    """A list of documents goes to an estimator that takes documents."""
    _, y, level = graded
    texts = [("clear", "some narrowing", "severe narrowing")[k] for k in level]
    model = make_pipeline(TfidfVectorizer(), LogisticRegression(C=100))

    assert OrdinalCascadeClassifier(model, order=GRADES).fit(texts, y).score(texts, y) == 1


def test_modalities(make_modalities):
    """Images, bags and missing modalities go through, to skmm's classifiers and to pipelines."""
    X, y, _ = make_modalities(kinds=("dense", "image"), n_samples=48)
    late = OrdinalCascadeClassifier(LateFusionClassifier(), order=["c", "a", "b"], random_state=0)
    early = OrdinalCascadeClassifier(
        make_pipeline(ConcatModalities(), LogisticRegression(max_iter=1000)), order=["c", "a", "b"]
    )

    for cascade in (late, early):
        assert cascade.fit(X, y).score(X, y) > 0.9
        assert cascade.modalities_ == ("dense", "image")
        alone = cascade.predict_proba(X[["dense"]][X.is_present("dense")])
        np.testing.assert_allclose(alone.sum(axis=1), 1)


def test_samples_without_any_modality():
    """They are left out of fit and get the class prior, with one warning a call."""
    X, y = make_modalities()
    nothing = np.arange(len(y)) == 3
    data = ModalityDict(dict(X.items()), present=dict.fromkeys(X, ~nothing))
    cascade = OrdinalCascadeClassifier(make_pipeline(ConcatModalities(), LogisticRegression(max_iter=500)))

    with pytest.warns(NoModalityWarning, match="1 sample has no modality") as in_fit:
        cascade.fit(data, y)
    with pytest.warns(NoModalityWarning, match="they get the class prior") as after:
        proba = cascade.predict_proba(data)

    assert (len(in_fit), len(after)) == (1, 1)
    np.testing.assert_allclose(proba[3], np.bincount(np.delete(y, 3)) / (len(y) - 1))
    with pytest.raises(ValueError, match="at least one modality"):
        cascade.fit(ModalityDict(dict(X.items()), present=dict.fromkeys(X, np.zeros(len(y), bool))), y)


def test_one_table_and_modalities_are_told_apart(graded):
    """Fitted on one table, a mapping is refused in words; fitted on {'x': table}, a table is taken."""
    X, y, _ = graded
    with pytest.raises(ValueError, match="fitted on one table"):
        OrdinalCascadeClassifier(LogisticRegression(), order=GRADES).fit(X, y).predict({"x": X})
    named = OrdinalCascadeClassifier(LateFusionClassifier(), order=GRADES).fit({"x": X}, y)
    np.testing.assert_array_equal(named.predict(X), named.predict({"x": X}))


def test_a_search_reaches_the_estimator(graded):
    """Nested parameters are searched, and cross-validation of ordered strings works."""
    X, y, _ = graded
    cascade = OrdinalCascadeClassifier(LogisticRegression(), order=GRADES)

    search = GridSearchCV(cascade, {"estimator__C": [1e-6, 1.0]}, cv=3).fit(X, y)

    assert search.best_params_ == {"estimator__C": 1.0}
    assert cross_val_score(cascade, X, y, scoring="roc_auc_ovr").min() > 0.8


@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        (LinearSVC(), "must have predict_proba.*CalibratedClassifierCV"),
        (LogisticRegression, "must be a classifier instance.*add"),
        ("LR", "must be a classifier with fit"),
    ],
)
def test_wrong_estimators_are_refused(graded, estimator, message):
    """What is no classifier instance, or gives no probabilities, is refused with advice."""
    X, y, _ = graded

    with pytest.raises(TypeError, match=message):
        OrdinalCascadeClassifier(estimator, order=GRADES).fit(X, y)


def test_weights_that_nothing_takes_and_single_classes_are_refused(graded):
    """Weights for an estimator that ignores them are an error, and so is one class alone."""
    X, y, _ = graded
    with pytest.raises(ValueError, match="sample_weight needs an estimator whose fit takes it"):
        OrdinalCascadeClassifier(KNeighborsClassifier(), order=GRADES).fit(X, y, np.ones(60))
    with pytest.raises(ValueError, match="at least 2 classes"):
        OrdinalCascadeClassifier(LogisticRegression(), order=GRADES).fit(X[::3], y[::3])
