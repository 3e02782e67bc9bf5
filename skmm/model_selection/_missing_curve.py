"""How much a model loses when modalities are missing."""

import numpy as np
import pandas as pd

from skmm.model_selection._engine import fit_once, run_tasks, score_once
from skmm.model_selection._folds import folds_by_seed
from skmm.model_selection._inputs import check_modalities, check_samples
from skmm.model_selection._scoring import resolve_scorers
from skmm.model_selection._simulate import progressively

OVERALL = "overall"


def _check_rates(rates):
    """Rates as a sorted tuple of numbers from 0 to 1."""
    values = np.unique(list(rates) if np.iterable(rates) else rates)
    if not values.size or values.dtype.kind not in "iuf" or not np.all((values >= 0) & (values <= 1)):
        raise ValueError(f"rates must be numbers from 0 to 1. Got {rates!r} instead.")
    return tuple(values.astype(float).tolist())


def _check_targets(modalities, known):
    """What is dropped in turn: names of modalities, and "overall"."""
    if modalities is None:
        return (*known, OVERALL)
    targets = (modalities,) if isinstance(modalities, str) else tuple(modalities)
    unknown = [name for name in targets if name not in {*known, OVERALL}]
    if unknown or not targets:
        raise ValueError(f"modalities must be among {[*known, OVERALL]}. Got {modalities!r} instead.")
    return targets


def _seed_of(*parts):
    """One seed of several numbers."""
    return int(np.random.SeedSequence(parts).generate_state(1)[0] >> 2)


def share_missing(X, target):
    """Share of entries that are missing, in one modality or over all."""
    present = X.present if target == OVERALL else X.is_present(target)
    return float(1 - present.mean())


def curve_of_fold(estimator, X, y, groups, seed, fold, *, targets, rates, scorers, train_missing):
    """Rows of one fold; fitted once, or once a rate where the training samples lack modalities too."""
    number, train, test = fold
    X_train, X_test = X[train], X[test]
    groups_train = None if groups is None else groups[train]
    where = f"The estimator (seed {seed}, fold {number})"
    unchanged, _ = fit_once(estimator, X_train, y[train], groups_train, seed, where)
    complete, _ = score_once(unchanged, X_test, y[test], scorers, where)
    rows = []
    for target in targets:
        names = X.modalities if target == OVERALL else (target,)
        lacking = progressively(X_train, names, rates, _seed_of(seed, number, 1))
        for rate, dropped in progressively(X_test, names, rates, _seed_of(seed, number, 0)):
            fitted, values = unchanged, complete
            if rate > 0:
                at = f"{where} at rate {rate:g} of {target!r}"
                if train_missing:
                    _, X_lacking = next(part for part in lacking if part[0] == rate)
                    fitted, _ = fit_once(estimator, X_lacking, y[train], groups_train, seed, at)
                values, _ = score_once(fitted, dropped, y[test], scorers, at)
            labels = {"modality": target, "rate": rate, "share_missing": share_missing(dropped, target)}
            labels |= {"seed": seed, "fold": number}
            rows += [{**labels, "metric": metric, "value": value} for metric, value in values.items()]
    return rows


def missing_modality_curve(
    estimator,
    X,
    y,
    *,
    rates=(0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
    modalities=None,
    train_missing=False,
    cv=5,
    groups=None,
    scoring=None,
    random_states=(0,),
    n_jobs=None,
    verbose=0,
):
    """Score an estimator while more and more test samples lack modalities.

    It is fitted once on the training samples of each fold and seed. Then entries of the test samples are
    dropped at random: of one modality at a time, and of all modalities alike ("overall"). What is missing at
    one rate stays missing at the next, and each sample keeps at least one modality, so with M modalities
    complete for all samples no more than (M - 1) / M of all entries can go: ``share_missing`` tells what was
    reached.

    Parameters
    ----------
    estimator : estimator
        A classifier, possibly a Pipeline, that takes samples with missing modalities.
    X : mapping of str -> array, or ModalityDict
        Samples with at least two modalities.
    y : array-like of shape (n_samples,)
        Class labels.
    rates : iterable of float, default=(0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
        Shares, from 0 to 1, of the present entries to drop.
    modalities : str or iterable of str, default=None
        Names of modalities, and "overall"; default: each modality, and "overall".
    train_missing : bool, default=False
        Whether the training samples lose entries at the same rate, with a fit for each rate.
    cv : int, splitter or iterable of (train, test), default=5
        As in :func:`compare_estimators`.
    groups : array-like of shape (n_samples,), default=None
        Groups that no fold divides; default: ``X.groups``.
    scoring : str, callable, iterable of str, or dict of str -> str or callable, default=None
        As in :func:`compare_estimators`.
    random_states : iterable of int, default=(0,)
        Seeds of folds, models and what is dropped.
    n_jobs : int, default=None
        Folds side by side, each on one thread.
    verbose : int, default=0
        Above 0: a progress bar over the folds.

    Returns
    -------
    DataFrame
        One row a score: modality (a name or "overall"), rate (asked for), share_missing (of the test samples'
        entries after dropping, those missing from the start included), seed, fold, metric, value.

    Raises
    ------
    ValueError
        If a rate is not between 0 and 1, a modality is unknown, or there is only one.
    RuntimeError
        If the estimator fails.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from sklearn.pipeline import make_pipeline
    >>> from skmm.compose import ConcatModalities
    >>> from skmm.model_selection import missing_modality_curve
    >>> data, y = load_iris(return_X_y=True)
    >>> X = {"sepal": data[:, :2], "petal": data[:, 2:]}
    >>> model = make_pipeline(ConcatModalities(), GaussianNB())
    >>> each = ["sepal", "petal"]
    >>> scores = missing_modality_curve(model, X, y, rates=(0, 1), modalities=each, scoring="accuracy")
    >>> scores.groupby(["modality", "rate"])["value"].mean().unstack().round(1)
    rate      0.0  1.0
    modality
    petal     1.0  0.3
    sepal     1.0  1.0
    """
    X, y, groups = check_samples(X, y, groups)
    X = check_modalities(X, "missing_modality_curve")
    if cv is None:
        raise ValueError("cv must be an integer, a splitter or folds. Got None instead.")
    if OVERALL in X:
        raise ValueError(
            f"{OVERALL!r} stands for all modalities here. Give the modality of that name another one."
        )
    options = {
        "targets": _check_targets(modalities, X.modalities),
        "rates": _check_rates(rates),
        "scorers": resolve_scorers(scoring),
        "train_missing": train_missing,
    }
    tasks = [
        (curve_of_fold, (estimator, X, y, groups, seed, (number, *split)), options)
        for seed, splits in folds_by_seed(X, y, groups, cv, random_states).items()
        for number, split in enumerate(splits)
    ]
    results = run_tasks(tasks, n_jobs=n_jobs, verbose=verbose, description="missing_modality_curve")
    return pd.DataFrame([row for rows in results for row in rows])
