"""ModalitySampler: what is chosen keeps every kind, what is made lies between two samples, nothing leaks."""

import sys

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from imblearn.combine import SMOTEENN, SMOTETomek
from imblearn.over_sampling import ADASYN, SMOTE, SMOTENC, SVMSMOTE, BorderlineSMOTE, RandomOverSampler
from imblearn.pipeline import Pipeline, make_pipeline
from imblearn.under_sampling import (
    ClusterCentroids,
    EditedNearestNeighbours,
    InstanceHardnessThreshold,
    NearMiss,
    RandomUnderSampler,
    TomekLinks,
)
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_validate
from sklearn.naive_bayes import GaussianNB
from sklearn.tree import DecisionTreeClassifier

from skmm import ModalityDict
from skmm.compose import ConcatModalities
from skmm.containers import BagArray, LazyArray
from skmm.exceptions import NoModalityWarning
from skmm.sampling import ModalitySampler

LABELS = np.array(["mild", "moderate", "severe"])
CHOOSING = [
    RandomOverSampler(random_state=0),
    RandomUnderSampler(random_state=0),
    TomekLinks(),
    NearMiss(n_neighbors=2),
    EditedNearestNeighbours(kind_sel="mode"),
    InstanceHardnessThreshold(estimator=DecisionTreeClassifier(random_state=0), random_state=0, cv=2),
]
MAKING = [
    SMOTE(random_state=0),
    BorderlineSMOTE(random_state=0),
    BorderlineSMOTE(random_state=0, kind="borderline-2"),
    SVMSMOTE(random_state=0),
    ADASYN(random_state=0),
    SMOTETomek(random_state=0),
    SMOTEENN(random_state=0, enn=EditedNearestNeighbours(kind_sel="mode")),
]


def named(sampler):
    """The name of a sampler, for the name of a test."""
    return type(sampler).__name__


@pytest.fixture
def imbalanced():
    """Two tables of 45 samples in three classes of 25, 12 and 8, with ids and groups."""
    rng = np.random.default_rng(0)
    y = np.repeat(LABELS, [25, 12, 8])
    rna = rng.normal(size=(45, 4)) + 1.5 * (y == "severe")[:, None]
    clinical = pd.DataFrame(
        {"age": rng.integers(30, 80, 45), "crp": rng.normal(size=45).astype(np.float32)},
        index=[f"p{row}" for row in range(45)],
    )
    return ModalityDict({"rna": rna, "clinical": clinical}, groups=np.arange(45)), y


@pytest.fixture
def mixed_kinds(imbalanced, tmp_path):
    """The same with images in a file, bags, texts and a sparse table, some of them missing."""
    X, y = imbalanced
    np.save(tmp_path / "mri.npy", np.arange(45 * 16, dtype=np.float32).reshape(45, 4, 4))
    bags = BagArray.from_list([np.full((1 + row % 3, 2), float(row)) for row in range(45)])
    notes = [None if row % 5 == 1 else f"note {row}" for row in range(45)]
    data = {
        **dict(X.items()),
        "mri": np.load(tmp_path / "mri.npy", mmap_mode="r"),
        "slides": bags,
        "note": notes,
        "atac": sp.csr_array(np.eye(45)),
    }
    present = {"rna": np.arange(45) % 4 != 2, "mri": np.arange(45) % 3 != 0}
    return ModalityDict(data, present=present, groups=X.groups), y


# --- samplers that choose -------------------------------------------------------------------------


@pytest.mark.parametrize("sampler", CHOOSING, ids=named)
def test_chosen_samples_keep_every_kind_of_modality(sampler, mixed_kinds):
    """The result is X at the rows that were chosen: kinds, presence, ids, groups, and files stay files."""
    X, y = mixed_kinds
    model = ModalitySampler(sampler)
    out, labels = model.fit_resample(X, y)

    assert out == X[model.sample_indices_]
    assert labels.tolist() == y[model.sample_indices_].tolist()
    assert out.index.tolist() == X.index[model.sample_indices_].tolist()
    assert isinstance(out["mri"], LazyArray)
    assert sp.issparse(out["atac"])
    assert (model.steps_ == 0).all()


