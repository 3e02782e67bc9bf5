"""scikit-learn's own checks of estimators."""

import pytest
from sklearn.utils.estimator_checks import check_estimator, parametrize_with_checks

from skmm.fusion import MMDynamicsClassifier, MMStaticClassifier

pytestmark = pytest.mark.uses_global_state("one of scikit-learn's checks draws from NumPy's global state")


@parametrize_with_checks(
    [
        fusion(hidden=64, max_epochs=60, precision="float64", batch_size=-1)
        for fusion in (MMDynamicsClassifier, MMStaticClassifier)
    ]
)
def test_all_checks_pass_in_full_batches_of_float64(estimator, check):
    """Every check passes, none expected to fail; with dropout, a weight equals a repetition."""
    check(estimator)


@pytest.mark.parametrize("fusion", [MMDynamicsClassifier, MMStaticClassifier])
def test_the_default_passes_all_checks_but_one(fusion):
    """It trains in small batches, which repeated rows fill otherwise than weighted ones; all else passes."""
    reason = "repeated rows fill small batches otherwise than weighted ones"
    check_estimator(
        fusion(hidden=64, max_epochs=20),
        expected_failed_checks={
            "check_sample_weight_equivalence_on_dense_data": reason,
            "check_sample_weight_equivalence_on_sparse_data": reason,
        },
    )
