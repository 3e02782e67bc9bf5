"""MultiTargetClassifier: holes, names of modalities, what is computed once, rare classes; the 25 targets."""

import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin, clone
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline

from skmm import ModalityDict
from skmm.compose import ConcatModalities, ModalityTransformer
from skmm.exceptions import NoModalityWarning
from skmm.fusion import LateFusionClassifier
from skmm.multiclass import MultiTargetClassifier, OrdinalCascadeClassifier

GRADES = ["Normal/Mild", "Moderate", "Severe"]
SERIES = {"canal": ["st2"], "foramen": ["st1"], "subarticular": ["at2"]}


class Recorder(ClassifierMixin, BaseEstimator):
    """Remembers what its fit was given, and answers with the first class."""

    def __init__(self, random_state=None):
        self.random_state = random_state

    def fit(self, X, y, sample_weight=None, groups=None):
        """Remember."""
        self.classes_ = np.unique(y)
        self.X_, self.y_, self.weight_, self.groups_ = X, y, sample_weight, groups
        return self

    def predict(self, X):
        """First class."""
        return np.repeat(self.classes_[:1], X.shape[0])


class CountingEmbedder(TransformerMixin, BaseEstimator):
    """Counts the rows that all its clones have embedded."""

    rows = 0

    def fit(self, X, y=None):
        """Nothing to learn."""
        self.fitted_ = True
        return self

    def transform(self, X):
        """The same numbers, counted."""
        CountingEmbedder.rows += len(X)
        return np.asarray(X) + 0.0