@pytest.mark.parametrize("sampler", CHOOSING, ids=named)
def test_chosen_samples_are_those_of_the_sampler(sampler, imbalanced):
    """With one complete table the rows are those that the sampler chooses of the table."""
    X, y = imbalanced
    codes = np.searchsorted(LABELS, y)
    expected, _ = clone(sampler).fit_resample(X["rna"], codes)
    out, _ = ModalitySampler(sampler, distance_on=["rna"]).fit_resample(X, y)

    assert out["rna"].tolist() == expected.tolist()


def test_modalities_in_which_distances_are_measured(imbalanced):
    """distance_on picks the tables that count; a scan, a name that is not there, and no list are refused."""
    X, y = imbalanced
    sizes = {
        names: len(ModalitySampler(TomekLinks(), distance_on=list(names)).fit_resample(X, y)[0])
        for names in (("rna",), ("clinical",))
    }
    scans = ModalityDict({"rna": X["rna"], "mri": np.zeros((45, 4, 4))})

    assert sizes["rna",] != sizes["clinical",]
    with pytest.raises(ValueError, match=r"distance_on names 'mri', of no table. Embed"):
        ModalitySampler(TomekLinks(), distance_on=["mri"]).fit_resample(scans, y)
    with pytest.raises(ValueError, match=r"NearMiss measures distances.*X holds none"):
        ModalitySampler(NearMiss()).fit_resample(scans[["mri"]], y)
    with pytest.raises(ValueError, match="distance_on names 'pet', but X holds 'rna', 'mri'"):
        ModalitySampler(TomekLinks(), distance_on=["pet"]).fit_resample(scans, y)
    with pytest.raises(ValueError, match=r"'distance_on'.*a list of names.* Got 'rna' instead.*\['rna'\]"):
        ModalitySampler(TomekLinks(), distance_on="rna").fit_resample(scans, y)


# --- samplers that make ---------------------------------------------------------------------------


@pytest.mark.parametrize("sampler", MAKING, ids=named)
def test_made_samples_are_those_of_the_sampler(sampler, imbalanced):
    """On complete tables the samples are, to rounding, those that the sampler makes of the joined table."""
    X, y = imbalanced
    X = ModalityDict({"rna": X["rna"], "more": X["clinical"].astype(float)})
    codes = np.searchsorted(LABELS, y)
    expected, expected_codes = clone(sampler).fit_resample(np.hstack([X["rna"], X["more"]]), codes)
    model = ModalitySampler(sampler)
    out, labels = model.fit_resample(X, y)
    made = model.steps_ != 0

    np.testing.assert_allclose(np.hstack([out["rna"], out["more"]]), expected, rtol=1e-9, atol=1e-9)
    assert labels.tolist() == LABELS[expected_codes].tolist()
    assert made.any()
    assert (y[model.sample_indices_] == labels)[~made].all()


def test_made_samples_lie_between_their_parents(imbalanced):
    """Each is (1 - t) x + t x' of its parents, in every modality, and of their class."""
    X, y = imbalanced
    model = ModalitySampler(SMOTE(random_state=0))
    out, labels = model.fit_resample(X, y)
    first, second = model.parents_.T
    step = model.steps_[:, None]

    np.testing.assert_allclose(out["rna"], X["rna"][first] * (1 - step) + X["rna"][second] * step, atol=1e-12)
    assert (labels == y[first]).all()
    assert (labels == y[second]).all()
    assert np.unique(labels, return_counts=True)[1].tolist() == [25, 25, 25]
    assert (model.steps_ <= 0.5).all()


