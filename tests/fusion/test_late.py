"""Late fusion: averages over what is present, stacking out of fold, weights, routing, bad input."""

import numpy as np
import pytest
import sklearn
from joblib import parallel_config
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, ShuffleSplit
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC, LinearSVC

from skmm import ModalityDict
from skmm.exceptions import MissingModalityError, NoModalityWarning
from skmm.fusion import LateFusionClassifier
from skmm.fusion._modality_classifier import align_to_classes
from skmm.fusion._stacking import assign_folds, average_present, centred_log_proba, strata


class Recorder(ClassifierMixin, BaseEstimator):
    """A classifier that gives fixed probabilities by class share and keeps what it was fitted on."""

    log = []

    def fit(self, X, y, sample_weight=None):
        """Keep the data."""
        self.classes_ = np.unique(y)
        self.share_ = np.bincount(y) / len(y)
        Recorder.log.append((np.asarray(X), y, sample_weight))
        return self

    def predict_proba(self, X):
        """The shares of fit."""
        return np.tile(self.share_, (len(X), 1))

    def predict(self, X):
        """The most frequent class."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


@pytest.fixture
def two_tables():
    """Sixty samples of three classes in two tables, a quarter of the entries missing, in groups of two."""
    rng = np.random.default_rng(0)
    y = np.array(["c", "a", "b"])[np.arange(60) // 2 % 3]
    shift = 1.5 * (y[:, None] == ["a", "b", "c"])
    X = {
        "b": rng.normal(size=(60, 3)) + shift,
        "a": np.hstack([rng.normal(size=(60, 3)) + shift, rng.normal(size=(60, 2))]),
    }
    X["b"][::4] = np.nan
    X["a"][1::4] = np.nan
    return X, y, np.arange(60) // 2


def test_average_is_the_mean_over_what_is_present():
    """Weights are shared among the modalities that a sample has."""
    probas = [np.array([[0.9, 0.1], [0.9, 0.1], [0.5, 0.5]]), np.array([[0.2, 0.8], [0.5, 0.5], [0.2, 0.8]])]
    present = [np.array([True, True, False]), np.array([True, False, False])]

    proba, known = average_present(probas, present, [3.0, 1.0])

    assert_allclose(proba, [[0.725, 0.275], [0.9, 0.1], [0, 0]])
    assert_array_equal(known, [True, True, False])


def test_unknown_classes_keep_their_prior():
    """Probabilities of some classes are spread over what the prior leaves them; rows sum to one."""
    aligned = align_to_classes(np.array([[0.25, 0.75]]), np.array([0, 2]), np.array([0.5, 0.3, 0.2]))

    assert_allclose(aligned, [[0.175, 0.3, 0.525]])


def test_evidence_of_the_prior_is_zero():
    """A modality that says no more than the prior gives no evidence, and probabilities of 0 stay finite."""
    prior = np.array([0.2, 0.8])

    assert_allclose(centred_log_proba(prior[None], prior), [[0, 0]], atol=1e-15)
    assert np.isfinite(centred_log_proba(np.array([[0.0, 1.0]]), prior)).all()


def test_average_equals_the_classifiers_by_hand(two_tables):
    """The default method is the weighted mean of classifiers fitted on present rows."""
    X, y, _ = two_tables
    model = LateFusionClassifier(GaussianNB(), modality_weights={"a": 2.0}).fit(X, y)
    total, weight = 0, 0
    for name, w in {"a": 2.0, "b": 1.0}.items():
        seen = ~np.isnan(X[name][:, 0])
        proba = GaussianNB().fit(X[name][seen], y[seen]).predict_proba(np.nan_to_num(X[name]))
        total, weight = total + w * seen[:, None] * proba, weight + w * seen[:, None]

    assert_allclose(model.predict_proba(X), total / weight)
    assert_array_equal(model.classes_, ["a", "b", "c"])
    assert model.modalities_ == ("a", "b")
    assert_array_equal(
        LateFusionClassifier(GaussianNB(), modality_weights=[2, 1]).fit(X, y).predict_proba(X),
        model.predict_proba(X),
    )


def test_default_classifier_is_a_standardized_regression(two_tables):
    """One complete table gives what the documented pipeline gives."""
    X, y, _ = two_tables
    table = np.nan_to_num(X["a"])
    expected = make_pipeline(
        StandardScaler(), LogisticRegression(C=0.7 / np.sqrt(5), tol=1e-8, max_iter=1000)
    ).fit(table, y)

    assert_allclose(
        LateFusionClassifier().fit(table, y).predict_proba(table), expected.predict_proba(table), atol=1e-4
    )


@pytest.mark.parametrize("method", ["average", "stacking"])
def test_sparse_equals_dense(two_tables, method):
    """A sparse table gives the probabilities of the dense one."""
    X, y, _ = two_tables
    dense = np.where(np.nan_to_num(X["a"]) > 0.5, np.nan_to_num(X["a"]), 0)
    model = LateFusionClassifier(method=method, random_state=0)

    expected = model.fit({"a": dense}, y).predict_proba({"a": dense})
    for form in (sparse.csr_array, sparse.csc_matrix):
        got = clone(model).fit({"a": form(dense)}, y).predict_proba({"a": form(dense)})
        assert_allclose(got, expected, atol=1e-4)


def test_a_dict_gives_each_modality_its_classifier(two_tables):
    """Estimators are by name, None is the default, 'drop' leaves out."""
    X, y, _ = two_tables
    forest = RandomForestClassifier(5)
    model = LateFusionClassifier({"a": forest, "b": None}, random_state=0).fit(X, y)

    assert isinstance(model.estimators_["a"], RandomForestClassifier)
    assert isinstance(model.estimators_["b"][-1], LogisticRegression)
    assert not hasattr(forest, "classes_")
    only_b = LateFusionClassifier({"a": "drop", "b": None}).fit(
        {"a": X["a"][20:], "b": np.nan_to_num(X["b"][20:])}, y[20:]
    )
    assert list(only_b.estimators_) == ["b"]
    assert_allclose(
        only_b.predict_proba({"b": X["b"][1:2]}), only_b.predict_proba({k: v[1:2] for k, v in X.items()})
    )


def test_all_kinds_are_fused(modalities):
    """Tables, images (flattened), bags and text are classified, each by what takes it."""
    X, y, _ = modalities
    estimators = {
        "dense": None,
        "sparse": None,
        "image": LogisticRegression(max_iter=500),
        "bag": make_pipeline(
            FunctionTransformer(lambda bags: np.array([bag.mean(axis=0) for bag in bags])), GaussianNB()
        ),
        "text": make_pipeline(TfidfVectorizer(), LogisticRegression()),
    }
    for method in ("average", "stacking"):
        model = LateFusionClassifier(estimators, method=method, cv=3, random_state=0).fit(X, y)

        assert model.score(X, y) > 0.95
        assert model.estimators_["image"].n_features_in_ == 64
        assert_allclose(model.predict_proba(X).sum(axis=1), 1)


def test_ragged_images_and_bags_name_what_to_do(make_modalities):
    """What the default classifier cannot take is refused by name, with the way out."""
    X, y, _ = make_modalities(("bag",), missing_rate=0)
    images = [np.zeros((4 + i % 2, 4)) for i in range(30)]

    with pytest.raises(ValueError, match="kind 'bag': pool each bag"):
        LateFusionClassifier().fit(X, y)
    with pytest.raises(ValueError, match="'im' holds images of different sizes"):
        LateFusionClassifier().fit(ModalityDict({"im": images}, kinds={"im": "image"}), y)


def test_a_class_that_a_modality_lacks_is_not_ruled_out(two_tables):
    """A class without a present row keeps its prior in that modality; one class only is the prior."""
    X, y, _ = two_tables
    X["a"][y == "b"] = np.nan
    X["b"][y != "a"] = np.nan
    X["b"][y == "a"] = 0.5
    X["a"][np.isnan(X["a"][:, 0]) & (y == "c")] = 0.1
    X["c"] = np.arange(60.0)[:, None]
    model = LateFusionClassifier(random_state=0).fit(X, y)
    alone = model.modality_proba(X)

    assert_allclose(alone["a"][:, 1], 1 / 3)
    assert_allclose(alone["b"], 1 / 3)
    assert_allclose(model.predict_proba(X).sum(axis=1), 1)
    assert LateFusionClassifier(method="stacking", random_state=0).fit(X, y).predict_proba(X).min() > 0


def test_out_of_fold_evidence_has_not_seen_the_sample(two_tables):
    """Labels that have nothing to do with the data are not recovered by a stack of memorizing classifiers."""
    X = {
        "a": np.random.default_rng(0).normal(size=(80, 3)),
        "b": np.random.default_rng(1).normal(size=(80, 3)),
    }
    y = np.random.default_rng(2).integers(2, size=80)
    model = LateFusionClassifier(KNeighborsClassifier(1), method="stacking", random_state=0).fit(X, y)

    assert model.predict_proba(X).max() < 0.9
    assert LateFusionClassifier(KNeighborsClassifier(1)).fit(X, y).score(X, y) == 1


@pytest.mark.parametrize("source", ["container", "argument", "routing"])
def test_groups_stay_whole_in_stacking(two_tables, source):
    """No fold trains on a patient whose samples it judges, however the groups arrive."""
    X, y, groups = two_tables
    X = {name: np.hstack([groups[:, None], np.nan_to_num(value)]) for name, value in X.items()}
    Recorder.log.clear()
    model = LateFusionClassifier(Recorder(), method="stacking", cv=3, random_state=0)
    if source == "container":
        model.fit(ModalityDict(X, groups=groups), y)
    elif source == "argument":
        model.fit(X, y, groups=groups)
    else:
        with sklearn.config_context(enable_metadata_routing=True):
            search = GridSearchCV(
                model.set_fit_request(groups=True), {"cv": [3]}, cv=GroupKFold(2), refit=False
            )
            search.fit(ModalityDict(X), y, groups=groups)
    folds = [seen[:, 0] for seen, *_ in Recorder.log if len(seen) < (60 if source != "routing" else 30)]

    assert len(folds) >= 6
    for seen in folds:
        assert set(np.unique(seen, return_counts=True)[1]) == {2}


def test_folds_test_every_sample_once():
    """Folds are stratified by class, hold every row once, and rare classes break nothing."""
    codes = np.repeat([0, 1, 2, 3], [20, 10, 2, 1])
    rng = np.random.RandomState(0)
    folds = assign_folds(codes, None, 5, rng, np.arange(33))

    assert_array_equal(np.sort(np.concatenate([test for _, test in folds])), np.arange(33))
    assert [np.bincount(codes[test], minlength=4)[0] for _, test in folds] == [4] * 5
    assert len(assign_folds(codes, np.arange(33) % 3, 5, rng, np.arange(33))) == 3
    assert_array_equal(strata(codes, 5), np.repeat([0, 1], [20, 13]))
    kept, groups = np.arange(0, 33, 2), np.arange(33) // 3
    for train, test in assign_folds(codes, groups, GroupKFold(3), rng, kept):
        assert not set(groups[train]) & set(groups[test])
        assert set(train) | set(test) == set(kept)
    with pytest.raises(ValueError, match="at least 2 groups"):
        assign_folds(codes, np.zeros(33), 5, rng, np.arange(33))
    with pytest.raises(ValueError, match="exactly one fold"):
        assign_folds(codes, None, ShuffleSplit(3, random_state=0), rng, np.arange(33))


def test_stacking_leans_on_the_better_modality():
    """With one informative modality among three, stacking beats the average."""
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=300)
    X = {
        "good": rng.normal(size=(300, 4)) + y[:, None],
        **{f"noise{i}": rng.normal(size=(300, 40)) for i in range(2)},
    }
    train, test = slice(0, 150), slice(150, 300)
    scores = {
        method: LateFusionClassifier(GaussianNB(), method=method, random_state=0)
        .fit(ModalityDict(X)[train], y[train])
        .score(ModalityDict(X)[test], y[test])
        for method in ("average", "stacking")
    }

    assert scores["stacking"] > scores["average"] + 0.05


@pytest.mark.parametrize("method", ["average", "stacking"])
def test_a_sample_with_nothing_gets_the_prior(two_tables, method):
    """It is left out of fit with one warning, and gets the class prior with one warning."""
    X, y, _ = two_tables
    full = LateFusionClassifier(method=method, random_state=0).fit({k: v[2:] for k, v in X.items()}, y[2:])
    for value in X.values():
        value[:2] = np.nan
    with pytest.warns(NoModalityWarning, match=r"2 samples have no modality at all \(rows 0, 1\)") as caught:
        model = LateFusionClassifier(method=method, random_state=0).fit(X, y)
    with pytest.warns(NoModalityWarning) as caught_again:
        proba = model.predict_proba(X)

    assert len(caught) == len(caught_again) == 1
    assert_allclose(proba[:2], [model.class_prior_] * 2)
    assert_allclose(model.class_prior_, [20 / 58, 20 / 58, 18 / 58])
    assert_allclose(proba[2:], full.predict_proba({k: v[2:] for k, v in X.items()}), atol=1e-12)


def test_a_modality_with_no_row_is_left_out(two_tables):
    """It warns, has no classifier, and its values do not count later."""
    X, y, _ = two_tables
    X["b"][:] = np.nan
    X["a"][np.isnan(X["a"])] = 0
    with pytest.warns(NoModalityWarning, match="'b' is missing for every sample"):
        model = LateFusionClassifier().fit(X, y)

    assert list(model.estimators_) == ["a"]
    assert_array_equal(
        model.predict_proba({"a": X["a"], "b": np.ones((60, 3))}), model.predict_proba({"a": X["a"]})
    )
    X["a"][:] = np.nan
    with pytest.raises(MissingModalityError):
        LateFusionClassifier().fit(X, y)


def test_weights_count(two_tables):
    """Sample weights equal repetition, class weights multiply them, and both need someone who takes them."""
    X, y, _ = two_tables
    weight = np.random.default_rng(0).integers(0, 3, size=60)
    repeated = ModalityDict(X)[np.repeat(np.arange(60), weight)]
    model = LateFusionClassifier()

    weighted = clone(model).fit(X, y, sample_weight=weight)
    assert_allclose(
        weighted.predict_proba(X),
        clone(model).fit(repeated, np.repeat(y, weight)).predict_proba(X),
        atol=1e-6,
    )
    assert_allclose(
        weighted.class_prior_, np.bincount(np.searchsorted(["a", "b", "c"], y), weight) / weight.sum()
    )
    skewed = LateFusionClassifier(class_weight={"a": 1, "b": 1, "c": 100}).fit(X, y)
    assert np.mean(skewed.predict(X) == "c") > 0.7
    balanced = LateFusionClassifier(class_weight="balanced").fit(X, y, sample_weight=weight)
    assert_allclose(balanced.class_prior_, weighted.class_prior_)  # class weights are not part of the prior
    with pytest.raises(ValueError, match="whose fit takes sample_weight"):
        LateFusionClassifier(KNeighborsClassifier()).fit(X, y, sample_weight=weight)
    LateFusionClassifier({"a": KNeighborsClassifier(), "b": None}).fit(X, y, sample_weight=weight)


def test_weights_reach_the_estimators(two_tables):
    """With routing off every estimator that takes weights gets those of its rows; with it on, who asks."""
    X, y, _ = two_tables
    weight = np.arange(1.0, 61.0)
    Recorder.log.clear()
    LateFusionClassifier({"a": Recorder(), "b": None}).fit(X, y, sample_weight=weight)

    assert_array_equal(Recorder.log[0][2], weight[~np.isnan(X["a"][:, 0])])
    with sklearn.config_context(enable_metadata_routing=True):
        asked = LateFusionClassifier(
            {"a": Recorder().set_fit_request(sample_weight=True), "b": None}, method="stacking"
        )
        asked.fit(X, y, sample_weight=weight)
        assert_array_equal(Recorder.log[-1][2], weight[~np.isnan(X["a"][:, 0])])
        refused = LateFusionClassifier({"a": Recorder().set_fit_request(sample_weight=False), "b": None})
        refused.fit(X, y, sample_weight=weight)
        assert Recorder.log[-1][2] is None


def test_classifiers_without_probabilities(two_tables):
    """An average asks for probabilities and says how to get them; stacking learns from decisions."""
    X, y, _ = two_tables
    with pytest.raises(TypeError, match=r"CalibratedClassifierCV\(SVC\(...\), ensemble=False\)"):
        LateFusionClassifier(SVC()).fit(X, y)
    calibrated = LateFusionClassifier(CalibratedClassifierCV(SVC(), ensemble=False, cv=3)).fit(X, y)
    stacked = LateFusionClassifier({"a": SVC(), "b": LinearSVC()}, method="stacking", random_state=0).fit(
        X, y
    )
    binary = LateFusionClassifier(LinearSVC(), method="stacking", random_state=0).fit(X, y == "a")

    assert calibrated.score(X, y) > 0.7
    assert stacked.score(X, y) > 0.7
    assert binary.score(X, y == "a") > 0.7


def test_transform_is_what_is_stacked(two_tables):
    """Evidence by modality and class, zero where missing, then presence; names say which."""
    X, y, _ = two_tables
    model = LateFusionClassifier(random_state=0).fit(X, y)
    evidence = model.transform(X)
    names = list(model.get_feature_names_out())

    assert names == ["a__a", "a__b", "a__c", "b__a", "b__b", "b__c", "a__present", "b__present"]
    assert_allclose(evidence[:, :3], np.log(model.modality_proba(X)["a"] / model.class_prior_), atol=1e-12)
    assert_array_equal(evidence[1::4, :3], 0)
    assert_array_equal(evidence[:, 6:], ModalityDict(X)[["a", "b"]].present)
    assert list(model.set_output(transform="pandas").transform(X).columns) == names


def test_nested_parameters(two_tables):
    """Parameters of a dict are reached by name and set on copies; searches use them."""
    X, y, _ = two_tables
    own = LogisticRegression()
    model = LateFusionClassifier({"a": own, "b": None})
    model.set_params(a__C=5.0, cv=3)

    assert model.get_params()["a__C"] == 5.0
    assert own.C == 1.0
    assert model.cv == 3
    search = GridSearchCV(model, {"a__C": [0.01, 1.0], "method": ["average", "stacking"]}, cv=2).fit(
        ModalityDict(X), y
    )
    assert set(search.best_params_) == {"a__C", "method"}
    single = LateFusionClassifier(own).set_params(estimator__C=2.0)
    assert single.get_params()["estimator__C"] == 2.0
    with pytest.raises(ValueError, match="Invalid parameter"):
        model.set_params(rna__C=1)


@pytest.mark.uses_global_state("forests in threads swap the warning filters under one another")
def test_n_jobs_and_seeds(two_tables):
    """Two workers give what one gives; seeds fix forests, and the global random state is not drawn from."""
    X, y, _ = two_tables
    model = LateFusionClassifier(RandomForestClassifier(5), method="stacking", cv=2, random_state=0)
    before = np.random.get_state()[1].copy()
    expected = model.fit(X, y).predict_proba(X)
    LateFusionClassifier(RandomForestClassifier(2)).fit(X, y)

    assert_array_equal(np.random.get_state()[1], before)
    with parallel_config(backend="threading"):
        assert_array_equal(clone(model).set_params(n_jobs=2).fit(X, y).predict_proba(X), expected)
    assert model.estimators_["a"].random_state is not None
    fixed = LateFusionClassifier(RandomForestClassifier(2, random_state=7), random_state=0).fit(X, y)
    assert fixed.estimators_["a"].random_state == 7


def test_a_failure_names_the_modality_and_the_cause(two_tables):
    """An estimator's error is traced to partly missing rows, or names the modality at least."""
    X, y, _ = two_tables
    X["a"][2, 0] = np.nan
    with pytest.raises(ValueError, match="'a' contains NaN in a part of 1 rows"):
        LateFusionClassifier(GaussianNB()).fit(X, y)
    with pytest.raises(ValueError, match="'a' contains NaN in a part of 1 rows"):
        LateFusionClassifier().fit(X, y)
    X["a"][2, 0] = 0
    with pytest.raises(ValueError) as caught:
        LateFusionClassifier(KNeighborsClassifier(-1)).fit(X, y)
    assert "on modality 'a'" in caught.value.__notes__[0]


