"""What PseudoModalityImputer allows: parameters and tables."""

import warnings
from collections.abc import Iterable
from numbers import Integral, Real

import numpy as np
import scipy.sparse as sp

from skmm._training import Choice, Instance, Number
from skmm._training._inputs import check_values, fast_rows
from skmm._training._parameters import COUNT, FLAG, NON_NEGATIVE, SHARE
from skmm.containers import _validation as messages
from skmm.containers import read_rows
from skmm.exceptions import NoModalityWarning
from skmm.impute._pseudo_networks import NETWORKS

_CHUNK = 1 << 22  # values of a lazy table that are checked at once

RULES = {
    "strategy": (Choice((*NETWORKS, "mean", "nearest")),),
    "modalities": (Choice((None,)), Instance(Iterable, "a list of names of modalities")),
    "add_presence": (FLAG,),
    "n_neighbors": (COUNT,),
    "hidden": (COUNT,),
    "latent": (COUNT,),
    "noise": (NON_NEGATIVE,),
    "dropout": (SHARE,),
    "kl_weight": (NON_NEGATIVE,),
    "max_epochs": (COUNT,),
    "lr": (Number(Real, 0, None, "neither"),),
    "batch_size": (COUNT, Choice((-1, "auto"))),
    "weight_decay": (NON_NEGATIVE,),
    "early_stopping": (FLAG,),
    "n_iter_no_change": (COUNT,),
    "tol": (NON_NEGATIVE,),
    "validation_fraction": (Number(Real, 0, 1, "neither"),),
    "precision": (Choice(("float32", "float64", "bfloat16")),),
    "device": (Instance(str, "'cpu', 'cuda' or 'auto'"),),
    "verbose": (FLAG, Number(Integral, 0)),
}


def choose_tables(X, modalities, who):
    """Names of the tables to use, in alphabetical order: those asked for, or all of them.

    Raises
    ------
    ValueError
        If a name is unknown or no table, a table is sparse, or there is none.
    """
    if isinstance(modalities, str):
        raise ValueError(f"modalities must be a list of names. Got {modalities!r} instead: put it in a list.")
    names = [name for name, kind in X.kinds.items() if kind == "table"] if modalities is None else modalities
    unknown = [name for name in names if name not in X.kinds]
    if unknown:
        raise messages.unknown_names("modalities", unknown, X.modalities)
    for name in names:
        if X.kinds[name] != "table":
            raise messages.kind_not_taken(name, X.kinds[name], ["table"], who)
    if not list(names):
        raise ValueError(
            f"{who} predicts tables, and X holds none: its modalities are {messages.quoted(X.modalities)}. "
            "Embed images, pool bags and vectorize text in a ModalityTransformer first."
        )
    return tuple(sorted(set(names)))


def check_dense(X, names, who):
    """Refuse sparse tables: what would be predicted is dense."""
    for name in names:
        if name in X and (sp.issparse(X[name]) or getattr(X[name], "is_sparse", False)):
            raise ValueError(
                f"{who} takes dense tables. Got {name!r}, which is sparse: reduce it, as TruncatedSVD does "
                "in a ModalityTransformer, make it dense with .toarray(), or leave it out of modalities=."
            )


def check_tables(X):
    """Refuse what is not numeric, infinite, or NaN in a part of a row, where it is present."""
    for name in X:
        rows = np.flatnonzero(X.is_present(name))
        value, step = fast_rows(X[name], name), max(1, _CHUNK // max(1, X[name].shape[1]))
        for start in range(0, len(rows), step):
            part = rows[start : start + step]
            check_values(read_rows(value, part), "table", np.ones(len(part), dtype=bool), name, part)


def usable_tables(X, who):
    """The tables that some sample has, and the rows that have one of them; warns of the others.

    Raises
    ------
    MissingModalityError
        If no row has any.
    """
    seen = X.present.any(axis=0)
    if not seen.any():
        raise messages.nothing_present(who)
    for name, any_seen in zip(X.modalities, seen, strict=True):
        if not any_seen:
            text = messages.modality_never_present_warning(name, "it is neither used nor predicted")
            warnings.warn(text, NoModalityWarning, stacklevel=3)
    X = X[[name for name, any_seen in zip(X.modalities, seen, strict=True) if any_seen]]
    known = X.present.any(axis=1)
    if not known.all():
        warn_without(X.modalities, known, "fit leaves them out", stacklevel=4)
    return X, np.flatnonzero(known)


def warn_without(names, known, consequence, stacklevel=3):
    """Warn of samples that have none of the tables."""
    rows = np.flatnonzero(~known)
    have = "sample has" if len(rows) == 1 else "samples have"
    which = f"{messages.quoted(names)} (rows {messages.shown(rows)})"
    warnings.warn(
        f"{len(rows)} {have} none of {which}: {consequence}.", NoModalityWarning, stacklevel=stacklevel
    )


def warn_alone(names, together):
    """Warn of tables that no training sample has together with another."""
    others = together - np.diag(np.diag(together))
    alone = [name for name, counts in zip(names, others, strict=True) if not counts.any()]
    if alone and len(names) > 1:
        text = f"No sample has {messages.quoted(alone)} together with another table: its mean is predicted."
        warnings.warn(text, NoModalityWarning, stacklevel=3)
