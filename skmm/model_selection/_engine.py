"""Fits and scores of many estimators, in parallel and the same for any n_jobs."""

import contextlib
import os
import time

import numpy as np
import pandas as pd
from joblib import Parallel, effective_n_jobs
from sklearn import get_config
from sklearn.base import clone
from sklearn.metrics import check_scoring
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from skmm._parallel import delayed
from skmm.compose._plan import fit_metadata
from skmm.model_selection._folds import GROUP_BLIND
from skmm.model_selection._inputs import select_rows
from skmm.model_selection._targets import target_views


def seeded(estimator, seed):
    """Clone in which every random_state, also of nested estimators, is the seed."""
    estimator = clone(estimator)
    names = [name for name in estimator.get_params(deep=True) if name.rpartition("__")[2] == "random_state"]
    return estimator.set_params(**dict.fromkeys(names, seed))


def group_params(estimator, X, groups):
    """Groups for a fit that takes them, itself or in steps of a Pipeline, and would not find them in X."""
    if groups is None:
        return {}
    if hasattr(estimator, "refit"):  # a search hands groups to its splitter, which must want them
        for_steps = group_params(estimator.estimator, X, groups)
        for_steps.pop("groups", None)
        aware = hasattr(estimator.cv, "split") and type(estimator.cv) not in GROUP_BLIND
        return {**for_steps, "groups": groups} if aware else for_steps
    if getattr(X, "groups", None) is not None:
        return {}
    if isinstance(estimator, Pipeline) and get_config()["enable_metadata_routing"]:
        wanted = estimator.get_metadata_routing().consumes("fit", ["groups"])
        return {"groups": groups} if wanted else {}
    return fit_metadata(estimator, {"groups": groups})


def fit_once(estimator, X, y, groups, seed, where):
    """Fitted clone and the seconds it took; a failure names the estimator."""
    start = time.perf_counter()
    with naming(where):
        fitted = seeded(estimator, seed)
        fitted.fit(X, y, **group_params(fitted, X, groups))
    return fitted, time.perf_counter() - start


def score_once(fitted, X, y, scorers, where):
    """Scores by name and the seconds they took."""
    start = time.perf_counter()
    with naming(where):
        values = check_scoring(fitted, scoring=scorers)(fitted, X, y)
        values = {name: float(value) for name, value in values.items()}
    return values, time.perf_counter() - start


def score_targets_once(fitted, X, y, scorers, where):
    """Scores of each target with the number of its labels, and the seconds they took together."""
    start, scores = time.perf_counter(), {}
    with naming(where):
        views = list(target_views(fitted, X, y))
    for target, view, rows, labels in views:
        own = select_rows(X, rows)
        scores[target] = score_once(view, own, labels, scorers, f"{where}, target {target!r},")[0], len(rows)
    return scores, time.perf_counter() - start


@contextlib.contextmanager
def naming(where):
    """Say which estimator failed."""
    try:
        yield
    except Exception as error:
        text = " ".join([str(error), *getattr(error, "__notes__", ())])
        raise RuntimeError(f"{where} failed: {type(error).__name__}: {text}") from error


def evaluate_fold(estimator, X, y, groups, seed, fold, *, name, scorers, test=None, keep=()):
    """Fit on the training rows, score on the test rows or on a test set of its own.

    Parameters
    ----------
    estimator : estimator
        Cloned and seeded.
    X, y, groups : samples, labels, groups
        All samples.
    seed : int
        For every random_state.
    fold : tuple of (number, train rows, test rows)
        With number "test" the rows are None: fitted on all samples, scored on ``test``.
    name : str
        For error messages.
    scorers : dict of str -> scorer
        What to compute.
    test : tuple of (X_test, y_test), default=None
        Official test set.
    keep : collection of {"predictions", "estimators"}, default=()
        What to return besides scores.

    Returns
    -------
    dict
        values, fit_time, score_time, n_train, n_test, and what was to be kept. With several targets the
        values are {target: (values, n_test)}, and n_train counts the labels of each.
    """
    number, train, rows = fold
    where = f"Estimator {name!r} (seed {seed}, fold {number})"
    X_train, y_train, groups_train = X, y, groups
    if number == "test":
        X_test, y_test = test
        rows = np.arange(len(y_test))
    else:
        X_test, y_test = select_rows(X, rows), select_rows(y, rows)
        X_train, y_train = select_rows(X, train), select_rows(y, train)
        groups_train = None if groups is None else groups[train]
    fitted, fit_time = fit_once(estimator, X_train, y_train, groups_train, seed, where)
    several = isinstance(y, pd.DataFrame)
    score = score_targets_once if several else score_once
    values, score_time = score(fitted, X_test, y_test, scorers, where)
    outcome = {
        "values": values,
        "fit_time": fit_time,
        "score_time": score_time,
        "n_train": y_train.notna().sum() if several else len(y_train),
        "n_test": len(y_test),
    }
    if "predictions" in keep and several:
        with naming(where):
            outcome["predictions"] = [
                (target, rows[own], labels, view.labels)
                for target, view, own, labels in target_views(fitted, X_test, y_test)
            ]
    elif "predictions" in keep:
        with naming(where):
            outcome["predictions"] = (rows, y_test, np.asarray(fitted.predict(X_test)))
    if "estimators" in keep:
        outcome["estimator"] = fitted
    return outcome


def _run_task(task, parent):
    """Call a task; in an own process with one inner thread."""
    function, arguments, options = task
    own_process = os.getpid() != parent
    with threadpool_limits(1) if own_process else contextlib.nullcontext():
        return function(*arguments, **options)


def run_tasks(tasks, *, n_jobs, verbose, description):
    """Results of tasks (function, arguments, options), in their order.

    Side by side, each has one inner thread. The limit of this process is set around all tasks, not in each:
    threads that set and restore it in turn would leave it changed.
    """
    from tqdm import tqdm

    side_by_side = effective_n_jobs(n_jobs) > 1
    parent = os.getpid()
    with threadpool_limits(1) if side_by_side else contextlib.nullcontext():
        results = Parallel(n_jobs=n_jobs, return_as="generator")(
            delayed(_run_task)(task, parent) for task in tasks
        )
        return list(tqdm(results, total=len(tasks), desc=description, disable=not verbose))
