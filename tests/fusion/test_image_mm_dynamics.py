"""MM dynamics for images: what the gate shows, what flips do, which images are taken and which refused."""

import numpy as np
import pytest
import torch
from skorch.callbacks import LRScheduler

from skmm import BagArray, ModalityDict
from skmm._training import batches_for
from skmm._training._net import FusionLoss
from skmm.containers import is_lazy
from skmm.fusion import ImageMMDynamics, MMDynamicsClassifier
from skmm.nn import UNetGate


def _images(y, size=(16, 20), n_channels=3, seed=0):
    """Return noisy bytes with a bright square at upper left in class 1, at lower right in class 0."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 120, size=(len(y), *size, n_channels), dtype=np.uint8)
    images[np.asarray(y) == 1, 2:8, 2:8] += 120
    images[np.asarray(y) == 0, -8:-2, -8:-2] += 120
    return images


def _data(n_samples=24, **params):
    """Return images "im" and a table "tab" of noise, three images and one row of the table missing."""
    y = np.arange(n_samples) % 2
    table = np.random.default_rng(1).normal(size=(n_samples, 3))
    table[4] = np.nan
    here = np.ones(n_samples, dtype=bool)
    here[[1, 2, 9]] = False
    return ModalityDict({"tab": table, "im": _images(y, **params)}, present={"im": here}), y


def _model(hidden=8, **params):
    """Return a small classifier."""
    return ImageMMDynamics(hidden, **{"max_epochs": 2, "random_state": 0, **params})


@pytest.fixture
def seen(monkeypatch):
    """Return a list in which the gates of images note whether they train, and what they see."""
    calls, forward = [], UNetGate.forward

    def spy(self, x):
        calls.append((self.training, x.detach().clone()))
        return forward(self, x)

    monkeypatch.setattr(UNetGate, "forward", spy)
    return calls


def test_learns_from_images_and_tables():
    """Images that tell the class are learned, beside a table of noise and with images missing."""
    X, y = _data(120)
    model = _model(32, max_epochs=15).fit(X[:80], y[:80])
    rows = np.flatnonzero(X.is_present("im"))
    rows = rows[rows >= 80]

    assert model.score(X[rows], y[rows]) > 0.9
    assert model.modality_confidence(X[rows]).mean()["im"] > model.modality_confidence(X[rows]).mean()["tab"]


def test_heat_maps_have_the_size_of_the_images():
    """One map an image, constant on patches, in (0, 1), zero where the image is missing; tables as ever."""
    X, y = _data(size=(18, 21))
    for patch_size in (4, 8):
        maps = _model(patch_size=patch_size).fit(X, y).feature_informativeness(X)
        here = X.is_present("im")

        assert maps["im"].shape == (24, 18, 21)
        assert maps["tab"].shape == (24, 3)
        assert not maps["im"][~here].any()
        assert ((maps["im"][here] > 0) & (maps["im"][here] < 1)).all()
        for top in range(0, 18, patch_size):
            for left in range(0, 21, patch_size):
                patch = maps["im"][:, top : top + patch_size, left : left + patch_size]
                assert (patch == patch[:, :1, :1]).all()
        corners = maps["im"][here][:, ::patch_size, ::patch_size]
        assert (corners != corners[:, :1, :1]).any()


def test_confidence_is_zero_where_an_image_is_missing():
    """As for any modality, and nowhere else it is exactly that."""
    X, y = _data()
    confidence = _model(confidence_activation="sigmoid").fit(X, y).modality_confidence(X)

    assert ((confidence["im"] == 0) == ~X.is_present("im")).all()


def test_the_best_epoch_comes_back():
    """The final weights are those of the epoch with the lowest validation loss, which is not the last one."""
    y = np.random.default_rng(0).permutation(np.arange(40) % 2)
    X = ModalityDict({"im": _images(np.arange(40) % 2)})  # nothing to learn: validation gets worse
    model = _model(
        32,
        feature_gate=None,
        confidence_weighting=False,
        early_stopping=True,
        validation_fraction=0.4,
        n_iter_no_change=6,
        tol=0.0,
        max_epochs=40,
        lr=1e-3,
        dropout=0.0,
        class_weight=None,
        weight_decay=0.0,
    ).fit(X, y)
    history, rows = model.history_, model.validation_rows_
    proba = model.predict_proba(X)[rows, y[rows]]

    assert model.best_epoch_ == history.epoch[history.valid_loss.argmin()]
    assert model.best_epoch_ < history.epoch.iloc[-1]
    assert -np.log(proba).mean() == pytest.approx(history.valid_loss.min(), rel=1e-4)
    assert -np.log(proba).mean() < history.valid_loss.iloc[-1] - 1e-3


def test_flips_happen_in_training_and_nowhere_else(seen):
    """Training sees images and their mirror images; validation, prediction and heat maps the images alone."""
    y = np.arange(30) % 2
    X = ModalityDict({"im": _images(y)})
    model = _model(flips="horizontal", early_stopping=True, standardize=False, max_epochs=4).fit(X, y)
    model.predict_proba(X)
    model.feature_informativeness(X)
    known = {image.tobytes() for image in X["im"]}
    mirrored = {image.tobytes() for image in np.ascontiguousarray(X["im"][:, :, ::-1])}

    counts = {}
    for training, batch in seen:
        for image in np.ascontiguousarray((batch * 255).round().byte().permute(0, 2, 3, 1).numpy()):
            if image.any():  # batches are padded with samples that have nothing
                key = image.tobytes()
                kind = "plain" if key in known else "mirrored" if key in mirrored else "other"
                counts[training, kind] = counts.get((training, kind), 0) + 1
    assert set(counts) == {(True, "plain"), (True, "mirrored"), (False, "plain")}
    assert 0.3 < counts[True, "mirrored"] / (counts[True, "plain"] + counts[True, "mirrored"]) < 0.7


def test_flips_leave_predictions_deterministic():
    """Two predictions are equal, an image and its mirror image are two images, and flips change the fit."""
    X, y = _data()
    model = _model(flips="both").fit(X, y)
    mirrored = ModalityDict({"tab": X["tab"], "im": X["im"][:, :, ::-1]}, present={"im": X.is_present("im")})

    np.testing.assert_array_equal(model.predict_proba(X), model.predict_proba(X))
    assert (model.predict_proba(X) != model.predict_proba(mirrored)).any()
    assert (model.predict_proba(X) != _model(flips=None).fit(X, y).predict_proba(X)).any()


def test_the_weight_of_the_classification_is_not_compounded():
    """It multiplies the cross-entropy of the fused prediction alone, once, for any number of modalities."""
    X, y = _data()
    X = ModalityDict({"tab": X["tab"], "im": X["im"], "im2": X["im"]}, present={"im": X.is_present("im")})
    terms = []
    for penalty in (1.0, 3.0):
        model = _model(classification_penalty=penalty, max_epochs=1, lr=1e-30, weight_decay=0.0).fit(X, y)
        terms.append(model._run(X, lambda output: output.losses))

    for name in terms[0]:
        factor = 3 if name == "classification" else 1
        np.testing.assert_allclose(terms[1][name], factor * terms[0][name], rtol=1e-5, atol=1e-7)


def test_a_table_of_one_column_is_a_table():
    """Neither its width nor that of an image decides: an image has three axes."""
    X, y = _data()
    model = _model().fit({"one": X["tab"][:, :1], "im": X["im"]}, y)
    one = model.net_.module_.branches[model.modalities_.index("one")]

    assert one.encoder.weight.shape == (8, 1)
    assert model.feature_informativeness({"one": X["tab"][:, :1], "im": X["im"]})["one"].shape == (24, 1)


@pytest.mark.parametrize("feature_gate", ["auto", None])
@pytest.mark.parametrize("weighting", [True, False])
@pytest.mark.parametrize("patch_size", [4, 8])
def test_every_parameter_has_a_gradient(feature_gate, weighting, patch_size):
    """No ablation keeps a part without use, of images neither."""
    X, y = _data(32)
    model = _model(
        feature_gate=feature_gate,
        confidence_weighting=weighting,
        patch_size=patch_size,
        flips="both",
        dropout=0.0,
        max_epochs=1,
        precision="float64",
    ).fit(X, y)
    module = model.net_.module_
    with torch.random.fork_rng():
        torch.manual_seed(1)
        for parameter in module.parameters():
            torch.nn.init.normal_(parameter, std=0.3)  # far from dead units
        batch, labels = batches_for(model.net_, X, model._inputs, y=y)[np.arange(32)]
        module.zero_grad()
        FusionLoss()(module.train()(batch.inputs, batch.present), labels).backward()

    without = [name for name, p in module.named_parameters() if p.grad is None or not p.grad.any()]
    assert without == []


def test_samples_are_independent_of_their_batch():
    """Any order, any company, alone: the same probabilities, maps and confidences."""
    X, y = _data()
    model = _model(flips="both").fit(X, y)
    order = np.random.default_rng(0).permutation(24)

    np.testing.assert_allclose(model.predict_proba(X[order]), model.predict_proba(X)[order], atol=1e-6)
    np.testing.assert_allclose(model.predict_proba(X[[5]]), model.predict_proba(X)[[5]], atol=1e-6)
    maps = model.feature_informativeness(X)["im"]
    np.testing.assert_allclose(model.feature_informativeness(X[order])["im"], maps[order], atol=1e-6)


def test_predictions_in_several_batches(monkeypatch):
    """Large images are predicted a few at a time, with the same result."""
    X, y = _data()
    model = _model().fit(X, y)
    expected = model.predict_proba(X)
    monkeypatch.setattr("skmm.fusion._network._PREDICT_VALUES", 5 * 16 * 20 * 3)

    np.testing.assert_allclose(model.predict_proba(X), expected, atol=1e-6)


def test_full_batches_do_not_depend_on_the_order():
    """Nor on whether an image is repeated or has twice the weight, flips and dropout included."""
    y = np.arange(12) % 2
    images = _images(y)
    options = {"flips": "both", "batch_size": -1, "precision": "float64", "max_epochs": 3}
    order, weights = np.random.default_rng(0).permutation(12), np.arange(12) % 3 + 1
    repeated = np.repeat(np.arange(12), weights)

    first = _model(**options).fit({"im": images}, y).predict_proba({"im": images})
    second = _model(**options).fit({"im": images[order]}, y[order]).predict_proba({"im": images})
    np.testing.assert_allclose(first, second, atol=1e-10)

    first = _model(**options).fit({"im": images}, y, sample_weight=weights).predict_proba({"im": images})
    second = _model(**options).fit({"im": images[repeated]}, y[repeated]).predict_proba({"im": images})
    np.testing.assert_allclose(first, second, atol=1e-10)


def test_a_missing_image_does_not_count():
    """Whatever stands in its place, in training and in prediction; a table in its row goes on counting."""
    X, y = _data()
    garbage = X["im"].copy()
    garbage[~X.is_present("im")] = 255 - garbage[~X.is_present("im")]
    other = ModalityDict({"tab": X["tab"], "im": garbage}, present={"im": X.is_present("im")})
    options = {"flips": "both", "modality_dropout": 0.3}

    np.testing.assert_array_equal(
        _model(**options).fit(other, y).predict_proba(other), _model(**options).fit(X, y).predict_proba(X)
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats_in_the_unit_interval_equal_bytes(dtype):
    """Images that were divided by 255 give what the bytes give."""
    y = np.arange(24) % 2
    images = _images(y)
    expected = _model().fit({"im": images}, y).predict_proba({"im": images})
    floats = {"im": images / dtype(255)}

    np.testing.assert_allclose(_model().fit(floats, y).predict_proba(floats), expected, atol=1e-4)


def test_predictions_from_images_of_another_type():
    """Fitted on bytes, floats divided by 255 get the same answers; floats up to 255 are refused by name."""
    y = np.arange(24) % 2
    images = _images(y)
    model = _model(max_epochs=5).fit({"im": images}, y)

    proba = model.predict_proba({"im": images})
    np.testing.assert_allclose(model.predict_proba({"im": images / 255}), proba, atol=1e-6)
    assert proba[:, 0].std() > 1e-3
    with pytest.raises(ValueError, match="'im' holds float64 from 0 to .* held bytes in fit"):
        model.predict_proba({"im": images.astype(float)})


def test_pixels_that_are_nan_are_refused():
    """In fit and in prediction, with what helps; an image that is NaN throughout is missing."""
    y = np.arange(24) % 2
    images = _images(y) / 255
    images[5] = np.nan
    model = _model().fit({"tab": y[:, None] / 1, "im": images}, y)
    holes = images.copy()
    holes[3, 2, 2, 0] = np.nan

    assert not model.feature_informativeness({"tab": y[:, None] / 1, "im": images})["im"][5].any()
    for act in (lambda: _model().fit({"im": holes[:5]}, y[:5]), lambda: model.predict({"im": holes[:5]})):
        with pytest.raises(ValueError, match=r"'im' contains NaN in 1 rows \(3\). Fill these pixels"):
            act()


def test_grey_images_with_and_without_a_channel_axis():
    """Equal, and a classifier fitted on one form says so when it gets the other."""
    y = np.arange(24) % 2
    images = _images(y, n_channels=1)
    model = _model().fit({"im": images[..., 0]}, y)

    np.testing.assert_array_equal(
        model.predict_proba({"im": images[..., 0]}),
        _model().fit({"im": images}, y).predict_proba({"im": images}),
    )
    assert model.feature_informativeness({"im": images[..., 0]})["im"].shape == (24, 16, 20)
    with pytest.raises(ValueError, match=r"'im' has entries of shape \(16, 20, 1\).*\(16, 20\) in fit"):
        model.predict({"im": images})


@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.float64])
@pytest.mark.parametrize(("size", "n_channels"), [((16, 16), 1), ((70, 33), 4)])
def test_any_size_number_of_channels_and_type(dtype, size, n_channels):
    """They train, predict and have maps; the caller's arrays stay as they are."""
    y = np.arange(10) % 2
    images = _images(y, size=size, n_channels=n_channels).astype(dtype) * 5
    images.flags.writeable = False
    before = images.copy()
    model = _model(max_epochs=1).fit({"im": images}, y)

    assert np.isfinite(model.predict_proba({"im": images})).all()
    assert model.feature_informativeness({"im": images})["im"].shape == (10, *size)
    np.testing.assert_array_equal(images, before)


