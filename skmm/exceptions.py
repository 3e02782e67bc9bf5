"""Warnings and errors of skmm."""

__all__ = ["MissingModalityError", "NoModalityWarning"]


class NoModalityWarning(UserWarning):
    """Warn that some samples, or a whole modality, have nothing to learn or predict from.

    It comes once per call, with the number of samples and their first rows. Such samples are left out of
    ``fit``; ``predict_proba`` gives them the class prior.

    Examples
    --------
    >>> import warnings
    >>> from skmm.exceptions import NoModalityWarning
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     warnings.warn("2 samples have no modality (rows 0, 3)", NoModalityWarning)
    >>> caught[0].category.__name__
    'NoModalityWarning'
    """


class MissingModalityError(ValueError):
    """Raise when a modality that an operation cannot do without is missing.

    It is a `ValueError`, so code that catches the errors of scikit-learn's validation catches it too.

    Examples
    --------
    >>> from skmm.exceptions import MissingModalityError
    >>> issubclass(MissingModalityError, ValueError)
    True
    """
