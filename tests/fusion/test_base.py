"""The contract of the fusion classifiers: labels, weights, randomness, persistence, refusals."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from skorch.callbacks import EarlyStopping as SkorchEarlyStopping
from skorch.callbacks import EpochScoring, LRScheduler

from skmm import ModalityDict
from skmm.fusion import MMDynamicsClassifier, MMStaticClassifier

FUSIONS = [MMDynamicsClassifier, MMStaticClassifier]
each_fusion = pytest.mark.parametrize("fusion", FUSIONS)


def _data(n_samples=60, n_classes=3, seed=0):
    """Return two tables that tell the class, and labels."""
    rng = np.random.default_rng(seed)
    codes = np.arange(n_samples) % n_classes
    X = {name: rng.normal(size=(n_samples, n)) for name, n in (("rna", 6), ("protein", 4))}
    X["rna"][np.arange(n_samples), codes] += 2.5
    X["protein"][np.arange(n_samples), codes] += 2.5
    return X, np.array(["low", "mid", "top", "max"])[codes]


def _model(fusion=MMDynamicsClassifier, **params):
    """Return a small classifier."""
    return fusion(**{"hidden": 8, "max_epochs": 5, "random_state": 0, **params})


def _parameters(model):
    """Return all weights of a fitted model in one vector."""
    return torch.cat([p.detach().ravel() for p in model.net_.module_.parameters()]).numpy()


@each_fusion
def test_learns_and_decodes(fusion):
    """Labels come back as they went in, and are mostly right; rows of probabilities sum to 1."""
    X, y = _data(120)
    model = _model(fusion, max_epochs=40, lr=1e-2).fit(X, y)
    proba = model.predict_proba(X)

    assert model.classes_.tolist() == ["low", "mid", "top"]
    assert model.score(X, y) > 0.95
    assert proba.dtype == np.float32
    np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(model.predict(X), model.classes_[proba.argmax(axis=1)])


@pytest.mark.parametrize(
    "labels",
    [[2, -1, 5], [True, False], [0.0, 1.0], pd.Categorical(["b", "a"]), np.array(["x", "y"], object)],
)
def test_labels_of_any_type(labels):
    """Predictions are of the labels' own values, whatever their order and type."""
    X, y = _data(40, n_classes=len(labels))
    y = np.asarray(labels)[np.unique(y, return_inverse=True)[1]]
    model = _model(max_epochs=30, lr=1e-2).fit(X, y)

    assert set(model.predict(X)) <= set(np.unique(y))
    assert model.predict(X).dtype == np.unique(y).dtype
    assert model.score(X, y) > 0.8


@each_fusion
def test_the_order_of_the_dict_does_not_matter(fusion):
    """Modalities in another order, and as a ModalityDict, give the same model to the last bit."""
    X, y = _data()
    first = _model(fusion).fit(X, y)
    second = _model(fusion).fit(ModalityDict(dict(reversed(X.items()))), y)

    assert first.modalities_ == second.modalities_ == ("protein", "rna")
    np.testing.assert_array_equal(_parameters(first), _parameters(second))


@each_fusion
@pytest.mark.parametrize("form", [sparse.csr_array, sparse.csc_matrix, pd.DataFrame])
def test_sparse_tables_and_frames_equal_dense_ones(fusion, form):
    """The same values in another form give the same model and predictions to the last bit."""
    X, y = _data()
    X["rna"] = np.where(X["rna"] > 0, X["rna"], 0.0)
    dense, other = _model(fusion).fit(X, y), _model(fusion).fit({**X, "rna": form(X["rna"])}, y)

    np.testing.assert_array_equal(dense.predict_proba(X), other.predict_proba({**X, "rna": form(X["rna"])}))


@each_fusion
@pytest.mark.parametrize("batch_size", [16, -1])
def test_a_random_state_fixes_everything(fusion, batch_size):
    """Two fits are the same model, another seed is another, and no global state is touched."""
    X, y = _data()
    options = {"batch_size": batch_size, "modality_dropout": 0.3, "early_stopping": True}
    first, second = (_model(fusion, **options).fit(X, y) for _ in range(2))
    other = _model(fusion, **{**options, "random_state": 1}).fit(X, y)

    np.testing.assert_array_equal(_parameters(first), _parameters(second))
    assert (_parameters(first) != _parameters(other)).any()
    assert first.history_["train_loss"].tolist() == second.history_["train_loss"].tolist()


