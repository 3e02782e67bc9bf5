"""compare_estimators: values, seeds, groups, official test sets, failures."""

import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, StratifiedGroupKFold, cross_validate
from sklearn.pipeline import Pipeline, make_pipeline
from threadpoolctl import threadpool_info, threadpool_limits

from skmm import ModalityDict
from skmm.compose import ConcatModalities, ModalitySplitter
from skmm.datasets import drop_modalities
from skmm.fusion import MMDynamicsClassifier
from skmm.metrics import paper_scorers
from skmm.model_selection import compare_estimators
from skmm.model_selection._engine import fit_once

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
    return scores.loc[(scores["estimator"] == name) & (scores["metric"] == metric), "value"].to_numpy()


def test_scores_equal_those_of_cross_validate(study, early):
    """For one seed the scores are those of scikit-learn's cross_validate on the same folds."""
    X, y = study
    cv = StratifiedGroupKFold(4, shuffle=True, random_state=0)

    scores = compare_estimators({"early": early}, X, y, cv=4, random_states=(0,))

    expected = cross_validate(early, X, y, groups=X.groups, cv=cv, scoring=paper_scorers())
    for metric in scores["metric"].unique():
        np.testing.assert_array_equal(values(scores, "early", metric), expected[f"test_{metric}"])
    assert list(scores["estimator"].unique()) == ["majority", "concat_lr", "early"]
    assert scores.columns.tolist() == [
        "estimator", "strategy", "baseline", "seed", "fold", "metric", "value", *TIMES, "n_train", "n_test",
    ]  # fmt: skip


def test_default_metrics_are_those_of_the_papers(study):
    """Without scoring there are weighted and macro F1, recall, precision, accuracies and AUC."""
    X, y = study
    scores = compare_estimators(
        {"no probabilities": Recorder()}, X, y, cv=2, baselines=(), scoring=["f1_macro"]
    )
    assert scores["metric"].unique().tolist() == ["f1_macro"]

    scores = compare_estimators({"m": DummyClassifier()}, X, y, cv=2, baselines=())
    assert scores["metric"].unique().tolist() == [
        "f1_weighted", "f1_macro", "recall_weighted", "precision_weighted", "accuracy",
        "balanced_accuracy", "roc_auc_ovr",
    ]  # fmt: skip


def test_n_jobs_does_not_change_the_table(study, early):
    """Two processes give the table of one, in the same order."""
    X, y = study
    forest = make_pipeline(ConcatModalities(), RandomForestClassifier(5))
    options = {"cv": 2, "random_states": (0, 1), "return_predictions": True}

    one, two = (
        compare_estimators({"early": early, "forest": forest}, X, y, n_jobs=n, **options) for n in (1, 2)
    )

    pd.testing.assert_frame_equal(one.scores.drop(columns=TIMES), two.scores.drop(columns=TIMES))
    pd.testing.assert_frame_equal(one.predictions, two.predictions)


def test_seeds_reach_every_nested_estimator(study):
    """Each seed is the random_state of the estimator and of what it holds; the caller's stay as they are."""
    X, y = study
    model = Recorder(random_state=5, inner=make_pipeline(RandomForestClassifier(random_state=None)))

    fits = compare_estimators(
        {"m": model},
        X,
        y,
        cv=2,
        random_states=(3, 9),
        baselines=(),
        scoring="accuracy",
        return_estimators=True,
    ).estimators["m"]

    assert [fit.random_state for fit in fits] == [3, 3, 9, 9]
    assert [fit.inner[0].random_state for fit in fits] == [3, 3, 9, 9]
    assert model.random_state == 5
    assert model.inner[0].random_state is None
    assert not hasattr(model, "answer_")


def test_groups_travel_into_the_fits(study):
    """Groups given beside X are in the X of each fit, whole, and no group is on both sides."""
    X, y = study
    groups = X.groups
    bare = ModalityDict(dict(X))

    result = compare_estimators(
        {"m": Recorder()}, bare, y, cv=4, groups=groups, baselines=(), scoring="accuracy",
        return_predictions=True, return_estimators=True,
    )  # fmt: skip

    assert bare.groups is None
    for fold, fit in enumerate(result.estimators["m"]):
        tested = set(groups[result.predictions.loc[result.predictions["fold"] == fold, "sample"]])
        assert len(fit.of_X_) == fit.n_
        assert not tested & set(fit.of_X_)
    assert sorted(result.predictions["sample"]) == list(range(60))


def test_groups_reach_fits_on_plain_tables(study):
    """With a plain array there is no container to carry groups, so a fit that takes them is handed them."""
    X, y = study
    fits = compare_estimators(
        {"m": Recorder()},
        X["strong"],
        y,
        cv=4,
        groups=X.groups,
        baselines=(),
        scoring="accuracy",
        return_estimators=True,
    ).estimators["m"]

    assert all(len(fit.given_) == fit.n_ for fit in fits)