BAD = {
    "method": ({"method": "vote"}, ValueError, "method must be 'average' or 'stacking'"),
    "class": ({"estimator": SVC}, TypeError, "add \\(\\)"),
    "no classifier": ({"estimator": StandardScaler()}, TypeError, "must be a classifier"),
    "unknown": ({"estimator": {"a": None, "b": None, "z": None}}, ValueError, "estimator names 'z'"),
    "undecided": ({"estimator": {"a": None}}, ValueError, "Got none for 'b'"),
    "all dropped": ({"estimator": {"a": "drop", "b": "drop"}}, ValueError, "keep at least one"),
    "weights of unknown": ({"modality_weights": {"z": 1}}, ValueError, "modality_weights names 'z'"),
    "too few weights": ({"modality_weights": [1]}, ValueError, "must hold 2 weights"),
    "negative weights": ({"modality_weights": [1, -1]}, ValueError, "not negative"),
    "final": (
        {"method": "stacking", "final_estimator": SVC()},
        TypeError,
        "final_estimator must have predict_proba",
    ),
}


@pytest.mark.parametrize(("params", "error", "match"), BAD.values(), ids=BAD)
def test_bad_parameters(two_tables, params, error, match):
    """Wrong parameters are refused in fit, by name."""
    X, y, _ = two_tables
    with pytest.raises(error, match=match):
        LateFusionClassifier(**params).fit(X, y)


def test_bad_labels(two_tables):
    """One class and labels of another length are refused."""
    X, y, _ = two_tables
    with pytest.raises(ValueError, match="at least 2 classes"):
        LateFusionClassifier().fit(X, np.repeat("a", 60))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        LateFusionClassifier().fit(X, y[:-1])
    with pytest.raises(ValueError, match="names of parameters"):
        LateFusionClassifier({"cv": None}).fit({"cv": X["a"]}, y)