def test_no_random_state_is_another_model_each_time():
    """None draws a seed from the operating system, not from NumPy's global state."""
    X, y = _data()
    first, second = (_model(random_state=None, max_epochs=1).fit(X, y) for _ in range(2))

    assert (_parameters(first) != _parameters(second)).any()


def test_threads_do_not_disturb_each_other():
    """Fits in threads of one process are those of a fit alone."""
    X, y = _data()
    alone = [_parameters(_model(random_state=seed).fit(X, y)) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda seed: _parameters(_model(random_state=seed).fit(X, y)), range(4)))
    with joblib.parallel_config("threading", n_jobs=2):
        joblib_s = joblib.Parallel()(
            joblib.delayed(lambda seed: _parameters(_model(random_state=seed).fit(X, y)))(seed)
            for seed in range(4)
        )

    np.testing.assert_array_equal(alone, together)
    np.testing.assert_array_equal(alone, joblib_s)


@each_fusion
def test_a_sample_has_the_same_answer_alone_and_in_company(fusion):
    """Probabilities of one sample do not depend on the others of its batch."""
    X, y = _data()
    X["rna"][5] = np.nan
    model = _model(fusion).fit(X, y)
    together = model.predict_proba(X)
    alone = np.vstack([model.predict_proba({name: x[i : i + 1] for name, x in X.items()}) for i in range(60)])

    np.testing.assert_allclose(alone, together, rtol=0, atol=1e-6)


@each_fusion
@pytest.mark.parametrize("early_stopping", [False, True])
def test_a_weight_is_a_repetition(fusion, early_stopping):
    """In float64 and full batches a weight is that many copies, 0 is absence, and the order is nothing."""
    X, y = _data(30)
    weights = np.random.default_rng(1).integers(0, 4, size=30)
    weights[:3] = 1
    rows = np.random.default_rng(2).permutation(np.repeat(np.arange(30), weights))
    options = {"precision": "float64", "batch_size": -1, "modality_dropout": 0.3, "class_weight": "balanced"}
    weighted = _model(fusion, **options).fit(X, y, sample_weight=weights)
    repeated = _model(fusion, **options).fit({name: x[rows] for name, x in X.items()}, y[rows])

    np.testing.assert_allclose(weighted.predict_proba(X), repeated.predict_proba(X), rtol=1e-9)
    np.testing.assert_allclose(weighted.class_prior_, repeated.class_prior_)
    if early_stopping:  # the split draws rows, so only the absence of weight 0 holds
        kept = np.flatnonzero(weights)
        options["early_stopping"] = True
        weighted = _model(fusion, **options).fit(X, y, sample_weight=weights)
        fewer = _model(fusion, **options).fit(
            {name: x[kept] for name, x in X.items()}, y[kept], weights[kept]
        )
        np.testing.assert_allclose(weighted.predict_proba(X), fewer.predict_proba(X), rtol=1e-9)


def test_weights_matter_in_small_batches_too():
    """With batches of one sample a heavy class is still predicted more often than a light one."""
    X, y = _data(60, n_classes=2)
    X = {name: np.random.default_rng(3).normal(size=x.shape) for name, x in X.items()}
    weights = np.where(y == "low", 20.0, 1.0)
    model = _model(batch_size=1, standardize=False, class_weight=None).fit(X, y, sample_weight=weights)

    assert model.predict_proba(X)[:, 0].mean() > 0.6


@each_fusion
def test_class_weights(fusion):
    """Balanced ones and a dict equal the sample weights they stand for; the prior follows."""
    X, y = _data(60, n_classes=2)
    rows = np.r_[np.flatnonzero(y == "low"), np.flatnonzero(y == "mid")[:10]]
    X, y = {name: x[rows] for name, x in X.items()}, y[rows]
    options = {"precision": "float64", "standardize": False}
    balanced = _model(fusion, class_weight="balanced", **options).fit(X, y)
    by_dict = _model(fusion, class_weight={"low": 40 / 60, "mid": 2.0}, **options).fit(X, y)
    by_weight = _model(fusion, class_weight=None, **options).fit(
        X, y, sample_weight=np.where(y == "low", 40 / 60, 2.0)
    )

    np.testing.assert_allclose(balanced.predict_proba(X), by_dict.predict_proba(X), rtol=1e-9)
    np.testing.assert_allclose(balanced.predict_proba(X), by_weight.predict_proba(X), rtol=1e-9)
    np.testing.assert_allclose(balanced.class_prior_, [0.75, 0.25])  # the prior is that of the data


