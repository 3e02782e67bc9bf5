"""Baselines take whatever a container holds, and are what they say."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmm import BagArray, ModalityDict
from skmm.compose import ConcatModalities
from skmm.model_selection import compare_estimators
from skmm.model_selection._baselines import (
    average_instances,
    concat_lr,
    flatten_images,
    make_baselines,
    resize_axis,
)


@pytest.fixture(scope="module")
def every_kind():
    """Twelve samples of every kind of modality, with missing entries, holes and strings."""
    rng = np.random.default_rng(0)
    y = np.tile(["no", "yes"], 6)
    level = np.tile([0.0, 1.0], 6)
    frame = pd.DataFrame({
        "age": level + rng.normal(size=12) / 10,
        "sex": ["f", "m", None] * 4,
        "code": pd.Categorical(["x", "y", "y", "z"] * 3),
        "mixed": ["a", 1, None, 2.5] * 3,
    })  # fmt: skip
    frame.loc[[0, 5], "age"] = np.nan
    table = rng.normal(size=(12, 3))
    table[3] = np.nan
    table[4, 1] = np.nan
    images = [rng.normal(size=(40 + i, 36)) for i in range(12)]
    images[7] = None
    X = ModalityDict(
        {
            "clinical": frame,
            "table": table,
            "genes": sp.random_array((12, 8), density=0.5, rng=rng, format="csr"),
            "objects": np.array([[value, "b"] for value in level], dtype=object),
            "scan": rng.integers(0, 255, size=(12, 6, 5), dtype=np.uint8),
            "large": rng.normal(size=(12, 50, 40, 3)),
            "volume": rng.normal(size=(12, 3, 4, 4, 1)),
            "ragged": images,
            "cells": BagArray.from_list(
                [rng.normal(size=(i % 4, 2)) for i in range(12)], instance_shape=(2,)
            ),
            "slices": BagArray.from_list([rng.normal(size=(2 + i % 3, 40, 40)) for i in range(12)]),
            "note": ["no finding", None, "big lesion here", "lesion"] * 3,
        },
        kinds={"ragged": "image"},
    )
    return X, y


def test_concat_lr_is_the_pipeline_one_would_write():
    """On complete numeric tables it equals ConcatModalities, StandardScaler and LogisticRegression."""
    rng = np.random.default_rng(1)
    X = ModalityDict({"a": rng.normal(size=(30, 3)), "b": 100 * rng.normal(size=(30, 2))})
    y = rng.integers(0, 3, 30)
    plain = make_pipeline(ConcatModalities(), StandardScaler(), LogisticRegression(max_iter=1000))

    np.testing.assert_allclose(
        concat_lr(X).fit(X, y).predict_proba(X), plain.fit(X, y).predict_proba(X), atol=1e-6
    )


def test_concat_lr_takes_every_kind(every_kind):
    """Every kind, with strings, holes and missing entries, gives finite probabilities."""
    X, y = every_kind
    model = concat_lr(X).fit(X, y)

    probabilities = model.predict_proba(X)

    assert np.isfinite(probabilities).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert model.score(X, y) == 1.0  # age tells the class


def test_every_modality_has_its_own_baseline(every_kind):
    """single_lr is one model a modality, which reads nothing else."""
    X, y = every_kind
    made = make_baselines(["single_lr"], X)

    assert list(made) == [f"single_lr({name})" for name in X.modalities]
    model = made["single_lr(clinical)"][0].fit(X, y)
    shuffled = ModalityDict({**X, "table": X["table"][::-1]}, kinds=X.kinds)
    np.testing.assert_array_equal(model.predict_proba(X), model.predict_proba(shuffled))
    for name, (estimator, strategy) in made.items():
        assert np.isfinite(estimator.fit(X, y).predict_proba(X)).all(), name
        assert strategy == "none"


def test_best_single_stands_in_the_table(study):
    """With single_lr the informative modality scores best, noise at chance, majority at one third."""
    X, y = study
    scores = compare_estimators(
        {"m": concat_lr(X)}, X, y, cv=3, scoring="accuracy", baselines=("majority", "single_lr")
    )
    means = scores.groupby("estimator")["value"].mean()

    assert means["majority"] == pytest.approx(1 / 3, abs=0.02)
    assert means["single_lr(strong)"] > means["single_lr(weak)"] > means["single_lr(noise)"]
    assert scores.query("baseline")["estimator"].nunique() == 4


def test_categories_unseen_in_training_do_not_fail(every_kind):
    """A category that only the test samples have is no error."""
    X, y = every_kind
    model = concat_lr(X, ["clinical"]).fit(X, y)
    frame = X["clinical"].assign(sex="never seen")

    assert np.isfinite(model.predict_proba({"clinical": frame})).all()


def test_durations_and_dates_are_categories():
    """Columns that are neither numbers nor strings are encoded, not refused or dropped."""
    days = pd.to_timedelta([1, 2] * 6, unit="D")
    for column in (days, pd.Timestamp("2020-01-01") + days):
        X, y = {"clinical": pd.DataFrame({"when": column})}, [0, 1] * 6
        assert concat_lr(X).fit(X, y).predict(X).tolist() == y


def test_bags_are_averaged():
    """A bag becomes the mean of its instances."""
    bags = BagArray.from_list([np.array([[1.0, 2.0], [3.0, 6.0]]), np.array([[5.0, 5.0]])])
    np.testing.assert_array_equal(average_instances(bags), [[2.0, 4.0], [5.0, 5.0]])


def test_large_images_are_averaged_down_and_small_ones_flattened():
    """Up to 32 pixels a side every pixel stays; above, blocks are averaged, which keeps the mean."""
    small, large = np.arange(40.0).reshape(2, 4, 5), np.random.default_rng(0).normal(size=(2, 64, 96, 3))

    np.testing.assert_array_equal(flatten_images(small), small.reshape(2, 20))
    blocks = large.reshape(2, 32, 2, 32, 3, 3).mean(axis=(2, 4))
    np.testing.assert_allclose(flatten_images(large), blocks.reshape(2, -1))


@pytest.mark.parametrize("length", [1, 3, 7, 20])
def test_resizing_keeps_constants(length):
    """Blocks of a constant are that constant, for more and for fewer entries than before."""
    np.testing.assert_allclose(resize_axis(np.full((2, length), 3.0), 1, 7), np.full((2, 7), 3.0))


@pytest.mark.parametrize("as_frame", [False, True])
def test_plain_tables_have_baselines_too(study, as_frame):
    """X may be one array or DataFrame, also with strings, as scikit-learn knows it."""
    X, y = study
    table = np.hstack([X["strong"], X["weak"]])
    if as_frame:
        table = pd.DataFrame(table, columns=list("abcde")).assign(site=["north", "south"] * 30)

    scores = compare_estimators({"m": DummyClassifier()}, table, y, cv=3, scoring="accuracy")

    means = scores.groupby("estimator")["value"].mean()
    assert means["concat_lr"] > means["majority"] + 0.2
    assert set(scores["strategy"]) == {"none"}
