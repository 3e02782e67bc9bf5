"""compare_estimators with several targets: scores of each on its labels, averages, folds, errors."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from skmm import ModalityDict
from skmm.compose import ConcatModalities
from skmm.metrics import roc_auc_ovr_score
from skmm.model_selection import ComparisonDisplay, compare_estimators, comparison_table, confusion_matrices
from skmm.multiclass import MultiTargetClassifier, OrdinalCascadeClassifier

ORDER = ["low", "mid", "high"]


@pytest.fixture
def several():
    """Sixty patients, two modalities, two targets of three ordered classes with holes."""
    rng = np.random.default_rng(0)
    level = rng.integers(0, 3, size=(60, 2))
    X = {"a": rng.normal(size=(60, 2)) + level[:, :1], "b": rng.normal(size=(60, 2)) + level[:, 1:]}
    y = pd.DataFrame(np.array(ORDER, dtype=object)[level], columns=["first", "second"])
    y.iloc[:9, 1] = None
    y.iloc[40:44, 0] = None
    return ModalityDict(X), y


def early(classifier=None):
    """Concatenation and a classifier."""
    return make_pipeline(ConcatModalities(), classifier or LogisticRegression(max_iter=1000))


def cut(scores, **values):
    """Scores of some estimator, target, metric."""
    for name, value in values.items():
        scores = scores[scores[name] == value]
    return scores["value"].to_numpy()


def test_each_target_is_scored_on_its_labels(several):
    """S3-7: the scores of a target are those of its classifier on the test samples that have its label."""
    X, y = several
    folds = list(KFold(3, shuffle=True, random_state=0).split(np.zeros(60)))

    scores = compare_estimators({"early": early()}, X, y, cv=folds, scoring=["accuracy", "roc_auc_ovr"])

    assert scores["target"].unique().tolist() == ["first", "second"]
    assert scores["estimator"].unique().tolist() == ["majority", "concat_lr", "early"]
    for target in y:
        labelled = y[target].notna().to_numpy()
        for fold, (train, test) in enumerate(folds):
            learned, judged = train[labelled[train]], test[labelled[test]]
            model = early().fit(X[learned], y[target].iloc[learned])
            expected = {
                "accuracy": accuracy_score(y[target].iloc[judged], model.predict(X[judged])),
                "roc_auc_ovr": roc_auc_ovr_score(
                    y[target].iloc[judged], model.predict_proba(X[judged]), classes=model.classes_
                ),
            }
            own = scores[(scores["estimator"] == "early") & (scores["fold"] == fold)]
            own = own[own["target"] == target].set_index("metric")
            assert own["value"].to_dict() == pytest.approx(expected)
            assert (own["n_train"].unique(), own["n_test"].unique()) == ([len(learned)], [len(judged)])


def test_majority_stands_beside_each_target(several):
    """The majority baseline answers the most frequent class of each target: balanced accuracy 1/3."""
    X, y = several
    scores = compare_estimators(
        {"early": early()}, X, y, cv=2, scoring=["balanced_accuracy", "roc_auc_ovr"], baselines="majority"
    )

    majority = scores[scores["baseline"]]
    np.testing.assert_allclose(cut(majority, metric="balanced_accuracy"), 1 / 3)
    np.testing.assert_allclose(cut(majority, metric="roc_auc_ovr"), 1 / 2)


def test_one_target_without_holes_is_as_before(several):
    """A DataFrame of one complete target gives the scores that its labels give as an array."""
    X, y = several
    y = y["first"].fillna("low")
    options = {"cv": list(KFold(3).split(y)), "scoring": ["f1_macro", "roc_auc_ovr"]}

    scores = compare_estimators({"early": early()}, X, y.to_frame(), **options)
    plain = compare_estimators({"early": early()}, X, y.to_numpy(), **options)

    np.testing.assert_array_equal(scores["value"], plain["value"])
    assert "target" not in plain


def test_models_of_several_targets_are_compared_as_they_are(several):
    """A MultiTargetClassifier, alone or last in a Pipeline, stays as it is; a classifier is wrapped."""
    X, y = several
    cascade = OrdinalCascadeClassifier(early(), order=ORDER)
    models = {
        "cascade": cascade,
        "several": MultiTargetClassifier(cascade),
        "pipeline": make_pipeline(
            ConcatModalities(),
            MultiTargetClassifier(OrdinalCascadeClassifier(LogisticRegression(max_iter=1000), order=ORDER)),
        ),
        "own": MultiTargetClassifier(cascade, modalities={"first": ["a"], "second": ["b"]}),
    }

    result = compare_estimators(models, X, y, cv=2, baselines=(), scoring="accuracy", return_estimators=True)

    first, second, third = (cut(result.scores, estimator=name) for name in ("cascade", "several", "pipeline"))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_allclose(first, third)
    assert result.estimators["own"][0].estimators_["second"].modalities_ == ("b",)
    assert result.scores["strategy"].unique().tolist() == ["early"]


def test_tables_average_over_targets_or_show_each(several):
    """A table has the mean over targets of each fold, or a block for each target; a plot has the mean."""
    X, y = several
    scores = compare_estimators({"early": early()}, X, y, cv=3, scoring="accuracy", baselines="majority")

    table = comparison_table(scores)["accuracy"]
    each = comparison_table(scores, by_target=True)["accuracy"]
    text = comparison_table(scores, format="markdown")
    blocks = comparison_table(scores, format="markdown", by_target=True)

    by_fold = scores[scores["estimator"] == "early"].groupby("fold")["value"].mean()
    row = table.loc[("early", "early")]
    assert (row["mean"], row["std"], row["n"]) == pytest.approx((by_fold.mean(), by_fold.std(), 3))
    own = cut(scores, estimator="early", target="second")
    assert each.loc[("second", "early", "early"), "mean"] == pytest.approx(own.mean())
    assert each.index.names == ["target", "estimator", "strategy"]
    assert "3 evaluations: 3 folds x 1 seed. Scores are means over 2 targets. Best in bold." in text
    assert blocks.count("**") == 4  # the best of each target
    assert "means over" not in blocks
    display = ComparisonDisplay.from_frame(scores)
    assert len(display.axes_[0].get_yticklabels()) == 2
    with pytest.raises(ValueError, match="by_target=True needs scores of several targets"):
        comparison_table(scores.drop(columns="target"), by_target=True)


def test_a_score_that_is_not_defined_shows_in_the_average(several):
    """S3-8: a NaN of one target is never dropped from a mean over targets."""
    X, y = several
    scores = compare_estimators({"early": early()}, X, y, cv=2, scoring="accuracy", baselines=())
    scores.loc[0, "value"] = np.nan

    assert np.isnan(comparison_table(scores)["accuracy"]["mean"]).all()


def test_classes_that_a_fold_lacks_have_a_stated_auc(several):
    """S3-8, S3-13: a class unseen in training, or without a test sample, leaves the AUC defined."""
    X, y = several
    rows = np.arange(60)
    high = (y["first"] == "high").to_numpy()
    tested = high | (rows % 5 == 0)
    unseen = [(rows[~tested], rows[tested])]
    without = [(rows[high | (rows % 2 == 0)], rows[~high & (rows % 2 == 1)])]

    for folds in (unseen, without):
        scores = compare_estimators(
            {"cascade": OrdinalCascadeClassifier(early(), order=ORDER)}, X, y, cv=folds, scoring="roc_auc_ovr"
        )
        assert scores["value"].between(0, 1).all()
        assert len(scores) == 6


def test_an_auc_is_never_taken_from_predicted_labels(several):
    """S3-13: a classifier without probabilities has no AUC of several targets; the error names it."""
    X, y = several

    with pytest.raises(RuntimeError, match="Estimator 'svm'.*target 'first'.*predict_proba"):
        compare_estimators({"svm": early(LinearSVC())}, X, y, cv=2, scoring="roc_auc_ovr", baselines=())
    scores = compare_estimators({"svm": early(LinearSVC())}, X, y, cv=2, scoring="f1_macro", baselines=())
    assert len(scores) == 4


def test_folds_are_stratified_by_one_target_and_keep_groups(several):
    """S3-6, S3-13: the shares of the named target are equal in all folds; a patient is on one side."""
    X, y = several
    y["rare"] = np.where(np.arange(60) % 10 == 0, "yes", "no")
    options = {"cv": 3, "scoring": "accuracy", "baselines": (), "return_predictions": True}

    result = compare_estimators({"early": early()}, X, y, stratify="rare", **options)
    rare = result.predictions[result.predictions["target"] == "rare"]
    assert (rare[rare["y_true"] == "yes"].groupby("fold").size() == 2).all()

    groups = np.arange(60) // 3
    result = compare_estimators({"early": early()}, X, y, groups=groups, **options)
    complete = result.predictions[result.predictions["target"] == "rare"]
    assert (complete.groupby(groups[complete["sample"]])["fold"].nunique() == 1).all()
    with pytest.raises(ValueError, match="stratify must name a target"):
        compare_estimators({"early": early()}, X, y, stratify="third", **options)
    with pytest.raises(ValueError, match="stratify is for several targets"):
        compare_estimators({"early": early()}, X, y["rare"], stratify="rare", **options)


def test_predictions_hold_the_samples_that_have_labels(several):
    """Predictions have a row a label; confusion matrices are those of one target."""
    X, y = several
    result = compare_estimators(
        {"early": early()}, X, y, cv=2, baselines=(), scoring="f1_macro", return_predictions=True
    )

    second = result.predictions[result.predictions["target"] == "second"]
    assert sorted(second["sample"]) == list(range(9, 60))
    assert (second["y_true"].to_numpy() == y["second"].iloc[second["sample"]].to_numpy()).all()
    fold = second[second["fold"] == 0]
    expected = f1_score(fold["y_true"], fold["y_pred"], average="macro")
    assert cut(result.scores, target="second", fold=0)[0] == pytest.approx(expected)
    assert confusion_matrices(second).to_numpy()[:, :3].sum() == pytest.approx(51 / 2)
    with pytest.raises(ValueError, match="hold several targets"):
        confusion_matrices(result.predictions)


def test_official_test_sets(several):
    """A test set has the same targets, and may hold holes and a single class."""
    X, y = several
    options = {"cv": None, "scoring": "accuracy", "baselines": ()}
    y_test = y.iloc[:12].assign(first="low")

    scores = compare_estimators({"early": early()}, X, y, X_test=X[:12], y_test=y_test, **options)

    assert scores[["fold", "target", "n_test"]].to_numpy().tolist() == [
        ["test", "first", 12], ["test", "second", 3],
    ]  # fmt: skip
    with pytest.raises(ValueError, match="y_test must have the targets of y"):
        compare_estimators(
            {"early": early()}, X, y, X_test=X[:12], y_test=y_test[["second", "first"]], **options
        )


def test_targets_that_cannot_be_scored_are_refused(several):
    """A target without a label on one side of a fold, of one class, or of numbers, is refused by name."""
    X, y = several
    options = {"scoring": "accuracy"}

    with pytest.raises(ValueError, match="Fold 0 has no label of.*second.*test"):
        compare_estimators({"early": early()}, X, y, cv=[(np.arange(9, 60), np.arange(9))], **options)
    with pytest.raises(ValueError, match=r"y\['first'\] must hold at least two classes. Got low"):
        compare_estimators({"early": early()}, X, y.assign(first="low"), **options)
    with pytest.raises(ValueError, match=r"y\['first'\] must hold class labels. Got a continuous"):
        compare_estimators({"early": early()}, X, y.assign(first=np.linspace(0, 1, 60)), **options)
    with pytest.raises(ValueError, match=r"y\['first'\] has no label"):
        compare_estimators({"early": early()}, X, y.assign(first=None), **options)
    with pytest.raises(ValueError, match="as many samples"):
        compare_estimators({"early": early()}, X, y.iloc[:-1], **options)
