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


class Predictions:
    """What a fitted imputer does with tables: it predicts, without units, those that are missing."""

    def _batches(self, X, **options):
        """Samples of tables as batches for the network, where it is."""
        return batches_for(self.net_, X, self._inputs, **options)

    def _standardized(self, tables, name, rows):
        """Rows of a table in units of standard deviations, 0 where it is missing."""
        value = read_rows(fast_rows(tables[name], name), rows)
        return self._inputs[name](value, tables.is_present(name)[rows], np.float64)

    def _predict(self, tables):
        """Standardized predictions of the entries that are missing in tables, with the positions of these."""
        if tables.present.all():
            return {}
        tell = {"nearest": self._tell_nearest}.get(self.strategy, self._tell_mean)
        tell = tell if self.net_ is None else self._tell_network
        predicted = {}
        for column, (name, values) in enumerate(tell(tables)):
            here = tables.present
            positions = np.flatnonzero(~here[:, column])
            # From a table that none had together with it nothing was learned: its mean, which is 0 here.
            values[~(here[positions] @ (self._together[column] > 0))] = 0
            if len(positions):
                predicted[name] = positions, values
        return predicted

    def _tell_mean(self, tables):
        """Name and values of each table where it is missing: the training mean."""
        for name, here in zip(tables, tables.present.T, strict=True):
            yield name, np.zeros((np.count_nonzero(~here), *self._inputs[name].shape))

    def _tell_network(self, tables):
        """Name and values of each table where it is missing, from the network."""
        data, size = self._batches(tables, checked=True), max(self.net_.batch_size, _PREDICT_BATCH)
        told = forward_batches(self.net_, data, lambda output: output.logits, size, predict=True)
        ends = np.cumsum([entry.shape[0] for entry in self._inputs.values()])
        parts = np.split(told, ends[:-1], axis=1)
        for name, here, part in zip(tables, tables.present.T, parts, strict=True):
            yield name, part[~here].astype(np.float64)

    def _tell_nearest(self, tables):
        """Name and values of each table where it is missing, from its nearest training samples."""
        every = np.arange(len(tables))
        queries = [self._standardized(tables, name, every) for name in tables]
        widths = [int(entry.varies.sum()) for entry in self._inputs.values()]
        for column, name in enumerate(tables):
            rows = np.flatnonzero(~tables.present[:, column])
            yield (
                name,
                nearest_means(
                    [query[rows] for query in queries],
                    tables.present[rows],
                    self._donors,
                    self._donors_present,
                    widths,
                    column,
                    self.n_neighbors,
                ),
            )

    def _error_of(self, tables, name):
        """Errors of one table, in the rows that have it and another."""
        column = tables.modalities.index(name)
        here = tables.present
        rows = np.flatnonzero(here[:, column] & (here.sum(axis=1) > 1))
        hidden = here[rows].copy()
        hidden[:, column] = False
        predicted = self._predict(with_presence(tables[rows], hidden))
        truth = self._standardized(tables, name, rows)
        own = np.asarray(read_rows(fast_rows(tables[name], name), rows), dtype=np.float64)
        told = predicted[name][1] if len(rows) else truth
        scores = prediction_scores(own, truth, told, self._inputs[name])
        return {"modality": name, "n_samples": len(rows), **scores}
