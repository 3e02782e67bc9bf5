"""From a bag of vectors to the mean of its instances."""

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from skmm._training import Several, check_parameters
from skmm.embedding._bags import BAGS, bag_parts, float_type, read_bags, validate_bags

STATISTICS = ("mean", "max")


def pool_bags(bags, statistic, dtype):
    """A statistic over the instances of each bag, none being empty, of shape (n_bags, n_features)."""
    starts = bags.offsets[:-1]
    if statistic == "max":
        return np.maximum.reduceat(bags.values, starts, axis=0).astype(dtype, copy=False)
    # Summed in float64: a float32 sum of a long bag loses digits.
    sums = np.add.reduceat(bags.values, starts, axis=0, dtype=np.float64)
    return (sums / bags.lengths[:, None]).astype(dtype, copy=False)


class AveragePooling(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Pool each bag of vectors to the mean of its instances.

    The vector of bag i with instances x_1, ..., x_n is (x_1 + ... + x_n) / n: what the embeddings of all
    slices of a scan have in common, whatever their number and order. Nothing is learned.

    Parameters
    ----------
    statistics : tuple of {"mean", "max"}, default=("mean",)
        What is computed of each feature over the instances; several lie side by side.

    Attributes
    ----------
    n_features_in_ : int
        Width of an instance.

    See Also
    --------
    AttentionPooling : Weights the instances by what is learned from labels.

    Examples
    --------
    >>> from skmm import BagArray
    >>> from skmm.embedding import AveragePooling
    >>> bags = BagArray.from_list([[[1.0, 2.0]], [[3.0, 4.0], [5.0, 8.0]]])
    >>> AveragePooling().fit_transform(bags)
    array([[1., 2.],
           [4., 6.]])
    >>> AveragePooling(statistics=("mean", "max")).fit_transform(bags)
    array([[1., 2., 1., 2.],
           [4., 6., 5., 8.]])
    """

    _accepts_lazy = True

    def __init__(self, statistics=("mean",)):
        self.statistics = statistics

    def fit(self, X, y=None):
        """Learn the width of the instances; no instance is read.

        Parameters
        ----------
        X : BagArray, sequence of arrays (n_instances_i, n_features), or array of equal bags
            Bags of vectors, one a sample; they may be lazy.
        y : None
            Not used.

        Returns
        -------
        self
            The fitted pooling.

        Raises
        ------
        ValueError
            If a parameter is not allowed, or X is no bags of vectors.
        """
        del y
        check_parameters(self, {"statistics": (Several(STATISTICS),)})
        validate_bags(self, X, reset=True)
        self._n_features_out = self.n_features_in_ * len(self.statistics)
        return self

    def transform(self, X):
        """Pool the bags.

        Parameters
        ----------
        X : BagArray, sequence of arrays (n_instances_i, n_features), or array of equal bags
            Bags of vectors; lazy ones are read a part at a time.

        Returns
        -------
        ndarray of shape (n_samples, n_features * n_statistics)
            Pooled vectors, float32 where instances are, else float64; NaN where a sample has no bag.

        Raises
        ------
        ValueError
            If the width of the instances differs from that of fit, or some are infinite or NaN.
        """
        check_is_fitted(self)
        X = validate_bags(self, X, reset=False)
        dtype = float_type(X[BAGS].dtype)
        pooled = np.full((len(X), self._n_features_out), np.nan, dtype=dtype)
        for rows in bag_parts(X, np.flatnonzero(X.is_present(BAGS))):
            bags = read_bags(X, rows)
            pooled[rows] = np.hstack([pool_bags(bags, name, dtype) for name in self.statistics])
        return pooled

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
