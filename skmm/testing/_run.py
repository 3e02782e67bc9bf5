"""Run the checks: all for one estimator, or one test a check in pytest."""

import re
from functools import partial
from unittest import SkipTest

from sklearn.base import is_regressor
from sklearn.utils import get_tags

from skmm.testing import _checks_data, _checks_errors, _checks_missing, _checks_model
from skmm.testing._data import as_data, make_modalities

CHECKS = (
    _checks_model.check_parameter_names,
    _checks_model.check_parameters_unchanged,
    _checks_model.check_clone,
    _checks_model.check_unfitted,
    _checks_model.check_learned_attributes,
    _checks_model.check_refit,
    _checks_model.check_deterministic,
    _checks_model.check_global_state_untouched,
    _checks_model.check_persistence,
    _checks_model.check_probabilities,
    _checks_model.check_fit_transform,
    _checks_model.check_sample_weight_shape,
    _checks_model.check_groups_stay_whole,
    _checks_data.check_dict_equals_modality_dict,
    _checks_data.check_order_of_modalities,
    _checks_data.check_row_selection,
    _checks_data.check_array_of_handles,
    _checks_data.check_one_table,
    _checks_data.check_sparse_equals_dense,
    _checks_data.check_dataframe_equals_array,
    _checks_data.check_data_unchanged,
    _checks_data.check_read_only_data,
    _checks_data.check_batch_of_one,
    _checks_data.check_labels,
    _checks_missing.check_missing_equals_absent_key,
    _checks_missing.check_absent_content_is_ignored,
    _checks_missing.check_no_nan,
    _checks_missing.check_sample_with_nothing,
    _checks_missing.check_nothing_at_all,
    _checks_missing.check_modality_never_present,
    _checks_errors.check_unknown_modality,
    _checks_errors.check_wrong_lengths,
    _checks_errors.check_wrong_kind,
    _checks_errors.check_wrong_width,
    _checks_errors.check_partly_nan,
    _checks_errors.check_infinity,
    _checks_errors.check_strings,
    _checks_errors.check_empty,
    _checks_errors.check_one_class,
    _checks_errors.check_failed_fit_changes_nothing,
)


def default_data(estimator):
    """Data of the kinds that an estimator takes, those in its ``_accepts`` or else tables."""
    kinds = getattr(estimator, "_accepts", None)
    if kinds is None and not (
        get_tags(estimator).input_tags.two_d_array or get_tags(estimator).input_tags.dict
    ):
        raise ValueError(
            f"{type(estimator).__name__} does not take tables, so the kinds of its modalities are not "
            "known. Give X and y, for "
            "example X, y = make_modalities(['image', 'bag'])."
        )
    kinds = list(kinds or ("table",))
    X, y = make_modalities(["table", *kinds] if "table" in kinds else kinds * 2 if len(kinds) == 1 else kinds)
    return X, y.astype(float) if is_regressor(estimator) else y


def run_check(check, estimator, data):
    """Run one check; whatever else it raises becomes an AssertionError that says which law was at stake."""
    X, y = data() if callable(data) else data
    try:
        check(estimator, X, y)
    except (AssertionError, SkipTest):
        raise
    except Exception as error:
        law = " ".join(check.__doc__.split())
        raise AssertionError(f"{law} But this raised {type(error).__name__}: {error}") from error


def _data_for(estimator, X, y):
    """The user's data, or a function that makes those that fit the estimator when they are needed."""
    if (X is None) != (y is None):
        raise ValueError("Give both X and y, or neither.")
    return partial(default_data, estimator) if X is None else as_data(X, y)


