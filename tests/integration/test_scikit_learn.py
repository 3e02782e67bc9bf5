"""scikit-learn's own tools work on a ModalityDict of every kind with missing samples.

The data are easy: a pipeline that sees the right rows of the right modalities is nearly always right, and one
that sees wrong ones is right one time in three.
"""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401  it enables the import below
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    GroupKFold,
    GroupShuffleSplit,
    HalvingGridSearchCV,
    LeaveOneGroupOut,
    RandomizedSearchCV,
    RepeatedStratifiedKFold,
    StratifiedGroupKFold,
    TunedThresholdClassifierCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
    permutation_test_score,
    train_test_split,
    validation_curve,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import FeatureUnion
from sklearn.pipeline import make_pipeline as chain

from skmm import ModalityDict
from skmm.compose import ConcatModalities, ModalityTransformer

GOOD = 0.85


def linear():
    """Concatenation and logistic regression, for tables."""
    return chain(ConcatModalities(), LogisticRegression())


def linear_of_tables():
    """The same on the tables of the mixed data."""
    drop = dict.fromkeys(["image", "bag", "text"], "drop")
    return chain(ModalityTransformer(drop, remainder="passthrough"), *(step for _, step in linear().steps))


def test_cross_validate(make_pipeline, mixed):
    """cross_validate scores a pipeline on unseen folds."""
    result = cross_validate(make_pipeline(), mixed.X, mixed.y, cv=3, scoring="f1_macro")

    assert result["test_score"].mean() > GOOD


def test_cross_validate_in_two_processes(make_pipeline, mixed):
    """Two processes give the scores of one."""
    one, two = (
        cross_validate(make_pipeline(), mixed.X, mixed.y, cv=2, n_jobs=n_jobs)["test_score"]
        for n_jobs in (1, 2)
    )

    np.testing.assert_array_equal(one, two)


def test_cross_val_predict(make_pipeline, mixed):
    """Out-of-fold probabilities sum to one and are right for nearly all samples."""
    proba = cross_val_predict(make_pipeline(), mixed.X, mixed.y, cv=3, method="predict_proba")

    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-5)
    assert (np.array(["a", "b", "c"])[proba.argmax(axis=1)] == mixed.y).mean() > GOOD


def test_grid_search_over_a_modality_and_the_model(make_pipeline, mixed):
    """GridSearchCV reaches a parameter of one modality's transformer, and prefers a model that learns."""
    grid = {"prepare__text__max_features": [1, None], "fuse__max_epochs": [1, 25]}
    search = GridSearchCV(make_pipeline(), grid, cv=2).fit(mixed.X, mixed.y)

    assert search.best_params_["fuse__max_epochs"] == 25
    assert search.score(mixed.X, mixed.y) > GOOD


def test_randomized_search(make_pipeline, mixed):
    """RandomizedSearchCV refits the best of its candidates."""
    search = RandomizedSearchCV(make_pipeline(), {"fuse__lr": [1e-9, 0.02]}, n_iter=2, cv=2, random_state=0)
    search.fit(mixed.X, mixed.y)

    assert search.best_params_ == {"fuse__lr": 0.02}


def test_halving_search(make_pipeline, mixed):
    """HalvingGridSearchCV gives candidates more and more of the samples."""
    search = HalvingGridSearchCV(
        make_pipeline(), {"fuse__lr": [1e-9, 0.02]}, cv=2, min_resources=30, factor=2, random_state=0
    ).fit(mixed.X, mixed.y)

    assert search.best_params_ == {"fuse__lr": 0.02}
    assert search.n_resources_ == [30, 60]


def test_learning_curve(make_pipeline, mixed):
    """More samples do not make the scores worse by much, and the last one is good."""
    sizes, _, scores = learning_curve(
        make_pipeline(), mixed.X, mixed.y, train_sizes=[15, 40], cv=3, shuffle=True, random_state=0
    )

    assert sizes.tolist() == [15, 40]
    assert scores[-1].mean() > GOOD


