"""Images with reports: what both teach, where words come from, which parts learn, what is refused."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold, cross_validate
from sklearn.pipeline import Pipeline
from torch import nn

from skmm import ModalityDict
from skmm.compose import ModalityTransformer
from skmm.fusion import ImageTextClassifier
from skmm.preprocessing import GrayscaleNormalizer, TextTokenizer


def _model(hidden=8, **params):
    """Return a small classifier."""
    small = {"n_filters": 4, "embedding_dim": 8, "max_epochs": 2, "random_state": 0}
    return ImageTextClassifier(hidden, **{**small, **params})


class Net(nn.Module):
    """A net of the user's, with dropout and normalization, over images of three channels."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.5))
        self.top = nn.Conv2d(4, 5, 1)

    def forward(self, x):
        """Maps."""
        return self.top(self.stem(x))


@pytest.fixture
def net():
    """Return a net of the user's."""
    with torch.random.fork_rng():
        torch.default_generator.manual_seed(0)
        return Net()


def _state(model, name):
    """Return the parameters of the encoder of a modality as arrays."""
    return {k: v.numpy().copy() for k, v in model.net_.module_.branch(name).state_dict().items()}


def _changed(before, after):
    """Return the names of what has changed."""
    return {name for name in before if not np.array_equal(before[name], after[name])}


def test_both_are_needed(chest):
    """Where the image tells one sign and the text another, both together tell their combination."""
    X, signs = chest(90)
    y = np.array(["none", "square", "effusion", "both"])[signs @ [1, 2]]
    model = _model(32, n_filters=16, max_epochs=12, lr=1e-2)
    accuracy = []
    for names in (["xray"], ["note"], ["xray", "note"]):
        rows = np.flatnonzero(X[names].present.any(axis=1))
        train, test = rows[rows < 60], rows[rows >= 60]
        accuracy.append(model.fit(X[names][train], y[train]).score(X[names][test], y[test]))

    assert accuracy[2] > 0.9
    assert max(accuracy[:2]) < 0.7


def test_two_classes_have_probabilities(chest):
    """Two classes have two scores: the loss falls below that of a coin, unlike that of one softmaxed unit."""
    X, signs = chest(60)
    model = _model(max_epochs=12, lr=1e-2, early_stopping=True, n_iter_no_change=12).fit(X, signs[:, 1])
    proba = model.predict_proba(X)

    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-6)
    assert proba[:, 1].std() > 0.1
    assert model.history_["valid_loss"].min() < 0.9 * np.log(2)
    assert len(set(model.history_["train_loss"])) == 12


def test_words_come_from_the_training_texts_alone(chest):
    """Texts that are predicted, or that early stopping holds out, give no words to the vocabulary."""
    X, signs = chest(40)
    texts = [None if text is None else f"{text} word{row}x" for row, text in enumerate(X["note"])]
    X = ModalityDict({"xray": X["xray"], "note": texts})
    model = _model(early_stopping=True, validation_fraction=0.2).fit(X[:30], signs[:30, 0])
    vocabulary = model.tokenizers_["note"].vocabulary_
    own = {row for row in range(40) if f"word{row}x" in vocabulary}

    assert len(model.validation_rows_) >= 5
    assert own == set(range(30)) - set(model.validation_rows_) - {5}
    before = dict(vocabulary)
    model.predict(X[30:])
    assert model.tokenizers_["note"].vocabulary_ == before


def test_tokens_are_the_readers_own_words(chest):
    """Tokens say where in the raw text they stand, also where words are cleaned away or unknown."""
    X, signs = chest(40)
    tokenizer = TextTokenizer(stop_words=["no", "the"], max_length=4)
    model = _model(tokenizer=tokenizer).fit(X, signs[:, 0])
    raw = "Unheard-of: NO fracture seen, the Heart normal."
    tokens = model.tokenize({"note": [raw, None]})["note"]

    assert [raw[token.start : token.stop] for token in tokens[0]] == ["fracture", "seen", "Heart", "normal"]
    assert [token.text for token in tokens[0]] == ["fracture", "seen", "heart", "normal"]
    assert tokens[1] == []
    assert not hasattr(tokenizer, "vocabulary_")


