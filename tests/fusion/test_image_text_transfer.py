"""Transfer: encoders that were trained alone, before, elsewhere, or come from files, and what may leak."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import cross_validate

from skmm import ModalityDict
from skmm.embedding import ImageEmbedder
from skmm.embedding._backbones import build_named
from skmm.fusion import ImageTextClassifier, MMStaticClassifier
from skmm.fusion import _image_text_encoders as encoders
from skmm.preprocessing import TextTokenizer


def _model(hidden=8, **params):
    """Return a small classifier."""
    small = {"n_filters": 4, "embedding_dim": 8, "max_epochs": 2, "random_state": 0}
    return ImageTextClassifier(hidden, **{**small, **params})


def _convolution(seed=0):
    """Return a module of the user's, one convolution."""
    with torch.random.fork_rng():
        torch.default_generator.manual_seed(seed)
        return torch.nn.Conv2d(1, 2, 3)


def _state(model, name):
    """Return the parameters of the encoder of a modality as arrays."""
    return {k: v.numpy() for k, v in model.net_.module_.branch(name).state_dict().items()}


def _assert_same(first, second):
    """Both states hold the same numbers."""
    assert set(first) == set(second)
    for name, value in first.items():
        np.testing.assert_array_equal(second[name], value, err_msg=name)


@pytest.fixture
def calls(monkeypatch):
    """Return a list of the notes and labels with which classifiers are trained alone, by modality."""
    found, real = [], encoders.seeded_clone

    def spy(estimator, random_state):
        model = real(estimator, random_state)
        fit = model.fit

        def noted(X, y, **options):
            found.append((X.modalities, X, y, options))
            return fit(X, y, **options)

        object.__setattr__(model, "fit", noted)
        return model

    monkeypatch.setattr(encoders, "seeded_clone", spy)
    return found


def test_trained_alone_within_fit(chest):
    """An unfitted classifier is fitted on the rows that have the modality, as one would do by hand."""
    X, signs = chest(24)
    y = signs[:, 0]
    alone = {"xray": _model(random_state=3, max_epochs=3), "note": _model(random_state=4, max_epochs=1)}
    options = {"image_lr": 0, "text_lr": 0}
    joined = _model(image_encoder=alone["xray"], text_encoder=alone["note"], **options).fit(X, y)

    for name, one in alone.items():
        rows = np.flatnonzero(X.is_present(name))
        by_hand = clone(one).fit(X[rows][[name]], y[rows])
        _assert_same(_state(by_hand, name), _state(joined, name))
        assert not hasattr(one, "net_")
    note = clone(alone["note"]).fit(X[[*range(5), *range(6, 24)]][["note"]], y[[*range(5), *range(6, 24)]])
    assert joined.tokenizers_["note"].vocabulary_ == note.tokenizers_["note"].vocabulary_


def test_nothing_held_out_is_seen(chest, calls):
    """Classifiers trained first see neither what early stopping holds out nor split patients."""
    X, signs = chest(24)
    X = ModalityDict(X, groups=np.repeat(np.arange(8), 3))
    alone = _model(early_stopping=True, validation_fraction=0.2, max_epochs=1)
    model = _model(
        image_encoder=alone, text_encoder=alone, early_stopping=True, validation_fraction=0.3, max_epochs=1
    ).fit(X, signs[:, 0], sample_weight=np.arange(1.0, 25.0))
    held_out = {X["xray"][row].tobytes() for row in model.validation_rows_}

    assert [names for names, *_ in calls] == [("note",), ("xray",)]
    _, seen, _, options = calls[1]
    assert held_out
    assert not held_out & {image.tobytes() for image in seen["xray"]}
    np.testing.assert_array_equal(np.unique(options["groups"]), np.unique(seen.groups))
    rows = [int(np.flatnonzero((X["xray"] == image).all(axis=(1, 2)))[0]) for image in seen["xray"]]
    np.testing.assert_array_equal(options["sample_weight"], np.asarray(rows) + 1)


def test_cross_validation_leaks_nothing(chest, calls):
    """A fitted classifier that is not frozen is fitted anew in each fold; a frozen one stays as it was."""
    X, signs = chest(24)
    rows = np.flatnonzero(X.is_present("xray"))
    fitted = _model().fit(X[rows][["xray"]], signs[rows, 0])
    result = cross_validate(
        _model(image_encoder=fitted), X, signs[:, 0], cv=3, return_indices=True, return_estimator=True
    )

    assert len(calls) == 3
    for (_, seen, *_), test in zip(calls, result["indices"]["test"], strict=True):
        tested = {image.tobytes() for image in X["xray"][test]}
        assert not tested & {image.tobytes() for image in seen["xray"]}
    frozen = _model(image_encoder=FrozenEstimator(fitted), image_lr=0)
    result = cross_validate(frozen, X, signs[:, 0], cv=2, return_estimator=True)
    assert len(calls) == 3
    for model in result["estimator"]:
        _assert_same(_state(fitted, "xray"), _state(model, "xray"))


