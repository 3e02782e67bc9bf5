"""How far predicted modalities are from the true ones."""

import numpy as np

SCORES = ("mse", "r2", "cosine_distance", "mean_mse", "mean_cosine_distance")


def cosine_distances(first, second):
    """1 - cosine of the angle between rows; 1 where one of them is zero."""
    norms = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    products = (first * second).sum(axis=1)
    return 1 - np.divide(products, norms, where=norms > 0, out=np.zeros(len(first)))


def prediction_scores(own, truth, told, entry):
    """Scores of the predictions of one table, and those of its training mean beside them.

    Parameters
    ----------
    own, truth, told : ndarray of shape (n_rows, n_features)
        The values in their own units; standardized; and as predicted, standardized.
    entry : TableInput
        What standardized them.

    Returns
    -------
    dict of str -> float
        The `SCORES`; NaN where there are no rows.
    """
    if not len(own):
        return dict.fromkeys(SCORES, np.nan)
    mean, varies = np.zeros_like(told), entry.varies
    mse, mean_mse = (
        float(np.square(truth - guess)[:, varies].mean()) if varies.any() else 0.0 for guess in (told, mean)
    )
    distances = (float(cosine_distances(own, entry.restore(guess)).mean()) for guess in (told, mean))
    distance, mean_distance = distances
    r2 = 1 - mse / mean_mse if mean_mse else 0.0
    return dict(zip(SCORES, (mse, r2, distance, mean_mse, mean_distance), strict=True))
