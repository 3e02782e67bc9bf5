"""Attributions: complete, zero where nothing is, and those of the model that was fitted."""

import copy
import pickle
import re

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmm import BagArray, ModalityDict
from skmm.compose import ModalityTransformer
from skmm.exceptions import NoModalityWarning
from skmm.fusion import (
    BaseFusionClassifier,
    ImageTextClassifier,
    MMStaticClassifier,
)
from skmm.inspection import _explained, attribute
from skmm.testing import all_estimators

FUSION = [cls for _, cls in all_estimators() if issubclass(cls, BaseFusionClassifier)]


def error_of(found):
    """The completeness error, from its definition."""
    total, size = 0, 0
    for values in found.values():
        entries = [np.ravel(entry) for entry in values]
        total = total + np.array([entry.sum() for entry in entries])
        size = size + np.array([np.abs(entry).sum() for entry in entries])
    return np.abs(total - found.difference) / np.maximum(np.abs(found.difference), 0.1 * size).clip(1e-4)


@pytest.mark.parametrize("cls", FUSION, ids=lambda cls: cls.__name__)
def test_attributions_sum_to_the_change_of_the_logit(cls, fitted):
    """With the defaults of all classifiers with a network the sums are within 1 % of f(x) - f(b)."""
    model, X = fitted(cls)

    found = attribute(model, X)

    np.testing.assert_allclose(found.completeness_error, error_of(found), atol=2e-9)
    assert found.completeness_error.max() <= 0.01
    assert np.abs(found.difference).max() > 1e-3
    np.testing.assert_array_equal(found.target, model.predict(X))
    assert list(found) == list(model.modalities_)
    for name, total in found.totals.items():  # zero where missing, and not everywhere
        assert not total[~X.is_present(name)].any()
        assert total.any()


@pytest.mark.filterwarnings("ignore:The attributions of")  # few steps take little time
@pytest.mark.parametrize("cls", FUSION, ids=lambda cls: cls.__name__)
def test_order_batches_and_company_change_nothing(cls, fitted):
    """A dict, modalities in another order, small batches and samples alone give the same."""
    model, X = fitted(cls)
    rows = [2, 5, 7, 11]
    expected = attribute(model, X[rows], model.classes_[0], n_steps=6)
    backwards = X[list(reversed(X.modalities))]

    others = [
        attribute(model, backwards[rows], model.classes_[0], n_steps=6),
        attribute(model, X[rows], model.classes_[0], n_steps=6, batch_size=3),
    ]
    alone = attribute(model, X[[5]], model.classes_[0], n_steps=6)

    for found in others:
        pd.testing.assert_frame_equal(found.totals, expected.totals, atol=1e-9)
        for name, values in expected.items():
            for one, other in zip(values, found[name], strict=True):
                np.testing.assert_allclose(other, one, atol=1e-9)
    for name, values in alone.items():
        np.testing.assert_allclose(values[0], expected[name][1], atol=1e-9)


def test_a_linear_model_is_attributed_by_its_weights(linear):
    """Weight times value as the network sees it: bytes of images are seen in [0, 1], channels first."""
    model, X = linear

    found = attribute(model, X, "well")

    expected = X["rna"] * model.weights("rna") * X.is_present("rna")[:, None]
    np.testing.assert_allclose(found["rna"], expected, rtol=1e-10)
    weights = np.moveaxis(model.weights("scan").reshape(3, 4, 5), 0, -1)
    expected = X["scan"] / 255 * weights * X.is_present("scan")[:, None, None, None]
    np.testing.assert_allclose(found["scan"], expected, rtol=1e-10)
    assert not found["ignored"].any()
    np.testing.assert_allclose(found.totals.sum(axis=1), found.difference, rtol=1e-10)
    np.testing.assert_array_equal(found.target, ["well"] * 10)
    assert found.to_frame("rna").columns.tolist() == ["TP53", "KRAS", "MYC"]


def test_grey_images_and_volumes_come_back_as_they_were(linear_classifier):
    """Grey images have no axis of channels; volumes have theirs last."""
    rng = np.random.default_rng(0)
    X = {"scan": rng.uniform(size=(6, 4, 5)), "ct": rng.uniform(size=(6, 2, 3, 4, 1))}
    model = linear_classifier().fit(X, [0, 1] * 3)

    found = attribute(model, X, 1)

    np.testing.assert_allclose(found["scan"], X["scan"] * model.weights("scan").reshape(4, 5), rtol=1e-10)
    np.testing.assert_allclose(found["ct"], X["ct"] * model.weights("ct").reshape(2, 3, 4, 1), rtol=1e-10)


