"""PseudoModalityImputer predicts what is absent, keeps what is there, and says how well it does."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from skmm import BagArray, ModalityDict
from skmm.compose import ConcatModalities
from skmm.exceptions import MissingModalityError, NoModalityWarning
from skmm.impute import PseudoModalityImputer

STRATEGIES = ("denoising", "variational", "mean", "nearest")
NETWORKS = STRATEGIES[:2]
SMALL = {
    "hidden": 32,
    "latent": 8,
    "dropout": 0.0,
    "noise": 0.1,
    "weight_decay": 0.01,
    "max_epochs": 120,
    "lr": 1e-2,
    "batch_size": -1,
    "random_state": 0,
}


def linked(n_samples=120, seed=0):
    """Return three tables that follow from the same three numbers, in very different units."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n_samples, 3))
    maps = np.random.default_rng(1).normal(size=(3, 3, 4))
    return {"mri": 1000 + 500 * z @ maps[0], "pet": z @ maps[1], "age": (z @ maps[2])[:, :2] / 100}


def holey(X, rate=0.3, seed=2):
    """Return the tables with NaN rows, a third of the entries, one modality at least being kept."""
    rng = np.random.default_rng(seed)
    lost = rng.random((len(X["mri"]), len(X))) < rate
    lost[lost.all(axis=1), 0] = False
    return {
        name: np.where(column[:, None], np.nan, value)
        for (name, value), column in zip(X.items(), lost.T, strict=True)
    }


@pytest.fixture(scope="module")
def fitted():
    """Return one imputer a strategy, fitted on linked tables with holes."""
    X = holey(linked())
    return {strategy: PseudoModalityImputer(strategy, **SMALL).fit(X) for strategy in STRATEGIES}


# --- the faults of the original ----------------------------------------------------------------------


@pytest.mark.parametrize("strategy", [*NETWORKS, "nearest"])
def test_an_absent_modality_is_predicted(fitted, strategy):
    """What a sample lacks is predicted from what it has, far better than by the mean."""
    X = linked(60, seed=5)
    told = fitted[strategy].transform({name: X[name] for name in ("pet", "age")})["mri"]
    rest = np.square(told - X["mri"]).sum() / np.square(X["mri"] - X["mri"].mean(axis=0)).sum()

    assert rest < (0.2 if strategy != "nearest" else 0.4)


