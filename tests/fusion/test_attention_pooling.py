"""Attention pooling: what users get, with bags, images and tables, some of them missing."""

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from lightgbm import LGBMClassifier
from sklearn.base import clone
from sklearn.ensemble import BaggingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import LabelEncoder
from sklearn.svm import SVC
from xgboost import XGBClassifier

from skmm import BagArray, ModalityDict
from skmm.fusion import AttentionPoolingClassifier
from skmm.inspection import AttentionDisplay

FUSIONS = ("cnn", "concat", "mean", "dynamic", "late")


def _data(n_samples=60, missing=0.0, longest=8):
    """Return bags of which one instance tells the label, a table that does not, labels, and its place."""
    rng = np.random.default_rng(0)
    y = np.arange(n_samples) % 2
    bags = [rng.normal(size=(rng.integers(2, longest), 4)) for _ in range(n_samples)]
    places = [int(rng.integers(len(bag))) for bag in bags]
    for label, bag, place in zip(y, bags, places, strict=True):
        bag[place, :2] = 3 * (2 * label - 1), 5
    present = {"rna": rng.random(n_samples) >= missing, "scan": rng.random(n_samples) >= missing}
    present["scan"] |= ~present["rna"]
    kept = [bag if seen else bag[:0] for bag, seen in zip(bags, present["scan"], strict=True)]
    index = [f"patient {number}" for number in range(n_samples)]
    table = pd.DataFrame(rng.normal(size=(n_samples, 3)), columns=list("abc"), index=index)
    X = ModalityDict({"rna": table, "scan": BagArray.from_list(kept)}, present={"rna": present["rna"]})
    return X, np.array(["no", "yes"])[y], places


def _fitted(X, y, **params):
    """Return a small fitted classifier."""
    options = {"max_epochs": 2, "random_state": 0, **params}
    return AttentionPoolingClassifier(options.pop("hidden", 8), **options).fit(X, y)


def _slices(n_samples=40, side=8):
    """Return bags of noisy images with a bright spot on one side in one of them, and that side."""
    rng = np.random.default_rng(0)
    y = np.arange(n_samples) % 2
    bags = [rng.integers(0, 90, (rng.integers(1, 4), side, side)).astype(np.uint8) for _ in y]
    for label, bag in zip(y, bags, strict=True):
        bag[0, 2:6, 1:3] = 250 * (label == 0) + (label == 1) * bag[0, 2:6, 1:3]
        bag[0, 2:6, 5:7] = 250 * (label == 1) + (label == 0) * bag[0, 2:6, 5:7]
    return ModalityDict({"mri": BagArray.from_list(bags)}, kinds={"mri": "bag"}), y


def test_finds_the_instance_that_tells():
    """Of one telling instance among many, attention learns more than the average, and shows where it is."""
    X, y, places = _data(240, longest=30)
    options = {"hidden": 16, "max_epochs": 15, "lr": 3e-3}
    models = {name: _fitted(X[:120], y[:120], pooling=name, **options) for name in ("attention", "average")}
    scores = {name: model.score(X[120:], y[120:]) for name, model in models.items()}
    weights = models["attention"].attention_weights(X[120:])["scan"]

    assert scores["attention"] > 0.95
    assert scores["attention"] > scores["average"]
    assert np.median([bag[place] for bag, place in zip(weights, places[120:], strict=True)]) > 0.6


def test_default_encoder_sees_where_in_the_image_something_lies():
    """Left and right are told apart, which pooling over all pixels could not."""
    X, y = _slices()
    model = _fitted(X[:30], y[:30], max_epochs=12, lr=3e-3)

    assert model.score(X[30:], y[30:]) == 1


@pytest.mark.parametrize("pooling", ["attention", "average", "attended_average"])
def test_attention_weights(pooling):
    """Each instance has a weight; they sum to 1 in a sample, and a sample without the bag has none."""
    X, y, _ = _data(missing=0.3)
    model = _fitted(X, y, pooling=pooling)
    weights = model.attention_weights(X)
    alone = model.attention_weights(X[[7, 3]])["scan"]

    assert list(weights) == ["scan"]
    assert isinstance(weights["scan"], BagArray)
    np.testing.assert_array_equal(weights["scan"].lengths, X["scan"].lengths)
    np.testing.assert_allclose([bag.sum() for bag in weights["scan"]], X.is_present("scan"), atol=1e-6)
    np.testing.assert_allclose(alone[1], weights["scan"][3], atol=1e-6)
    if pooling == "average":
        np.testing.assert_allclose(weights["scan"][0], 1 / len(weights["scan"][0]), rtol=1e-6)


