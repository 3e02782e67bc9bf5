"""Attributions: complete, zero where nothing is, and those of the model that was fitted."""

import copy
import pickle
import re

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmm import BagArray, ModalityDict
from skmm.compose import ModalityTransformer
from skmm.embedding import AttentionPooling
from skmm.exceptions import NoModalityWarning
from skmm.fusion import (
    AttentionPoolingClassifier,
    BaseFusionClassifier,
    HEALNetClassifier,
    ImageTextClassifier,
    LateFusionClassifier,
    MMStaticClassifier,
)
from skmm.inspection import attribute
from skmm.multiclass import MultiTargetClassifier, OrdinalCascadeClassifier
from skmm.nn import Bag, FusionOutput
from skmm.testing import all_estimators

QUICK = {"hidden": 6, "n_latents": 2, "latent_dim": 8, "patch_size": 8, "n_filters": 3, "embedding_dim": 4}
KINDS = {"table": ["dense", "sparse"], "image": ["image"], "bag": ["bag"], "text": ["text"]}
FUSION = [cls for _, cls in all_estimators() if issubclass(cls, BaseFusionClassifier)]


class Linear(torch.nn.Module):
    """Sums of the values of all modalities but "ignored", weighted by their place; a bag's by instance."""

    largest = 0  # batch that was seen

    def __init__(self, shapes, n_classes):
        super().__init__()
        self.weights = torch.nn.ParameterDict(
            {
                name: torch.nn.Parameter(torch.linspace(-1, 2, int(np.prod(shape)) * n_classes))
                for name, shape in shapes.items()
            }
        )
        self.shapes, self.n_classes = shapes, n_classes

    def forward(self, inputs, present):
        """Logits."""
        Linear.largest = max(Linear.largest, len(present))
        logits = 0
        for column, (name, x) in enumerate(inputs.items()):
            values = x.values if isinstance(x, Bag) else x
            scores = values.flatten(1) @ self.weights[name].view(-1, self.n_classes)
            if isinstance(x, Bag):
                owners = torch.repeat_interleave(torch.arange(len(present)), x.offsets.diff())
                scores = scores.new_zeros(len(present), self.n_classes).index_add_(0, owners, scores)
            if name != "ignored":
                logits = logits + scores * present[:, column, None]
        return FusionOutput(logits)


class LinearClassifier(BaseFusionClassifier):
    """A classifier whose attributions are known."""

    _accepts = ("table", "image", "volume", "bag")

    def __init__(self, *, max_epochs=1, lr=1e-3, standardize=False, precision="float32", random_state=0):
        super().__init__(
            max_epochs=max_epochs,
            lr=lr,
            standardize=standardize,
            precision=precision,
            random_state=random_state,
        )

    def _make_module(self, shapes, n_classes):
        return Linear(shapes, n_classes)

    def weights(self, name, column=1):
        """Weights of one class."""
        found = self.net_.module_.weights[name].detach().double().numpy()
        return found.reshape(-1, len(self.classes_))[:, column]


def error_of(found):
    """The completeness error, from its definition."""
    total, size = 0, 0
    for values in found.values():
        entries = [np.ravel(entry) for entry in values]
        total = total + np.array([entry.sum() for entry in entries])
        size = size + np.array([np.abs(entry).sum() for entry in entries])
    return np.abs(total - found.difference) / np.maximum(np.abs(found.difference), 0.1 * size).clip(1e-4)


@pytest.fixture(scope="module")
def fitted(make_modalities):
    """Return a function of a class that gives it fitted, with 30 samples of all kinds that it takes."""
    made = {}

    def fit(cls):
        if cls not in made:
            X, y, _ = make_modalities([kind for one in cls._accepts for kind in KINDS.get(one, [])], 24)
            data = {k: np.kron(v, np.ones((1, 2, 2), v.dtype)) if k == "image" else v for k, v in X.items()}
            present = {name: X.is_present(name) for name in X}
            X = ModalityDict(data, kinds=X.kinds, present=present, groups=X.groups)
            model = cls(max_epochs=4, random_state=0)
            model.set_params(**{k: v for k, v in QUICK.items() if k in model.get_params()})
            made[cls] = model.fit(X, y), X
        return made[cls]

    return fit


