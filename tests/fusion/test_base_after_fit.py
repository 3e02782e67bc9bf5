"""What a fitted classifier does when something changes or fails afterwards: nothing half-done stays."""

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from skorch.callbacks import Callback, LRScheduler

from skmm import ModalityDict
from skmm.exceptions import NoModalityWarning
from skmm.fusion import LateFusionClassifier, MMDynamicsClassifier


def _data(seed=0):
    """Return two tables of two classes, and labels."""
    y = np.arange(40) % 2
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=(40, n)) + y[:, None] for name, n in (("rna", 5), ("protein", 3))}, y


def _model(**params):
    """Return a small classifier."""
    return MMDynamicsClassifier(**{"hidden": 8, "max_epochs": 3, "random_state": 0, **params})


def _stop_at(epoch):
    """Return a callback that ends the training after an epoch."""

    class Stop(Callback):
        """End the training."""

        def on_epoch_end(self, net, **kwargs):
            """Raise what skorch's own callbacks raise."""
            if net.history[-1, "epoch"] == epoch:
                raise KeyboardInterrupt

    return Stop()


def test_another_precision_counts_from_the_next_fit_on():
    """A fitted model predicts in the arithmetic it was fitted in."""
    X, y = _data()
    model = _model().fit(X, y)
    before = model.predict_proba(X)

    assert_array_equal(model.set_params(precision="float64").predict_proba(X), before)
    assert model.fit(X, y).predict_proba(X).dtype == np.float64


@pytest.mark.parametrize("changed", [{"precision": "float64"}, {"hidden": 16}, {"dropout": 0.1}])
def test_a_warm_start_refuses_another_network(changed):
    """What is built into the network cannot change; the message names the parameter."""
    X, y = _data()
    model = _model(warm_start=True).fit(X, y).set_params(**changed)

    with pytest.raises(ValueError, match=f"warm_start=True goes on.*{next(iter(changed))}="):
        model.fit(X, y)


@pytest.mark.parametrize("earlier", [None, [LRScheduler("LambdaLR", lr_lambda=lambda epoch: 0.5)]])
def test_a_warm_start_with_a_scheduler(earlier):
    """It scales the rate of now, whether or not the first fit had a scheduler."""
    X, y = _data()
    model = _model(warm_start=True, lr=1e-3, callbacks=earlier).fit(X, y)
    later = LRScheduler("LambdaLR", lr_lambda=lambda epoch: 0.1)

    model.set_params(lr=4e-3, callbacks=[later]).fit(X, y)
    assert [group["lr"] for group in model.net_.optimizer_.param_groups] == pytest.approx([4e-4])


def test_a_warm_start_after_a_pickle():
    """Objects among the parameters may have moved in memory: the network is the same, and goes on."""

    class Optimizer(torch.optim.SGD):
        """An optimizer with its address in its name, as functions have."""

    model = _model(warm_start=True, optimizer=Optimizer)
    Optimizer.__qualname__ = "Optimizer at 0x7f01"
    X, y = _data()
    model.fit(X, y)
    Optimizer.__qualname__ = "Optimizer at 0x7f02"

    assert len(model.fit(X, y).history_) == 6


@pytest.mark.parametrize("labels", [[0] * 40, [0, 1, 0]])
def test_a_fit_that_fails_leaves_no_model_of_other_data(labels):
    """After a refit that was refused the classifier says that it is not fitted, and can be fitted."""
    X, y = _data()
    model = _model().fit(X, y)
    before = model.predict_proba(X)
    with pytest.raises(ValueError, match="classes|inconsistent"):
        model.fit({"mri": X["rna"]}, labels)
    with pytest.raises(NotFittedError):
        model.predict(X)

    assert_array_equal(model.fit(X, y).predict_proba(X), before)


def test_a_refused_partial_fit_changes_nothing():
    """Neither the prior, nor the statistics of tables that were in order, take in what was refused."""
    X, y = _data()
    model = _model().partial_fit(X, y, classes=[0, 1])
    before = model.predict_proba(X)
    bad = {name: table + 5 for name, table in X.items()}
    bad["rna"][3, 1] = np.nan  # the second in alphabetical order
    with pytest.raises(ValueError, match="'rna' contains NaN in a part of 1 rows"):
        model.partial_fit(bad, np.zeros(40, dtype=int))

    assert model.class_prior_.tolist() == [0.5, 0.5]
    assert_array_equal(model.predict_proba(X), before)


def test_a_model_read_as_memory_maps_trains_further(tmp_path):
    """partial_fit writes to none of the arrays that joblib mapped, and is that of the model that was kept."""
    X, y = _data()
    model = _model().fit(X, y)
    joblib.dump(model, tmp_path / "model.joblib")
    loaded = joblib.load(tmp_path / "model.joblib", mmap_mode="r").partial_fit(X, y)

    assert_array_equal(loaded.predict_proba(X), model.partial_fit(X, y).predict_proba(X))


def test_partial_fit_needs_two_classes():
    """A single class can never be told from another."""
    X, y = _data()
    with pytest.raises(ValueError, match=r"classes must be at least 2 different labels. Got \[0\]"):
        _model().partial_fit(X, y * 0, classes=[0])


@pytest.mark.parametrize("method", ["predict_proba", "transform", "feature_informativeness"])
def test_what_overflows_is_refused_by_every_output(method):
    """No output is NaN: the rows are named instead, and nothing is warned of."""
    X, y = _data()
    model = _model(standardize=False).fit(X, y)
    X["rna"][7] *= 1e39

    with pytest.raises(ValueError, match=r"overflows in 1 samples \(rows 7\).*float32"):
        getattr(model, method)(X)