def test_published_lengths_without_a_tokenizer():
    """Texts of more than 140 words keep their last 140; shorter ones are not filled up to that."""
    y = np.arange(8) % 2
    long = ModalityDict({"note": [" ".join(f"w{k}" for k in range(200)) for _ in y], "t": np.eye(8)})
    short = ModalityDict({"note": ["a b c"] * 8, "t": np.eye(8)})

    assert _model().fit(long, y).tokenizers_["note"].max_length_ == 140
    assert _model().fit(short, y).tokenizers_["note"].max_length_ == 3


def test_an_empty_text_is_no_missing_one(chest):
    """A text without a known word is seen by the encoder; a missing one is replaced by what stands for it."""
    X, signs = chest(40)
    for missing in ("neutral", "zero"):
        model = _model(missing=missing, lr=0.1).fit(X, signs[:, 1])
        empty = model.transform({"xray": X["xray"][:2], "note": ["", "unheard"]})
        absent = model.transform({"xray": X["xray"][:2]})

        np.testing.assert_allclose(absent, model.transform({"xray": X["xray"][:2], "note": [None, None]}))
        assert np.abs(empty - absent).max() > 1e-3


def test_words_are_cut_once(chest, monkeypatch):
    """Texts are cut into words once, not in each epoch, and what is kept of them is not pickled."""
    X, signs = chest(40)
    seen = []
    transform = TextTokenizer.transform
    monkeypatch.setattr(TextTokenizer, "transform", lambda self, X: seen.extend(X) or transform(self, X))
    model = _model(max_epochs=5, batch_size=8).fit(X, signs[:, 0])

    assert len(seen) == len(set(seen))
    copy = pickle.loads(pickle.dumps(model))
    assert copy._inputs["note"]._rows == {}
    np.testing.assert_array_equal(copy.predict_proba(X), model.predict_proba(X))


def test_batch_statistics_are_of_what_is_there(chest):
    """With normalization="batch" the running mean of features is that of the samples that have them."""
    X, signs = chest(40)
    model = _model(
        normalization="batch", lr=1e-12, weight_decay=0, max_epochs=1, batch_size=-1, class_weight=None
    )
    model.fit(X, signs[:, 0])
    module = model.net_.module_
    here = X.is_present("xray")
    with torch.no_grad():
        images = torch.from_numpy(model._inputs["xray"](X["xray"], here, np.float32))
        features = module.branch("xray")(images, torch.tensor(here))[torch.tensor(here)]

    norm = module.norms[module.names.index("xray")]
    np.testing.assert_allclose(norm.running_mean, 0.1 * features.mean(axis=0), rtol=1e-4, atol=1e-6)
    assert np.isfinite(model.predict_proba(X[:1])).all()


@pytest.mark.parametrize("params", [{"batch_size": 1, "normalization": "batch"}, {"modality_dropout": 0.9}])
def test_batches_with_one_image(chest, net, params):
    """A batch with one image trains, whatever normalizes over batches, within encoders and behind them."""
    X, signs = chest(12)
    model = _model(image_encoder=net, **{"batch_size": 3, **params}).fit(X, signs[:, 0])

    assert np.isfinite(model.predict_proba(X)).all()


def test_a_net_of_the_users_own(chest, net):
    """It is copied, sees grey images in its three channels, and drops out as random_state says."""
    X, signs = chest(24)
    before = {name: value.numpy().copy() for name, value in net.state_dict().items()}
    first, second = (_model(image_encoder=net).fit(X, signs[:, 0]) for _ in range(2))

    np.testing.assert_array_equal(first.predict_proba(X), second.predict_proba(X))
    assert not _changed(before, {name: value.numpy() for name, value in net.state_dict().items()})
    assert {f"net.net.{name}" for name in before} == set(_state(first, "xray"))
    branch = first.net_.module_.branch("xray")
    images = torch.from_numpy(np.divide(X["xray"][:3, None], 255, dtype=np.float32))
    with torch.no_grad():
        maps = branch.net.net(images.expand(-1, 3, -1, -1)).mean(dim=(2, 3))
        torch.testing.assert_close(branch(images, torch.ones(3, dtype=torch.bool)), maps)
        alpha = torch.cat(
            [images.expand(-1, 3, -1, -1), torch.rand(3, 1, 8, 8, generator=torch.Generator())], 1
        )
        torch.testing.assert_close(branch(alpha, torch.ones(3, dtype=torch.bool)), maps)


