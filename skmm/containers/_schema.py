"""What a fitted estimator remembers of its modalities, and how new data are brought in line with it."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from skmm.containers import _validation as messages
from skmm.containers._rows import entry_shape, placeholder


def _fits(fitted, got):
    """Whether an entry shape agrees with that of fit, where None is an axis that may differ."""
    return len(fitted) == len(got) and all(size in (None, new) for size, new in zip(fitted, got, strict=True))


def column_names(name, kind, shape, names):
    """Names of a modality's columns, with its own as prefix: ``rna__GAPDH``, ``rna__x0``, ``xray__0_1``."""
    if kind == "table":
        names = [f"x{column}" for column in range(shape[0])] if names is None else names
    elif kind in {"image", "volume"} and None not in shape:
        names = ["_".join(map(str, place)) for place in np.ndindex(*shape)]
    else:
        return [name]
    return [f"{name}__{column}" for column in names]


@dataclass(frozen=True)
class Schema:
    """Names, kinds, shapes and feature names of the modalities seen in fit.

    Parameters
    ----------
    names : tuple of str
        Modalities, in the order in which the estimator holds them.
    kinds : dict of str -> str
        Kind of each.
    shapes : dict of str -> tuple
        Shape of one entry (of one instance for bags); None where sizes differ.
    feature_names : dict of str -> ndarray of object, or None
        Feature names of the tables.
    sparse : frozenset of str
        Tables that were sparse.
    """

    names: tuple
    kinds: dict
    shapes: dict
    feature_names: dict
    sparse: frozenset

    @classmethod
    def of(cls, X):
        """Schema of a ModalityDict."""
        return cls(
            names=X.modalities,
            kinds=X.kinds,
            shapes={name: entry_shape(X[name], X.kinds[name]) for name in X},
            feature_names=X.feature_names,
            sparse=frozenset(
                name for name in X if sp.issparse(X[name]) or getattr(X[name], "is_sparse", False)
            ),
        )

    def align(self, X, *, absent="fill", estimator="The estimator"):
        """``X`` in the order of fit, checked.

        Parameters
        ----------
        X : ModalityDict
            New data.
        absent : {"fill", "leave"}, default="fill"
            What becomes of a modality whose key is absent: missing for all samples, or left absent.
        estimator : str, default="The estimator"
            Who asks, for messages.

        Returns
        -------
        ModalityDict
            The modalities of fit.

        Raises
        ------
        ValueError
            If a name is unknown, or kind, shape or feature names differ from those of fit.
        """
        unknown = [name for name in X if name not in self.kinds]
        if unknown:
            raise messages.modality_not_in_fit(unknown, self.names, estimator)
        for name in X:
            self._check(X, name)
        names = [name for name in self.names if name in X]
        unlike = [name for name in names if not self._has_shape(X, name)]  # and missing for all samples
        if len(names) < len(self.names) and absent == "fill":
            return self._fill(X, self.names, unlike)
        return self._fill(X, names, unlike) if unlike else X[names]

    def _check(self, X, name):
        """Raise where one modality differs from that of fit."""
        if X.kinds[name] != self.kinds[name]:
            raise messages.kind_changed(name, self.kinds[name], X.kinds[name])
        # Names first: they tell which columns are too many or too few.
        fitted, names = self.feature_names[name], X.feature_names[name]
        if fitted is not None and names is not None and not np.array_equal(fitted, names):
            raise messages.feature_names_changed(name, fitted, names)
        if X.is_present(name).any() and not self._has_shape(X, name):
            got = entry_shape(X[name], X.kinds[name])
            if None in got:
                raise messages.sizes_differ(name, X.kinds[name], self.shapes[name])
            raise messages.shape_changed(name, X.kinds[name], self.shapes[name], got)

    def _has_shape(self, X, name):
        """Whether entries have the shape that they had in fit."""
        return _fits(self.shapes[name], entry_shape(X[name], X.kinds[name]))

    def _fill(self, X, names, unlike):
        """``X`` with each modality that is absent, or of another shape, missing for all samples."""
        n_samples = len(X)
        data, present = {}, np.zeros((n_samples, len(names)), dtype=bool)
        for column, name in enumerate(names):
            if name in X and name not in unlike:
                data[name], present[:, column] = X[name], X.is_present(name)
            else:
                data[name] = placeholder(
                    self.kinds[name], self.shapes[name], n_samples, sparse=name in self.sparse
                )
        kinds = {name: self.kinds[name] for name in names}
        feature_names = {name: self.feature_names[name] for name in names}
        return X._build(data, kinds, present, feature_names, X.index, X.groups)


def names_out(schema):
    """Names of what a transformer gives: ``rna__GAPDH`` for columns of tables, the modality's for others."""
    names = []
    for name in schema.names:
        if schema.kinds[name] == "table":
            names += column_names(name, "table", schema.shapes[name], schema.feature_names[name])
        else:
            names.append(name)
    return names