def test_data_types_ids_and_series(imbalanced):
    """Whole numbers are rounded, types kept, the id is that of the nearer parent; a Series gives a Series."""
    X, y = imbalanced
    labels = pd.Series(pd.Categorical(y), index=X.index, name="grade")
    model = ModalitySampler(SMOTE(random_state=0))
    out, new = model.fit_resample(X, labels)
    age, (first, second) = X["clinical"]["age"].to_numpy(), model.parents_.T
    expected = np.rint(age[first] * (1 - model.steps_) + age[second] * model.steps_)

    assert out["clinical"].dtypes.tolist() == X["clinical"].dtypes.tolist()
    assert out["clinical"]["age"].tolist() == expected.tolist()
    assert out.index.tolist() == out["clinical"].index.tolist() == X.index[first].tolist()
    assert new.dtype == labels.dtype
    assert new.name == "grade"
    assert new.index.equals(out.index)


def test_sparse_and_dense_give_the_same(imbalanced):
    """A sparse table is interpolated as the dense one."""
    X, y = imbalanced
    rna = np.where(X["rna"] > 0.5, X["rna"], 0.0)
    dense, _ = ModalitySampler(SMOTE(random_state=0)).fit_resample({"rna": rna}, y)
    sparse, _ = ModalitySampler(SMOTE(random_state=0)).fit_resample({"rna": sp.csr_array(rna)}, y)

    np.testing.assert_allclose(sparse["rna"].toarray(), dense["rna"], atol=1e-12)


def test_one_table_gives_one_table(imbalanced):
    """An array comes back as an array, a DataFrame as a DataFrame."""
    X, y = imbalanced
    for table in (X["rna"], X["clinical"]):
        out, labels = ModalitySampler(SMOTE(random_state=0)).fit_resample(table, y)
        assert type(out) is type(table)
        assert len(out) == len(labels) == 75


def test_smote_then_under_sampling(imbalanced):
    """A pipeline of samplers is one sampler, and two ModalitySamplers in a pipeline do the same."""
    X, y = imbalanced
    steps = [
        SMOTE(sampling_strategy={"severe": 20, "moderate": 20}, random_state=0),
        RandomUnderSampler(random_state=0),
    ]
    out, labels = make_pipeline(*map(ModalitySampler, steps)).fit_resample(X, y)
    inner = Pipeline([("over", steps[0]), ("under", steps[1])])
    same, same_labels = ModalitySampler(inner).fit_resample(X, y)

    assert np.unique(labels, return_counts=True)[1].tolist() == [20, 20, 20]
    np.testing.assert_allclose(same["rna"], out["rna"])
    assert same_labels.tolist() == labels.tolist()


def test_choosing_in_several_steps(imbalanced):
    """A pipeline of samplers that choose gives rows of X."""
    X, y = imbalanced
    inner = Pipeline([("clean", TomekLinks()), ("under", RandomUnderSampler(random_state=0))])
    model = ModalitySampler(inner)
    out, labels = model.fit_resample(X, y)

    assert out == X[model.sample_indices_]
    assert np.unique(labels, return_counts=True)[1].tolist() == [8, 8, 8]


@pytest.mark.parametrize("form", [dict, lambda x: lambda _: dict(x)], ids=["dict", "callable"])
def test_strategies_name_classes_as_the_user_does(imbalanced, form):
    """sampling_strategy takes the labels of y; one that y does not have is refused."""
    X, y = imbalanced
    over = RandomOverSampler(sampling_strategy=form({"severe": 11}), random_state=0)
    _, labels = ModalitySampler(over).fit_resample(X, y)

    assert np.unique(labels, return_counts=True)[1].tolist() == [25, 12, 11]
    over = RandomOverSampler(sampling_strategy=form({"fatal": 11}))
    with pytest.raises(ValueError, match=r"sampling_strategy names the classes \['fatal'\]"):
        ModalitySampler(over).fit_resample(X, y)


# --- what is missing ------------------------------------------------------------------------------