def test_instances_of_bags_are_attributed(linear_classifier):
    """Each instance has its own attributions; those of a bag do not depend on the bags beside it."""
    rng = np.random.default_rng(0)
    bags = BagArray(rng.normal(size=(13, 2)), [0, 4, 5, 5, 8, 13])
    slices = BagArray(rng.integers(0, 255, (13, 2, 3), dtype=np.uint8), bags.offsets)
    X = ModalityDict({"slides": bags, "slices": slices, "age": rng.normal(size=(5, 1))})
    model = linear_classifier().fit(X, [0, 1, 0, 1, 0])

    found = attribute(model, X, 1)

    np.testing.assert_array_equal(found["slides"].offsets, bags.offsets)
    np.testing.assert_allclose(found["slides"].values, bags.values * model.weights("slides"), rtol=1e-10)
    expected = slices.values / 255 * model.weights("slices").reshape(2, 3)
    np.testing.assert_allclose(found["slices"].values, expected, rtol=1e-10)
    whole = attribute(model, X, 1, baseline={"slides": 0.5, "slices": np.full((2, 3), 51)})
    np.testing.assert_allclose(
        whole["slides"].values, (bags.values - 0.5) * model.weights("slides"), rtol=1e-9
    )
    expected = (slices.values / 255 - 0.2) * model.weights("slices").reshape(2, 3)
    np.testing.assert_allclose(whole["slices"].values, expected, atol=1e-12)


def test_baselines_are_in_the_units_of_the_data(linear):
    """Numbers, arrays of a sample and of all, and fractions of bytes; where a modality is missing, none."""
    model, X = linear
    of_all = np.linspace(0, 254.5, 10 * 60).reshape(10, 4, 5, 3)
    weights = np.moveaxis(model.weights("scan").reshape(3, 4, 5), 0, -1)
    weights = weights * X.is_present("scan")[:, None, None, None]

    for given in (100, 12.75, of_all[0], of_all):
        found = attribute(model, X, "well", baseline={"scan": given, "rna": [1, 2, 3]})

        np.testing.assert_allclose(found["scan"], (X["scan"] - np.asarray(given)) / 255 * weights, atol=1e-12)
        expected = (X["rna"] - [1, 2, 3]) * model.weights("rna") * X.is_present("rna")[:, None]
        np.testing.assert_allclose(found["rna"], expected, atol=1e-12)
    np.testing.assert_allclose(found.totals.sum(axis=1), found.difference, rtol=1e-8)


def test_the_default_baseline_is_the_training_mean_of_what_is_standardized(linear_classifier):
    """A sample at the mean of the training samples has no attributions, nor has a constant column."""
    rng = np.random.default_rng(0)
    X = {"rna": np.column_stack([rng.normal(5, 2, size=(20, 2)), np.ones(20)])}
    model = linear_classifier(standardize=True).fit(X, [0, 1] * 10)

    found = attribute(model, {"rna": np.stack([X["rna"].mean(axis=0), X["rna"].mean(axis=0) + 1])})

    np.testing.assert_allclose(found["rna"][0], 0, atol=1e-12)
    assert found["rna"][1, :2].all()
    assert not found["rna"][:, 2].any()


def test_modalities_that_are_not_asked_for_stay_as_they_are(linear):
    """Only those asked for move from the baseline, and theirs alone is the change."""
    model, X = linear

    found = attribute(model, X, modalities="rna")

    assert list(found) == ["rna"]
    np.testing.assert_allclose(found.totals["rna"], found.difference, rtol=1e-10)
    np.testing.assert_array_equal(found.present, X.present[:, [X.modalities.index("rna")]])


def test_targets_are_one_label_or_one_a_sample(linear):
    """Each sample is explained for its own label; a linear model's classes have their own weights."""
    model, X = linear
    targets = np.where(np.arange(10) < 5, "ill", "well")

    found, ill, well = (attribute(model, X, target)["rna"] for target in (targets, "ill", "well"))

    np.testing.assert_array_equal(found, np.where(np.arange(10)[:, None] < 5, ill, well))
    with pytest.raises(ValueError, match=re.escape("among the classes, ['ill', 'well']. Got dead.")):
        attribute(model, X, "dead")
    with pytest.raises(ValueError, match="one for each of 10 samples. Got 3"):
        attribute(model, X, ["ill"] * 3)


def test_samples_without_a_modality_are_zero(linear):
    """One warning names them; neither target nor error is NaN."""
    model, X = linear
    nothing = ModalityDict(X, present={name: np.arange(10) != 2 for name in X})

    with pytest.warns(NoModalityWarning, match="1 sample.*their attributions are zero"):
        found = attribute(model, nothing)

    assert not found.totals.iloc[2].any()
    assert found.difference[2] == found.completeness_error[2] == 0
    assert found.totals.iloc[1].any()
    np.testing.assert_array_equal(found.target[[0, 1]], model.predict(X[[0, 1]]))