def test_what_is_frozen_stays(chest, net):
    """With a rate of 0, or outside the parts that are named, neither weights nor statistics change."""
    X, signs = chest(24)
    start = {f"net.net.{name}": value.numpy() for name, value in net.state_dict().items()}
    frozen = _model(image_encoder=net, image_lr=0).fit(X, signs[:, 0])  # it may be a trained one
    with pytest.warns(UserWarning, match="'note' has random weights and is frozen"):
        _model(text_lr=0).fit(X, signs[:, 0])
    partly = _model(image_encoder=net, image_trainable=("top",), text_trainable=["convolutions"])
    partly.fit(X, signs[:, 0])
    whole = _model(image_encoder=net).fit(X, signs[:, 0])

    assert _changed(start, _state(frozen, "xray")) == set()
    assert _changed(start, _state(partly, "xray")) == {"net.net.top.weight", "net.net.top.bias"}
    assert _changed(start, _state(whole, "xray")) == set(start)
    options = {"image_encoder": net, "image_trainable": ("top",), "text_trainable": ["convolutions"]}
    longer = _model(**options, max_epochs=4).fit(X, signs[:, 0])
    moved = _changed(_state(partly, "note"), _state(longer, "note"))
    assert moved
    assert all(name.startswith("net.convolutions") for name in moved)


def test_rates(chest, net):
    """An encoder that is new learns at the common rate, another share by image_lr and text_lr."""
    X, signs = chest(24)

    def rates(**params):
        groups = _model(**params).fit(X, signs[:, 0]).net_.optimizer_.param_groups
        return sorted(group["lr"] for group in groups if group["params"])

    assert rates(image_encoder=net, lr=0.01) == [0.01]
    assert rates(image_encoder=net, image_lr=0.2, text_lr=0.5, lr=0.01) == pytest.approx([0.002, 0.005, 0.01])
    with pytest.raises(ValueError, match="LBFGS has one learning rate"):
        rates(image_encoder=net, image_lr=0.2, optimizer=torch.optim.LBFGS)


def test_word_vectors(chest, tmp_path):
    """The embedding begins at the vectors of a file or mapping, at zero for other words, and learns."""
    X, signs = chest(24)
    path = tmp_path / "vectors.txt"
    path.write_text("effusion 1 2 3\nheart 4 5 6\nnever 7 8 9\n")
    options = {"lr": 1e-12, "weight_decay": 0}
    still = _model(word_vectors=path, **options).fit(X, signs[:, 0])
    ids = still.tokenizers_["note"].vocabulary_
    table = _state(still, "note")["net.embedding.weight"]

    np.testing.assert_allclose(table[ids["effusion"]], [1, 2, 3], atol=1e-6)
    np.testing.assert_allclose(table[ids["heart"]], [4, 5, 6], atol=1e-6)
    assert np.abs(table).sum() == pytest.approx(21, abs=1e-4)
    same = _model(word_vectors={"effusion": [1, 2, 3], "heart": [4, 5, 6]}, **options).fit(X, signs[:, 0])
    np.testing.assert_array_equal(_state(same, "note")["net.embedding.weight"], table)
    moved = _model(word_vectors=path, lr=0.01).fit(X, signs[:, 0])
    assert np.abs(_state(moved, "note")["net.embedding.weight"] - table).max() > 1e-3
    with pytest.raises(ValueError, match="know none of the .* words of the training texts.*'"):
        _model(word_vectors={"xylophone": [1.0]}).fit(X, signs[:, 0])


