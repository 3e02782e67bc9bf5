"""Find every estimator of the package."""

import inspect
import pkgutil
from importlib import import_module

from sklearn.base import BaseEstimator

import skmm


def all_estimators():
    """Find every public estimator of skmm.

    Returns
    -------
    list of (str, type)
        Name and class of each, in alphabetical order; abstract base classes are left out.

    Examples
    --------
    >>> from skmm.testing import all_estimators
    >>> "MMDynamicsClassifier" in dict(all_estimators())
    True
    """
    found = {}
    for info in pkgutil.iter_modules(skmm.__path__, "skmm."):
        if info.name.rpartition(".")[2].startswith("_"):
            continue
        module = import_module(info.name)
        for name in getattr(module, "__all__", ()):
            value = getattr(module, name)
            is_estimator = inspect.isclass(value) and issubclass(value, BaseEstimator)
            if is_estimator and not inspect.isabstract(value):
                found[name] = value
    return sorted(found.items())