@pytest.mark.parametrize("routing", [False, True])
@pytest.mark.parametrize("searched", [False, True])
def test_groups_stay_whole_in_early_stopping_on_a_table_that_a_pipeline_splits(study, routing, searched):
    """A step of a Pipeline that takes groups gets them, so that none is on both sides of its own split."""
    X, y = study
    frame, groups = pd.DataFrame(np.hstack([X["strong"], X["weak"]])), X.groups
    net = MMDynamicsClassifier(max_epochs=1, hidden=4, early_stopping=True, validation_fraction=0.3)
    with config_context(enable_metadata_routing=routing):
        if routing:
            net.set_fit_request(groups=True)
        model = Pipeline([("split", ModalitySplitter({"a": slice(0, 3), "b": slice(3, 5)})), ("fuse", net)])
        if searched:
            model = GridSearchCV(model, {"fuse__hidden": [4]}, cv=GroupKFold(2))
        fitted, _ = fit_once(model, frame, y, groups, 0, "It")
    fitted = fitted.best_estimator_ if searched else fitted
    held = fitted["fuse"].validation_rows_

    assert len(held)
    assert not set(groups[held]) & set(np.delete(groups, held))


def test_groups_given_win_over_those_of_the_container(study):
    """The groups that divide the folds are those that the fits get, whatever X carries."""
    X, y = study
    coarse = X.groups // 5
    fits = compare_estimators(
        {"m": Recorder()}, X, y, cv=2, groups=coarse, baselines=(), scoring="accuracy",
        return_estimators=True,
    ).estimators["m"]  # fmt: skip

    assert set(fits[0].of_X_) | set(fits[1].of_X_) == set(coarse)
    assert X.groups.max() == 19


def test_groups_reach_the_splitter_of_a_search(study, early):
    """A grid search with a group-aware splitter gets the groups of its training samples."""
    X, y = study
    search = GridSearchCV(early, {"logisticregression__C": [0.1, 1.0]}, cv=GroupKFold(2))

    scores = compare_estimators({"search": search}, X, y, cv=3, scoring="accuracy", baselines=())

    assert (scores["value"] > 0.6).all()


def test_a_splitter_that_ignores_the_groups_of_the_data_is_refused(study, early):
    """KFold is refused as soon as X carries groups."""
    X, y = study
    with pytest.raises(ValueError, match="KFold ignores groups"):
        compare_estimators({"early": early}, X, y, cv=KFold(3))


def test_leakage_through_groups_is_not_measured():
    """A model that knows groups by heart is at chance where no group is in training and in test."""
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


def test_the_official_test_set_is_scored_once_a_seed(study, early):
    """Fold "test" is a fit on all of X scored on X_test, beside the folds or, with cv=None, alone."""
    X, y = study
    groups = X.groups
    train, test = np.flatnonzero(groups < 14), np.flatnonzero(groups >= 14)
    options = {
        "X_test": X[test],
        "y_test": y[test],
        "scoring": ["accuracy", "f1_macro"],
        "random_states": (0, 1),
    }

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


def test_an_official_test_set_may_be_of_one_class(study, early):
    """Its accuracy is the share that is right."""
    X, y = study
    X, rows = ModalityDict(dict(X)), np.flatnonzero(y == "a")
    scores = compare_estimators(
        {"early": early}, X, y, cv=None, X_test=X[rows], y_test=y[rows], baselines=(), scoring="accuracy"
    )

    assert scores["value"].tolist() == [np.mean(early.fit(X, y).predict(X[rows]) == "a")]


def test_a_group_in_training_and_in_the_official_test_set_is_refused(study, early):
    """The official split is checked like a fold."""
    X, y = study
    rows = np.arange(40)
    with pytest.raises(ValueError, match="training and in the test samples of X_test"):
        compare_estimators({"early": early}, X[rows], y[rows], cv=None, X_test=X[rows], y_test=y[rows])


def test_predictions_tell_the_sample(study, early):
    """Predictions carry the row, the sample id and the true label, and give the accuracy of the table."""
    X, y = study
    ids = np.array([f"patient {row}" for row in range(60)])
    X = ModalityDict(X, index=ids)

    result = compare_estimators(
        {"early": early}, X, y, cv=3, baselines=(), scoring="accuracy", return_predictions=True
    )

    table = result.predictions
    np.testing.assert_array_equal(table["y_true"], y[table["sample"]])
    np.testing.assert_array_equal(table["sample_id"], ids[table["sample"]])
    right = (table["y_true"] == table["y_pred"]).groupby(table["fold"]).mean()
    np.testing.assert_allclose(right, result.scores["value"])


def test_strategies_are_inferred_and_may_be_told(study, early):
    """Concatenation is early, voting late, a single model none; a told strategy wins."""
    X, y = study
    models = {
        "early": early,
        "vote": VotingClassifier([("a", early), ("b", early)]),
        "plain": Recorder(),
        "told": Recorder(),
    }

    scores = compare_estimators(models, X, y, cv=2, scoring="accuracy", strategies={"told": "intermediate"})

    assert scores.groupby("estimator", sort=False)["strategy"].first().to_dict() == {
        "majority": "none", "concat_lr": "early", "early": "early", "vote": "late", "plain": "none",
        "told": "intermediate",
    }  # fmt: skip


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_failing_estimator_is_named(study, n_jobs):
    """The error says which estimator, seed and fold failed, and why."""
    X, y = study
    message = r"Estimator 'odd' \(seed 4, fold [01]\) failed: ValueError: no such luck"
    options = {"cv": 2, "random_states": (4,), "baselines": (), "n_jobs": n_jobs}
    with parallel_config(backend="threading"), pytest.raises(RuntimeError, match=message):
        compare_estimators({"odd": Failing()}, X, y, **options)