def test_penalty_of_filters(chest):
    """The penalty is filter_penalty times the squares of the filters, in training alone."""
    X, signs = chest(24)
    losses = [
        _model(
            filter_penalty=penalty, max_epochs=1, lr=1e-12, weight_decay=0, batch_size=-1, class_weight=None
        ).fit(X, signs[:, 0])
        for penalty in (0.0, 2.0)
    ]
    squares = sum(
        (value**2).sum()
        for name, value in _state(losses[0], "note").items()
        if "convolutions" in name and "weight" in name
    )
    difference = losses[1].history_["train_loss"].iloc[0] - losses[0].history_["train_loss"].iloc[0]

    assert difference == pytest.approx(2 * squares, rel=1e-3)


def test_patients_stay_whole(chest):
    """A row an image, the report repeated, patients as groups: none is on both sides of any split."""
    X, signs = chest(20)
    patients = np.repeat(np.arange(20), 3)
    rows = np.repeat(np.arange(20), 3)
    X = ModalityDict(X[rows], groups=patients)
    y = signs[rows, 0]
    model = _model(early_stopping=True, validation_fraction=0.3).fit(X, y)
    held_out = np.zeros(60, dtype=bool)
    held_out[model.validation_rows_] = True
    scores = cross_validate(
        _model(), X, y, groups=X.groups, cv=StratifiedGroupKFold(2), return_indices=True, error_score="raise"
    )

    assert held_out.any()
    assert not set(patients[held_out]) & set(patients[~held_out])
    for train, test in zip(scores["indices"]["train"], scores["indices"]["test"], strict=True):
        assert not set(patients[train]) & set(patients[test])


def test_in_a_pipeline_and_a_search(chest):
    """Steps before it, and parameters of an encoder that is trained first, are searched as ever."""
    X, signs = chest(24, size=10)
    pipeline = Pipeline(
        [
            ("prepare", ModalityTransformer({"xray": GrayscaleNormalizer(size=6)})),
            ("fuse", _model(image_encoder=_model(max_epochs=1))),
        ]
    )
    grid = {"fuse__image_encoder__lr": [1e-3, 1e-2], "fuse__hidden": [4]}
    search = GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(X, signs[:, 0])

    assert search.best_params_["fuse__hidden"] == 4
    assert not hasattr(search.estimator[-1].image_encoder, "net_")
    assert search.predict(X[:2]).shape == (2,)


def test_partial_fit_keeps_its_first_words(chest):
    """The vocabulary is that of the first call; a call without any text needs a tokenizer that has one."""
    X, signs = chest(24)
    model = _model().partial_fit(X[:12], signs[:12, 0], classes=[0, 1])
    before = dict(model.tokenizers_["note"].vocabulary_)
    later = ModalityDict({"xray": X["xray"][:2], "note": ["brand new words", None]})
    model.partial_fit(later, [0, 1])

    assert model.tokenizers_["note"].vocabulary_ == before
    silent = ModalityDict({"xray": X["xray"][:4], "note": [None] * 4}, kinds={"note": "text"})
    with pytest.raises(ValueError, match="'note' has no text in the training rows"):
        _model().partial_fit(silent, [0, 1, 0, 1], classes=[0, 1])