def test_several_image_modalities_of_different_sizes():
    """Each has a net of its own, in alphabetical order."""
    X, y = _data()
    both = {"tab": X["tab"], "large": _images(y, size=(40, 24), n_channels=1)[..., 0], "im": X["im"]}
    model = _model({"im": 5, "large": 6, "tab": 7}).fit(both, y)

    assert model.transform(both).shape == (24, 18)
    assert list(model.modality_confidence(both)) == ["im", "large", "tab"]


def test_lazy_images_equal_those_in_memory(tmp_path):
    """A memory map is read batch by batch, with the same result."""
    y = np.arange(24) % 2
    np.save(tmp_path / "images.npy", _images(y))
    lazy = ModalityDict({"im": np.load(tmp_path / "images.npy", mmap_mode="r")})
    assert is_lazy(lazy["im"])
    model, other = _model(batch_size=8).fit(lazy, y), _model(batch_size=8).fit({"im": _images(y)}, y)

    np.testing.assert_array_equal(model.predict_proba(lazy), other.predict_proba({"im": _images(y)}))


def test_lazy_images_are_never_read_at_once(monkeypatch):
    """No read of training, validation, prediction or heat maps is larger than a batch, or chunk, of 16."""

    class Reader:
        """A lazy array that notes how many rows are read at a time."""

        def __init__(self, array):
            self.array, self.shape, self.dtype, self.reads = array, array.shape, array.dtype, []

        def __getitem__(self, rows):
            """Rows."""
            out = self.array[rows]
            self.reads.append(len(out))
            return out

    y = np.arange(90) % 2
    images = _images(y)
    for module, name in (("_training._inputs", "_CHUNK"), ("fusion._network", "_PREDICT_VALUES")):
        monkeypatch.setattr(f"skmm.{module}.{name}", 16 * images[0].size)
    reader = Reader(images)
    model = _model(batch_size=16, early_stopping=True, validation_fraction=0.4).fit({"im": reader}, y)
    model.predict_proba({"im": reader})
    model.feature_informativeness({"im": reader})

    assert sum(reader.reads) == 54 + 2 * 90 + 2 * 90 + 1  # moments, epochs, predictions and maps, one row
    assert max(reader.reads) <= 16


