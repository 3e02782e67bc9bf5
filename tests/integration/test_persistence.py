"""Fitted pipelines and containers survive files, memory maps and processes."""

import pickle

import joblib
import numpy as np
import pytest

from skmm import ModalityDict


@pytest.mark.parametrize("module", [pickle, joblib], ids=["pickle", "joblib"])
def test_a_stored_pipeline_predicts_the_same(make_pipeline, mixed, tmp_path, module):
    """A fitted pipeline, written and read again, gives equal probabilities."""
    model = make_pipeline().fit(mixed.X, mixed.y)
    with (tmp_path / "model").open("wb") as file:
        module.dump(model, file)
    with (tmp_path / "model").open("rb") as file:
        restored = module.load(file)

    np.testing.assert_array_equal(restored.predict_proba(mixed.X), model.predict_proba(mixed.X))


def test_read_only_memory_maps(make_pipeline, mixed, tmp_path):
    """A container loaded from joblib with read-only memory maps fits and predicts as the one in memory."""
    joblib.dump(mixed.X, tmp_path / "X.joblib")
    mapped = joblib.load(tmp_path / "X.joblib", mmap_mode="r")

    assert isinstance(mapped["dense"], np.memmap)
    np.testing.assert_array_equal(
        make_pipeline().fit(mapped, mixed.y).predict_proba(mapped),
        make_pipeline().fit(mixed.X, mixed.y).predict_proba(mixed.X),
    )


def test_a_saved_container_fits_lazily(make_pipeline, mixed, tmp_path):
    """A container that was saved and loaded, lazy now, gives the same model."""
    mixed.X.save(tmp_path / "study")
    loaded = ModalityDict.load(tmp_path / "study")

    assert loaded == mixed.X
    np.testing.assert_array_equal(
        make_pipeline().fit(loaded, mixed.y).predict_proba(loaded),
        make_pipeline().fit(mixed.X, mixed.y).predict_proba(mixed.X),
    )