def test_a_made_sample_has_what_both_parents_have(imbalanced):
    """A modality that a parent lacks is missing; values that stand in missing entries never matter."""
    X, y = imbalanced
    present = {"rna": np.arange(45) % 3 != 0, "clinical": np.arange(45) % 3 != 1}
    results = []
    for filler in (np.nan, 1e6):
        rna = X["rna"].copy()
        rna[~present["rna"]] = filler
        holed = ModalityDict({"rna": rna, "clinical": X["clinical"]}, present=present)
        model = ModalitySampler(SMOTE(random_state=0))
        results.append(model.fit_resample(holed, y)[0])
        first, second = model.parents_.T
        both = holed.present[first] & holed.present[second]
        alone = ~both.any(axis=1)
        assert (results[-1].present == np.where(alone[:, None], holed.present[first], both)).all()

    assert results[0] == results[1]
    assert np.abs(results[0]["rna"][results[0].is_present("rna")]).max() < 10
    assert not results[0].present[45:].all()


def test_samples_that_lack_the_same_modalities_are_joined_first(imbalanced):
    """Where a class has enough samples with the same modalities, both parents have the same ones."""
    X, y = imbalanced
    holed = ModalityDict(X, present={"rna": np.arange(45) % 2 == 0})
    model = ModalitySampler(SMOTE(k_neighbors=3, random_state=0))
    model.fit_resample(holed, y)
    first, second = model.parents_.T

    assert (holed.present[first] == holed.present[second]).all()


def test_parents_that_share_nothing():
    """A sample made between two that have no modality in common is a copy of the nearer one."""
    rng = np.random.default_rng(0)
    y = np.array([0] * 6 + [1] * 2)
    present = {"a": np.arange(8) != 7, "b": np.arange(8) != 6}
    X = ModalityDict({"a": rng.normal(size=(8, 2)), "b": rng.normal(size=(8, 3))}, present=present)
    model = ModalitySampler(SMOTE(k_neighbors=1, random_state=0))
    out, _ = model.fit_resample(X, y)

    assert (model.parents_[8:, 0] != model.parents_[8:, 1]).all()
    assert out[8:] == X[model.sample_indices_[8:]]


def test_samples_without_any_modality(imbalanced):
    """SMOTE leaves them out, with a warning that names them; random samplers keep them."""
    X, y = imbalanced
    rna = X["rna"].copy()
    rna[[0, 40]] = np.nan
    model = ModalitySampler(SMOTE(random_state=0))
    with pytest.warns(NoModalityWarning, match=r"2 samples have no modality at all \(rows 0, 40\)"):
        out, labels = model.fit_resample({"rna": rna}, y)

    assert out.present.all()
    assert np.unique(labels, return_counts=True)[1].tolist() == [24, 24, 24]
    assert not np.isin(model.parents_, [0, 40]).any()
    assert len(ModalitySampler(RandomOverSampler(random_state=0)).fit_resample({"rna": rna}, y)[0]) == 75


# --- nothing leaks --------------------------------------------------------------------------------


class Recorder(ClassifierMixin, BaseEstimator):
    """Notes the ids of what it learns from and of what it judges."""

    seen = []

    def fit(self, X, y):
        """Note ids and labels of the training data."""
        self.classes_ = np.unique(y)
        self.trained_ = X.index.tolist(), np.unique(y, return_counts=True)[1].tolist()
        return self

    def predict(self, X):
        """Note ids of the test data beside those of the training data."""
        self.seen.append((*self.trained_, X.index.tolist()))
        return np.full(len(X), self.classes_[0])


@pytest.fixture
def recorder():
    """A recorder with nothing noted."""
    Recorder.seen = []
    return Recorder()