@pytest.mark.parametrize("params", [{}, {"feature_gate": "low_rank", "confidence_weighting": False}])
def test_on_tables_alone_it_is_mm_dynamics(params):
    """The same network, initialization and training, to the last bit."""
    rng = np.random.default_rng(0)
    X, y = {"a": rng.normal(size=(40, 5)), "b": rng.normal(size=(40, 3))}, np.arange(40) % 3
    image, table = ImageMMDynamics(8, random_state=0), MMDynamicsClassifier(8, random_state=0)
    same = {key: value for key, value in image.get_params().items() if key in table.get_params()}
    image.set_params(**params, max_epochs=3)
    table.set_params(**{**same, **params, "max_epochs": 3})

    np.testing.assert_array_equal(image.fit(X, y).predict_proba(X), table.fit(X, y).predict_proba(X))


def test_images_that_are_too_small_are_refused():
    """The message names the modality, its size, the smallest and what to do; fit stops before training."""
    y = np.arange(6) % 2
    with pytest.raises(ValueError, match="16 x 16 pixels or more. Got 'im' with 15 x 20: enlarge or pad"):
        _model().fit({"im": np.zeros((6, 15, 20), np.uint8)}, y)


def test_images_of_different_sizes_are_refused():
    """In fit, and in prediction after a fit on one size, naming the modality and what to do."""
    X, y = _data()
    ragged = ModalityDict({"im": [*X["im"][:-1], np.zeros((20, 20, 3), np.uint8)]}, kinds={"im": "image"})
    model = _model().fit(X, y)

    with pytest.raises(ValueError, match="'im' holds images of different sizes.*resize"):
        _model().fit(ragged, y)
    with pytest.raises(
        ValueError, match=r"'im' holds images of different sizes.*\(16, 20, 3\) in fit. Resize"
    ):
        model.predict(ragged)
    with pytest.raises(ValueError, match=r"'im' has entries of shape \(16, 16, 3\).*Resize"):
        model.predict({"im": X["im"][:, :, :16]})


