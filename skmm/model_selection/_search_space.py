"""Search spaces of estimators for Optuna, through Pipelines and meta-estimators."""

from skmm._optional import import_optional
from skmm.model_selection._strategy import nested_estimators

# Spaces of estimators that are not ours, by the name of their class, in the notation of ``_search_space``.
SPACES = {
    "AdaBoostClassifier": {"n_estimators": ("log_int", 25, 400), "learning_rate": ("log", 0.01, 2.0)},
    "ExtraTreesClassifier": {
        "n_estimators": ("int", 100, 500),
        "max_features": ("categorical", ["sqrt", "log2", 0.3]),
        "min_samples_leaf": ("log_int", 1, 20),
    },
    "GradientBoostingClassifier": {
        "n_estimators": ("int", 50, 300),
        "learning_rate": ("log", 0.01, 0.3),
        "max_depth": ("int", 2, 6),
        "subsample": ("float", 0.5, 1.0),
    },
    "HistGradientBoostingClassifier": {
        "learning_rate": ("log", 0.01, 0.3),
        "max_leaf_nodes": ("log_int", 7, 63),
        "min_samples_leaf": ("log_int", 5, 100),
        "l2_regularization": ("log", 1e-3, 10.0),
    },
    "KNeighborsClassifier": {
        "n_neighbors": ("int", 1, 30),
        "weights": ("categorical", ["uniform", "distance"]),
    },
    "LGBMClassifier": {
        "n_estimators": ("log_int", 50, 500),
        "learning_rate": ("log", 0.01, 0.3),
        "num_leaves": ("log_int", 7, 127),
        "min_child_samples": ("log_int", 5, 100),
        "subsample": ("float", 0.5, 1.0),
        "colsample_bytree": ("float", 0.3, 1.0),
    },
    "LinearSVC": {"C": ("log", 1e-4, 10.0)},
    "LogisticRegression": {"C": ("log", 1e-4, 100.0), "class_weight": ("categorical", [None, "balanced"])},
    "MLPClassifier": {"alpha": ("log", 1e-6, 0.1), "learning_rate_init": ("log", 1e-4, 1e-2)},
    "PCA": {"n_components": ("float", 0.5, 0.99)},
    "RandomForestClassifier": {
        "n_estimators": ("int", 100, 500),
        "max_features": ("categorical", ["sqrt", "log2", 0.3]),
        "min_samples_leaf": ("log_int", 1, 20),
    },
    "RidgeClassifier": {"alpha": ("log", 1e-3, 1e4)},
    "SGDClassifier": {"alpha": ("log", 1e-6, 0.1)},
    "SVC": {"C": ("log", 1e-2, 100.0), "gamma": ("categorical", ["scale", "auto"])},
    "SelectKBest": {"k": ("log_int", 5, 500)},
    "SelectPercentile": {"percentile": ("log_int", 1, 100)},
    "TfidfVectorizer": {"sublinear_tf": ("categorical", [False, True]), "min_df": ("int", 1, 5)},
    "TruncatedSVD": {"n_components": ("log_int", 8, 128)},
    "XGBClassifier": {
        "n_estimators": ("log_int", 50, 500),
        "learning_rate": ("log", 0.01, 0.3),
        "max_depth": ("int", 2, 10),
        "subsample": ("float", 0.5, 1.0),
        "colsample_bytree": ("float", 0.3, 1.0),
    },
}
_FOREIGN = ("sklearn", "lightgbm", "xgboost", "imblearn")


def plain_space(estimator):
    """Space of one estimator as plain data, without what it holds."""
    own = getattr(estimator, "_search_space", None)
    if own is None:
        for base in type(estimator).__mro__:
            if base.__module__.partition(".")[0] in _FOREIGN and base.__name__ in SPACES:
                own = SPACES[base.__name__]
                break
    known = estimator.get_params(deep=False)
    return {name: entry for name, entry in (own or {}).items() if name in known}