@pytest.mark.parametrize("precision", ["float64", "bfloat16"])
def test_precision(chest, precision):
    """It trains in other precisions, and probabilities are of the documented type."""
    X, signs = chest(16)
    proba = _model(precision=precision).fit(X, signs[:, 0]).predict_proba(X)

    assert proba.dtype == (np.float64 if precision == "float64" else np.float32)
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"image_encoder": "vgg"}, "'image_encoder' parameter .* must be 'cnn', 'resnet18'.*Got 'vgg'"),
        ({"image_encoder": 3}, "'image_encoder' parameter"),
        ({"text_encoder": nn.Linear(1, 1)}, "'text_encoder' parameter .* must be 'cnn', an unfitted"),
        ({"image_weights": "a.pth"}, "'image_weights' .* goes with image_encoder as the name"),
        ({"image_encoder": nn.Conv2d(1, 2, 1), "image_weights": "imagenet"}, "for published nets by name"),
        (
            {"text_encoder": ImageTextClassifier(), "word_vectors": "a.txt"},
            "'word_vectors' .* text_encoder='cnn'",
        ),
        ({"text_encoder": ImageTextClassifier(), "tokenizer": TextTokenizer()}, "'tokenizer' .* goes with"),
        ({"kernel_sizes": (3, 0)}, r"'kernel_sizes' .* ints of 1 or more. Got \(3, 0\)"),
        ({"kernel_sizes": ()}, "'kernel_sizes'"),
        ({"image_lr": 1.5}, "'image_lr' parameter"),
        ({"text_pooling": "mean"}, "'text_pooling' parameter"),
        ({"tokenizer": str}, "'tokenizer' parameter .* a TextTokenizer"),
        ({"image_trainable": ("tail",)}, "parts of the encoder with parameters.*'affine'.*Got 'tail'"),
        ({"text_trainable": ()}, "such as 'convolutions', 'embedding'; text_lr=0 freezes all. Got none"),
        ({"text_trainable": (1,)}, "'text_trainable' .* names of parts"),
        ({"image_encoder": nn.Conv2d(2, 2, 1)}, "cannot take the images of modality 'xray'.*1 x 8 x 8"),
        ({"image_encoder": "nowhere.pt"}, "no file of an encoder 'nowhere.pt'"),
    ],
)
def test_refused(chest, params, message):
    """What is no encoder, or does not go with one, or has no such parts, is named."""
    X, signs = chest(12)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        _model(**params).fit(X, signs[:, 0])


def test_texts_without_words():
    """Training texts of which no word is left are an error that names the modality."""
    X = ModalityDict({"note": ["...", "!", "-", "?"], "t": np.eye(4)})
    with pytest.raises(ValueError, match="Modality 'note': TextTokenizer needs texts with words"):
        _model().fit(X, [0, 1, 0, 1])


def test_texts_that_are_kept_are_bounded(chest, monkeypatch):
    """However few texts are kept at hand, ids are those of the tokenizer, and missing texts have none."""
    X, signs = chest(24)
    model = _model().fit(X, signs[:, 0])
    entry, tokenizer = model._inputs["note"], model.tokenizers_["note"]
    monkeypatch.setattr("skmm.fusion._text_input._KEPT", 2 * entry.shape[0])
    texts = np.array(["Heart normal", "effusion", "left", "Heart normal", "small", "effusion"], dtype=object)
    for _ in range(3):
        ids = entry(texts, np.arange(6) != 1, np.float32)
        np.testing.assert_array_equal(ids, tokenizer.transform(np.where(np.arange(6) != 1, texts, None)))
        assert ids.dtype == np.int64


def test_what_is_frozen_holds_still_in_training(chest):
    """Normalizations without parameters learn no statistics there, and dropout drops nothing."""
    X, signs = chest(24)
    with torch.random.fork_rng():
        layers = [nn.BatchNorm2d(1, affine=False), nn.Conv2d(1, 4, 3), nn.Dropout(0.5)]
    model = _model(image_encoder=nn.Sequential(*layers), image_lr=0, standardize=False).fit(X, signs[:, 0])
    state = _state(model, "xray")
    branch = model.net_.module_.branch("xray")

    assert state["net.net.0.num_batches_tracked"] == 0
    assert not state["net.net.0.running_mean"].any()
    branch.train()
    assert not any(module.training for module in branch.net.modules())
    thawed = branch.thawed_copy().train()
    assert all(module.training for module in thawed.net.modules())


def test_weights_are_repetitions_of_texts(chest):
    """A text that weighs three times is the same as one that stands there three times, words included."""
    X, signs = chest(20)
    y, times = signs[:, 1], np.where(np.arange(20) < 8, 3, 1)
    settings = {"batch_size": -1, "precision": "float64", "tokenizer": TextTokenizer(6, max_features=7)}
    rows = np.repeat(np.arange(20), times)
    weighted = _model(**settings).fit(X, y, sample_weight=times)
    repeated = _model(**settings).fit(X[rows], y[rows])

    assert weighted.tokenizers_["note"].vocabulary_ == repeated.tokenizers_["note"].vocabulary_
    np.testing.assert_allclose(weighted.predict_proba(X), repeated.predict_proba(X), atol=1e-7)