@each_fusion
def test_transform_is_the_fused_vector(fusion):
    """It has named columns, is a DataFrame if wanted, and is all that the classifier reads."""
    X, y = _data()
    model = _model(fusion, hidden={"rna": 5, "protein": 3}, precision="float64").fit(X, y)
    fused = model.transform(X)
    last = model.net_.module_.classifier
    logits = fused @ last.weight.detach().numpy().T + last.bias.detach().numpy()

    assert fused.shape == (60, 8)
    np.testing.assert_allclose(
        np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), model.predict_proba(X)
    )
    assert list(model.get_feature_names_out()) == [f"{fusion.__name__.lower()}{i}" for i in range(8)]
    with config_context(transform_output="pandas"):
        frame = model.transform(X)
    assert list(frame) == list(model.get_feature_names_out())
    np.testing.assert_array_equal(frame, fused)


@pytest.mark.parametrize("precision", ["float32", "float64", "bfloat16"])
def test_precision(precision):
    """Results are in the dtype of the precision, and probabilities of all precisions are near."""
    X, y = _data()
    reference = _model(precision="float64", dropout=0.0).fit(X, y)
    model = _model(precision=precision, dropout=0.0).fit(X, y)
    dtype = np.float64 if precision == "float64" else np.float32

    assert model.predict_proba(X).dtype == model.transform(X).dtype == dtype
    atol = 0.05 if precision == "bfloat16" else 1e-4
    np.testing.assert_allclose(model.predict_proba(X), reference.predict_proba(X), atol=atol)


@each_fusion
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_persistence(fusion, copied):
    """A copy, of a model with callbacks and early stopping, predicts the same and can be trained further."""
    X, y = _data()
    model = _model(fusion, early_stopping=True, callbacks=[EpochScoring("f1_macro", name="f1")]).fit(X, y)
    twin = copied(model)

    np.testing.assert_array_equal(twin.predict_proba(X), model.predict_proba(X))
    np.testing.assert_array_equal(
        twin.partial_fit(X, y).predict_proba(X), model.partial_fit(X, y).predict_proba(X)
    )
    assert not hasattr(clone(model), "net_")


def test_a_pickle_holds_no_data():
    """The size of a pickle does not grow with the number of samples, apart from the history."""
    sizes = []
    for n_samples in (60, 3000):
        X, y = _data(n_samples)
        model = _model(batch_size=-1, max_epochs=2, early_stopping=True).fit(X, y)
        model.validation_rows_ = None
        sizes.append(len(pickle.dumps(model)))

    assert abs(sizes[1] - sizes[0]) < 500


def test_joblib_round_trip(tmp_path):
    """A dump of joblib, read as memory maps too, predicts the same."""
    X, y = _data()
    model = _model().fit(X, y)
    joblib.dump(model, tmp_path / "model.joblib")

    np.testing.assert_array_equal(
        joblib.load(tmp_path / "model.joblib", mmap_mode="r").predict_proba(X), model.predict_proba(X)
    )


def test_partial_fit_is_one_epoch_a_call():
    """A call is an epoch; classes may come later; statistics of all calls standardize."""
    X, y = _data(80)
    early, late = ({name: x[part] for name, x in X.items()} for part in (slice(40), slice(40, 80)))
    model = _model(batch_size=-1, early_stopping=True, lr=0.02)
    model.partial_fit(early, y[:40], classes=["top", "low", "mid", "unseen"])
    model.partial_fit(late, y[40:])

    assert model.classes_.tolist() == ["low", "mid", "top", "unseen"]
    assert model.history_["epoch"].tolist() == [1, 2]
    assert model.best_epoch_ is None
    assert model.predict_proba(X).shape == (80, 4)
    assert model.class_prior_[3] == 0
    np.testing.assert_allclose(model._inputs["rna"]._mean, X["rna"].mean(axis=0))
    for _ in range(60):
        model.partial_fit(X, y)
    assert model.score(X, y) > 0.9


def test_partial_fit_learns_a_modality_that_comes_later():
    """A modality whose key is there but which the first samples lack is not left out."""
    X, y = _data()
    first = ModalityDict(X, present={"rna": np.zeros(60, bool)})
    model = _model().partial_fit(first, y, classes=np.unique(y))
    before = model.predict_proba({"rna": X["rna"]})
    model.partial_fit(X, y)

    assert model.modalities_ == ("protein", "rna")
    assert (model.predict_proba({"rna": X["rna"]}) != before).any()