@pytest.fixture
def spine():
    """Forty patients, a series for each of three conditions, whose grades it alone tells; holes in labels."""
    rng = np.random.default_rng(0)
    levels = {target: rng.integers(0, 3, 40) for target in SERIES}
    X = {names[0]: rng.normal(size=(40, 3)) + 4 * levels[target][:, None] for target, names in SERIES.items()}
    y = pd.DataFrame({target: np.array(GRADES, dtype=object)[level] for target, level in levels.items()})
    ids = [f"p{number}" for number in range(40)]
    holes = pd.DataFrame(rng.random((40, 3)) < 0.2, columns=y.columns)
    y = y.mask(holes).set_axis(ids)
    return ModalityDict(X, index=ids, groups=np.arange(40) // 2), y


def cascade():
    """A cascade of logistic regressions over the three grades."""
    inner = make_pipeline(ConcatModalities(), LogisticRegression(max_iter=1000))
    return OrdinalCascadeClassifier(inner, order=GRADES)


# --- labels with holes --------------------------------------------------------------------------------


def test_each_target_is_the_classifier_of_its_labelled_rows(spine):
    """S3-7: rows without a label are left out for that target, and kept for the others."""
    X, y = spine
    model = MultiTargetClassifier(cascade(), modalities=SERIES).fit(X, y)

    predicted, proba = model.predict(X), model.predict_proba(X)

    assert predicted.columns.tolist() == list(SERIES)
    assert predicted.index.tolist() == y.index.tolist()
    for target, names in SERIES.items():
        rows = np.flatnonzero(y[target].notna())
        alone = cascade().fit(X[names][rows], y[target].iloc[rows])
        np.testing.assert_array_equal(proba[target], alone.predict_proba(X[names]))
        np.testing.assert_array_equal(predicted[target], alone.predict(X[names]))
        assert proba[target].columns.tolist() == model.classes_[target].tolist() == sorted(GRADES)
        assert proba[target].index.tolist() == y.index.tolist()
    assert model.targets_ == list(SERIES)


@pytest.mark.parametrize("hole", [None, np.nan, pd.NA])
def test_holes_of_any_form(hole):
    """S3-7: None, NaN and NA are holes, and no label that stands there is ever learned."""
    X = np.arange(8.0)[:, None]
    y = pd.DataFrame({"a": pd.Series(["x", "y"] * 4, dtype=object), "b": [1, 0] * 4})
    y.loc[[0, 3], "a"] = hole
    y["b"] = y["b"].astype("Int64").mask([True, *[False] * 7])

    model = MultiTargetClassifier(Recorder()).fit(X, y)

    assert model.estimators_["a"].X_[:, 0].tolist() == [1, 2, 4, 5, 6, 7]
    assert model.estimators_["a"].y_.tolist() == ["y", "x", "x", "y", "x", "y"]
    assert model.estimators_["b"].y_.tolist() == [0, 1, 0, 1, 0, 1, 0]
    assert model.classes_["b"].dtype.kind == "i"


def test_missing_labels_are_not_scored():
    """S3-7: the score of a target is over its labels alone, and the mean goes over targets, not labels."""
    X = np.zeros((4, 1))
    y = pd.DataFrame({"a": ["x", "x", "y", None], "b": ["u", None, None, "v"]})
    model = MultiTargetClassifier(Recorder()).fit(X, y)  # answers "x" and "u"

    assert model.score(X, y) == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert model.score(X, y[["a"]].assign(b=None)) == pytest.approx(2 / 3)
    assert model.score(X, y, sample_weight=[1, 1, 0, 1]) == pytest.approx((1 + 1 / 2) / 2)
    with pytest.raises(ValueError, match="at least one label"):
        model.score(X, y.assign(a=None, b=None))


@pytest.mark.parametrize("form", ["array", "one column", "series", "list"])
def test_labels_without_names(form):
    """Arrays and lists have targets numbered from 0; one column, and one dimension, are one target."""
    X, y = np.arange(6.0)[:, None], np.array([[0, 1], [0, 1], [0, 0], [1, 0], [1, 1], [1, 0]])
    y = {"array": y, "one column": y[:, :1], "series": pd.Series(y[:, 0], name="a"), "list": y.tolist()}[form]

    predicted = MultiTargetClassifier(LogisticRegression(C=100)).fit(X, y).predict(X)

    assert predicted.columns.tolist() == {"array": [0, 1], "list": [0, 1], "series": ["a"]}.get(form, [0])
    assert predicted.iloc[:, 0].tolist() == [0, 0, 0, 1, 1, 1]


def test_ordered_categoricals_keep_their_order(spine):
    """The classifier of a target gets ordered categoricals as such, so that a cascade knows their order."""
    X, y = spine
    grades = pd.CategoricalDtype(GRADES, ordered=True)
    inner = cascade().set_params(order=None)

    model = MultiTargetClassifier(inner).fit(X, y.astype(grades))

    assert all(fitted.order_.tolist() == GRADES for fitted in model.estimators_.values())
    plain = MultiTargetClassifier(cascade()).fit(X, y)
    pd.testing.assert_frame_equal(model.predict(X), plain.predict(X))


# --- modalities by name -------------------------------------------------------------------------------


def test_targets_see_modalities_by_name(spine):
    """S3-2: each target learns from the series it names, whatever the order of series and targets is."""
    X, y = spine
    model = MultiTargetClassifier(LateFusionClassifier(), modalities=SERIES, random_state=0)

    expected = clone(model).fit(X, y).predict(X)
    turned = model.fit(X[["at2", "st2", "st1"]], y[["subarticular", "canal", "foramen"]])

    assert {t: fitted.modalities_ for t, fitted in turned.estimators_.items()} == {
        target: tuple(names) for target, names in SERIES.items()
    }
    pd.testing.assert_frame_equal(turned.predict(X)[list(SERIES)], expected)
    assert turned.score(X, y) > 0.9
    spoiled = dict(X.items()) | {"at2": X["at2"][::-1]}
    pd.testing.assert_frame_equal(
        turned.predict(spoiled)[["canal", "foramen"]].set_axis(y.index), expected[["canal", "foramen"]]
    )


@pytest.mark.parametrize(
    ("modalities", "message"),
    [
        ({"canal": ["t2"]}, r"modalities\['canal'\] names 't2'"),
        ({"spine": ["st2"]}, "modalities names.*spine.*targets of y"),
        ({"canal": []}, "one name or more"),
        ({"canal": ["st2", "st2"]}, "each once"),
        (["st2"], "must be a dict"),
    ],
)
def test_wrong_names_are_refused(spine, modalities, message):
    """Unknown modalities and targets, empty and repeated lists are refused by name."""
    X, y = spine

    with pytest.raises(ValueError, match=message):
        MultiTargetClassifier(cascade(), modalities=modalities).fit(X, y)


def test_samples_with_nothing_that_a_target_may_see(spine):
    """They are left out of its fit and get its class prior, with one warning a call for all targets."""
    X, y = spine
    lacking = np.isin(np.arange(40), [2, 5])
    data = ModalityDict(dict(X.items()), present={"st2": ~lacking, "st1": ~lacking}, index=X.index)
    model = MultiTargetClassifier(LateFusionClassifier(), modalities=SERIES, random_state=0)

    with pytest.warns(NoModalityWarning, match="rows 2, 5.*2 targets: there fit leaves") as in_fit:
        model.fit(data, y)
    with pytest.warns(NoModalityWarning, match="get the class prior") as after:
        proba = model.predict_proba(data)

    assert (len(in_fit), len(after)) == (1, 1)
    counts = y["canal"][~lacking].value_counts(normalize=True).sort_index()
    np.testing.assert_allclose(proba["canal"].iloc[2], counts)
    reference = clone(model).fit(X[~lacking], y[~lacking]).predict_proba(X)
    np.testing.assert_allclose(proba["canal"][~lacking], reference["canal"][~lacking])
    assert not np.allclose(proba["subarticular"].iloc[2], proba["subarticular"].iloc[5])


# --- what is computed once ----------------------------------------------------------------------------


def test_embeddings_are_computed_once(spine):
    """A step before the targets embeds each sample once a fit; inside the targets, once a target."""
    X, y = spine
    embed = ModalityTransformer({}, remainder=CountingEmbedder())

    CountingEmbedder.rows = 0
    before = make_pipeline(embed, MultiTargetClassifier(cascade())).fit(X, y)
    shared = CountingEmbedder.rows
    CountingEmbedder.rows = 0
    inside = MultiTargetClassifier(make_pipeline(embed, *[step for _, step in cascade().estimator.steps]))
    inside.fit(X, y.where(y == "Severe", "no"))

    assert shared == 40 * len(X.modalities)
    assert CountingEmbedder.rows == 3 * shared
    assert before.score(X, y) > 0.9


# --- rare classes -------------------------------------------------------------------------------------


def test_targets_with_one_class_or_none():
    """One class is predicted always, with a warning; a target without labels is left out, with a warning."""
    X = np.arange(6.0)[:, None]
    y = pd.DataFrame({"a": [0, 0, 0, 1, 1, 1], "b": ["u", None, "u", None, "u", "u"], "c": None})

    with pytest.warns(UserWarning, match="targets") as caught:
        model = MultiTargetClassifier(LogisticRegression()).fit(X, y)

    assert [str(warning.message) for warning in caught] == [
        "1 targets have one class only (b): they get it always.",
        "1 targets have no label (c): they are left out.",
    ]
    assert model.targets_ == ["a", "b"]
    assert model.predict(X)["b"].tolist() == ["u"] * 6
    assert model.predict_proba(X)["b"].to_numpy().tolist() == [[1.0]] * 6
    with pytest.raises(ValueError, match="labels of target 'c'"):
        model.score(X, y.assign(c=1))
    with pytest.raises(ValueError, match="needs labels"):
        MultiTargetClassifier(LogisticRegression()).fit(X, y[["c"]])


# --- as an estimator ----------------------------------------------------------------------------------


def test_weights_groups_and_seeds_are_handed_on():
    """Each target gets the weights and groups of its own rows and a seed of its own, for any n_jobs."""
    X, weight, groups = np.arange(6.0)[:, None], np.array([0, 1, 2, 3, 4, 5.0]), np.array(list("aabbcc"))
    y = pd.DataFrame({"a": [0, 1, 0, 1, 0, 1], "b": [None, "u", "v", None, "u", "v"]})
    model = MultiTargetClassifier(Recorder(), random_state=0)

    fitted = clone(model).fit(X, y, weight, groups=groups).estimators_
    with parallel_config("threading"):
        again = model.set_params(n_jobs=2).fit(X, y, weight, groups=groups).estimators_

    assert fitted["a"].weight_.tolist() == [1, 2, 3, 4, 5]
    assert fitted["b"].weight_.tolist() == [1, 2, 4, 5]
    assert fitted["b"].groups_.tolist() == list("abcc")
    assert fitted["a"].random_state != fitted["b"].random_state
    assert [again[t].random_state for t in y] == [fitted[t].random_state for t in y]
    with config_context(enable_metadata_routing=True):
        routed = MultiTargetClassifier(Recorder().set_fit_request(sample_weight=True, groups=False))
        routed.set_fit_request(sample_weight=True, groups=True)
        own = routed.fit(X, y, sample_weight=weight, groups=groups).estimators_["b"]
    assert (own.weight_.tolist(), own.groups_) == ([1, 2, 4, 5], None)


def test_an_estimator_for_each_target(spine):
    """A dict gives each target its own classifier, whose parameters are nested under its name."""
    X, y = spine
    own = {target: cascade() for target in y}
    model = MultiTargetClassifier(own).set_params(canal__n_jobs=1, foramen=LateFusionClassifier())

    assert own["canal"].n_jobs is None
    fitted = model.fit(X, y).estimators_
    assert [type(fitted[target]).__name__ for target in y] == [
        "OrdinalCascadeClassifier", "LateFusionClassifier", "OrdinalCascadeClassifier",
    ]  # fmt: skip
    assert model.get_params()["canal__n_jobs"] == 1
    with pytest.raises(ValueError, match="no classifier for.*canal"):
        MultiTargetClassifier({"foramen": cascade()}).fit(X, y[["canal", "foramen"]])
    with pytest.raises(ValueError, match="no target.*spine"):
        MultiTargetClassifier({**own, "spine": cascade()}).fit(X, y)


def test_scikit_learn_cross_validates_and_searches_it(spine):
    """cross_val_score keeps groups whole, scores with holes, and a search reaches nested parameters."""
    X, y = spine
    model = make_pipeline(ConcatModalities(), MultiTargetClassifier(LogisticRegression(max_iter=1000)))

    scores = cross_val_score(model, X, y, cv=GroupKFold(4), groups=X.groups)
    search = GridSearchCV(model, {"multitargetclassifier__estimator__C": [1e-5, 1.0]}, cv=2).fit(X, y)

    assert scores.min() > 0.7
    assert search.best_params_ == {"multitargetclassifier__estimator__C": 1.0}


def test_probabilities_are_there_where_the_classifiers_have_them():
    """Without probabilities predict works, and predict_proba is not there."""
    X, y = np.arange(6.0)[:, None], [[0], [0], [0], [1], [1], [1]]
    model = MultiTargetClassifier(RidgeClassifier()).fit(X, y)

    assert not hasattr(model, "predict_proba")
    assert model.score(X, y) == 1


def test_labels_of_other_samples_are_refused(spine):
    """The same ids in another order, another length, names that repeat, and numbers are refused."""
    X, y = spine
    model = MultiTargetClassifier(cascade())

    with pytest.raises(ValueError, match="same sample ids in another order"):
        model.fit(X, y.iloc[::-1])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        model.fit(X, y.iloc[:-1])
    with pytest.raises(ValueError, match="occur twice.*canal"):
        model.fit(X, y[["canal", "canal"]])
    with pytest.raises(ValueError, match="continuous"):
        model.fit(X, y.assign(canal=np.linspace(0, 1, 40)))
    with pytest.raises(TypeError, match="estimator must be a classifier instance"):
        MultiTargetClassifier(LogisticRegression).fit(X, y)
    with pytest.raises(ValueError, match="X is one table"):
        MultiTargetClassifier(LogisticRegression(), modalities={0: ["a"]}).fit(np.zeros((2, 1)), [[0], [1]])


# --- the 25 targets -----------------------------------------------------------------------------------


def test_the_25_lumbar_targets(real_data):
    """25 targets with 572 holes are learned from their own series, and none of three classes is lost."""
    y = pd.read_csv(real_data / "rsna2024_labels_only" / "true_labels.csv.gz", index_col="study_id")
    assert (y.shape, int(y.isna().sum().sum()), int(y.isna().any(axis=1).sum())) == ((1975, 25), 572, 185)
    series = {
        "spinal": "st2",
        "left_neural": "st1",
        "right_neural": "st1",
        "left_sub": "at2",
        "right_sub": "at2",
    }
    modalities = {t: next([name] for start, name in series.items() if t.startswith(start)) for t in y}
    rng = np.random.default_rng(0)
    level = y.apply(lambda column: column.map(GRADES.index, na_action="ignore")).fillna(0)
    X = {
        name: level[[t for t in y if modalities[t] == [name]]] + rng.normal(size=(1975, 1)) * 0.3
        for name in ("st2", "st1", "at2")
    }
    inner = make_pipeline(ConcatModalities(), LogisticRegression(C=0.1, tol=0.01))

    model = MultiTargetClassifier(OrdinalCascadeClassifier(inner, order=GRADES), modalities=modalities)
    model.fit(X, y)

    n_labels = [len(fitted.estimators_) for fitted in model.estimators_.values()]
    assert n_labels == [2] * 25
    assert all(classes.tolist() == sorted(GRADES) for classes in model.classes_.values())
    assert model.score(X, y) > 0.9
    predicted = model.predict(X)
    assert predicted.index.equals(y.index)
    assert predicted["left_subarticular_stenosis_l4_l5"].nunique() == 3
