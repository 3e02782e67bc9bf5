"""Standardized predictions of missing tables by each strategy, and their errors."""

import numpy as np

from skmm._training import batches_for, forward_batches
from skmm._training._inputs import fast_rows
from skmm.containers import ModalityDict, read_rows
from skmm.impute._pseudo_scores import prediction_scores
from skmm.impute._pseudo_tables import nearest_means

_PREDICT_BATCH = 512  # samples of a prediction at a time, at least


def with_presence(X, present):
    """A container with other presence, and all else as it was."""
    return ModalityDict._build(
        {name: X[name] for name in X}, X.kinds, present, X.feature_names, X.index, X.groups
    )


class Predictor:
    """What predicts, without units, the tables that are missing.

    Parameters
    ----------
    inputs : dict of str -> TableInput
        What standardizes each table.
    together : ndarray of int of shape (n_tables, n_tables)
        Number of training samples that have both of two tables.
    donors : (list of ndarray, ndarray of bool) or None
        Standardized tables of the training samples, and which they have, from whose nearest is predicted.
    n_neighbors : int
        How many of them.
    net : Net or None
        The network that predicts, instead. Without it and without donors it is the training mean.
    """

    def __init__(self, inputs, together, *, donors=None, n_neighbors=None, net=None):
        self.inputs, self.together = inputs, together
        self.donors, self.n_neighbors, self.net = donors, n_neighbors, net

    def batches(self, X, **options):
        """Samples of tables as batches for the network, where it is."""
        return batches_for(self.net, X, self.inputs, **options)

    def standardized(self, tables, name, rows):
        """Rows of a table in units of standard deviations, 0 where it is missing."""
        value = read_rows(fast_rows(tables[name], name), rows)
        return self.inputs[name](value, tables.is_present(name)[rows], np.float64)

    def predict(self, tables):
        """Standardized predictions of the entries that are missing in tables, with the positions of these."""
        here = tables.present
        if here.all():
            return {}
        tell = self._tell_mean if self.donors is None else self._tell_nearest
        tell = tell if self.net is None else self._tell_network
        predicted = {}
        for column, (name, values) in enumerate(tell(tables)):
            positions = np.flatnonzero(~here[:, column])
            # From a table that none had together with it nothing was learned: its mean, which is 0 here.
            values[~(here[positions] @ (self.together[column] > 0))] = 0
            if len(positions):
                predicted[name] = positions, values
        return predicted

    def error_of(self, tables, name):
        """Errors of one table, in the rows that have it and another."""
        column = tables.modalities.index(name)
        here = tables.present
        rows = np.flatnonzero(here[:, column] & (here.sum(axis=1) > 1))
        hidden = here[rows].copy()
        hidden[:, column] = False
        predicted = self.predict(with_presence(tables[rows], hidden))
        truth = self.standardized(tables, name, rows)
        own = np.asarray(read_rows(fast_rows(tables[name], name), rows), dtype=np.float64)
        told = predicted[name][1] if len(rows) else truth
        scores = prediction_scores(own, truth, told, self.inputs[name])
        return {"modality": name, "n_samples": len(rows), **scores}

    def _tell_mean(self, tables):
        """Name and values of each table where it is missing: the training mean."""
        for name, here in zip(tables, tables.present.T, strict=True):
            yield name, np.zeros((np.count_nonzero(~here), *self.inputs[name].shape))

    def _tell_network(self, tables):
        """Name and values of each table where it is missing, from the network."""
        data, size = self.batches(tables, checked=True), max(self.net.batch_size, _PREDICT_BATCH)
        told = forward_batches(self.net, data, lambda output: output.logits, size, predict=True)
        ends = np.cumsum([entry.shape[0] for entry in self.inputs.values()])
        parts = np.split(told, ends[:-1], axis=1)
        for name, here, part in zip(tables, tables.present.T, parts, strict=True):
            yield name, part[~here].astype(np.float64)

    def _tell_nearest(self, tables):
        """Name and values of each table where it is missing, from its nearest training samples."""
        every = np.arange(len(tables))
        queries = [self.standardized(tables, name, every) for name in tables]
        widths = [int(entry.varies.sum()) for entry in self.inputs.values()]
        donors, donors_present = self.donors
        for column, name in enumerate(tables):
            rows = np.flatnonzero(~tables.present[:, column])
            yield (
                name,
                nearest_means(
                    [query[rows] for query in queries],
                    tables.present[rows],
                    donors,
                    donors_present,
                    widths,
                    column,
                    self.n_neighbors,
                ),
            )
