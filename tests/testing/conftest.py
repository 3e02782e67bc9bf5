"""A small estimator of NumPy alone that keeps the contract, to be broken in the tests."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from skmm._training import check_groups, check_weights, encode_labels
from skmm.containers import _validation as messages
from skmm.containers import check_finite, check_numeric, read_rows, validate_modalities
from skmm.fusion._common import has_modality, observed_modalities, warn_without_modality


class Centroids(ClassifierMixin, TransformerMixin, BaseEstimator):
    """Probabilities from squared distances to class means, averaged over the modalities that are present."""

    def __init__(self, *, scale=1.0, early_stopping=False, random_state=None):
        self.scale = scale
        self.early_stopping = early_stopping
        self.random_state = random_state

    def fit(self, X, y, sample_weight=None, groups=None):
        """Learn the mean of each class in each modality."""
        X = self.validated(X, reset=True)
        self.classes_, codes = self.encoded(X, y)
        weights, groups = check_weights(sample_weight, len(X)), check_groups(groups, X)
        if not X.present.any():
            raise messages.nothing_present(type(self).__name__)
        self.modalities_ = observed_modalities(X)
        known = has_modality(X, self.modalities_)
        warn_without_modality(known, "fit leaves them out")
        if len(np.unique(codes[known])) < 2:
            raise ValueError("There must be at least two classes.")
        counts = np.bincount(codes[known], weights[known])
        self.class_prior_ = counts / counts.sum()
        if self.early_stopping:
            self.validation_rows_ = self.held_out(len(X), groups)
        self.means_ = {name: self.class_means(X, name, codes, weights) for name in self.modalities_}
        return self

    def validated(self, X, *, reset):
        """The data, checked."""
        return validate_modalities(
            self, X, reset=reset, accept=("table", "image"), order="sorted", numeric=True
        )

    def encoded(self, X, y):
        """Classes and codes."""
        return encode_labels(self, X, y)

    def held_out(self, n_samples, groups):
        """Rows of one group, or the first row."""
        return np.flatnonzero(groups == 0) if groups is not None else np.array([0])

    def values(self, X, name):
        """A modality as an array of floats, 0 where it is missing."""
        value = read_rows(X[name], slice(None))
        value = check_numeric(value, name) if X.kinds[name] == "table" else value
        here = X.is_present(name)
        check_finite(value, here, name)
        value = value.toarray() if sp.issparse(value) else np.asarray(value)
        return np.where(here[:, None], value.reshape(len(value), -1), 0.0)

    def class_means(self, X, name, codes, weights):
        """Weighted mean of each class over the present rows; that of all where a class has none."""
        value, here = self.values(X, name), X.is_present(name)
        means = []
        for code in range(len(self.classes_)):
            rows = here & (codes == code) & (weights > 0)
            rows = rows if rows.any() else here
            means.append(np.average(value[rows], axis=0, weights=weights[rows]))
        return np.array(means)

    def evidence(self, X, name):
        """Closeness to the mean of each class, 0 where the modality is missing."""
        closeness = -((self.values(X, name)[:, None] - self.means_[name]) ** 2).mean(axis=2)
        return np.where(X.is_present(name)[:, None], self.scale * closeness, 0.0)

    def transform(self, X):
        """Closeness by modality and class, side by side."""
        check_is_fitted(self, "means_")
        X = self.validated(X, reset=False)
        return np.hstack([self.evidence(X, name) for name in self.modalities_])

    def predict_proba(self, X):
        """Softmax of the mean closeness plus the logarithm of the prior."""
        check_is_fitted(self, "means_")
        X = self.validated(X, reset=False)
        known = has_modality(X, self.modalities_)
        warn_without_modality(known, "they get the class prior")
        total = sum(self.evidence(X, name) for name in self.modalities_)
        count = sum(X.is_present(name) for name in self.modalities_)
        logits = np.log(self.class_prior_) + total / np.maximum(count, 1)[:, None]
        proba = np.exp(logits - logits.max(axis=1, keepdims=True))
        return proba / proba.sum(axis=1, keepdims=True)

    def predict(self, X):
        """The most probable class."""
        codes = self.predict_proba(X).argmax(axis=1)
        return self.classes_[codes]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


@pytest.fixture(scope="session")
def centroids():
    """The class of the estimator that keeps the contract."""
    return Centroids