def test_from_other_data(chest):
    """Other classes, another name, other brightness: weights, words and what prepares images come along."""
    X, signs = chest(24)
    rng = np.random.default_rng(5)
    elsewhere = ModalityDict(
        {
            "scan": rng.integers(100, 256, size=(30, 8, 8), dtype=np.uint8),
            "text": ["left effusion", "sharp"] * 15,
        }
    )
    source = _model().fit(elsewhere, np.array(["p", "q", "r"])[np.arange(30) % 3])
    frozen = FrozenEstimator(source)
    model = _model(image_encoder=frozen, text_encoder=frozen, image_lr=0, text_lr=0).fit(X, signs[:, 0])

    _assert_same(_state(source, "scan"), _state(model, "xray"))
    _assert_same(_state(source, "text"), _state(model, "note"))
    assert set(model.tokenizers_["note"].vocabulary_) == {"effusion", "left", "sharp"}
    here = np.ones(24, dtype=bool)
    np.testing.assert_array_equal(
        model._inputs["xray"](X["xray"], here, np.float32),
        source._inputs["scan"](X["xray"], here, np.float32),
    )
    tuned = _model(image_encoder=frozen, lr=0.01).fit(X, signs[:, 0])
    rates = sorted(group["lr"] for group in tuned.net_.optimizer_.param_groups if group["params"])
    assert rates == pytest.approx([0.001, 0.01])
    assert (
        _state(source, "scan")["net.affine.1.weight"] != _state(tuned, "xray")["net.affine.1.weight"]
    ).any()


def test_files_of_encoders(chest, tmp_path):
    """An encoder in a file is what it is in the classifier: features, words and standardization."""
    X, signs = chest(24)
    source = _model().fit(X, signs[:, 0])
    for name in ("xray", "note"):
        source.save_encoder(tmp_path / f"{name}.pt", name)
    paths = {"image_encoder": tmp_path / "xray.pt", "text_encoder": str(tmp_path / "note.pt")}
    frozen = FrozenEstimator(source)
    from_files = _model(**paths).fit(X, signs[:, 1])
    from_memory = _model(image_encoder=frozen, text_encoder=frozen).fit(X, signs[:, 1])

    np.testing.assert_array_equal(from_files.predict_proba(X), from_memory.predict_proba(X))
    assert from_files.tokenize(X) == source.tokenize(X)
    from_files.save_encoder(tmp_path / "again.pt", "note")  # also what was itself transferred
    _model(text_encoder=tmp_path / "again.pt").fit(X[["note"]][6:], signs[6:, 1])


def test_files_run_no_code(chest, tmp_path):
    """Files that are cut off, hold code, something else, or an encoder of another kind are refused."""
    X, signs = chest(24)
    source = _model().fit(X, signs[:, 0])
    source.save_encoder(tmp_path / "note.pt", "note")
    (tmp_path / "cut.pt").write_bytes((tmp_path / "note.pt").read_bytes()[:500])
    (tmp_path / "code.pt").write_bytes(pickle.dumps(source))
    torch.save({"weight": torch.zeros(1)}, tmp_path / "weights.pt")
    for file, message in {
        "cut": "damaged",
        "code": "run code",
        "weights": "holds no encoder that save_encoder has written.*image_weights",
        "note": "is one of modalities of kind 'text'. Modality 'xray' is of kind 'image'",
    }.items():
        with pytest.raises(ValueError, match=message):
            _model(image_encoder=tmp_path / f"{file}.pt").fit(X, signs[:, 0])
    with pytest.raises(ValueError, match=r"modality must be one of \['note', 'xray'\].*Got None"):
        source.save_encoder(tmp_path / "which.pt")
    own = _model(image_encoder=_convolution()).fit(X, signs[:, 0])
    with pytest.raises(ValueError, match="module of your own: save its weights"):
        own.save_encoder(tmp_path / "own.pt", "xray")


def test_weights_of_the_users_own_net(chest, tmp_path):
    """A file of weights goes into a module of the same parts, which then learns at a tenth of the rate."""
    X, signs = chest(24)
    source, target = _convolution(), _convolution(seed=1)
    torch.save(source.state_dict(), tmp_path / "conv.pt")
    model = _model(image_encoder=target, image_weights=tmp_path / "conv.pt", lr=1e-12, weight_decay=0)
    state = _state(model.fit(X, signs[:, 0]), "xray")

    np.testing.assert_allclose(state["net.net.weight"], source.weight.detach(), atol=1e-6)
    assert sorted(g["lr"] for g in model.net_.optimizer_.param_groups if g["params"]) == pytest.approx(
        [1e-13, 1e-12]
    )