def test_inputs_stay_as_they_are(study, early):
    """Neither data nor estimators nor settings are changed."""
    X, y = study
    data = {name: np.array(value) for name, value in X.items()}
    given, labels = {name: value.copy() for name, value in data.items()}, y.copy()
    estimators = {"early": early}

    compare_estimators(estimators, data, labels, cv=2, groups=list(X.groups), scoring="accuracy")

    assert list(estimators) == ["early"]
    assert not hasattr(early[-1], "coef_")
    np.testing.assert_array_equal(labels, y)
    for name, value in given.items():
        np.testing.assert_array_equal(data[name], value)


def test_a_progress_bar_shows_only_when_asked(study, capsys):
    """verbose=1 shows one bar over the fits, verbose=0 nothing."""
    X, y = study
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
        (
            {"baselines": ("best",)},
            'baselines must be among "majority", "concat_lr" and "single_lr". Got \'best\'',
        ),
        ({"strategies": {"m": "deep"}}, 'must be "early", "intermediate", "late" or "none"'),
        ({"strategies": {"x": "late"}}, "strategies names 'x'"),
        ({"cv": None}, "cv=None leaves nothing to evaluate on"),
        ({"X_test": np.zeros((2, 1))}, "X_test and y_test go together"),
        ({"X_test": np.zeros((2, 1)), "y_test": ["a"]}, "Got 2 in X_test and 1 in y_test"),
        ({"y": np.linspace(0, 1, 60)}, "class labels. Got a continuous target"),
        ({"y": ["a"] * 59}, "60 in X and 59 in y"),
        ({"y": [None] + ["a", "b"] * 29 + ["a"]}, r"1 missing labels \(first rows: \[0\]\)"),
        ({"groups": [1, 2]}, "Got 2 for 60 samples"),
        ({"groups": [None, *range(59)]}, "groups must not be missing; it is at rows 0"),
        ({"y": ["a"] * 60}, "at least two classes. Got a only"),
        ({"scoring": []}, "scoring must be .* at least one"),
        ({"scoring": 3}, "scoring must be .* Got 3"),
        ({"scoring": [accuracy_score]}, "scoring must be a name"),
    ],
)
def test_bad_input_is_refused(study, change, message):
    """What cannot be compared raises before anything is fitted."""
    X, y = study
    options = {"estimators": {"m": Failing()}, "X": ModalityDict(dict(X)), "y": y, **change}
    with pytest.raises(ValueError, match=message):
        compare_estimators(options.pop("estimators"), options.pop("X"), options.pop("y"), **options)


def test_a_failure_names_the_modality(study, early):
    """What a ModalityTransformer notes on an error stands in the message."""
    X, y = study
    infinite = {**X, "weak": np.full((60, 2), np.inf)}
    with pytest.raises(RuntimeError, match="'m' .*contains infinity.*transformer of modality 'weak'"):
        compare_estimators({"m": early}, infinite, y, cv=2, baselines=())


def test_metadata_routing_changes_nothing(study, early):
    """With scikit-learn's metadata routing on, the scores are the same."""
    X, y = study
    search = GridSearchCV(early, {"logisticregression__C": [0.1, 1.0]}, cv=GroupKFold(2))
    tables = []
    for routing in (False, True):
        with config_context(enable_metadata_routing=routing):
            tables.append(
                compare_estimators({"early": early, "search": search}, X, y, cv=2).drop(columns=TIMES)
            )

    pd.testing.assert_frame_equal(*tables)


def test_fusion_beside_baselines_with_missing_modalities(study):
    """A net with early stopping runs beside the baselines on samples that lack modalities."""
    X, y = study
    X = drop_modalities(X, 0.3, random_state=0)
    net = MMDynamicsClassifier(16, max_epochs=30, lr=0.01, early_stopping=True, n_iter_no_change=30)

    scores = compare_estimators({"net": net}, X, y, cv=2, scoring="accuracy")

    means = scores.groupby("estimator")["value"].mean()
    assert np.isfinite(scores["value"]).all()
    assert means["net"] > means["majority"] + 0.1


def test_thread_counts_are_given_back(study):
    """Fits side by side run on one thread each, and the counts of the process are restored."""
    X, y = study
    seen = []

    class Watching(Recorder):
        def fit(self, X, y, groups=None):
            seen.extend(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")
            return super().fit(X, y, groups)

    with threadpool_limits(3):
        before = threadpool_info()
        with parallel_config(backend="threading"):
            compare_estimators({"m": Watching()}, X, y, cv=4, baselines=(), scoring="accuracy", n_jobs=2)
        assert threadpool_info() == before
    assert set(seen) == {1}