@pytest.fixture
def linear():
    """A linear classifier, fitted, and its X, in which two entries are missing; nothing is standardized."""
    rng = np.random.default_rng(0)
    data = {
        "rna": rng.normal(size=(10, 3)),
        "scan": rng.integers(0, 256, size=(10, 4, 5, 3), dtype=np.uint8),
        "ignored": rng.normal(size=(10, 2)),
    }
    present = {"rna": np.arange(10) != 3, "scan": np.arange(10) != 4}
    X = ModalityDict(data, present=present, feature_names={"rna": ["TP53", "KRAS", "MYC"]})
    return LinearClassifier().fit(X, np.array(["ill", "well"] * 5)), X


@pytest.mark.parametrize("cls", FUSION, ids=lambda cls: cls.__name__)
def test_attributions_sum_to_the_change_of_the_logit(cls, fitted):
    """With the defaults of all classifiers with a network the sums are within 1 % of f(x) - f(b)."""
    model, X = fitted(cls)

    found = attribute(model, X)

    np.testing.assert_allclose(found.completeness_error, error_of(found), atol=1e-9)
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


def test_grey_images_and_volumes_come_back_as_they_were():
    """Grey images have no axis of channels; volumes have theirs last."""
    rng = np.random.default_rng(0)
    X = {"scan": rng.uniform(size=(6, 4, 5)), "ct": rng.uniform(size=(6, 2, 3, 4, 1))}
    model = LinearClassifier().fit(X, [0, 1] * 3)

    found = attribute(model, X, 1)

    np.testing.assert_allclose(found["scan"], X["scan"] * model.weights("scan").reshape(4, 5), rtol=1e-10)
    np.testing.assert_allclose(found["ct"], X["ct"] * model.weights("ct").reshape(2, 3, 4, 1), rtol=1e-10)


def test_instances_of_bags_are_attributed():
    """Each instance has its own attributions; those of a bag do not depend on the bags beside it."""
    rng = np.random.default_rng(0)
    bags = BagArray(rng.normal(size=(13, 2)), [0, 4, 5, 5, 8, 13])
    slices = BagArray(rng.integers(0, 255, (13, 2, 3), dtype=np.uint8), bags.offsets)
    X = ModalityDict({"slides": bags, "slices": slices, "age": rng.normal(size=(5, 1))})
    model = LinearClassifier().fit(X, [0, 1, 0, 1, 0])

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


def test_the_default_baseline_is_the_training_mean_of_what_is_standardized():
    """A sample at the mean of the training samples has no attributions, nor has a constant column."""
    rng = np.random.default_rng(0)
    X = {"rna": np.column_stack([rng.normal(5, 2, size=(20, 2)), np.ones(20)])}
    model = LinearClassifier(standardize=True).fit(X, [0, 1] * 10)

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
def test_the_estimator_stays_as_it_is(linear, precision):
    """Its network keeps weights, precision and mode, also in training, and the gradients that it had."""
    _, X = linear
    model = LinearClassifier(precision=precision).fit(X, np.array(["ill", "well"] * 5))
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


def test_explanations_are_those_of_the_fitted_model(linear):
    """Two fits that differ in their data have other attributions; a model read from a pickle has the same."""
    model, X = linear
    other = LinearClassifier(max_epochs=5).fit(X, np.array(["well"] * 5 + ["ill"] * 5))

    found = attribute(model, X, "well")

    assert np.abs(attribute(other, X, "well")["rna"] - found["rna"]).max() > 1e-3
    again = attribute(pickle.loads(pickle.dumps(model)), X, "well")
    for name, values in found.items():
        np.testing.assert_array_equal(again[name], values)


def test_batches_bound_what_goes_through_the_network(linear):
    """No more samples and steps at a time than asked for."""
    model, X = linear
    Linear.largest = 0

    attribute(model, X, "well", batch_size=4)

    assert Linear.largest == 4


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