def test_attention_weights_can_be_drawn():
    """The display of attention takes them from the estimator."""
    X, y, _ = _data()
    display = AttentionDisplay.from_estimator(_fitted(X, y), X, y, samples=2)

    assert len(display.axes_) == 2


@pytest.mark.parametrize("fusion", ["mean", "dynamic", "late"])
def test_modality_weights(fusion):
    """Weights are shared among what a sample has: a row sums to 1, and is 0 where a modality is missing."""
    X, y, _ = _data(missing=0.3)
    weights = _fitted(X, y, fusion=fusion).modality_weights(X)

    assert list(weights) == ["rna", "scan"]
    assert weights.index.equals(X.index)
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(weights.to_numpy() > 0, X.present)


def test_dynamic_weights_find_the_modality_that_tells():
    """The table, which is noise, loses weight to the bags."""
    X, y, _ = _data(160)
    weights = _fitted(X, y, fusion="dynamic", max_epochs=20, lr=3e-3).modality_weights(X)

    assert weights["scan"].mean() > 0.7


def test_weights_that_there_are_not():
    """Fusions without weights, and data without bags, are told."""
    X, y, _ = _data()
    with pytest.raises(ValueError, match=r"'dynamic', 'late' or 'mean'\. Got fusion='cnn'"):
        _fitted(X, y, fusion="cnn").modality_weights(X)
    with pytest.raises(ValueError, match=r"needs a modality of bags\. Got 'rna'"):
        _fitted(X[["rna"]], y).attention_weights(X[["rna"]])


@pytest.mark.parametrize("fusion", FUSIONS)
def test_absent_key_equals_missing_rows(fusion):
    """Without the bags, or the table, predictions and fused vectors are those of missing rows."""
    X, y, _ = _data(missing=0.3)
    model = _fitted(X, y, fusion=fusion, modality_dropout=0.3)
    for name, other in (("rna", "scan"), ("scan", "rna")):
        part = X[X.is_present(other)]
        lacking = part[~part.is_present(name)]
        absent = lacking[[other]]

        np.testing.assert_allclose(model.predict_proba(absent), model.predict_proba(lacking), atol=1e-7)
        np.testing.assert_allclose(model.transform(absent), model.transform(lacking), atol=1e-7)


@pytest.mark.parametrize(
    "final",
    [
        SVC(random_state=0),
        LGBMClassifier(n_estimators=5, verbose=-1),
        BaggingClassifier(SVC(random_state=0), 3, random_state=0),
    ],
)
def test_feeds_other_classifiers(final):
    """The fused vector is a step before any classifier."""
    X, y, _ = _data(120)
    first = AttentionPoolingClassifier(8, max_epochs=20, lr=5e-3, random_state=0)

    assert make_pipeline(first, final).fit(X[:80], y[:80]).score(X[80:], y[80:]) > 0.8


def test_feeds_xgboost():
    """It wants labels as numbers, and has the fused vectors of samples that lack a modality too."""
    X, y, _ = _data(120, missing=0.2)
    codes = LabelEncoder().fit_transform(y)
    first = AttentionPoolingClassifier(8, fusion="dynamic", max_epochs=20, lr=5e-3, random_state=0)
    model = make_pipeline(first, XGBClassifier(n_estimators=5)).fit(X[:80], codes[:80])
    known = X[80:].is_present("scan")

    assert model.score(X[80:][known], codes[80:][known]) > 0.8
    assert np.isfinite(first.transform(X)).all()


def test_lazy_bags(tmp_path):
    """Bags in a file that cannot be written to are read by batches, and give what those in memory give."""
    X, y = _slices()
    bags = X["mri"]
    np.save(tmp_path / "slices.npy", bags.values)
    values = np.load(tmp_path / "slices.npy", mmap_mode="r")
    mapped = ModalityDict({"mri": BagArray(values, bags.offsets)}, kinds={"mri": "bag"})
    model, other = _fitted(X, y, batch_size=16), _fitted(mapped, y, batch_size=16)

    np.testing.assert_array_equal(model.predict_proba(X), other.predict_proba(mapped))