def test_partial_fit_refusals():
    """The first call needs the classes, later ones must not change them, and labels are among them."""
    X, y = _data()
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        _model().partial_fit(X, y)
    model = _model().partial_fit(X, y, classes=np.unique(y))
    with pytest.raises(ValueError, match="classes must be those of the first call"):
        model.partial_fit(X, y, classes=["a", "b"])
    with pytest.raises(ValueError, match=r"labels \['other'\]"):
        model.partial_fit(X, np.where(y == "low", "other", y))


def test_warm_start_goes_on():
    """A second fit starts from the weights of the first, with the parameters of now; without it, anew."""
    X, y = _data()
    model = _model(warm_start=True).fit(X, y)
    first = _parameters(model)
    model.set_params(lr=0.5, max_epochs=3).fit(X, y)
    cold = _model().fit(X, y).set_params(max_epochs=3).fit(X, y)

    assert len(model.history_) == 8
    assert model.history_["train_loss"].iloc[5] < model.history_["train_loss"].iloc[0]
    assert model.net_.optimizer_.param_groups[0]["lr"] == 0.5
    assert len(cold.history_) == 3
    assert (_parameters(model) != first).any()
    with pytest.raises(ValueError, match=r"labels \['new'\]"):
        model.fit(X, np.where(y == "low", "new", y))


def test_callbacks_are_the_user_s_no_more():
    """Callbacks work, by instance, class and name, and the user's objects stay as they were."""
    X, y = _data()
    scoring = EpochScoring("f1_macro", name="f1", lower_is_better=False)
    before = copy.deepcopy(vars(scoring))
    schedule = LRScheduler(torch.optim.lr_scheduler.StepLR, step_size=2, gamma=0.1)
    model = _model(early_stopping=True, callbacks=[scoring, ("steps", schedule)]).fit(X, y)

    assert model.history_["f1"].between(0, 1).all()
    assert model.net_.optimizer_.param_groups[0]["lr"] == pytest.approx(2e-3 * 0.01)
    assert vars(scoring) == before
    assert not hasattr(schedule, "lr_scheduler_")


def test_callbacks_may_end_the_training():
    """skorch's own early stopping works on the validation part."""
    X, y = _data()
    stop = SkorchEarlyStopping(
        monitor="valid_loss", patience=2, threshold=10.0, threshold_mode="abs", sink=lambda _: None
    )
    model = _model(early_stopping=True, max_epochs=30, callbacks=[stop]).fit(X, y)

    assert len(model.history_) == 3


def test_errors_of_callbacks_come_through():
    """An error in a callback, such as a pruned trial, reaches the caller, and no half-trained model stays."""

    class PrunedError(Exception):
        """What Optuna raises."""

    class Prune(EpochScoring):
        """Raise after an epoch."""

        def on_epoch_end(self, net, **kwargs):
            """Raise."""
            raise PrunedError

    X, y = _data()
    model = _model(callbacks=[Prune("accuracy")])
    with pytest.raises(PrunedError):
        model.fit(X, y)
    assert not hasattr(model, "net_")


def test_verbose_shows_a_bar_and_silence_is_silent(capsys):
    """verbose=1 writes a bar to the standard error; verbose=0 writes nothing."""
    X, y = _data()
    _model(verbose=1, max_epochs=2).fit(X, y)
    shown = capsys.readouterr()
    _model(max_epochs=2).fit(X, y)
    silent = capsys.readouterr()

    assert "epochs" in shown.err
    assert silent.err == silent.out == shown.out == ""


def test_a_table_alone():
    """A bare array is one table; it goes through a Pipeline, and names of columns are kept and checked."""
    X, y = _data()
    frame = pd.DataFrame(X["rna"], columns=list("abcdef"))
    model = _model(max_epochs=30, lr=1e-2).fit(frame, y)

    assert model.n_features_in_ == 6
    assert model.feature_names_in_.tolist() == list("abcdef")
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[list("bacdef")])
    assert make_pipeline("passthrough", model).fit(frame, y).score(frame, y) > 0.8


def test_metadata_routing_asks_for_weights_and_groups():
    """With routing on, sample_weight and groups are requests like any other's."""
    with config_context(enable_metadata_routing=True):
        model = _model().set_fit_request(sample_weight=True, groups=True)
        requests = model.get_metadata_routing().fit.requests
        X, y = _data()
        model.fit(X, y, sample_weight=np.ones(60), groups=np.arange(60))

    assert requests == {"sample_weight": True, "groups": True}
    assert model.history_["epoch"].iloc[-1] == 5
