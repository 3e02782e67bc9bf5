"""Patients never straddle the early-stopping split in cross-validation, whichever way groups come."""

import numpy as np
import pytest
import sklearn
from sklearn.model_selection import StratifiedGroupKFold, cross_validate
from sklearn.pipeline import Pipeline

from skmm import ModalityDict
from skmm.fusion import MMDynamicsClassifier

N_PATIENTS, PER_PATIENT = 12, 5


@pytest.fixture
def leaky():
    """Samples whose label can be read off the patient only, so that any patient on both sides is a leak."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(N_PATIENTS), PER_PATIENT)
    fingerprint = rng.normal(size=(N_PATIENTS, 20))[groups]
    y = np.arange(N_PATIENTS)[groups] % 2
    return ModalityDict({"a": fingerprint, "b": fingerprint[:, :3]}), y, groups


def stopping_model():
    """A pipeline whose model stops early."""
    fuse = MMDynamicsClassifier(
        hidden=4, max_epochs=2, early_stopping=True, validation_fraction=0.3, random_state=0
    )
    return Pipeline([("keep", "passthrough"), ("fuse", fuse)])


def patients_on_both_sides(X, y, patients, *, model=None, **options):
    """Cross-validate by patients; in each fold, the patients on both sides of the split inside the fit."""
    result = cross_validate(
        stopping_model() if model is None else model,
        X,
        y,
        cv=StratifiedGroupKFold(2, shuffle=True, random_state=0),
        return_estimator=True,
        return_indices=True,
        error_score="raise",
        **options,
    )
    shared = []
    for fitted, train in zip(result["estimator"], result["indices"]["train"], strict=True):
        validation = fitted[-1].validation_rows_
        training = np.setdiff1d(np.arange(len(train)), validation)
        assert len(validation) > 0
        shared.append(set(patients[train][training]) & set(patients[train][validation]))
    return shared


def test_groups_in_the_container(leaky):
    """Groups that travel in the container reach the early-stopping split of every fit."""
    X, y, groups = leaky

    assert patients_on_both_sides(ModalityDict(X, groups=groups), y, groups, groups=groups) == [set(), set()]


def test_groups_as_params(leaky):
    """Groups in params= are sliced by scikit-learn and reach the split (metadata routing off)."""
    X, y, groups = leaky
    shared = patients_on_both_sides(X, y, groups, groups=groups, params={"fuse__groups": groups})

    assert shared == [set(), set()]


def test_groups_by_metadata_routing(leaky):
    """Requested groups are routed to the split (metadata routing on)."""
    X, y, groups = leaky
    with sklearn.config_context(enable_metadata_routing=True):
        model = stopping_model()
        model[-1].set_fit_request(groups=True)
        shared = patients_on_both_sides(X, y, groups, model=model, params={"groups": groups})

    assert shared == [set(), set()]


def test_without_groups_rows_are_split(leaky):
    """Without groups the split is by rows, so this very check finds patients on both sides."""
    X, y, groups = leaky

    assert all(patients_on_both_sides(X, y, groups, groups=groups))
