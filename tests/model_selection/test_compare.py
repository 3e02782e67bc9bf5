"""compare_estimators: values, seeds, groups, official test sets, failures."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, StratifiedGroupKFold, cross_validate
from sklearn.pipeline import make_pipeline

from skmm import ModalityDict
from skmm.compose import ConcatModalities
from skmm.metrics import paper_scorers
from skmm.model_selection import compare_estimators

TIMES = ["fit_time", "score_time"]


class Recorder(ClassifierMixin, BaseEstimator):
    """Predicts the most frequent class, and remembers what its fit was given."""

    def __init__(self, random_state=None, inner=None):
        self.random_state = random_state
        self.inner = inner

    def fit(self, X, y, groups=None):
        """Remember."""
        self.classes_, counts = np.unique(y, return_counts=True)
        self.answer_ = self.classes_[counts.argmax()]
        self.given_, self.of_X_, self.n_ = groups, getattr(X, "groups", None), len(y)
        return self

    def predict(self, X):
        """Most frequent class."""
        return np.full(X.shape[0], self.answer_)


class Failing(BaseEstimator):
    """Fails in fit."""

    def fit(self, X, y):
        """Fail."""
        raise ValueError("no such luck")


def values(scores, name, metric):
    """Scores of one estimator in one metric."""
    return scores.query("estimator == @name and metric == @metric")["value"].to_numpy()


def test_scores_equal_those_of_cross_validate(X_y, early):
    """For one seed the scores are those of scikit-learn's cross_validate on the same folds."""
    X, y = X_y
    cv = StratifiedGroupKFold(4, shuffle=True, random_state=0)

    scores = compare_estimators({"early": early}, X, y, cv=4, random_states=(0,))

    expected = cross_validate(early, X, y, groups=X.groups, cv=cv, scoring=paper_scorers())
    for metric in scores["metric"].unique():
        np.testing.assert_array_equal(values(scores, "early", metric), expected[f"test_{metric}"])
    assert list(scores["estimator"].unique()) == ["majority", "concat_lr", "early"]
    assert scores.columns.tolist() == [
        "estimator", "strategy", "baseline", "seed", "fold", "metric", "value", *TIMES, "n_train", "n_test",
    ]  # fmt: skip


def test_default_metrics_are_those_of_the_papers(X_y):
    """Without scoring there are weighted and macro F1, recall, precision, accuracies and AUC, for all classifiers."""
    X, y = X_y
    scores = compare_estimators({"no probabilities": Recorder()}, X, y, cv=2, baselines=(), scoring=["f1_macro"])
    assert scores["metric"].unique().tolist() == ["f1_macro"]

    scores = compare_estimators({"m": DummyClassifier()}, X, y, cv=2, baselines=())
    assert scores["metric"].unique().tolist() == [
        "f1_weighted", "f1_macro", "recall_weighted", "precision_weighted", "accuracy", "balanced_accuracy", "roc_auc_ovr",
    ]  # fmt: skip


def test_n_jobs_does_not_change_the_table(X_y, early):
    """Two processes give the table of one, in the same order."""
    X, y = X_y
    forest = make_pipeline(ConcatModalities(), RandomForestClassifier(5))
    options = {"cv": 2, "random_states": (0, 1), "return_predictions": True}

    one, two = (compare_estimators({"early": early, "forest": forest}, X, y, n_jobs=n, **options) for n in (1, 2))

    pd.testing.assert_frame_equal(one.scores.drop(columns=TIMES), two.scores.drop(columns=TIMES))
    pd.testing.assert_frame_equal(one.predictions, two.predictions)


def test_seeds_reach_every_nested_estimator(X_y):
    """Each seed is the random_state of the estimator and of what it holds; the caller's stay as they are."""
    X, y = X_y
    model = Recorder(random_state=5, inner=make_pipeline(RandomForestClassifier(random_state=None)))

    fits = compare_estimators(
        {"m": model}, X, y, cv=2, random_states=(3, 9), baselines=(), scoring="accuracy", return_estimators=True
    ).estimators["m"]

    assert [fit.random_state for fit in fits] == [3, 3, 9, 9]
    assert [fit.inner[0].random_state for fit in fits] == [3, 3, 9, 9]
    assert model.random_state == 5
    assert model.inner[0].random_state is None
    assert not hasattr(model, "answer_")


