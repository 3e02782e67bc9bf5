"""How far estimated confidences are from the probabilities of the true class."""

import numpy as np
import pandas as pd
from sklearn.metrics import mean_absolute_percentage_error, r2_score

_SHARES = range(10, 101, 10)  # percent of the true class probability that an error may exceed


def _check_same_index(first, second):
    """Raise where two tables name their rows differently."""
    if not (isinstance(first, pd.DataFrame) and isinstance(second, pd.DataFrame)):
        return
    if len(first) == len(second) and not first.index.equals(second.index):
        raise ValueError(
            "confidence and true_probability must have the same index. Their sample ids differ: bring them "
            "into one order, as by true_probability.loc[confidence.index]."
        )


def column(values, name, what, n_samples):
    """One modality's values as floats."""
    try:
        column = np.asarray(values[name], dtype=np.float64)
    except (KeyError, TypeError, IndexError) as error:
        raise ValueError(
            f"{what} must be a DataFrame or dict with a column for each modality. None for {name!r}."
        ) from error
    if column.shape != (n_samples,):
        raise ValueError(
            f"{what} of modality {name!r} must have one value for each of {n_samples} samples. "
            f"Got shape {column.shape} instead."
        )
    return column


def judged_samples(confidence, true_probability, present=None):
    """Confidences, true class probabilities, and which samples have both: (c, p, mask) by modality."""
    names = list(confidence)
    if not names or isinstance(confidence, np.ndarray):
        raise ValueError("confidence must be a DataFrame or dict with a column for each modality.")
    extra = [name for name in true_probability if name not in names]
    if extra:
        raise ValueError(
            f"true_probability holds {extra}, of which there is no confidence. confidence has {names}."
        )
    _check_same_index(confidence, true_probability)
    n_samples = len(np.asarray(confidence[names[0]]))
    found = {}
    for name in names:
        c = column(confidence, name, "confidence", n_samples)
        p = column(true_probability, name, "true_probability", n_samples)
        mask = ~np.isnan(c) & ~np.isnan(p)
        if hasattr(present, "is_present"):
            mask &= present.is_present(name)
        elif present is not None:
            mask &= column(present, name, "present", n_samples) != 0
        outside = np.flatnonzero(mask & ((p < 0) | (p > 1) | ~np.isfinite(c)))
        if len(outside):
            raise ValueError(
                f"Modality {name!r} has {len(outside)} samples whose true class probability is not in [0, 1] "
                f"or whose confidence is infinite; the first is row {outside[0]}."
            )
        found[name] = c, p, mask
    return found


def _figures(c, p):
    """All figures of one modality."""
    if not len(c):
        keys = ["mse", "rmse", "mae", "std", "max", "min", "r2", "mape", *(f"beyond_{k}" for k in _SHARES)]
        return {"n": 0, **dict.fromkeys(keys, np.nan)}
    error = np.abs(c - p)
    mse = np.mean(error**2)
    return {
        "n": len(c),
        "mse": mse,
        "rmse": np.sqrt(mse),
        "mae": error.mean(),
        "std": error.std(ddof=1) if len(c) > 1 else np.nan,
        "max": error.max(),
        "min": error.min(),
        "r2": r2_score(p, c) if len(c) > 1 else np.nan,
        "mape": mean_absolute_percentage_error(p, c),
        **{f"beyond_{k}": np.mean(error > k / 100 * p) for k in _SHARES},
    }


def confidence_errors(confidence, true_probability, *, present=None, groups=None):
    r"""Errors of estimated confidences, by modality.

    With the confidence :math:`c_i` in a modality and the probability :math:`p_i` that the modality alone
    gives to the true class of sample i, the errors are :math:`e_i = |c_i - p_i|`. Each modality is judged on
    the samples that have it, and on no other modality's.

    Parameters
    ----------
    confidence : DataFrame or dict of str -> array-like of shape (n_samples,)
        :math:`c_i` by modality, as `modality_confidence` of a fusion model gives them; NaN where missing.
    true_probability : DataFrame or dict of str -> array-like of shape (n_samples,)
        :math:`p_i` in [0, 1] by modality; NaN where missing.
    present : ModalityDict, DataFrame or dict of str -> array of bool of shape (n_samples,), default=None
        Which samples have a modality; hand over X. None: all that are not NaN.
    groups : array-like of shape (n_samples,), default=None
        Group of each sample, such as its donor, for figures of each group by itself.

    Returns
    -------
    DataFrame
        A row a modality, or with ``groups`` a modality and group. "n" samples; "mse", "rmse" and "mae"; "std"
        (ddof=1), "max" and "min" of :math:`e_i`; "r2", the share of the variance of p that c explains,
        negative where c is worse than the mean of p; "mape", the mean of :math:`e_i / p_i` (1 is 100 %), huge
        where some :math:`p_i` is near 0; and "beyond_10" to "beyond_100", the share of samples with
        :math:`e_i > k p_i` for k = 10 % to 100 %.
        NaN where no sample (of the group) has the modality.

    Raises
    ------
    ValueError
        If modalities, lengths or sample ids differ, or a probability is not in [0, 1].

    Examples
    --------
    >>> from skmm.metrics import confidence_errors
    >>> errors = confidence_errors(
    ...     {"rna": [0.5, 0.75, 0.5], "protein": [1.0, float("nan"), 0.25]},
    ...     {"rna": [1.0, 1.0, 0.5], "protein": [1.0, float("nan"), 0.5]},
    ... )
    >>> errors[["n", "mae", "max", "beyond_30"]]
             n    mae   max  beyond_30
    rna      3  0.250  0.50   0.333333
    protein  2  0.125  0.25   0.500000

    The spread over donors:

    >>> errors = confidence_errors(
    ...     {"rna": [0.5, 0.75, 0.5]}, {"rna": [1.0, 1.0, 0.5]}, groups=["donor 1", "donor 2", "donor 2"]
    ... )
    >>> errors.groupby(level="modality")["mae"].agg(["mean", "std", "min", "max"])
                mean       std    min  max
    modality
    rna       0.3125  0.265165  0.125  0.5
    """
    judged = judged_samples(confidence, true_probability, present)
    if groups is None:
        return pd.DataFrame.from_dict(
            {name: _figures(c[mask], p[mask]) for name, (c, p, mask) in judged.items()}, orient="index"
        )
    groups = np.asarray(groups)
    n_samples = len(next(iter(judged.values()))[0])
    if groups.shape != (n_samples,):
        raise ValueError(
            f"groups must have one value for each of {n_samples} samples. Got shape {groups.shape} instead."
        )
    rows = {
        (name, group): _figures(c[mask & (groups == group)], p[mask & (groups == group)])
        for name, (c, p, mask) in judged.items()
        for group in pd.unique(groups)
    }
    index = pd.MultiIndex.from_tuples(rows, names=["modality", "group"])
    return pd.DataFrame(list(rows.values()), index=index)