def test_validation_curve(make_pipeline, mixed):
    """A model that may not learn scores less than one that may."""
    _, scores = validation_curve(
        make_pipeline(), mixed.X, mixed.y, param_name="fuse__lr", param_range=[1e-9, 0.02], cv=2
    )

    assert scores[1].mean() > scores[0].mean()


def test_permutation_test_score(make_pipeline, mixed):
    """The score on the true labels beats those on permuted ones."""
    score, permuted, p_value = permutation_test_score(
        make_pipeline(), mixed.X, mixed.y, cv=2, n_permutations=4, random_state=0
    )

    assert score > permuted.max()
    assert p_value == pytest.approx(1 / 5)


def test_train_test_split(make_pipeline, mixed):
    """Both parts are containers with their own rows, and together hold every sample once."""
    train, test, y_train, y_test = train_test_split(mixed.X, mixed.y, stratify=mixed.y, random_state=0)

    assert isinstance(train, ModalityDict)
    assert len(train) + len(test) == 60
    assert make_pipeline().fit(train, y_train).score(test, y_test) > GOOD


def test_stacking(make_pipeline, mixed):
    """StackingClassifier learns from out-of-fold predictions of two pipelines."""
    model = StackingClassifier(
        [("wide", make_pipeline()), ("linear", linear_of_tables())],
        final_estimator=LogisticRegression(),
        cv=2,
    )

    assert model.fit(mixed.X[:40], mixed.y[:40]).score(mixed.X[40:], mixed.y[40:]) > GOOD


def test_voting(make_pipeline, mixed):
    """Soft voting is the mean of the pipelines' probabilities."""
    model = VotingClassifier([("wide", make_pipeline()), ("linear", linear_of_tables())], voting="soft")
    model.fit(mixed.X, mixed.y)
    mean = np.mean([each.predict_proba(mixed.X) for each in model.estimators_], axis=0)

    np.testing.assert_allclose(model.predict_proba(mixed.X), mean)


@pytest.mark.parametrize("ensemble", [True, False])
def test_calibration(make_pipeline, mixed, ensemble):
    """CalibratedClassifierCV calibrates a pipeline on left-out folds."""
    model = CalibratedClassifierCV(make_pipeline(), cv=2, ensemble=ensemble).fit(mixed.X, mixed.y)

    np.testing.assert_allclose(model.predict_proba(mixed.X).sum(axis=1), 1)
    assert model.score(mixed.X, mixed.y) > GOOD


def test_tuned_threshold(make_pipeline, mixed):
    """A threshold tuned for balanced accuracy is a probability, and one of 2 predicts one class only."""
    y = (mixed.y == "a").astype(int)
    tuned = TunedThresholdClassifierCV(make_pipeline(), cv=2).fit(mixed.X, y)
    fixed = FixedThresholdClassifier(make_pipeline(), threshold=2, response_method="predict_proba")

    assert 0 <= tuned.best_threshold_ <= 1
    assert tuned.score(mixed.X, y) > GOOD
    assert fixed.fit(mixed.X, y).predict(mixed.X).tolist() == [0] * 60


def test_one_versus_rest(make_pipeline, mixed):
    """OneVsRestClassifier fits a pipeline a class."""
    model = OneVsRestClassifier(make_pipeline()).fit(mixed.X, mixed.y)

    assert len(model.estimators_) == 3
    assert model.score(mixed.X, mixed.y) > GOOD


def test_bagging_rows_and_modalities(make_pipeline, mixed):
    """BaggingClassifier draws rows, and modalities, of the container."""
    rows = BaggingClassifier(make_pipeline(), n_estimators=3, random_state=0).fit(mixed.X, mixed.y)
    tables = mixed.X[["dense", "sparse"]]
    both = BaggingClassifier(linear(), n_estimators=4, max_features=1, random_state=0).fit(tables, mixed.y)

    assert rows.score(mixed.X, mixed.y) > GOOD
    assert {model[0].modalities_ for model in both.estimators_} == {("dense",), ("sparse",)}