def _distribution(name, entry):
    """Optuna's distribution for an entry of plain data."""
    optuna = import_optional("optuna", extra="search", who="search_space")
    kind, *values = entry
    make = optuna.distributions
    if kind == "categorical":
        return make.CategoricalDistribution(tuple(values[0]))
    if kind in {"float", "log"}:
        return make.FloatDistribution(float(values[0]), float(values[1]), log=kind == "log")
    if kind in {"int", "log_int"}:
        return make.IntDistribution(int(values[0]), int(values[1]), log=kind == "log_int")
    raise ValueError(
        f'The search space of {name!r} must start with "float", "log", "int", "log_int" or "categorical". '
        f"Got {entry!r}."
    )


def search_space(estimator, prefix=""):
    """Collect the Optuna search space of an estimator and of everything nested in it.

    Each estimator of skmm carries its space as plain data, and the usual ones of scikit-learn, LightGBM and
    XGBoost have theirs here. Pipelines, a ModalityTransformer and meta-estimators hand on those of what they
    hold, under the nested names that ``set_params`` takes. Drop or replace entries as in any dict.

    Parameters
    ----------
    estimator : estimator
        Possibly a Pipeline.
    prefix : str, default=""
        Name that the estimator has inside another one, put before each parameter with "__".

    Returns
    -------
    dict of str -> optuna.distributions.BaseDistribution
        By parameter; for ``OptunaSearchCV``, or :func:`suggest_params`.

    Raises
    ------
    ImportError
        If Optuna is not installed.
    ValueError
        If an estimator's ``_search_space`` is malformed.

    Notes
    -----
    An estimator of your own joins in by a class attribute::

        _search_space = {
            "lr": ("log", 1e-4, 1e-2),
            "dropout": ("float", 0.0, 0.7),
            "hidden": ("log_int", 16, 512),
            "feature_gate": ("categorical", ["diagonal", None]),
        }

    Examples
    --------
    >>> from sklearn.decomposition import PCA
    >>> from sklearn.linear_model import RidgeClassifier
    >>> from sklearn.pipeline import Pipeline
    >>> from skmm.model_selection import search_space
    >>> model = Pipeline([("reduce", PCA()), ("ridge", RidgeClassifier())])
    >>> for name, distribution in search_space(model).items():
    ...     print(name, distribution)
    reduce__n_components FloatDistribution(high=0.99, log=False, low=0.5, step=None)
    ridge__alpha FloatDistribution(high=10000.0, log=True, low=0.001, step=None)
    """
    prefix = prefix.removesuffix("__")
    return {
        "__".join(part for part in (prefix, nested, name) if part): _distribution(name, entry)
        for nested, part_of in nested_estimators(estimator).items()
        for name, entry in plain_space(part_of).items()
    }


def suggest_params(trial, space):
    """Draw one value for each parameter of a search space.

    Parameters
    ----------
    trial : optuna.Trial
        The trial of an Optuna study.
    space : dict of str -> optuna.distributions.BaseDistribution
        From :func:`search_space`.

    Returns
    -------
    dict
        Values by parameter, for ``set_params``.

    Raises
    ------
    TypeError
        If a value of the space is no distribution of Optuna.

    Examples
    --------
    >>> import optuna
    >>> from sklearn.linear_model import RidgeClassifier
    >>> from skmm.model_selection import search_space, suggest_params
    >>> space = search_space(RidgeClassifier())
    >>> suggest_params(optuna.trial.FixedTrial({"alpha": 0.5}), space)
    {'alpha': 0.5}
    """
    make = import_optional("optuna", extra="search", who="suggest_params").distributions
    params = {}
    for name, entry in space.items():
        if isinstance(entry, make.CategoricalDistribution):
            params[name] = trial.suggest_categorical(name, entry.choices)
        elif isinstance(entry, make.FloatDistribution):
            params[name] = trial.suggest_float(name, entry.low, entry.high, step=entry.step, log=entry.log)
        elif isinstance(entry, make.IntDistribution):
            params[name] = trial.suggest_int(name, entry.low, entry.high, step=entry.step, log=entry.log)
        else:
            raise TypeError(f"space[{name!r}] must be a distribution of Optuna. Got {entry!r} instead.")
    return params