def test_the_last_epoch_counts_where_a_callback_ends_the_training():
    """Early stopping looks at the epoch after which a callback of the user stopped."""
    X, y = _data()
    model = _model(early_stopping=True, callbacks=[_stop_at(1)]).fit(X, y)

    assert len(model.history_) == 1
    assert model.best_epoch_ == 1


def test_divergence_is_seen_where_a_callback_ends_the_training():
    """A network of NaN is refused also if a callback stopped right after it became one."""
    X, y = _data()
    model = _model(standardize=False, callbacks=[_stop_at(1)])
    with pytest.raises(ValueError, match="Training diverged: the loss of epoch 1 is nan"):
        model.fit({name: table * 1e30 for name, table in X.items()}, y)


@pytest.mark.parametrize("junk", [1, "EarlyStopping", ("name",), ("name", int)])
def test_callbacks_that_are_none(junk):
    """What is no callback is shown, before any training."""
    X, y = _data()
    with pytest.raises(ValueError, match=r"callbacks must be skorch callbacks.*Got .*(1|Early|name)"):
        _model(callbacks=[junk]).fit(X, y)


@pytest.mark.parametrize("device", ["banana", "", "meta"])
def test_devices_that_are_none(device):
    """What torch cannot compute on is shown."""
    X, y = _data()
    with pytest.raises(ValueError, match=f"device='{device}' is not a device"):
        _model(device=device).fit(X, y)


@pytest.mark.parametrize("model", [_model(), LateFusionClassifier()])
def test_the_fused_vector_keeps_the_sample_ids(model):
    """As a DataFrame it has the ids of the samples as index, with the global option too."""
    X, y = _data()
    X = ModalityDict(X, index=[f"s{i}" for i in range(40)])
    plain = model.fit(X, y).transform(X)
    with config_context(transform_output="pandas"):
        table = model.transform(X)

    expected = pd.DataFrame(plain, index=X.index, columns=model.get_feature_names_out())
    pd.testing.assert_frame_equal(table, expected)


def test_late_fusion_of_sparse_tables_under_the_global_option():
    """Its default classifiers take no notice of DataFrames asked of transformers."""
    X, y = _data()
    X["rna"] = sparse.csr_array(X["rna"])
    with config_context(transform_output="pandas"):
        asked = LateFusionClassifier().fit(X, y).predict_proba(X)

    assert_array_equal(asked, LateFusionClassifier().fit(X, y).predict_proba(X))


def test_informativeness_is_that_of_the_fitted_network():
    """Gates and confidences asked of a network without them are refused, whatever the parameters say now."""
    X, y = _data()
    model = _model(feature_gate=None, confidence_weighting=False).fit(X, y)
    model.set_params(feature_gate="dense", confidence_weighting=True)

    with pytest.raises(ValueError, match="needs gates"):
        model.feature_informativeness(X)
    with pytest.raises(ValueError, match="needs confidences"):
        model.modality_confidence(X)


@pytest.mark.parametrize("model", [_model(), LateFusionClassifier()])
def test_a_modality_of_weightless_samples_alone_is_left_out(model):
    """The model is that of the samples that have a weight, as if the others were not there."""
    X, y = _data()
    weight = (np.arange(40) > 4).astype(float)
    X = ModalityDict(X, present={"protein": weight == 0})
    with pytest.warns(NoModalityWarning, match="'protein' is missing"):
        weighted = clone(model).fit(X, y, sample_weight=weight)
    with pytest.warns(NoModalityWarning, match="'protein' is missing") as caught:
        fewer = clone(model).fit(X[5:], y[5:])

    assert caught[0].filename == __file__
    assert weighted.modalities_ == ("rna",)
    assert_allclose(weighted.predict_proba(X), fewer.predict_proba(X), atol=1e-12)


def test_late_fusion_forgets_its_final_estimator():
    """A refit by averages has none, and a method set after fit counts from the next fit on."""
    X, y = _data()
    average = LateFusionClassifier().fit(X, y).predict_proba(X)
    model = LateFusionClassifier(method="stacking").fit(X, y)
    stacked = model.predict_proba(X)

    assert_array_equal(model.set_params(method="average").predict_proba(X), stacked)
    assert_array_equal(model.fit(X, y).predict_proba(X), average)
    assert not hasattr(model, "final_estimator_")
    with pytest.raises(ValueError, match="inconsistent"):
        model.fit({"mri": X["rna"]}, y[:3])
    with pytest.raises(NotFittedError):
        model.predict(X)


def test_weights_of_a_modality_that_no_sample_has():
    """They are allowed, as a fold of a cross-validation may lack a modality, and change nothing."""
    X, y = _data()
    X["protein"][:] = np.nan
    with pytest.warns(NoModalityWarning, match="'protein' is missing"):
        weighted = LateFusionClassifier(modality_weights={"rna": 2, "protein": 1}).fit(X, y)

    alone = LateFusionClassifier().fit({"rna": X["rna"]}, y)
    assert_array_equal(weighted.predict_proba(X), alone.predict_proba({"rna": X["rna"]}))


@pytest.mark.parametrize("weights", [3, "ab", {"rna": "x"}, ["x", 1]])
def test_modality_weights_that_are_none(weights):
    """What holds no numbers is refused by name."""
    X, y = _data()
    with pytest.raises(ValueError, match="modality_weights must be (a dict or a list|numbers)"):
        LateFusionClassifier(modality_weights=weights).fit(X, y)