@pytest.mark.parametrize("strategy", NETWORKS)
def test_every_parameter_is_trained(strategy):
    """A gradient reaches every parameter, and training changes all of them."""
    X = holey(linked(40))
    before, after = (
        PseudoModalityImputer(strategy, **{**SMALL, "max_epochs": epochs, "lr": lr, "weight_decay": 0.0}).fit(
            X
        )
        for epochs, lr in ((1, 1e-30), (3, 1e-3))
    )
    states = [model.net_.module_.state_dict() for model in (before, after)]
    learned = dict(after.net_.module_.named_parameters())

    assert {id(p) for group in after.net_.optimizer_.param_groups for p in group["params"]} == {
        id(p) for p in learned.values()
    }
    for name, parameter in learned.items():
        assert bool(parameter.grad.any()), name
        assert not torch.equal(states[0][name], states[1][name]), name


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_unbounded_values_are_not_clipped(strategy):
    """Predictions reach as far as the values do, in units and beyond 3 deviations."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(200, 1))
    z[:8] = 8.0  # more than 5 deviations
    X = {"a": z @ np.ones((1, 3)), "b": 100 * z}
    imputer = PseudoModalityImputer(strategy, **{**SMALL, "n_neighbors": 3, "noise": 0.0}).fit(X)
    told = imputer.transform({"a": np.full((1, 3), 8.0)})["b"]

    if strategy == "mean":
        np.testing.assert_allclose(told[0], X["b"].mean(axis=0))
    else:
        assert told.item() > 600


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_modalities_go_by_name(fitted, strategy):
    """Neither in fit nor after it does the order of modalities matter."""
    X = linked(10, seed=5)
    data = holey(linked())
    turned = PseudoModalityImputer(strategy, **SMALL).fit({name: data[name] for name in reversed(data)})
    lacking = {"age": X["age"], "mri": X["mri"]}

    expected = fitted[strategy].transform(lacking)["pet"]
    np.testing.assert_array_equal(turned.transform(lacking)["pet"], expected)
    np.testing.assert_array_equal(
        fitted[strategy].transform({"mri": X["mri"], "age": X["age"]})["pet"], expected
    )


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_nothing_is_random_after_fit(fitted, strategy):
    """Two calls give the same: noise is drawn in training alone."""
    X = {"pet": linked(10)["pet"]}
    first, second = (fitted[strategy].transform(X) for _ in range(2))

    np.testing.assert_array_equal(first["mri"], second["mri"])
    np.testing.assert_array_equal(first["age"], second["age"])


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_classifier_is_fed(strategy):
    """What is imputed feeds a classifier, which tells more than with means."""
    X = linked(200)
    y = (X["mri"][:, 0] > 1000).astype(int)
    train = {name: value[:120] for name, value in X.items()}
    model = make_pipeline(
        PseudoModalityImputer(strategy, **SMALL), ConcatModalities(), LogisticRegression(max_iter=2000)
    )
    model.fit({"mri": train["mri"] / 500, "pet": train["pet"]}, y[:120])
    score = model.score({"pet": X["pet"][120:]}, y[120:])

    assert score > (0.85 if strategy != "mean" else 0.4)


# --- what stays, and what is told --------------------------------------------------------------------


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_present_entries_stay_bit_for_bit(fitted, strategy):
    """Present entries come out as they went in, absent ones filled; the caller's arrays stay as they are."""
    X = holey(linked())
    before = copy.deepcopy(X)
    out = fitted[strategy].transform(X)

    assert out.present.all()
    for name, value in X.items():
        here = ~np.isnan(value[:, 0])
        np.testing.assert_array_equal(out[name][here], value[here])
        assert np.isfinite(out[name]).all()
        np.testing.assert_array_equal(value, before[name])


def test_complete_data_pass_as_they_are(fitted):
    """Where nothing is missing, the arrays themselves are handed on."""
    X = ModalityDict(linked(10))
    out = fitted["denoising"].transform(X)

    assert all(np.shares_memory(out[name], X[name]) for name in X)


def test_mean_is_that_of_the_samples_that_have_it(fitted):
    """The strategy "mean" gives the mean over training samples with the modality."""
    X = holey(linked())
    told = fitted["mean"].transform({"pet": np.zeros((1, 4))})["mri"]

    np.testing.assert_allclose(told[0], np.nanmean(X["mri"], axis=0))


