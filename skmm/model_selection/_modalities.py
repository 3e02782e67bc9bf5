"""What each modality adds: an estimator refitted on subsets of the modalities."""

import itertools
from collections.abc import Mapping

import numpy as np
import pandas as pd
from sklearn.base import clone

from skmm.compose._named import names_of
from skmm.model_selection._compare import score_rows
from skmm.model_selection._engine import evaluate_fold, run_tasks
from skmm.model_selection._folds import folds_by_seed
from skmm.model_selection._inputs import check_modalities, check_samples
from skmm.model_selection._scoring import resolve_scorers


def _restrict_dict(declared, subset):
    """Entries of a dict by modality that are for the subset; tuples of names are shortened."""
    kept = {}
    for key, value in declared.items():
        names = tuple(name for name in names_of(key) if name in subset)
        if names:
            kept[names if isinstance(key, tuple) else key] = value
    return kept


def restrict(estimator, subset, modalities):
    """Clone whose parameters name no modality outside the subset.

    Every parameter, at any depth, that is a dict with modalities as keys (such as the transformers of a
    ModalityTransformer, ``hidden={"rna": 64}`` or the estimators of a LateFusionClassifier) loses the others.
    """
    estimator = clone(estimator)
    # The deepest first: an estimator of a modality that goes is still there to be set.
    for name, value in sorted(estimator.get_params(deep=True).items(), key=lambda item: -item[0].count("__")):
        is_declared = isinstance(value, Mapping) and any(
            set(names_of(key)) & set(modalities) for key in value
        )
        if is_declared and any(set(names_of(key)) - set(subset) for key in value):
            estimator.set_params(**{name: _restrict_dict(value, subset)})
    return estimator


def make_subsets(subsets, modalities):
    """Subsets as tuples of names, in the order of X, all of them checked."""
    if isinstance(subsets, str) and subsets == "all":
        sizes = range(1, len(modalities) + 1)
        return [chosen for size in sizes for chosen in itertools.combinations(modalities, size)]
    if isinstance(subsets, str) and subsets == "leave-one-out":
        left = [tuple(name for name in modalities if name != out) for out in modalities]
        return [*left, tuple(modalities)]
    if isinstance(subsets, str) or not np.iterable(subsets):
        raise ValueError(
            f'subsets must be "all", "leave-one-out" or a list of lists of modalities. Got {subsets!r}.'
        )
    made = []
    for subset in subsets:
        names = {subset} if isinstance(subset, str) else set(subset)
        unknown = sorted(str(name) for name in names if name not in modalities)
        if unknown or not names:
            raise ValueError(
                f"Each of subsets must hold modalities of X, which are {list(modalities)}. Got {subset!r}."
            )
        made.append(tuple(name for name in modalities if name in names))
    if not made or len(set(made)) < len(made):
        raise ValueError(f"subsets must hold at least one subset, and each once. Got {subsets!r} instead.")
    return made


def compare_modalities(
    estimator,
    X,
    y,
    *,
    subsets="all",
    cv=5,
    groups=None,
    scoring=None,
    random_states=(0,),
    n_jobs=None,
    verbose=0,
):
    """Score an estimator refitted on subsets of the modalities, all on the same folds.

    For each subset the estimator is cloned, what its parameters declare for other modalities is left out (so
    that a ModalityTransformer, ``hidden={...}`` or a dict of encoders inside a Pipeline may name them all;
    give dicts rather than lists in the order of the modalities), and it is fitted and scored on
    ``X[subset]``. All samples stay in every subset, so that the scores compare: those that have none of its
    modalities are predicted from the class prior, and are counted as ``n_without``.

    Parameters
    ----------
    estimator : estimator
        A classifier, possibly a Pipeline.
    X : mapping of str -> array, or ModalityDict
        Samples with at least two modalities.
    y : array-like of shape (n_samples,)
        Class labels.
    subsets : {"all", "leave-one-out"} or list of lists of str, default="all"
        "all": the 2^M - 1 subsets of M modalities. "leave-one-out": all modalities, and all but one, each in
        turn.
    cv : int, splitter or iterable of (train, test), default=5
        As in :func:`compare_estimators`.
    groups : array-like of shape (n_samples,), default=None
        Groups that no fold divides; default: ``X.groups``.
    scoring : str, callable, iterable of str, or dict of str -> str or callable, default=None
        As in :func:`compare_estimators`.
    random_states : iterable of int, default=(0,)
        Seeds of folds and models.
    n_jobs : int, default=None
        Fits side by side, each on one thread.
    verbose : int, default=0
        Above 0: a progress bar over the fits.

    Returns
    -------
    DataFrame
        One row a score: subset (names joined by " + "), n_modalities, n_without (test samples with none of
        its modalities), seed, fold, metric, value, fit_time, score_time (seconds), n_train, n_test.

    Raises
    ------
    ValueError
        If a subset is unknown, or there is only one modality.
    RuntimeError
        If a fit fails; it names the subset.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from sklearn.pipeline import make_pipeline
    >>> from skmm.compose import ConcatModalities
    >>> from skmm.model_selection import compare_modalities
    >>> data, y = load_iris(return_X_y=True)
    >>> X = {"sepal": data[:, :2], "petal": data[:, 2:]}
    >>> model = make_pipeline(ConcatModalities(), GaussianNB())
    >>> scores = compare_modalities(model, X, y, scoring="accuracy")
    >>> scores.groupby("subset", sort=False)["value"].mean().round(1)
    subset
    sepal            0.8
    petal            1.0
    sepal + petal    1.0
    Name: value, dtype: float64
    """
    X, y, groups = check_samples(X, y, groups)
    X = check_modalities(X, "compare_modalities")
    if cv is None:
        raise ValueError("cv must be an integer, a splitter or folds. Got None instead.")
    scorers = resolve_scorers(scoring)
    folds = folds_by_seed(X, y, groups, cv, random_states)
    labels, tasks = [], []
    for subset in make_subsets(subsets, X.modalities):
        own, model = X[list(subset)], restrict(estimator, subset, X.modalities)
        name = " + ".join(subset)
        nothing = ~own.present.any(axis=1)
        for seed, splits in folds.items():
            for number, (train, test) in enumerate(splits):
                n_without = int(np.count_nonzero(nothing[test]))
                labels.append(
                    {
                        "subset": name,
                        "n_modalities": len(subset),
                        "n_without": n_without,
                        "seed": seed,
                        "fold": number,
                    }
                )
                options = {"name": f"on {name}", "scorers": scorers}
                tasks.append((evaluate_fold, (model, own, y, groups, seed, (number, train, test)), options))
    outcomes = run_tasks(tasks, n_jobs=n_jobs, verbose=verbose, description="compare_modalities")
    return pd.DataFrame([row for pair in zip(labels, outcomes, strict=True) for row in score_rows(*pair)])