def test_a_modality_that_is_absent_at_prediction_is_zero(linear):
    """An absent key is a modality that all samples lack."""
    model, X = linear

    found = attribute(model, X[["rna"]][:3])

    assert found["scan"].shape == (3, 4, 5, 3)
    assert not found["scan"].any()


@pytest.mark.parametrize("precision", ["float32", "float64", "bfloat16"])
def test_the_estimator_stays_as_it_is(linear, precision, linear_classifier):
    """Its network keeps weights, precision and mode, also in training, and the gradients that it had."""
    _, X = linear
    model = linear_classifier(precision=precision).fit(X, np.array(["ill", "well"] * 5))
    module = model.net_.module_.train()
    before = copy.deepcopy(module.state_dict())

    found = attribute(model, X, "ill")

    assert model.net_.module_ is module
    assert module.training
    for name, value in module.state_dict().items():
        assert value.dtype == before[name].dtype
        assert torch.equal(value, before[name])
    assert all(parameter.requires_grad for parameter in module.parameters())
    assert found["rna"].dtype == np.float64
    assert found.completeness_error.max() < 1e-9


def test_float32_gives_the_same_to_its_rounding(fitted):
    """Attributions are float64 arrays all the same."""
    model, X = fitted(MMStaticClassifier)

    found, single = (attribute(model, X, precision=precision) for precision in ("float64", "float32"))

    assert single["dense"].dtype == np.float64
    np.testing.assert_allclose(single["dense"], found["dense"], atol=1e-4)
    assert np.abs(single["dense"] - found["dense"]).max() > 0


def test_explanations_are_those_of_the_fitted_model(linear, linear_classifier):
    """Two fits that differ in their data have other attributions; a model read from a pickle has the same."""
    model, X = linear
    other = linear_classifier(max_epochs=5).fit(X, np.array(["well"] * 5 + ["ill"] * 5))

    found = attribute(model, X, "well")

    assert np.abs(attribute(other, X, "well")["rna"] - found["rna"]).max() > 1e-3
    again = attribute(pickle.loads(pickle.dumps(model)), X, "well")
    for name, values in found.items():
        np.testing.assert_array_equal(again[name], values)


def test_batches_bound_what_goes_through_the_network(linear):
    """No more samples and steps at a time than asked for."""
    model, X = linear
    type(model.net_.module_).largest = 0

    attribute(model, X, "well", batch_size=4)

    assert type(model.net_.module_).largest == 4


def test_memory_goes_by_what_a_network_keeps(monkeypatch, linear_classifier):
    """The larger an image, the fewer samples go through at a time; bags go by their length."""
    rng = np.random.default_rng(0)
    X = {
        "slides": BagArray(rng.normal(size=(110, 4)), [0, 1, 2, 3, 10, 110]),
        "scan": rng.uniform(size=(5, 4, 4)),
    }
    X = ModalityDict(X, present={"scan": np.arange(5) > 3})
    model = linear_classifier().fit(X, [0, 1, 0, 1, 0])
    monkeypatch.setattr(_explained, "_VALUES", 500)
    network = _explained.Network(model, X, np.zeros(5), ["scan", "slides"], {})

    parts = list(network.parts(np.arange(5), "auto"))

    assert [rows.tolist() for rows, _ in parts] == [[0, 1, 2, 3], [4]]
    assert parts[0][1] > parts[1][1] == 1


def test_sparse_tables_and_files_are_read(linear, tmp_path):
    """Sparse rows and memory-mapped images give what dense ones give; the caller's data stay as they are."""
    model, X = linear
    np.save(tmp_path / "scan.npy", X["scan"])
    expected = attribute(model, X[["scan", "rna"]])
    mapped = {"scan": np.load(tmp_path / "scan.npy", mmap_mode="r"), "rna": sp.csr_array(X["rna"])}
    mapped = ModalityDict(mapped, present={name: X.is_present(name) for name in mapped})

    found = attribute(model, mapped)

    np.testing.assert_allclose(found["rna"], expected["rna"], rtol=1e-12)
    np.testing.assert_array_equal(found["scan"], expected["scan"])