class _Encoder(torch.nn.Module):
    """An encoder as users have them, of slices or volumes."""

    def __init__(self, n_inputs):
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Flatten(), torch.nn.Linear(n_inputs, 3), torch.nn.Dropout(0.5), torch.nn.ReLU()
        )

    def forward(self, x):
        """Features (n, 3)."""
        return self.layers(x)


@pytest.fixture
def encoder():
    """Return an encoder of slices of 8 x 8, without touching torch's global state."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return _Encoder(64)


def test_given_encoder_is_copied_and_reproducible(encoder):
    """It is trained as a copy, or not at all, and its dropout follows the random state."""
    X, y = _slices()
    before = [p.clone() for p in encoder.parameters()]
    first = _fitted(X, y, encoder=encoder)
    again = clone(first).fit(X, y)
    frozen = _fitted(X, y, encoder=encoder, freeze_encoder=True)
    trained = first.net_.module_.branches[0].encoder.encoder
    kept = frozen.net_.module_.branches[0].encoder.encoder

    np.testing.assert_array_equal(first.predict_proba(X), again.predict_proba(X))
    for own, old, changed, same in zip(
        encoder.parameters(), before, trained.parameters(), kept.parameters(), strict=True
    ):
        assert torch.equal(own, old)
        assert torch.equal(same, old)
        assert not torch.equal(changed, old)


DROPPING = {
    "channels": lambda: [torch.nn.Conv2d(1, 4, 5), torch.nn.Dropout2d(0.5)],
    "alpha": lambda: [torch.nn.Flatten(), torch.nn.Linear(64, 4), torch.nn.AlphaDropout(0.5)],
    "attention": lambda: [
        torch.nn.Flatten(1, 2),
        torch.nn.TransformerEncoderLayer(8, 2, 8, dropout=0.3, batch_first=True),
    ],
}


def _dropping(kind):
    """Return an encoder of slices that draws from torch's global generator in training."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return torch.nn.Sequential(*DROPPING[kind]())


@pytest.mark.parametrize("kind", DROPPING)
def test_any_dropout_of_a_given_encoder_follows_the_random_state(kind):
    """Also where it is inside a layer: fits are equal, and torch's global state is as before."""
    X, y = _slices(12)
    model = AttentionPoolingClassifier(8, encoder=_dropping(kind), max_epochs=2, random_state=0)
    first = clone(model).fit(X, y).predict_proba(X)
    with torch.random.fork_rng():
        torch.manual_seed(5)
        before = torch.random.get_rng_state()
        again = clone(model).fit(X, y).predict_proba(X)

        assert torch.equal(torch.random.get_rng_state(), before)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, model.set_params(random_state=1).fit(X, y).predict_proba(X))


def test_dropout_of_given_encoders_in_threads():
    """Fits that run at once in threads are those that run one after the other."""
    X, y = _slices(12)
    models = [
        AttentionPoolingClassifier(8, encoder=_dropping("alpha"), max_epochs=4, random_state=seed)
        for seed in (0, 1, 0, 1)
    ]
    before = torch.random.get_rng_state()
    together = joblib.Parallel(n_jobs=4, backend="threading")(
        joblib.delayed(lambda model: clone(model).fit(X, y).predict_proba(X))(model) for model in models
    )

    for model, found in zip(models[:2] * 2, together, strict=True):
        np.testing.assert_array_equal(found, clone(model).fit(X, y).predict_proba(X))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_batch_normalization_of_a_given_encoder(encoder):
    """A training step of a single slice is refused with what to do; frozen statistics stay."""
    encoder.layers.append(torch.nn.BatchNorm1d(3))
    X = ModalityDict({"mri": BagArray(np.random.default_rng(0).random((5, 8, 8)), np.arange(6))})
    y = np.arange(5) % 2

    with pytest.raises(ValueError, match=r"of modality 'mri' has batch norm.* larger batch_size, freeze"):
        _fitted(X, y, encoder=encoder, batch_size=2)
    assert np.isfinite(_fitted(X, y, encoder=encoder, batch_size=-1).predict_proba(X)).all()
    frozen = _fitted(X, y, encoder=encoder, batch_size=1, freeze_encoder=True)
    kept = frozen.net_.module_.branches[0].encoder.encoder.layers[-1]
    assert kept.num_batches_tracked == 0
    assert torch.equal(kept.running_var, torch.ones(3))