def test_pipelines_searches_and_frozen_estimators_are_passed():
    """What comes out of the steps before is explained, by their names; a search explains its best model."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        rng.normal(3, 2, size=(20, 2)), columns=["age", "dose"], index=[f"p{i}" for i in range(20)]
    )
    X, y = ModalityDict({"clinical": frame}), np.arange(20) % 2
    pipeline = make_pipeline(ModalityTransformer({"clinical": StandardScaler()}), LinearClassifier())
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


CAPTUM = {
    "saliency": lambda x, w: np.abs(w) + 0 * x,
    "input_x_gradient": lambda x, w: x * w,
    "feature_ablation": lambda x, w: (x - 0.5) * w,
    "occlusion": lambda x, w: (x - 0.5) * w,
}


@pytest.mark.parametrize("method", CAPTUM)
def test_captum_explains_a_linear_model(linear, method):
    """Each method gives what it is defined as; what is ignored or missing is zero."""
    model, X = linear
    options = {} if method in {"saliency", "input_x_gradient"} else {"baseline": {"rna": 0.5}}

    found = attribute(model, X, "well", method=method, **options)

    expected = CAPTUM[method](X["rna"], model.weights("rna")) * X.is_present("rna")[:, None]
    np.testing.assert_allclose(found["rna"], expected, atol=1e-9)
    assert not found["ignored"].any()
    assert not found["scan"][4].any()
    assert found.completeness_error is None
    assert found.method == method
    if method != "saliency":
        seen = X["scan"] / 255 * np.moveaxis(model.weights("scan").reshape(3, 4, 5), 0, -1)
        expected = seen if method == "input_x_gradient" else seen.mean(axis=-1, keepdims=True) + 0 * seen
        np.testing.assert_allclose(found["scan"][0], expected[0], atol=1e-9)


def test_windows_and_masks_are_those_of_the_caller(linear):
    """The effect of a window, or of all with a number, is shared by its values, so that sums are effects."""
    model, X = linear
    X = X[[0, 1]]
    seen = X["scan"] / 255 * np.moveaxis(model.weights("scan").reshape(3, 4, 5), 0, -1)
    mask = np.repeat([[7, 7, 7, 2, 2]], 4, axis=0)

    windows = attribute(
        model,
        X,
        "well",
        method="occlusion",
        sliding_window_shapes={"scan": (4, 1), "rna": 3},
        strides={"scan": 1},
    )
    masked = attribute(
        model, X, "well", method="feature_ablation", feature_mask={"scan": mask, "rna": [0, 1, 1]}
    )

    np.testing.assert_allclose(windows["scan"].sum(axis=(1, 3)), seen.sum(axis=(1, 3)), atol=1e-6)
    np.testing.assert_allclose(
        windows["rna"][:, 0], (X["rna"] * model.weights("rna")).mean(axis=1), atol=1e-6
    )
    parts = masked["scan"][:, :, :3], masked["scan"][:, :, 3:]
    for part, expected in zip(parts, (seen[:, :, :3], seen[:, :, 3:]), strict=True):
        np.testing.assert_allclose(
            part, (expected.mean(axis=(1, 2, 3), keepdims=True) + 0 * expected), atol=1e-6
        )
    expected = X["rna"] * model.weights("rna")
    np.testing.assert_allclose(masked["rna"][:, 0], expected[:, 0], atol=1e-6)
    np.testing.assert_allclose(masked["rna"][:, 1], expected[:, 1:].mean(axis=1), atol=1e-6)


@pytest.mark.parametrize("method", CAPTUM)
def test_captum_takes_bags_and_texts(fitted, method):
    """Instances and tokens are features; missing ones are zero."""
    for cls in (AttentionPoolingClassifier, HEALNetClassifier, ImageTextClassifier):
        model, X = fitted(cls)

        found = attribute(model, X[:6], method=method)

        for name in found:
            assert not found.totals[name][~X[:6].is_present(name)].any()
        assert all(
            np.isfinite(np.concatenate([np.ravel(e) for e in values])).all() for values in found.values()
        )


def test_captum_is_an_extra(linear, monkeypatch):
    """Where it is not installed the message tells how to install it; integrated gradients do without."""
    model, X = linear
    monkeypatch.setitem(__import__("sys").modules, "captum.attr", None)
    monkeypatch.setitem(__import__("sys").modules, "captum", None)

    assert attribute(model, X)["rna"].any()
    with pytest.raises(ImportError, match=re.escape('needs the package "captum.attr"')):
        attribute(model, X, method="saliency")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "guess"}, "'method' parameter of attribute must be 'integrated_gradients' or 'saliency'"),
        ({"n_steps": 0}, "'n_steps' parameter of attribute must be an int in the range"),
        ({"rule": "simpson"}, "'rule' parameter of attribute must be"),
        ({"rule": "riemann_trapezoid", "n_steps": 1}, "needs n_steps of 2 at least"),
        ({"batch_size": -1}, "'batch_size' parameter"),
        ({"token_score": "sum"}, "'token_score' parameter"),
        ({"steps": 5}, "takes no further arguments. Got ['steps']"),
        ({"method": "saliency", "n_steps": 9}, "n_steps and rule belong to method='integrated_gradients'"),
        ({"method": "saliency", "baseline": {"rna": 0}}, "has no baseline"),
        ({"method": "saliency", "abs": 3}, "'abs' parameter of attribute must be True or False"),
        ({"method": "occlusion", "strides": 3}, "strides must be a dict by modality. Got int"),
        ({"method": "occlusion", "strides": {"mri": 3}}, "strides names 'mri'"),
        ({"method": "occlusion", "sliding_window_shapes": {"scan": (5, 1)}}, "not larger than (4, 5)"),
        (
            {"method": "occlusion", "sliding_window_shapes": {"scan": 1.5}},
            "must be a whole number, or 2 of them",
        ),
        ({"method": "feature_ablation", "feature_mask": {"rna": [1, 2]}}, "whole numbers of shape (3,)"),
        ({"modalities": "mri"}, "modalities must be among"),
        ({"baseline": 0}, "baseline must be a dict"),
        ({"baseline": {"mri": 0}}, "baseline names 'mri'"),
        ({"baseline": {"rna": [1, 2]}}, "must be a number or have shape (3,) or (10, 3). Got (2,)"),
        ({"baseline": {"rna": np.nan}}, "must be finite"),
        ({"baseline": {"rna": "mean"}}, "must be a number or an array of numbers"),
        ({"baseline": {"scan": 300}}, "must lie within 0 and 255, as uint8 does"),
    ],
)
def test_arguments_are_checked(linear, options, message):
    """What is not allowed is told before anything is computed."""
    model, X = linear

    with pytest.raises(ValueError, match=re.escape(message)):
        attribute(model, X, **options)


def test_other_estimators_are_refused_with_what_is_possible(linear):
    """The message names what was handed over, and where there is a way around, the way."""
    _, X = linear
    X = X[X.is_present("rna")]
    table, y = X["rna"], np.arange(9) % 3
    ordinal = OrdinalCascadeClassifier(LinearClassifier(), order="sorted").fit(X[["rna"]], y)
    targets = MultiTargetClassifier(LinearClassifier()).fit(X[["rna"]], pd.DataFrame({"a": y % 2}))
    late = LateFusionClassifier(LogisticRegression()).fit(X[["rna"]], y % 2)
    pooling = AttentionPooling(max_epochs=1, random_state=0).fit([table, table], [0, 1])

    for model, hint in (
        (ordinal, "attribute(model.estimators_[k], X)"),
        (targets, "attribute(model.estimators_[target], X)"),
        (late, "Its classifiers, in estimators_"),
        (KMeans(2, n_init=1, random_state=0).fit(table), "Got KMeans instead."),
    ):
        with pytest.raises(ValueError, match="derive from BaseFusionClassifier.*" + re.escape(hint)):
            attribute(model, X[["rna"]])
    with pytest.raises(ValueError, match="its attention_weights tell"):
        attribute(pooling, ModalityDict({"slides": [table, table]}, kinds={"slides": "bag"}))
    for stage in (ordinal.estimators_[0], targets.estimators_["a"]):
        assert attribute(stage, X[["rna"]])["rna"].any()
    with pytest.raises(NotFittedError, match="GridSearchCV instance is not fitted yet"):
        attribute(GridSearchCV(LinearClassifier(), {"lr": [1.0]}), X)
    with pytest.raises(NotFittedError, match="LinearClassifier"):
        attribute(LinearClassifier(), X)


def test_texts_have_no_baseline_of_their_own(fitted):
    """The vector of a word begins at zero."""
    model, X = fitted(ImageTextClassifier)

    with pytest.raises(ValueError, match="is text, whose baseline is a vector of zeros"):
        attribute(model, X, baseline={"text": 0})