def test_other_kinds_are_refused():
    """Volumes and bags name the classifiers that take them; MM dynamics of tables names this one."""
    y = np.arange(6) % 2
    with pytest.raises(ValueError, match="'mri', which is of kind 'volume': use HEALNetClassifier"):
        _model().fit({"mri": np.zeros((6, 4, 16, 16, 1))}, y)
    with pytest.raises(ValueError, match="'slices', which is of kind 'bag': use HEALNetClassifier or MCAT"):
        _model().fit({"slices": BagArray.from_list([np.zeros((2, 3))] * 6)}, y)
    with pytest.raises(ValueError, match="'im', which is of kind 'image': use ImageMMDynamics"):
        MMDynamicsClassifier().fit({"im": _images(y)}, y)


@pytest.mark.parametrize(("params", "message"), [({"patch_size": 16}, "4 or 8"), ({"flips": True}, "'both'")])
def test_bad_parameters_are_named(params, message):
    """With what is allowed and what came."""
    X, y = _data()
    with pytest.raises(ValueError, match=f"{next(iter(params))}.*{message}.*Got"):
        _model(**params).fit(X, y)


def test_gates_of_images_learn_with_a_share_of_the_rate():
    """Those of tables, and all else, with the whole; a warm start with another rate keeps the share."""
    X, y = _data()
    model = _model(gate_lr=0.25, lr=1e-3, warm_start=True).fit(X, y)

    def rates():
        module, groups = model.net_.module_, model.net_.optimizer_.param_groups
        by_parameter = {id(p): group["lr"] for group in groups for p in group["params"]}
        return {name: by_parameter[id(p)] for name, p in module.named_parameters()}

    assert len(rates()) == len(list(model.net_.module_.parameters()))
    for lr in (1e-3, 4e-3):
        if lr != model.lr:
            model.set_params(lr=lr).fit(X, y)
        for name, rate in rates().items():
            assert rate == pytest.approx(lr / 4 if name.startswith("branches.0.gate.") else lr), name
    assert model.modalities_[0] == "im"