def test_pipelines_searches_and_frozen_estimators_are_passed(linear_classifier):
    """What comes out of the steps before is explained, by their names; a search explains its best model."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        rng.normal(3, 2, size=(20, 2)), columns=["age", "dose"], index=[f"p{i}" for i in range(20)]
    )
    X, y = ModalityDict({"clinical": frame}), np.arange(20) % 2
    pipeline = make_pipeline(ModalityTransformer({"clinical": StandardScaler()}), linear_classifier())
    search = GridSearchCV(pipeline, {"linearclassifier__lr": [1e-3]}, cv=2).fit(X, y)

    found = attribute(search, X, 1)

    expected = StandardScaler().fit_transform(frame) * search.best_estimator_[-1].weights("clinical")
    np.testing.assert_allclose(found["clinical"], expected, rtol=1e-8)
    assert found.to_frame("clinical").columns.tolist() == ["age", "dose"]
    assert found.totals.index.tolist() == frame.index.tolist()
    np.testing.assert_array_equal(attribute(FrozenEstimator(search), X, 1)["clinical"], found["clinical"])


def test_words_are_those_of_the_raw_texts():
    """Each number has its token and its place in the raw text; a missing or empty text has none."""
    rng = np.random.default_rng(0)
    y = np.arange(24) % 2
    notes = [f"The heart is {'LARGE, effusion' if label else 'clear'} today." for label in y]
    notes[2], notes[3] = None, "."
    X = ModalityDict({"note": notes, "age": rng.normal(size=(24, 1))})
    model = ImageTextClassifier(8, embedding_dim=4, n_filters=4, max_epochs=20, lr=1e-2, random_state=0)
    model.fit(X, y)

    found = attribute(model, X, 1)

    for row, text in enumerate(notes):
        tokens = found.tokens["note"][row]
        assert len(found["note"][row]) == len(tokens)
        assert [text[token.start : token.stop].lower() for token in tokens] == [
            token.text for token in tokens
        ]
    assert len(found["note"][2]) == len(found["note"][3]) == 0
    sums = found.totals["note"].to_numpy()[4:]
    assert sums[y[4:] == 0].max() < -1 < sums[y[4:] == 1].min()


def test_scores_of_words_are_signed_or_squared():
    """With saliency the squared score is the sum of the squares of the gradient in the row of a word."""
    notes = ["clear lungs", "large effusion", "clear", "effusion"] * 4
    model = ImageTextClassifier(8, embedding_dim=4, n_filters=4, max_epochs=2, random_state=0)
    model.fit({"note": notes}, ["well", "ill"] * 8)

    signed = attribute(model, {"note": notes[:2]}, "ill", method="saliency", abs=False)["note"]
    squared = attribute(model, {"note": notes[:2]}, "ill", method="saliency", token_score="squared")["note"]

    module = copy.deepcopy(model.net_.module_).double().eval()
    ids = torch.from_numpy(model.tokenizers_["note"].transform(notes[:2]))
    vectors = module.embed_tokens({"note": ids})["note"].detach().requires_grad_()
    logits = module({"note": vectors}, torch.ones(2, 1, dtype=torch.bool)).logits
    (gradient,) = torch.autograd.grad(logits[:, list(model.classes_).index("ill")].sum(), vectors)
    for row in range(2):
        np.testing.assert_allclose(signed[row], gradient[row].sum(dim=1)[: len(signed[row])], atol=1e-12)
        expected = gradient[row].square().sum(dim=1)[: len(squared[row])]
        np.testing.assert_allclose(squared[row], expected, atol=1e-12)


def test_of_several_labels_each_has_its_score():
    """The columns of labels are targets; None is the most probable one."""
    rng = np.random.default_rng(0)
    Y = rng.integers(0, 2, size=(24, 3))
    X = {"age": rng.normal(size=(24, 2)) + Y[:, :2]}
    model = ImageTextClassifier(6, max_epochs=5, random_state=0).fit(X, Y)

    found, second = attribute(model, X), attribute(model, X, 1)

    np.testing.assert_array_equal(found.target, model.predict_proba(X).argmax(axis=1))
    assert max(found.completeness_error.max(), second.completeness_error.max()) <= 0.01
    np.testing.assert_allclose(second["age"][found.target == 1], found["age"][found.target == 1], atol=1e-12)
    with pytest.raises(ValueError, match=re.escape("the columns of the labels, [0, 1, 2]. Got 3")):
        attribute(model, X, 3)


def test_sums_that_are_off_are_told():
    """With too few steps a warning names the rows, and the error is in the result."""
    rng = np.random.default_rng(0)
    X, y = {"rna": rng.normal(size=(20, 5))}, np.arange(20) % 2
    model = MMStaticClassifier(8, max_epochs=5, random_state=0).fit(X, y)

    with pytest.warns(ConvergenceWarning, match=r"of 20 samples \(rows .* Use more steps, or n_steps='auto'"):
        found = attribute(model, X, n_steps=2, rule="riemann_left")

    assert found.completeness_error.max() > 0.01
    np.testing.assert_allclose(found.completeness_error, error_of(found), atol=1e-9)
