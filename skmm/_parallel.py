"""joblib's workers under the settings of scikit-learn that hold where they are called."""

import functools

import joblib
from sklearn import config_context, get_config


def _call(function, config, args, kwargs):
    """Call a function under given settings, which scikit-learn keeps for each thread."""
    with config_context(**config):
        return function(*args, **kwargs)


def delayed(function):
    """Prepare a call for ``joblib.Parallel``, to be made under the settings of now.

    scikit-learn's own ``delayed`` hands on warning filters too. They belong to the whole process, so workers
    that are threads set and restore them in one another's way, and may leave them changed.

    Parameters
    ----------
    function : callable
        What the worker calls.

    Returns
    -------
    callable
        Takes the arguments of ``function``; the result is for ``joblib.Parallel``.

    Examples
    --------
    >>> from joblib import Parallel
    >>> from skmm._parallel import delayed
    >>> Parallel(n_jobs=2, backend="threading")(delayed(abs)(number) for number in (-1, 2))
    [1, 2]
    """
    config = get_config()

    @functools.wraps(function)
    def prepared(*args, **kwargs):
        return joblib.delayed(_call)(function, config, args, kwargs)

    return prepared