@pytest.mark.parametrize("sampler", [SMOTE(k_neighbors=2), RandomOverSampler()], ids=named)
def test_samplers_act_inside_folds_only(sampler, imbalanced, recorder):
    """Training parts are balanced by samples of their own; test parts are the samples as they are."""
    X, y = imbalanced
    cross_validate(make_pipeline(ModalitySampler(sampler), recorder), X, y, cv=3, error_score="raise")

    assert len(recorder.seen) == 3
    assert sorted(name for *_, tested in recorder.seen for name in tested) == sorted(X.index)
    for trained, counts, tested in recorder.seen:
        assert len(set(counts)) == 1  # balanced
        assert not set(trained) & set(tested)


def test_groups_of_made_samples_never_straddle_a_split(imbalanced):
    """Whatever split by groups comes later, a sample and those that it was made of are on one side."""
    X, y = imbalanced
    X = ModalityDict(X, groups=np.arange(45) // 2)
    model = ModalitySampler(SMOTE(random_state=0, k_neighbors=2))
    out, _ = model.fit_resample(X, y)
    assert len(np.unique(out.groups)) > 3

    for train, test in GroupKFold(3).split(out, groups=out.groups):
        assert not set(model.parents_[train].ravel()) & set(model.parents_[test].ravel())
    untouched = y == "mild"  # of the largest class nothing is made
    assert out.groups[:45][untouched][:24].tolist() == X.groups[untouched][:24].tolist()


def test_groups_may_be_dropped_and_travel_where_nothing_is_made(imbalanced):
    """group_rule="drop" gives no groups; samplers that choose keep each sample's own."""
    X, y = imbalanced
    assert ModalitySampler(SMOTE(random_state=0), group_rule="drop").fit_resample(X, y)[0].groups is None
    model = ModalitySampler(RandomOverSampler(random_state=0))
    out, _ = model.fit_resample(X, y)

    assert out.groups.tolist() == X.groups[model.sample_indices_].tolist()
    with pytest.raises(ValueError, match="'group_rule' parameter .* must be 'join' or 'drop'"):
        ModalitySampler(SMOTE(), group_rule="keep").fit(X, y)


def test_parameters_of_the_sampler_are_searched(imbalanced):
    """GridSearchCV sets sampler__k_neighbors."""
    X, y = imbalanced
    pipeline = make_pipeline(ModalitySampler(SMOTE(random_state=0)), ConcatModalities(), GaussianNB())
    grid = {"modalitysampler__sampler__k_neighbors": [1, 3]}
    search = GridSearchCV(pipeline, grid, cv=2, scoring="balanced_accuracy", error_score="raise").fit(X, y)

    assert search.best_score_ > 0.4
    assert len(search.cv_results_["params"]) == 2


def test_with_metadata_routing(imbalanced):
    """The pipeline fits with routing on as with routing off."""
    X, y = imbalanced
    pipeline = make_pipeline(ModalitySampler(SMOTE(random_state=0)), ConcatModalities(), GaussianNB())
    expected = clone(pipeline).fit(X, y).predict_proba(X)
    with config_context(enable_metadata_routing=True):
        routed = clone(pipeline).fit(X, y).predict_proba(X)

    assert routed.tolist() == expected.tolist()


def test_nothing_of_the_caller_changes(imbalanced):
    """X, y and the sampler are as they were; the same seed gives the same; global state is left alone."""
    X, y = imbalanced
    before, state = ModalityDict(X)["rna"].copy(), np.random.get_state()[1].tolist()
    sampler = SMOTE(random_state=0, sampling_strategy={"severe": 20})
    first, second = (ModalitySampler(sampler).fit_resample(X, y)[0] for _ in range(2))

    assert first == second
    assert X["rna"].tolist() == before.tolist()
    assert sampler.get_params()["sampling_strategy"] == {"severe": 20}
    assert not hasattr(sampler, "sampling_strategy_")
    assert np.random.get_state()[1].tolist() == state


# --- classes --------------------------------------------------------------------------------------


def test_no_class_vanishes(imbalanced):
    """Every class stays, whatever its name: the published code dropped each row of one of three classes."""
    X, y = imbalanced
    for names in (["Normal/Mild", "Moderate", "Severe"], ["z", "a", "m"], [2, 0, 1]):
        labels = np.array(names)[np.searchsorted(LABELS, y)]
        _, new = ModalitySampler(SMOTE(random_state=0)).fit_resample(X, labels)
        assert dict(zip(*np.unique(new, return_counts=True), strict=True)) == dict.fromkeys(names, 25)
    with pytest.raises(
        ValueError, match=r"EditedNearestNeighbours left no sample of the classes \['mild', 'moderate'"
    ):
        ModalitySampler(EditedNearestNeighbours(n_neighbors=9)).fit_resample(X, y)


@pytest.mark.parametrize(
    "sampler",
    [SMOTE(), BorderlineSMOTE(), SVMSMOTE(), SMOTETomek(), ADASYN()],
    ids=named,
)
def test_a_class_with_too_few_neighbours_is_an_error(sampler, imbalanced):
    """The message names class, count and remedy: the published code skipped SMOTE silently everywhere."""
    X, y = imbalanced
    rows = np.r_[:39]  # two severe samples
    with pytest.raises(ValueError, match=r"class 'severe' has 2 samples.*k_neighbors.* to 1 or less"):
        ModalitySampler(sampler).fit_resample(X[rows], y[rows])


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("mri", r"SMOTE makes new samples between others.*Modality 'mri' is of kind 'image': embed"),
        ("slides", r"Modality 'slides' is of kind 'bag'"),
        ("note", r"Modality 'note' is of kind 'text'.*RandomOverSampler"),
    ],
)
def test_what_nothing_lies_between_is_refused(name, match, mixed_kinds):
    """Images, bags and texts are refused by name, with what to do instead."""
    X, y = mixed_kinds
    with pytest.raises(ValueError, match=match):
        ModalitySampler(SMOTE()).fit_resample(X[["rna", name]], y)