def test_a_published_net_is_that_of_the_embedder(tmp_path):
    """A frozen ResNet from a file of weights has the features that ImageEmbedder gives for the same file."""
    rng = np.random.default_rng(0)
    X = {"xray": rng.integers(0, 256, size=(8, 40, 36), dtype=np.uint8)}
    y = np.arange(8) % 2
    torch.save(
        build_named("resnet18", weights=None, layer=None, pooling="average", seed=1).net.state_dict(),
        tmp_path / "resnet18.pth",
    )
    options = {"image_weights": tmp_path / "resnet18.pth", "max_epochs": 1}
    frozen = _model(image_encoder="resnet18", image_lr=0, **options).fit(X, y)
    partly = _model(image_encoder="resnet18", image_trainable=("layer4.1",), **options).fit(X, y)
    embedder = ImageEmbedder("resnet18", weights=tmp_path / "resnet18.pth", image_size=None)

    images = torch.from_numpy(frozen._inputs["xray"](X["xray"], np.ones(8, dtype=bool), np.float32))
    with torch.no_grad():
        features = frozen.net_.module_.branch("xray")(images, torch.ones(8, dtype=torch.bool))
    np.testing.assert_allclose(features, embedder.fit_transform(X["xray"]), atol=1e-4)
    before, after = _state(frozen, "xray"), _state(partly, "xray")
    moved = {name for name in before if not np.array_equal(before[name], after[name])}
    assert moved
    assert all(name.startswith("net.net.layer4.1.") for name in moved)
    frozen.save_encoder(tmp_path / "encoder.pt")
    _assert_same(before, _state(_model(image_encoder=tmp_path / "encoder.pt", image_lr=0).fit(X, y), "xray"))


def test_images_of_another_size_or_with_other_channels(chest):
    """An encoder of images of one size takes others where its net does, and else says what to do."""
    X, signs = chest(24)
    small = _model().fit(X[6:][["xray"]], signs[6:, 0])
    larger = {"xray": np.zeros((8, 12, 12), dtype=np.uint8)}
    colours = {"xray": np.zeros((8, 8, 8, 3), dtype=np.uint8)}
    y = np.arange(8) % 2
    with pytest.raises(ValueError, match="trained on images of 8 x 8 pixels.*have 12 x 12: resize"):
        _model(image_encoder=FrozenEstimator(small)).fit(larger, y)
    with pytest.raises(ValueError, match="images of 1 channels. The images have 3"):
        _model(image_encoder=FrozenEstimator(small)).fit(colours, y)
    any_size = _model(image_encoder=_convolution()).fit(X[6:][["xray"]], signs[6:, 0])
    model = _model(image_encoder=FrozenEstimator(any_size)).fit(larger, y)
    assert model.predict_proba(larger).shape == (8, 2)


def test_what_is_no_source(chest):
    """A frozen classifier that is not fitted, or has no such modality, or another class, is refused."""
    X, signs = chest(24)
    texts = _model().fit(X[6:][["note"]], signs[6:, 0])
    with pytest.raises(ValueError, match="FrozenEstimator of 'image_encoder' is not fitted"):
        _model(image_encoder=FrozenEstimator(_model())).fit(X, signs[:, 0])
    with pytest.raises(
        ValueError, match="must have modality 'xray', or one modality of kind 'image'. It has none"
    ):
        _model(image_encoder=FrozenEstimator(texts)).fit(X, signs[:, 0])
    with pytest.raises(ValueError, match="'image_encoder' parameter"):
        _model(image_encoder=MMStaticClassifier()).fit(X, signs[:, 0])


def test_a_failed_pretraining_leaves_no_model(chest):
    """Where an encoder cannot be trained, fit raises, and no half of a model is left."""
    X, signs = chest(24)
    model = _model(text_encoder=_model(lr=-1))
    with pytest.raises(ValueError, match="'lr' parameter"):
        model.fit(X, signs[:, 0])
    assert not hasattr(model, "net_")


def test_numbers_of_numpy_go_into_files(chest, tmp_path):
    """Parameters of a tokenizer that a search has drawn are written as plain numbers."""
    X, signs = chest(24)
    tokenizer = TextTokenizer(min_token_length=np.int64(2), lowercase=np.bool_(True))
    source = _model(tokenizer=tokenizer).fit(X, signs[:, 0])
    source.save_encoder(tmp_path / "note.pt", "note")

    assert _model(text_encoder=tmp_path / "note.pt").fit(X, signs[:, 0]).tokenize(X) == source.tokenize(X)


def test_what_fails_in_training_alone_is_named(chest):
    """Where the rows with a report are of one class, the message says which encoder cannot be trained."""
    X, signs = chest(24)
    notes = np.where(signs[:, 0] == 1, X["note"], None)
    with pytest.raises(
        ValueError, match="encoder of modality 'note', which is trained alone first: .*2 classes"
    ):
        _model(text_encoder=_model()).fit(ModalityDict({**X, "note": notes}), signs[:, 0])