def test_groups_travel_into_the_fits(X_y):
    """Groups given beside X are in the X of each fit, whole, and no group is on both sides."""
    X, y = X_y
    groups = X.groups
    bare = ModalityDict(dict(X))

    result = compare_estimators(
        {"m": Recorder()}, bare, y, cv=4, groups=groups, baselines=(), scoring="accuracy",
        return_predictions=True, return_estimators=True,
    )  # fmt: skip

    assert bare.groups is None
    for fold, fit in enumerate(result.estimators["m"]):
        tested = set(groups[result.predictions.query("fold == @fold")["sample"]])
        assert len(fit.of_X_) == fit.n_
        assert not tested & set(fit.of_X_)
    assert sorted(result.predictions["sample"]) == list(range(60))


def test_groups_reach_fits_on_plain_tables(X_y):
    """With a plain array there is no container to carry groups, so a fit that takes them is handed them."""
    X, y = X_y
    fits = compare_estimators(
        {"m": Recorder()}, X["strong"], y, cv=4, groups=X.groups, baselines=(), scoring="accuracy", return_estimators=True
    ).estimators["m"]

    assert all(len(fit.given_) == fit.n_ for fit in fits)


def test_groups_reach_the_splitter_of_a_search(X_y, early):
    """A grid search with a group-aware splitter gets the groups of its training samples."""
    X, y = X_y
    search = GridSearchCV(early, {"logisticregression__C": [0.1, 1.0]}, cv=GroupKFold(2))

    scores = compare_estimators({"search": search}, X, y, cv=3, scoring="accuracy", baselines=())

    assert (scores["value"] > 0.6).all()


def test_a_splitter_that_ignores_the_groups_of_X_is_refused(X_y, early):
    """KFold is refused as soon as X carries groups."""
    X, y = X_y
    with pytest.raises(ValueError, match="KFold ignores groups"):
        compare_estimators({"early": early}, X, y, cv=KFold(3))