def test_columns_of_categories_are_refused(imbalanced):
    """A column of strings is refused by name, and so are samplers that make categories by vote."""
    X, y = imbalanced
    site = ModalityDict({"clinical": X["clinical"].assign(site="north")})
    with pytest.raises(ValueError, match=r"not numeric do not allow.*'clinical'.*'site'.*RandomOverSampler"):
        ModalitySampler(SMOTE()).fit_resample(site, y)
    with pytest.raises(ValueError, match="SMOTENC makes categories by vote"):
        ModalitySampler(SMOTENC(categorical_features=[0])).fit_resample(X, y)


def test_samples_that_are_not_between_two_others_are_refused(imbalanced):
    """Centroids and noise around a sample have no two parents."""
    X, y = imbalanced
    with pytest.raises(ValueError, match="ClusterCentroids does not choose samples"):
        ModalitySampler(ClusterCentroids(random_state=0)).fit_resample(X, y)
    with pytest.raises(ValueError, match="RandomOverSampler makes samples that are not on a line"):
        ModalitySampler(RandomOverSampler(shrinkage=0.5, random_state=0)).fit_resample(X, y)


def test_wrong_samplers_and_holes_are_refused(imbalanced):
    """What is no sampler is refused, and so is a partly NaN row, by modality."""
    X, y = imbalanced
    with pytest.raises(TypeError, match=r"must be a sampler of imbalanced-learn.*Got LogisticRegression"):
        ModalitySampler(LogisticRegression()).fit_resample(X, y)
    rna = X["rna"].copy()
    rna[3, 1] = np.nan
    with pytest.raises(ValueError, match=r"'rna' contains NaN in a part of 1 rows \(3\)"):
        ModalitySampler(SMOTE()).fit_resample({"rna": rna}, y)


def test_without_imbalanced_learn(monkeypatch, imbalanced):
    """The error says which extra installs it."""
    X, y = imbalanced
    monkeypatch.setitem(sys.modules, "imblearn.over_sampling", None)
    with pytest.raises(ImportError, match=r'pip install "skmm\[imbalance\]"'):
        ModalitySampler(RandomOverSampler()).fit_resample(X, y)
