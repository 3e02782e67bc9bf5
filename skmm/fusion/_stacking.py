"""Parts of late fusion: the mean over what is present, folds that test every sample once, the evidence."""

import numbers
from collections.abc import Mapping

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, check_cv

from skmm.compose._fitting import take_metadata
from skmm.compose._plan import fit_metadata
from skmm.containers import _validation as messages
from skmm.fusion._modality_classifier import standardized_regression, weight_params

_TINY = 1e-6  # probabilities below it count as it, so that logarithms stay finite


def centred_log_proba(proba, prior):
    """Evidence of each class, log p(c) - log prior(c): 0 where a modality says no more than the prior."""
    return np.log(np.maximum(proba, _TINY)) - np.log(np.maximum(prior, _TINY))


def class_shares(codes, weight, rows, n_classes):
    """Share of each class in the weights of ``rows``; None weighs them equally."""
    totals = np.bincount(codes[rows], None if weight is None else weight[rows], minlength=n_classes)
    return totals / totals.sum()


def average_present(probas, present, weights):
    """Weighted mean of the probabilities over what is present.

    Parameters
    ----------
    probas : list of ndarray of shape (n_samples, n_classes)
        Probabilities by modality.
    present : list of ndarray of bool of shape (n_samples,)
        Which of them count.
    weights : list of float
        Weight of each modality.

    Returns
    -------
    proba : ndarray of shape (n_samples, n_classes)
        Means; 0 where nothing counts.
    known : ndarray of bool of shape (n_samples,)
        Where something counts.
    """
    shares = [weight * mask for weight, mask in zip(weights, present, strict=True)]
    total = np.sum(shares, axis=0)
    known = total > 0
    proba = sum(share[:, None] * p for share, p in zip(shares, probas, strict=True))
    return proba / np.where(known, total, 1.0)[:, None], known


def weights_by_name(given, modalities):
    """Weights of the modalities, from a dict, from an array in their order, or all 1."""
    if given is None:
        return [1.0] * len(modalities)
    if isinstance(given, str) or not hasattr(given, "__len__"):
        raise ValueError(f"modality_weights must be a dict or a list of weights. Got {given!r} instead.")
    if isinstance(given, Mapping):
        unknown = [name for name in given if name not in modalities]
        if unknown:
            raise messages.unknown_names("modality_weights", unknown, modalities)
        weights = {name: given.get(name, 1.0) for name in modalities}
    else:
        if len(given) != len(modalities):
            raise ValueError(
                f"modality_weights must hold {len(modalities)} weights, one for each of "
                f"{messages.quoted(modalities)}. Got {len(given)} instead."
            )
        weights = dict(zip(modalities, given, strict=True))
    weights = [weights[name] for name in modalities]
    if not all(isinstance(weight, numbers.Real) for weight in weights):
        raise ValueError(f"modality_weights must be numbers. Got {given!r} instead.")
    weights = [float(weight) for weight in weights]
    if not np.isfinite(weights).all() or min(weights) < 0 or max(weights) == 0:
        raise ValueError(
            f"modality_weights must be finite, not negative and not all 0. Got {given!r} instead."
        )
    return weights


def strata(codes, n_splits):
    """Classes for stratification, the rarest joined until every one has ``n_splits`` members."""
    joined = codes.copy()
    while True:
        labels, counts = np.unique(joined, return_counts=True)
        if counts.min() >= n_splits or len(labels) == 1:
            return joined
        rarest, next_rarest = labels[np.argsort(counts, kind="stable")[:2]]
        joined[joined == rarest] = next_rarest


def assign_folds(codes, groups, cv, random_state, kept):
    """Folds in which every sample is tested once, stratified by class, groups whole.

    Parameters
    ----------
    codes : ndarray of int of shape (n_samples,)
        Classes as numbers.
    groups : ndarray of shape (n_samples,) or None
        Groups that stay whole.
    cv : int, splitter or iterable of (train, test)
        How to split; an integer is the number of folds, at most one a sample or group.
    random_state : RandomState
        Shuffles where `cv` is an integer.
    kept : ndarray of int
        The rows to be put into folds; those of a given `cv` are numbers of all samples.

    Returns
    -------
    list of (ndarray, ndarray)
        Training and test rows of each fold.
    """
    if isinstance(cv, numbers.Integral):
        groups = None if groups is None else groups[kept]
        what, units = ("samples", len(kept)) if groups is None else ("groups", len(np.unique(groups)))
        n_splits = min(cv, units)
        if n_splits < 2:
            raise ValueError(
                f"Stacking needs at least 2 folds, so at least 2 {what}. Got cv={cv} and {units} {what}."
            )
        seed = random_state.randint(np.iinfo(np.int32).max)
        splitter = StratifiedKFold if groups is None else StratifiedGroupKFold
        splitter = splitter(n_splits, shuffle=True, random_state=seed)
        splits = splitter.split(kept, strata(codes[kept], n_splits), groups)
        folds = [(kept[train], kept[test]) for train, test in splits]
    else:
        rows, codes = np.arange(len(codes)), codes.copy()
        splits = check_cv(cv, codes, classifier=True).split(rows, codes, groups)
        folds = [
            (np.intersect1d(rows[train], kept), rows[test][np.isin(rows[test], kept)])
            for train, test in splits
        ]
    folds = [(train, test) for train, test in folds if len(train) and len(test)]
    tested = np.concatenate([kept[:0], *(test for _, test in folds)])
    if not np.array_equal(np.sort(tested), kept):
        raise ValueError(
            f"cv must test each of the {len(kept)} samples in exactly one fold. Got {len(tested)} tested "
            f"samples, {len(np.unique(tested))} of them different: use KFold and its relatives, not a "
            "shuffle split."
        )
    return folds


def check_weight_is_taken(estimators):
    """Raise where weights are given and no classifier takes them."""
    if not any(template is None or fit_metadata(template, {"sample_weight": 1}) for template in estimators):
        raise ValueError(
            "sample_weight and class_weight need an estimator whose fit takes sample_weight. Got none: use "
            "other estimators, or leave the weights out."
        )


def take_params(params, rows, n_rows):
    """Keyword arguments of fit, those with one entry a sample taken at ``rows``."""
    return {key: take_metadata(value, rows, n_rows) for key, value in params.items()}


def fit_final(final, evidence, codes, weight, params, kept):
    """Fit the final estimator (None is the default) on the evidence of the rows that have some modality."""
    if final is None:
        final, params = standardized_regression(C=0.5), None
    if params is None:
        params = weight_params(final, weight)
    return final.fit(evidence[kept], codes[kept], **take_params(params, kept, len(codes)))