def test_schedulers_keep_the_share():
    """One that scales the rate scales that of gates; one with rates of its own takes a list."""
    X, y = _data()
    step = LRScheduler("StepLR", step_size=1, gamma=0.1)
    cycle = LRScheduler("CyclicLR", base_lr=[1e-4, 1e-3], max_lr=[1e-3, 1e-2])

    def rates(callback):
        model = _model(gate_lr=0.1, lr=1e-3, optimizer="sgd", callbacks=[callback]).fit(X, y)
        return [group["lr"] for group in model.net_.optimizer_.param_groups]

    for callback in (step, cycle):
        gates, rest = rates(callback)
        assert gates == pytest.approx(rest / 10)
    assert rates(step)[1] == pytest.approx(1e-5)


def test_optimizers_with_one_rate():
    """LBFGS learns with one rate, as the paper does, and says so where gates have their own."""
    X, y = _data()
    model = _model(optimizer=torch.optim.LBFGS, gate_lr=1.0).fit(X, y)

    assert np.isfinite(model.predict_proba(X)).all()
    _model(optimizer=torch.optim.LBFGS, feature_gate=None).fit(X, y)
    with pytest.raises(ValueError, match="LBFGS has one learning rate .* use gate_lr=1"):
        _model(optimizer=torch.optim.LBFGS).fit(X, y)


def test_gates_stay_open_by_default():
    """Where images tell the class the maps are neither 0 nor 1 throughout, whatever the penalty asks."""
    y = np.arange(80) % 2
    images = _images(y)
    model = ImageMMDynamics(32, max_epochs=15, random_state=0).fit({"im": images}, y)
    maps = model.feature_informativeness({"im": images})["im"]

    assert 0.02 < maps.mean() < 0.98
    assert model.score({"im": _images(y, seed=5)}, y) > 0.9


def test_without_gates_there_are_no_maps():
    """The message says what to fit with."""
    X, y = _data()
    model = _model(feature_gate=None).fit(X, y)

    assert all(branch.gate is None for branch in model.net_.module_.branches)
    with pytest.raises(ValueError, match="feature_gate=None"):
        model.feature_informativeness(X)
