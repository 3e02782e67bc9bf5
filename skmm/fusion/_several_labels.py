"""Several labels a sample: to the training each set of them that occurs is a class.

The loss of a sample is a sum over its labels. Losses by possible true class, which the training takes of any
network, hold it for each set of labels that training has: one matrix product, and nothing else changes.
"""

import numpy as np
import torch
from scipy.special import expit
from sklearn.utils import check_array
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_consistent_length
from torch import nn

from skmm.containers._validation import shown
from skmm.fusion._base import BaseFusionClassifier


def has_label_columns(y):
    """Whether labels are a table with a column a label rather than one label a sample."""
    shape = y.shape if hasattr(y, "shape") else np.asarray(y, dtype=object).shape
    return len(shape) == 2 and shape[1] > 1 and type_of_target(y) == "multilabel-indicator"


def encode_label_sets(X, y, who):
    """Sets of labels, and which of them each sample has.

    Parameters
    ----------
    X : ModalityDict
        The data, for its length.
    y : array-like of shape (n_samples, n_labels)
        1 where a sample has a label, else 0.
    who : str
        The estimator, for messages.

    Returns
    -------
    sets : ndarray of int of shape (n_sets, n_labels)
        The sets that occur.
    codes : ndarray of int64 of shape (n_samples,)
        Which of them each sample has.

    Raises
    ------
    ValueError
        If there are other values than 0 and 1, or all samples have the same labels.
    """
    y = check_array(y, accept_sparse="csr", input_name="y")
    y = y.toarray() if hasattr(y, "toarray") else y
    check_consistent_length(X, y)
    if not np.isin(y, (0, 1)).all():
        raise ValueError(
            f"{who} takes y with a column a label, 1 where a sample has it and 0 where not. Got the values "
            f"{np.unique(y).tolist()} instead."
        )
    sets, codes = np.unique(y.astype(np.int64), axis=0, return_inverse=True)
    if len(sets) < 2:
        raise ValueError(
            f"{who} needs samples that differ in a label. Got {len(y)} samples which all have the labels "
            f"{shown(np.flatnonzero(sets[0])) or 'none'}."
        )
    return sets, codes.ravel().astype(np.int64)


def label_weights(sets, codes, weights, *, balanced):
    """Weight of the absence and of the presence of each label, (2, n_labels).

    Balanced, both have the same total; a label that never, or always, occurs weighs as it is.
    """
    n_labels = sets.shape[1]
    if not balanced:
        return np.ones((2, n_labels))
    there = weights @ sets[codes]
    totals = np.stack([weights.sum() - there, there])
    is_one_sided = (totals <= 0).any(axis=0)
    return np.where(is_one_sided, 1.0, weights.sum() / (2 * np.where(totals > 0, totals, 1.0)))


class LabelSetLoss(nn.Module):
    r"""Loss of a sample for each set S of labels that it may have, from its scores :math:`z_j` of labels.

    .. math:: -\sum_{j \in S} w^+_j \log \sigma(z_j) - \sum_{j \notin S} w^-_j \log \sigma(-z_j).

    ``sets`` has a row a set, ``weights`` the rows :math:`w^-` and :math:`w^+`.
    """

    def __init__(self, sets, weights):
        super().__init__()
        self.register_buffer("present", torch.tensor(sets * weights[1], dtype=torch.float32))
        self.register_buffer("absent", torch.tensor((1 - sets) * weights[0], dtype=torch.float32))

    def forward(self, scores):
        """Losses (batch, n_sets) from scores (batch, n_labels)."""
        softplus = nn.functional.softplus
        with torch.autocast(scores.device.type, enabled=False):  # a sum over labels wants its digits
            scores = scores if scores.dtype == torch.float64 else scores.float()
            present, absent = self.present.T.to(scores), self.absent.T.to(scores)
            return softplus(-scores) @ present + softplus(scores) @ absent


class SeveralLabelsClassifier(BaseFusionClassifier):
    """Base of fusion classifiers that take one label a sample, or a table of labels, of which it has several.

    A subclass makes its network with ``_n_scores(n_classes)`` outputs and the loss ``_label_loss``, None for
    one label a sample. With it, the network returns as logits the negative losses of all sets of labels, as
    loss "classification" these losses, and the scores of the labels among what is informative, as "labels".
    """

    def predict(self, X):
        """The most probable class, or 1 for each label that is more probable than not.

        Parameters
        ----------
        X : mapping of str -> array, ModalityDict, or array of shape (n_samples, n_features)
            The modalities.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_labels)
            Labels.
        """
        proba = self.predict_proba(X)
        if self._label_sets is None:
            return self.classes_[proba.argmax(axis=1)]
        return (proba > 0.5).astype(np.int64)

    def _encode(self, X, y, classes):
        """Classes and the number of each label; where samples may have several, of each set of them."""
        several = has_label_columns(y)
        if classes is not None and (several or (hasattr(self, "net_") and self._label_sets is not None)):
            raise ValueError(
                "partial_fit and warm_start=True are for one label a sample: several are learned in a fit of "
                "their own."
            )
        if not several:
            self._label_sets = None
            return super()._encode(X, y, classes)
        if self.class_weight not in (None, "balanced"):
            raise ValueError(
                "class_weight must be 'balanced' or None where samples may have several labels. Got "
                f"{self.class_weight!r} instead."
            )
        self._label_sets, codes = encode_label_sets(X, y, type(self).__name__)
        return np.arange(len(self._label_sets)), codes

    def _factors(self, codes, weights):
        """Factor of each sample by its class; several labels are weighted in the loss."""
        return super()._factors(codes, weights) if self._label_sets is None else np.ones(len(codes))

    def _strata(self, codes):
        """The rarest label of each sample, since most sets of labels are too rare to be split evenly."""
        if self._label_sets is None:
            return super()._strata(codes)
        labels = self._label_sets[codes]
        counts = np.where(labels == 1, labels.sum(axis=0), len(codes) + 1)
        rarest = np.where(labels.any(axis=1), 1 + counts.argmin(axis=1), 0)
        return np.unique(rarest, return_inverse=True)[1]

    def _prepare(self, X, rows, codes, weights, groups):
        """The loss of several labels, by how often the training rows have each."""
        self._label_loss = None
        if self._label_sets is not None:
            balanced = self.class_weight is not None
            factors = label_weights(self._label_sets, codes, weights, balanced=balanced)
            self._label_loss = LabelSetLoss(self._label_sets, factors)

    def _labels_of(self, codes):
        """Labels as the user gave them."""
        return (self.classes_ if self._label_sets is None else self._label_sets)[codes]

    def _n_scores(self, n_classes):
        """Number of scores that the network gives."""
        return n_classes if self._label_sets is None else self._label_sets.shape[1]

    def _explained(self, output):
        """The scores of the classes, or of the labels."""
        return output.logits if self._label_sets is None else output.informativeness["labels"]

    def _to_proba(self, scores):
        """Probabilities of classes, or of each label."""
        return super()._to_proba(scores) if self._label_sets is None else expit(scores)

    def _finish(self):
        """After a training on several labels, each has its classes, as scikit-learn's scorers expect them."""
        if self._label_sets is not None:
            self.class_prior_ = self.class_prior_ @ self._label_sets
            self.classes_ = [np.arange(2)] * self._label_sets.shape[1]
        return self

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
