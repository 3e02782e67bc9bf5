"""Which modalities and samples a display shows, and what it calls them."""

import numpy as np
import pandas as pd
import scipy.sparse as sp


def chosen_modalities(modalities, known):
    """The modalities to show: those asked for, or all that there are."""
    if modalities is None:
        modalities = known
    names = [modalities] if isinstance(modalities, str) else list(modalities)
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise ValueError(f"modalities must be among {list(known)}. Got {modalities!r} instead.")
    return names


def present_rows(X, name, n_samples):
    """Which samples of X have a modality."""
    if name not in X:
        raise ValueError(f"X must hold modality {name!r}. It holds {list(X)}.")
    if len(X) != n_samples:
        raise ValueError(f"X must have as many samples as {name!r} has rows, {n_samples}. Got {len(X)}.")
    return X.is_present(name)


def true_labels(y, n_samples):
    """True labels as an array, and names of the columns of several; None where there are none."""
    if y is None:
        return None, None
    labels = y.toarray() if sp.issparse(y) else np.asarray(y)
    if labels.ndim not in {1, 2} or len(labels) != n_samples:
        raise ValueError(
            f"y must have a label, or a row of labels, for each of {n_samples} samples. Got shape "
            f"{labels.shape}."
        )
    return labels, list(y.columns) if labels.ndim == 2 and hasattr(y, "columns") else None


def samples_to_show(samples, present, labels):
    """Rows of some present samples; of one class after the other where there are labels."""
    if not isinstance(samples, (int, np.integer)):
        rows = np.asarray(samples)
        if rows.ndim != 1 or rows.dtype.kind not in "iu" or not len(rows):
            raise ValueError(f"samples must be a number of samples or a list of rows. Got {samples!r}.")
        if rows.min() < -len(present) or rows.max() >= len(present):
            raise ValueError(f"samples must be rows of the {len(present)} samples. Got {rows.tolist()}.")
        rows = rows % len(present)
        if not present[rows].all():
            raise ValueError(f"Rows {rows[~present[rows]].tolist()} of samples lack the modality.")
        return rows
    if labels is not None and len(labels) != len(present):
        raise ValueError(f"y must have a label for each of {len(present)} samples. Got {len(labels)}.")
    if samples < 1:
        raise ValueError(f"samples must be at least 1. Got {samples}.")
    rows = np.flatnonzero(present)
    if labels is not None:
        turn = pd.Series(labels[rows]).groupby(labels[rows]).cumcount().to_numpy()
        rows = rows[np.lexsort((pd.factorize(labels[rows], sort=True)[0], turn))]
    return rows[:samples]


def sample_title(X, row, labels):
    """What a sample is called: its label, or its id, or its row."""
    if labels is not None:
        return labels[row]
    return f"row {row}" if X is None or X.index is None else X.index[row]
