"""Estimators side by side on the same folds, with honest baselines."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from skmm.model_selection._baselines import make_baselines
from skmm.model_selection._engine import evaluate_fold, run_tasks
from skmm.model_selection._folds import check_no_shared_group, folds_by_seed
from skmm.model_selection._inputs import check_labels, check_samples
from skmm.model_selection._scoring import resolve_scorers
from skmm.model_selection._strategy import STRATEGIES, fusion_strategy
from skmm.model_selection._targets import (
    check_labels_in_folds,
    check_targets,
    has_targets,
    per_target,
    strata_of,
)


def _check_estimators(estimators):
    """Raise unless there is a mapping of names to estimators."""
    if not isinstance(estimators, Mapping) or not estimators:
        raise ValueError(
            "estimators must be a dict {name: estimator} with at least one entry. "
            f"Got {estimators if estimators == {} else type(estimators).__name__} instead."
        )
    for name, estimator in estimators.items():
        if not hasattr(estimator, "fit") or isinstance(estimator, type):
            raise ValueError(
                f"estimators[{name!r}] must be an estimator with a fit method. Got {estimator!r}."
            )


def _check_strategies(strategies, names):
    """The given strategies, which must be known and for known estimators."""
    strategies = dict(strategies or {})
    for name, strategy in strategies.items():
        if name not in names:
            raise ValueError(f"strategies names {name!r}, which is not among the estimators {list(names)}.")
        if strategy not in {*STRATEGIES, "none"}:
            raise ValueError(
                f'strategies[{name!r}] must be "early", "intermediate", "late" or "none". Got {strategy!r}.'
            )
    return strategies


def _candidates(estimators, baselines, strategies, X):
    """Baselines, then estimators: {name: (estimator, strategy, whether a baseline)}."""
    _check_estimators(estimators)
    strategies = _check_strategies(strategies, estimators)
    made = make_baselines(baselines, X)
    both = [name for name in estimators if name in made]
    if both:
        raise ValueError(
            f"{both[0]!r} is a baseline and an estimator. Rename the estimator, or set baselines=()."
        )
    candidates = {name: (estimator, strategy, True) for name, (estimator, strategy) in made.items()}
    for name, estimator in estimators.items():
        candidates[name] = (estimator, strategies.get(name) or fusion_strategy(estimator), False)
    return candidates


def _check_test(X_test, y_test, groups, y):
    """Official test set, none of whose groups is in training; None where there is none."""
    if (X_test is None) != (y_test is None):
        raise ValueError("X_test and y_test go together. Only one of them was given.")
    if X_test is None:
        return None
    several = isinstance(y, pd.DataFrame)
    check_y = check_targets if several else check_labels
    X_test, y_test, test_groups = check_samples(X_test, y_test, suffix="_test", check_y=check_y)
    if several and list(y_test.columns) != list(y.columns):
        raise ValueError(f"y_test must have the targets of y, {list(y.columns)}. Got {list(y_test.columns)}.")
    if groups is not None and test_groups is not None:
        advice = "Leave those samples out of X or of X_test."
        check_no_shared_group(groups, test_groups, "X_test", advice)
    return X_test, y_test


def score_rows(labels, outcome):
    """Rows of the tidy table, one a metric."""
    times = {name: outcome[name] for name in ("fit_time", "score_time", "n_train", "n_test")}
    if isinstance(times["n_train"], pd.Series):  # several targets
        return [
            {**labels, "target": target, "metric": metric, "value": value}
            | {**times, "n_train": int(times["n_train"][target]), "n_test": n_test}
            for target, (values, n_test) in outcome["values"].items()
            for metric, value in values.items()
        ]
    return [
        {**labels, "metric": metric, "value": value, **times} for metric, value in outcome["values"].items()
    ]


def _prediction_frame(labels, outcome, samples):
    """Predictions of one fold; samples are the rows of X, or of X_test in the fold "test"."""
    if isinstance(outcome["predictions"], list):  # several targets
        parts = [
            _prediction_frame({**labels, "target": target}, {"predictions": tuple(part)}, samples)
            for target, *part in outcome["predictions"]
        ]
        return pd.concat(parts, ignore_index=True)
    rows, y_true, y_pred = outcome["predictions"]
    index = getattr(samples, "index", None)
    columns = {name: labels[name] for name in ("estimator", "seed", "fold", "target") if name in labels}
    columns |= {"sample": rows}
    if index is not None and not callable(index):
        columns["sample_id"] = np.asarray(index)[rows]
    return pd.DataFrame({**columns, "y_true": y_true, "y_pred": y_pred})


def compare_estimators(
    estimators,
    X,
    y,
    *,
    cv=5,
    groups=None,
    scoring=None,
    random_states=(0,),
    baselines=("majority", "concat_lr"),
    strategies=None,
    stratify=None,
    X_test=None,
    y_test=None,
    return_predictions=False,
    return_estimators=False,
    n_jobs=None,
    verbose=0,
):
    """Compare estimators on the same folds and seeds, with honest baselines beside them.

    Each estimator is cloned and fitted on the training samples of every fold, for every seed, and scored on
    the test samples. Nothing is ever chosen on test samples. A seed sets the ``random_state`` of the
    estimator and of everything nested in it, and shuffles the splitter.

    Parameters
    ----------
    estimators : dict of str -> estimator
        Classifiers by the name they shall have in tables.
    X : mapping of str -> array, ModalityDict, or array-like of shape (n_samples, n_features)
        Samples.
    y : array-like of shape (n_samples,), or DataFrame or array of shape (n_samples, n_targets)
        Class labels. With a column a target, holes (None, NaN, NA) are allowed: each target is learned from
        and scored on the samples that have a label for it.
    cv : int, splitter, iterable of (train, test), or None, default=5
        An integer means StratifiedKFold, shuffled; with groups, StratifiedGroupKFold. A splitter with a fixed
        ``random_state`` keeps its folds for every seed. None: no cross-validation, only the official test
        set. With several targets folds are stratified by the one named in ``stratify``, or by none.
    groups : array-like of shape (n_samples,), default=None
        Groups, such as patients, that no fold divides; default: ``X.groups``. They are put into X where it
        is a mapping, and handed to fits that take groups (alone or as steps of a Pipeline) where it is a
        table, so that early stopping inside the fits keeps them whole as well.
    scoring : str, callable, iterable of str, or dict of str -> str or callable, default=None
        Metrics; greater is better. None: weighted and macro F1, weighted recall and precision, accuracy,
        balanced accuracy and the AUC of one class against the rest. See :func:`skmm.metrics.get_scorer`.
    random_states : iterable of int, default=(0,)
        Seeds.
    baselines : iterable of {"majority", "concat_lr", "single_lr"}, default=("majority", "concat_lr")
        What stands beside: the most frequent class; logistic regression on all modalities, concatenated; on
        each modality alone. They take what X holds: strings are one-hot encoded, holes filled by the mean,
        documents weighted by tf-idf, bags averaged, images flattened (averaged down to 32 pixels a side where
        larger), and every column standardised.
    strategies : dict of str -> {"early", "intermediate", "late", "none"}, default=None
        Fusion strategies by estimator, where the inferred one is wrong.
    stratify : target, default=None
        With several targets, the one by whose labels folds are stratified; holes count as its most
        frequent class.
    X_test : like X, default=None
        Official test set: each estimator is fitted once a seed on all of X, and scored on it as fold "test".
    y_test : array-like of shape (n_test_samples,), default=None
        Its labels.
    return_predictions : bool, default=False
        Whether to return the predictions of every fold too, for :func:`confusion_matrices`.
    return_estimators : bool, default=False
        Whether to return the fitted estimators too, for :class:`TrainingHistoryDisplay`.
    n_jobs : int, default=None
        Fits side by side, each on one thread; the scores do not depend on it.
    verbose : int, default=0
        Above 0: a progress bar over the fits.

    Returns
    -------
    DataFrame, or Bunch
        A tidy table with one row a score: estimator, strategy, baseline (bool), seed, fold (number or
        "test"), metric, value, fit_time and score_time (seconds), n_train, n_test. Several targets have a
        row each, told apart by the column target; n_train and n_test count their labels, and the times are
        those of all targets together. With
        ``return_predictions`` or ``return_estimators`` a Bunch of ``scores`` (that table), ``predictions``
        (DataFrame: estimator, seed, fold, sample, sample_id where X has ids, y_true, y_pred) and
        ``estimators`` (lists by name, in order of seeds and folds).

    Raises
    ------
    ValueError
        If the splitter ignores groups or divides one, a target has no label on one side of a fold, or the
        input is wrong.
    RuntimeError
        If an estimator fails; it names the estimator, the seed and the fold.

    See Also
    --------
    comparison_table : Mean and standard deviation, in bold where best.
    ComparisonDisplay : The scores as a plot.

    Notes
    -----
    With several targets a classifier, baselines among them, is fitted once a target, as
    :class:`~skmm.multiclass.MultiTargetClassifier` does; so are all steps of a Pipeline that is a classifier.
    A ``MultiTargetClassifier``, alone or as the last step of a Pipeline, is fitted as it is. No score is
    dropped: a class that a fold or its estimator lacks is dealt with as
    :func:`~skmm.metrics.roc_auc_ovr_score` says, from probabilities, never from predicted labels.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from sklearn.pipeline import make_pipeline
    >>> from skmm.compose import ConcatModalities
    >>> from skmm.model_selection import compare_estimators, comparison_table
    >>> data, y = load_iris(return_X_y=True)
    >>> X = {"sepal": data[:, :2], "petal": data[:, 2:]}
    >>> bayes = make_pipeline(ConcatModalities(), GaussianNB())
    >>> scores = compare_estimators({"bayes": bayes}, X, y, scoring="accuracy")
    >>> print(comparison_table(scores, format="markdown"))
    | estimator | strategy | accuracy |
    |:--|:--|--:|
    | majority | none | 0.333 ± 0.000 |
    | concat_lr | early | **0.960 ± 0.015** |
    | bayes | early | **0.960 ± 0.015** |
    <BLANKLINE>
    Mean ± standard deviation (ddof=1) of 5 evaluations: 5 folds x 1 seed. Best in bold.
    """
    several = has_targets(y)
    X, y, groups = check_samples(X, y, groups, check_y=check_targets if several else check_labels)
    if stratify is not None and not several:
        raise ValueError("stratify is for several targets. Folds of one target are stratified by its labels.")
    test = _check_test(X_test, y_test, groups, y)
    if cv is None and test is None:
        raise ValueError("cv=None leaves nothing to evaluate on. Give X_test and y_test, or a cv.")
    scorers = resolve_scorers(scoring)
    candidates = _candidates(estimators, baselines, strategies, X)
    if several:
        candidates = {name: (per_target(first), *rest) for name, (first, *rest) in candidates.items()}
    keep = ["predictions"] * return_predictions + ["estimators"] * return_estimators
    labels, tasks = [], []
    folds = folds_by_seed(X, strata_of(y, stratify) if several else y, groups, cv, random_states)
    if several:
        check_labels_in_folds(y, folds)
    for name, (estimator, strategy, baseline) in candidates.items():
        for seed, splits in folds.items():
            numbered = [(number, *split) for number, split in enumerate(splits)]
            for fold in numbered + ([("test", None, None)] if test else []):
                labels.append(
                    {
                        "estimator": name,
                        "strategy": strategy,
                        "baseline": baseline,
                        "seed": seed,
                        "fold": fold[0],
                    }
                )
                options = {"name": name, "scorers": scorers, "keep": keep}
                options["test"] = test if fold[0] == "test" else None
                tasks.append((evaluate_fold, (estimator, X, y, groups, seed, fold), options))
    outcomes = run_tasks(tasks, n_jobs=n_jobs, verbose=verbose, description="compare_estimators")
    scores = pd.DataFrame([row for pair in zip(labels, outcomes, strict=True) for row in score_rows(*pair)])
    if not keep:
        return scores
    result = Bunch(scores=scores)
    if return_predictions:
        frames = [
            _prediction_frame(label, outcome, test[0] if label["fold"] == "test" else X)
            for label, outcome in zip(labels, outcomes, strict=True)
        ]
        result.predictions = pd.concat(frames, ignore_index=True)
    if return_estimators:
        result.estimators = {name: [] for name in candidates}
        for label, outcome in zip(labels, outcomes, strict=True):
            result.estimators[label["estimator"]].append(outcome["estimator"])
    return result