def check_multimodal_estimator(estimator, *, X=None, y=None):
    """Check that an estimator keeps skmm's contract.

    Among the laws: a dict equals a :class:`~skmm.ModalityDict` equals reordered modalities; a missing
    modality equals an absent key, and what stands in its place has no influence; nothing that comes out is
    NaN; two fits give the same model, and one sample what many give; the caller's data stay as they are; bad
    input gives errors that name the modality. :func:`sklearn.utils.estimator_checks.check_estimator` checks
    what concerns a single table.

    Parameters
    ----------
    estimator : estimator
        An unfitted instance, quick to fit: it is fitted about a hundred times on some forty samples.
    X : mapping of str -> array or ModalityDict, default=None
        Data to check with, two modalities or more. The default is small tables, and for a class that derives
        from :class:`~skmm.fusion.BaseFusionClassifier` what it accepts; see :func:`make_modalities`.
    y : array-like of shape (n_samples,), default=None
        Labels, three classes or more members each than ten.

    Returns
    -------
    dict of str -> str
        Result of each check: "passed", or "skipped: " and the reason.

    Raises
    ------
    AssertionError
        If checks fail: the names and messages of all of them.
    ValueError
        If only one of X and y is given, or the data have to be given.

    See Also
    --------
    parametrize_with_multimodal_checks : One test a check, in pytest.

    Examples
    --------
    >>> from skmm.fusion import LateFusionClassifier
    >>> from skmm.testing import check_multimodal_estimator
    >>> results = check_multimodal_estimator(LateFusionClassifier())
    >>> results["check_no_nan"]
    'passed'
    """
    data = _data_for(estimator, X, y)
    data = data() if callable(data) else data
    results, failed = {}, {}
    for check in CHECKS:
        try:
            run_check(check, estimator, data)
            results[check.__name__] = "passed"
        except SkipTest as reason:
            results[check.__name__] = f"skipped: {reason}"
        except AssertionError as error:
            failed[check.__name__] = error
    if failed:
        lines = [f"{name}: {error}" for name, error in failed.items()]
        text = f"{type(estimator).__name__} fails {len(failed)} of {len(CHECKS)} checks.\n" + "\n".join(lines)
        raise AssertionError(text) from next(iter(failed.values()))
    return results


def _identifier(value):
    """Short name of an estimator or a check, for pytest."""
    return re.sub(r"\s+", " ", repr(value))


class _Check:
    """A check with its data: called with an estimator."""

    def __init__(self, check, data):
        self.check = check
        self.data = data

    def __call__(self, estimator):
        """Run the check."""
        run_check(self.check, estimator, self.data)

    def __repr__(self):
        return self.check.__name__


def _checks_of(estimator, data):
    """Pairs of an estimator and a function that runs one check of it."""
    return [(estimator, _Check(check, data)) for check in CHECKS]


def parametrize_with_multimodal_checks(estimators, *, X=None, y=None):
    """Make one pytest test of each check for each estimator.

    Parameters
    ----------
    estimators : list of estimators
        Unfitted instances, quick to fit.
    X : mapping of str -> array or ModalityDict, default=None
        Data to check with, as in :func:`check_multimodal_estimator`.
    y : array-like of shape (n_samples,), default=None
        Labels.

    Returns
    -------
    pytest.mark.parametrize
        Decorator of a test function with the arguments ``estimator`` and ``check``.

    Raises
    ------
    TypeError
        If an entry is a class.
    ValueError
        If only one of X and y is given.

    See Also
    --------
    check_multimodal_estimator : All checks in one call.

    Examples
    --------
    >>> from skmm.fusion import LateFusionClassifier
    >>> from skmm.testing import parametrize_with_multimodal_checks
    >>> @parametrize_with_multimodal_checks([LateFusionClassifier()])
    ... def test_contract(estimator, check):
    ...     check(estimator)
    """
    import pytest

    classes = [estimator.__name__ for estimator in estimators if isinstance(estimator, type)]
    if classes:
        raise TypeError(f"estimators must be instances. Got the classes {classes}: add ().")
    pairs = [pair for estimator in estimators for pair in _checks_of(estimator, _data_for(estimator, X, y))]
    return pytest.mark.parametrize(("estimator", "check"), pairs, ids=_identifier)