def test_leakage_through_groups_is_not_measured():
    """A model that knows groups by heart is at chance: its training samples share no group with the test samples."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 3)
    y = rng.integers(0, 2, 40)[groups]
    identity = np.eye(40)[groups]  # who it is, and nothing else
    X = {"identity": identity}
    model = make_pipeline(ConcatModalities(), LogisticRegression())
    options = {"scoring": "accuracy", "baselines": ()}

    leaking = compare_estimators({"m": model}, X, y, **options)["value"].mean()
    honest = compare_estimators({"m": model}, X, y, groups=groups, **options)["value"].mean()

    assert leaking > 0.95
    assert honest < 0.7


def test_the_official_test_set_is_scored_once_a_seed(X_y, early):
    """Fold "test" is a fit on all of X scored on X_test, beside the folds or, with cv=None, alone."""
    X, y = X_y
    groups = X.groups
    train, test = np.flatnonzero(groups < 14), np.flatnonzero(groups >= 14)
    options = {"X_test": X[test], "y_test": y[test], "scoring": ["accuracy", "f1_macro"], "random_states": (0, 1)}

    alone = compare_estimators({"early": early}, X[train], y[train], cv=None, baselines=(), **options)
    beside = compare_estimators({"early": early}, X[train], y[train], cv=3, baselines=(), **options)

    predicted = early.fit(X[train], y[train]).predict(X[test])
    assert alone["fold"].tolist() == ["test"] * 4
    assert values(alone, "early", "accuracy").tolist() == [accuracy_score(y[test], predicted)] * 2
    assert values(alone, "early", "f1_macro").tolist() == [f1_score(y[test], predicted, average="macro")] * 2
    assert beside.drop_duplicates(["seed", "fold"])["fold"].tolist() == [0, 1, 2, "test"] * 2
    pd.testing.assert_frame_equal(
        beside.query("fold == 'test'").drop(columns=TIMES).reset_index(drop=True), alone.drop(columns=TIMES)
    )
    assert set(alone["n_train"]) == {len(train)}
    assert set(alone["n_test"]) == {len(test)}


def test_a_group_in_training_and_in_the_official_test_set_is_refused(X_y, early):
    """The official split is checked like a fold."""
    X, y = X_y
    rows = np.arange(40)
    with pytest.raises(ValueError, match="training and in the test samples of X_test"):
        compare_estimators({"early": early}, X[rows], y[rows], cv=None, X_test=X[rows], y_test=y[rows])


def test_predictions_tell_the_sample(X_y, early):
    """Predictions carry the row, the sample id and the true label, and give the accuracy of the table."""
    X, y = X_y
    ids = np.array([f"patient {row}" for row in range(60)])
    X = ModalityDict(X, index=ids)

    result = compare_estimators({"early": early}, X, y, cv=3, baselines=(), scoring="accuracy", return_predictions=True)

    table = result.predictions
    np.testing.assert_array_equal(table["y_true"], y[table["sample"]])
    np.testing.assert_array_equal(table["sample_id"], ids[table["sample"]])
    right = (table["y_true"] == table["y_pred"]).groupby(table["fold"]).mean()
    np.testing.assert_allclose(right, result.scores["value"])


def test_strategies_are_inferred_and_may_be_told(X_y, early):
    """Concatenation is early, voting late, a single model none; a told strategy wins."""
    X, y = X_y
    models = {"early": early, "vote": VotingClassifier([("a", early), ("b", early)]), "plain": Recorder(), "told": Recorder()}

    scores = compare_estimators(models, X, y, cv=2, scoring="accuracy", strategies={"told": "intermediate"})

    assert scores.groupby("estimator", sort=False)["strategy"].first().to_dict() == {
        "majority": "none", "concat_lr": "early", "early": "early", "vote": "late", "plain": "none", "told": "intermediate",
    }  # fmt: skip


def test_a_failing_estimator_is_named(X_y):
    """The error says which estimator, seed and fold, and why; also from another process."""
    X, y = X_y
    for n_jobs in (1, 2):
        with pytest.raises(RuntimeError, match=r"Estimator 'odd' \(seed 4, fold 0\) failed: ValueError: no such luck"):
            compare_estimators({"odd": Failing()}, X, y, cv=2, random_states=(4,), baselines=(), n_jobs=n_jobs)


def test_inputs_stay_as_they_are(X_y, early):
    """Neither data nor estimators nor settings are changed."""
    X, y = X_y
    data = {name: np.array(value) for name, value in X.items()}
    given, labels = {name: value.copy() for name, value in data.items()}, y.copy()
    estimators = {"early": early}

    compare_estimators(estimators, data, labels, cv=2, groups=list(X.groups), scoring="accuracy")

    assert list(estimators) == ["early"]
    assert not hasattr(early[-1], "coef_")
    np.testing.assert_array_equal(labels, y)
    for name, value in given.items():
        np.testing.assert_array_equal(data[name], value)


def test_a_progress_bar_shows_only_when_asked(X_y, capsys):
    """verbose=1 shows one bar over the fits, verbose=0 nothing."""
    X, y = X_y
    compare_estimators({"m": Recorder()}, X, y, cv=2, baselines=(), scoring="accuracy")
    assert capsys.readouterr() == ("", "")

    compare_estimators({"m": Recorder()}, X, y, cv=2, baselines=(), scoring="accuracy", verbose=1)
    assert "2/2" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"estimators": {}}, "at least one entry"),
        ({"estimators": [LogisticRegression()]}, "must be a dict"),
        ({"estimators": {"m": LogisticRegression}}, r"estimators\['m'\] must be an estimator"),
        ({"estimators": {"majority": Recorder()}}, "is a baseline and an estimator"),
        ({"baselines": ("best",)}, 'baselines must be among "majority", "concat_lr" and "single_lr". Got \'best\''),
        ({"strategies": {"m": "deep"}}, "must be \"early\", \"intermediate\", \"late\" or \"none\""),
        ({"strategies": {"x": "late"}}, "strategies names 'x'"),
        ({"cv": None}, "cv=None leaves nothing to evaluate on"),
        ({"X_test": np.zeros((2, 1))}, "X_test and y_test go together"),
        ({"y": np.linspace(0, 1, 60)}, "class labels. Got a continuous target"),
        ({"y": ["a"] * 59}, "60 in X and 59 in y"),
        ({"y": [None] + ["a", "b"] * 29 + ["a"]}, r"1 missing labels \(first rows: \[0\]\)"),
        ({"groups": [1, 2]}, "Got 2 for 60 samples"),
        ({"scoring": []}, "at least one metric"),
    ],
)
def test_bad_input_is_refused(X_y, change, message):
    """What cannot be compared raises before anything is fitted."""
    X, y = X_y
    options = {"estimators": {"m": Failing()}, "X": ModalityDict(dict(X)), "y": y, **change}
    with pytest.raises(ValueError, match=message):
        compare_estimators(options.pop("estimators"), options.pop("X"), options.pop("y"), **options)