def test_permutation_importance_of_whole_modalities(make_pipeline, mixed):
    """Shuffling a modality costs accuracy where the model uses it; one of noise costs nothing."""
    rng = np.random.default_rng(0)
    X = ModalityDict({"dense": mixed.X["dense"], "noise": rng.normal(size=(60, 2))})
    result = permutation_importance(linear().fit(X, mixed.y), X, mixed.y, n_repeats=3, random_state=0)

    assert result.importances_mean[0] > 0.3
    assert abs(result.importances_mean[1]) < 0.1


def test_feature_union(mixed):
    """FeatureUnion puts the outputs of two branches on the container side by side."""
    X = mixed.X[["dense", "sparse"]]
    union = FeatureUnion(
        [
            (
                "dense",
                chain(ModalityTransformer({"sparse": "drop"}, remainder="passthrough"), ConcatModalities()),
            ),
            ("all", ConcatModalities()),
        ]
    )

    stacked = union.fit_transform(X)

    whole = ConcatModalities().fit_transform(X)
    np.testing.assert_array_equal(stacked[:, 5:].toarray(), whole.toarray())
    np.testing.assert_allclose(
        stacked[:, :5].toarray()[X.is_present("dense")], X["dense"][X.is_present("dense")]
    )


def test_pipeline_memory(make_pipeline, mixed, tmp_path):
    """With memory= the second fit takes the prepared modalities from the cache, and predicts the same."""
    first = make_pipeline(memory=str(tmp_path)).fit(mixed.X, mixed.y)
    n_files = len(list(tmp_path.rglob("output.pkl")))
    second = make_pipeline(memory=str(tmp_path)).fit(mixed.X, mixed.y)

    assert n_files == len(list(tmp_path.rglob("output.pkl"))) == 1
    np.testing.assert_array_equal(first.predict_proba(mixed.X), second.predict_proba(mixed.X))


@pytest.mark.parametrize(
    "cv",
    [
        GroupKFold(4),
        StratifiedGroupKFold(3),
        GroupShuffleSplit(2, random_state=0),
        RepeatedStratifiedKFold(n_splits=2, n_repeats=2, random_state=0),
    ],
    ids=lambda cv: type(cv).__name__,
)
def test_group_and_repeated_splitters(mixed, cv):
    """Every splitter gives its number of scores, and patients stay whole where groups are asked for."""
    X = mixed.X[["dense", "sparse"]]
    groups = None if isinstance(cv, RepeatedStratifiedKFold) else X.groups
    scores = cross_val_score(linear(), X, mixed.y, groups=groups, cv=cv)

    assert len(scores) == cv.get_n_splits(X, mixed.y, groups)
    assert scores.mean() > 0.6


def test_leave_one_group_out(mixed):
    """One fold a patient."""
    X = mixed.X[["dense"]]

    assert len(cross_val_score(linear(), X, mixed.y, groups=X.groups, cv=LeaveOneGroupOut())) == 30


def test_clone(make_pipeline, mixed):
    """A clone is unfitted, has equal parameters and fits to the same predictions."""
    model = make_pipeline().fit(mixed.X, mixed.y)
    twin = clone(model)

    assert not hasattr(twin[-1], "classes_")
    assert repr(twin) == repr(model)
    np.testing.assert_array_equal(
        twin.fit(mixed.X, mixed.y).predict_proba(mixed.X), model.predict_proba(mixed.X)
    )


def test_several_outputs(make_pipeline, mixed):
    """MultiOutputClassifier fits one pipeline a target."""
    Y = np.column_stack([mixed.y, np.where(mixed.y == "a", "yes", "no")])
    model = MultiOutputClassifier(make_pipeline()).fit(mixed.X, Y)

    assert (model.predict(mixed.X) == Y).mean() > GOOD