def test_encoders_by_name(encoder):
    """A dict gives vectors and volumes an encoder, too; volumes have none of their own."""
    rng = np.random.default_rng(0)
    y = np.arange(12) % 2
    bags = BagArray.from_list([rng.random((n % 2 + 1, 4, 4, 4, 1)) for n in range(12)])
    X = ModalityDict({"ct": bags, "rna": rng.normal(size=(12, 64))}, kinds={"ct": "bag"})
    model = _fitted(X, y, encoder={"ct": encoder, "rna": encoder})

    assert np.isfinite(model.predict_proba(X)).all()
    with pytest.raises(
        ValueError, match=r"'ct' are volumes of shape \(1, 4, 4, 4\).*encoder=\{'ct': module\}"
    ):
        _fitted(X, y)
    with pytest.raises(ValueError, match=r"encoder names 'mri', but X holds 'ct', 'rna'"):
        _fitted(X, y, encoder={"mri": encoder})
    with pytest.raises(ValueError, match=r"must be torch modules\. Got \{'ct': 3\}"):
        _fitted(X, y, encoder={"ct": 3})
    with pytest.raises(ValueError, match=r"name the modalities it is for.* Got 'rna'"):
        _fitted(X[["rna"]], y, encoder=encoder)


def test_images_beside_bags():
    """An image is encoded as a slice is; those that are too small are refused."""
    rng = np.random.default_rng(0)
    X, y = _slices()
    both = ModalityDict({"mri": X["mri"], "x-ray": rng.random((40, 8, 6))}, kinds={"mri": "bag"})
    assert np.isfinite(_fitted(both, y).predict_proba(both)).all()
    with pytest.raises(ValueError, match="4 x 4 pixels or more"):
        _fitted({"x-ray": rng.random((40, 8, 3, 1))}, y)


def test_widths():
    """They may differ between modalities that are concatenated or fused late, and not in other fusions."""
    X, y, _ = _data()
    for fusion in ("concat", "late"):
        assert _fitted(X, y, hidden={"rna": 2, "scan": 5}, fusion=fusion).transform(X).shape == (60, 7)
    with pytest.raises(ValueError, match=r"fusion='cnn' needs vectors of one width\. Got hidden=\{'rna': 2"):
        _fitted(X, y, hidden={"rna": 2, "scan": 5}, fusion="cnn")
    two = ModalityDict({"t1": X["scan"], "t2": X["scan"]})
    with pytest.raises(ValueError, match="share_pooling=True needs instances of one width"):
        _fitted(two, y, hidden={"t1": 2, "t2": 5}, share_pooling=True)


def test_shared_pooling():
    """Bags share one attention if asked, whatever their numbers of features, and have one each otherwise."""
    X, y, _ = _data()
    narrow = BagArray(X["scan"].values[:, :2], X["scan"].offsets)
    two = ModalityDict({"t1": X["scan"], "t2": narrow, "rna": X["rna"]})
    for share in (True, False):
        _, first, second = _fitted(two, y, share_pooling=share).net_.module_.branches
        assert (first.pooling is second.pooling) == share


@pytest.mark.parametrize(
    "params", [{"precision": "bfloat16"}, {"modality_dropout": 0.5}, {"missing": "zero", "n_heads": 3}]
)
@pytest.mark.parametrize("fusion", ["cnn", "late"])
def test_other_ways_of_training(fusion, params):
    """A fit in bfloat16, one that leaves out modalities, and one of several models give finite answers."""
    X, y, _ = _data(missing=0.3)
    for pooling in ("attention", "attended_average"):
        model = _fitted(X, y, fusion=fusion, pooling=pooling, **params)

        assert np.isfinite(model.history_["train_loss"]).all()
        np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1, atol=1e-5)
        assert np.isfinite(np.concatenate(list(model.attention_weights(X)["scan"]))).all()


def test_says_where_it_joins_modalities():
    """Late fusion is late; all else is intermediate."""
    assert AttentionPoolingClassifier(fusion="late")._fusion_strategy == "late"
    assert AttentionPoolingClassifier()._fusion_strategy == "intermediate"