def test_frames_stay_frames():
    """DataFrames keep columns, index and types; integers are rounded, booleans stay booleans."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=40)
    ids = [f"p{number}" for number in range(40)]
    clinical = pd.DataFrame(
        {"age": np.rint(50 + 10 * z).astype(int), "ill": z > 0, "bmi": z.astype(np.float32)}, index=ids
    ).astype({"age": "Int64"})
    pet = pd.DataFrame({"uptake": 3 * z, "size": -z}, index=ids)
    imputer = PseudoModalityImputer("nearest", n_neighbors=1).fit({"clinical": clinical, "pet": pet})
    mask = np.arange(40) > 4
    out = imputer.transform(ModalityDict({"clinical": clinical, "pet": pet}, present={"clinical": mask}))
    absent = imputer.transform(ModalityDict({"pet": pet.iloc[:3]}))

    assert isinstance(out["clinical"], pd.DataFrame)
    pd.testing.assert_frame_equal(out["clinical"].iloc[5:], clinical.iloc[5:])
    pd.testing.assert_series_equal(out["clinical"].dtypes, clinical.dtypes)
    pd.testing.assert_frame_equal(absent["clinical"], clinical.iloc[:3])
    assert list(out.feature_names["clinical"]) == ["age", "ill", "bmi"]
    assert list(imputer.get_feature_names_out()) == [
        "clinical__age", "clinical__ill", "clinical__bmi", "pet__uptake", "pet__size",
    ]  # fmt: skip


def test_presence_tells_what_was_imputed():
    """add_presence adds a table that is 1 where a modality was observed and 0 where it is predicted."""
    X = holey(linked(20))
    out = PseudoModalityImputer("mean", add_presence=True).fit(X).transform(X)
    expected = np.column_stack([~np.isnan(X[name][:, 0]) for name in ("age", "mri", "pet")])

    np.testing.assert_array_equal(out["presence"], expected)
    assert list(out.feature_names["presence"]) == ["age", "mri", "pet"]
    assert out["presence"].dtype == np.float32


def test_other_modalities_pass():
    """Text, bags and tables that are not named are neither used nor predicted, and stay missing."""
    X = holey(linked(20))
    notes = ["seen", None] * 10
    bags = BagArray.from_list([np.ones((row % 2, 2)) for row in range(20)])
    words = sparse.csr_array(np.eye(20))
    data = {**X, "note": notes, "scan": bags, "words": words}
    imputer = PseudoModalityImputer("mean", modalities=["mri", "pet"])
    with pytest.warns(NoModalityWarning, match="none of 'mri', 'pet'"):
        imputer.fit(data)
    with pytest.warns(NoModalityWarning):
        out = imputer.transform(data)

    assert out.modalities == tuple(data)
    np.testing.assert_array_equal(out.is_present("note"), [True, False] * 10)
    np.testing.assert_array_equal(out.is_present("scan"), [False, True] * 10)
    np.testing.assert_array_equal(out["age"], X["age"])
    assert imputer.imputed_modalities_ == ("mri", "pet")
    assert "note" not in imputer.transform({"mri": linked(2)["mri"]})


def test_samples_with_nothing_stay_missing():
    """fit leaves a sample without any table out, transform lets it be; each warns once."""
    X = linked(30)
    for name in X:
        X[name][[1, 4]] = np.nan
    with pytest.warns(
        NoModalityWarning, match=r"2 samples have none of .* \(rows 1, 4\): fit leaves"
    ) as caught:
        imputer = PseudoModalityImputer("mean").fit(X)
    assert len(caught) == 1
    with pytest.warns(NoModalityWarning, match="they stay as they are") as caught:
        out = imputer.transform(X)
    assert len(caught) == 1

    np.testing.assert_array_equal(np.flatnonzero(~out.present.any(axis=1)), [1, 4])
    with pytest.raises(MissingModalityError):
        PseudoModalityImputer().fit({name: np.full_like(value, np.nan) for name, value in X.items()})


def test_a_modality_that_nobody_has_is_left_out():
    """A table without any present row in fit is neither used nor predicted, with a warning."""
    X = {**linked(20), "ct": np.full((20, 2), np.nan)}
    with pytest.warns(NoModalityWarning, match="'ct' is missing for every sample"):
        imputer = PseudoModalityImputer("mean").fit(X)
    out = imputer.transform({"mri": linked(3)["mri"], "ct": np.ones((3, 2))})

    assert imputer.imputed_modalities_ == ("age", "mri", "pet")
    np.testing.assert_array_equal(out["ct"], 1.0)
    assert "ct" not in imputer.transform({"mri": linked(3)["mri"]})


@pytest.mark.parametrize("strategy", ["denoising", "nearest"])
def test_a_modality_never_seen_with_another_gets_its_mean(strategy):
    """Nothing can be learned of a table that comes alone: its mean is predicted, with a warning."""
    X = linked(30)
    X["age"][:20] = np.nan
    X["mri"][20:], X["pet"][20:] = np.nan, np.nan
    with pytest.warns(NoModalityWarning, match="No sample has 'age' together with another"):
        imputer = PseudoModalityImputer(strategy, **{**SMALL, "max_epochs": 2}).fit(X)
    told = imputer.transform({"mri": X["mri"][:2]})

    np.testing.assert_allclose(told["age"], np.tile(np.nanmean(X["age"], axis=0), (2, 1)))
    assert not np.allclose(told["pet"][0], told["pet"][1])


def test_one_table_has_nothing_to_be_predicted_from():
    """With a single table nothing is learned, and it passes; it is named "x"."""
    table = linked(10)["pet"]
    imputer = PseudoModalityImputer().fit(table)

    assert imputer.net_ is None
    assert imputer.n_features_in_ == 4
    np.testing.assert_array_equal(imputer.transform(table)["x"], table)


def test_early_stopping_holds_out_and_scores():
    """Early stopping keeps groups whole, restores the best epoch, and scores the rows that it held out."""
    X = linked(80)
    X["mri"][::8], X["pet"][::8] = np.nan, np.nan  # these have one table: they are not trained on
    groups = np.arange(80) // 4
    options = {
        **SMALL,
        "max_epochs": 40,
        "n_iter_no_change": 5,
        "precision": "float64",
        "early_stopping": True,
    }
    imputer = PseudoModalityImputer(**options).fit(X, groups=groups)
    held_out = imputer.validation_rows_
    loss, error = imputer.history_["valid_loss"], imputer.reconstruction_error_

    assert not set(groups[held_out]) & set(np.delete(groups, held_out))
    assert imputer.best_epoch_ == loss.idxmin() + 1
    assert error["modality"].tolist() == ["age", "mri", "pet"]
    assert set(error["n_samples"]) == {np.count_nonzero(held_out % 8)}
    pd.testing.assert_frame_equal(imputer.reconstruction_error(ModalityDict(X)[held_out]), error)
    np.testing.assert_allclose(error["mse"].mean(), loss.min(), rtol=1e-6)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_reconstruction_error_is_that_of_hidden_tables(fitted, strategy):
    """Each table is hidden in turn and compared with what transform tells without it."""
    X = linked(50, seed=7)
    model, train = fitted[strategy], holey(linked())
    error = model.reconstruction_error(X).set_index("modality")
    for name in X:
        told = model.transform({other: X[other] for other in X if other != name})[name]
        scale, mean = np.nanstd(train[name], axis=0), np.nanmean(train[name], axis=0)
        mse = np.square((told - X[name]) / scale).mean()
        cosine = (told * X[name]).sum(axis=1) / (
            np.linalg.norm(told, axis=1) * np.linalg.norm(X[name], axis=1)
        )
        mean_mse = np.square((mean - X[name]) / scale).mean()
        row = error.loc[name]
        np.testing.assert_allclose(
            [row["mse"], row["cosine_distance"], row["mean_mse"], row["r2"]],
            [mse, 1 - cosine.mean(), mean_mse, 1 - mse / mean_mse],
            rtol=1e-5,
            atol=1e-7,
        )
        assert row["n_samples"] == 50


def test_reconstruction_error_without_rows_is_nan(fitted):
    """A table that no sample has beside another has no error."""
    error = fitted["mean"].reconstruction_error({"pet": linked(5)["pet"]})

    assert error["n_samples"].tolist() == [0, 0, 0]
    assert error["mse"].isna().all()


def test_constant_columns_get_their_mean():
    """A column that was constant in training is predicted as that constant, and counts in no error."""
    X = {"a": linked(30)["pet"], "b": np.full((30, 2), 7.0)}
    imputer = PseudoModalityImputer(**{**SMALL, "max_epochs": 2}).fit(X)

    np.testing.assert_array_equal(imputer.transform({"a": X["a"]})["b"], 7.0)
    assert imputer.reconstruction_error(X)["mse"][1] == 0.0


# --- the rest of the contract ------------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["float64", "bfloat16"])
def test_other_precisions(precision):
    """Double and half precision train as well as single precision does."""
    X = linked(120)
    imputer = PseudoModalityImputer(**SMALL, precision=precision).fit(X)

    assert (imputer.reconstruction_error(linked(50, seed=3))["r2"] > 0.7).all()


def test_full_batch_does_not_depend_on_the_order():
    """On all rows at once, a fit depends neither on the order of the samples nor on the order of names."""
    X = ModalityDict(holey(linked(30)))
    options = {**SMALL, "max_epochs": 3, "batch_size": -1, "precision": "float64"}
    lacking = {"pet": linked(5)["pet"]}
    first, second = (
        PseudoModalityImputer(**options).fit(data).transform(lacking) for data in (X, X[np.arange(30)[::-1]])
    )

    np.testing.assert_allclose(first["mri"], second["mri"], rtol=1e-9)


def test_seeds():
    """The seed fixes the model; another gives another; a pickled model tells the same."""
    X, lacking = holey(linked(40)), {"pet": linked(5)["pet"]}
    models = [
        PseudoModalityImputer(**{**SMALL, "max_epochs": 2, "random_state": seed}).fit(X) for seed in (0, 0, 1)
    ]
    first, again, other = (model.transform(lacking)["mri"] for model in models)

    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(models[0])).transform(lacking)["mri"],
        first,
    )


def test_memory_maps(tmp_path):
    """Tables in read-only files are read where there is something to fill in."""
    X = linked(20)
    for name, value in X.items():
        np.save(tmp_path / f"{name}.npy", value)
    mapped = {name: np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in X}
    mask = np.arange(20) > 2
    data, lazy = (ModalityDict(source, present={"pet": mask}) for source in (X, mapped))
    first, second = (
        PseudoModalityImputer("nearest").fit(source).transform(source)["pet"] for source in (data, lazy)
    )

    np.testing.assert_array_equal(first, second)


def _spoiled(value):
    """Return linked tables with one value replaced."""
    X = linked(20)
    X["pet"][3, 1] = value
    return X


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (_spoiled(np.nan), r"'pet' contains NaN in a part of 1 rows \(3\).*SimpleImputer"),
        (_spoiled(np.inf), r"'pet' contains infinity in 1 rows \(3\)"),
        ({**linked(20), "words": sparse.csr_array(np.eye(20))}, "'words', which is sparse.*TruncatedSVD"),
        ({**linked(20), "sex": pd.DataFrame({"sex": ["f"] * 20})}, "'sex' must be numeric.*OneHotEncoder"),
        ({"note": ["a", "b"]}, "predicts tables, and X holds none"),
    ],
    ids=["NaN", "infinity", "sparse", "strings", "no table"],
)
def test_data_that_are_refused(X, message):
    """What cannot be used is refused in fit, by modality, with what to do."""
    with pytest.raises(ValueError, match=message):
        PseudoModalityImputer("mean").fit(X)


def test_data_that_are_refused_after_fit(fitted):
    """After fit, too, rows that are partly NaN, sparse tables and values beyond measure are refused."""
    with pytest.raises(ValueError, match="'pet' contains NaN in a part"):
        fitted["mean"].transform(_spoiled(np.nan))
    with pytest.raises(ValueError, match="which is sparse"):
        fitted["mean"].transform({"pet": sparse.csr_array(np.ones((3, 4)))})
    with pytest.raises(ValueError, match=r"predictions of 'mri' overflow in 1 samples \(rows 0\)"):
        fitted["denoising"].transform({"pet": np.full((1, 4), 1e300)})


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"strategy": "median"}, "'strategy' parameter of PseudoModalityImputer must be 'denoising' or"),
        ({"n_neighbors": 0}, "'n_neighbors' parameter"),
        ({"noise": -1.0}, "'noise' parameter"),
        ({"modalities": "mri"}, "modalities must be a list of names"),
        ({"modalities": ["ct"]}, "modalities names 'ct'"),
        ({"modalities": []}, "X holds none"),
        ({"device": "tpu"}, "device='tpu' is not a device"),
    ],
)
def test_parameters_that_are_refused(params, message):
    """A parameter that is not allowed is named, with what is."""
    with pytest.raises(ValueError, match=message):
        PseudoModalityImputer(**params).fit(linked(20))


def test_a_fit_that_fails_leaves_nothing_behind():
    """An imputer whose training diverged is not fitted, also where it was before."""
    imputer = PseudoModalityImputer(**{**SMALL, "max_epochs": 2}).fit(linked(20))
    with pytest.raises(ValueError, match="Training diverged"):
        imputer.set_params(lr=1e38).fit(linked(20))
    with pytest.raises(NotFittedError):
        imputer.transform(linked(20))


def test_a_name_that_is_taken_is_refused():
    """add_presence does not overwrite a modality of its name."""
    with pytest.raises(ValueError, match="adds a modality 'presence'"):
        PseudoModalityImputer("mean", add_presence=True).fit({**linked(20), "presence": np.ones((20, 1))})
