"""What fusion classifiers share besides their base: parameter rules, widths, samples that can be used."""

import re
import warnings
from collections.abc import Mapping

import numpy as np
from torch.optim import Optimizer

from skmm._training import Choice, Instance
from skmm._training._parameters import COUNT, FLAG, NON_NEGATIVE, SHARE, Number, Real
from skmm.containers import _validation as messages
from skmm.containers._presence import warn_without_modality
from skmm.exceptions import NoModalityWarning


class OptimizerClass:
    """The rule for a class of torch's optimizers."""

    def allows(self, value):
        """Whether a value is such a class."""
        return isinstance(value, type) and issubclass(value, Optimizer)

    def __str__(self):
        return "a subclass of torch.optim.Optimizer"


COMMON_RULES = {
    "hidden": (COUNT, Instance(Mapping, "a dict {modality: int}")),
    "dropout": (SHARE,),
    "max_epochs": (COUNT,),
    "lr": (Number(Real, 0, None, "neither"),),
    "batch_size": (COUNT, Choice((-1, "auto"))),
    "optimizer": (Choice(("adam", "adamw", "sgd")), OptimizerClass()),
    "weight_decay": (NON_NEGATIVE,),
    "early_stopping": (FLAG,),
    "n_iter_no_change": (COUNT,),
    "tol": (NON_NEGATIVE,),
    "validation_fraction": (Number(Real, 0, 1, "neither"),),
    "modality_dropout": (SHARE,),
    "missing": (Choice(("neutral", "zero")),),
    "standardize": (FLAG,),
    "class_weight": (Choice((None, "balanced")), Instance(Mapping, "a dict {label: weight}")),
    "callbacks": (Choice((None,)), Instance((list, tuple), "a list of skorch callbacks")),
    "warm_start": (FLAG,),
    "precision": (Choice(("float32", "float64", "bfloat16")),),
    "device": (Instance(str, "'cpu', 'cuda' or 'auto'"),),
    "verbose": (FLAG, Number(COUNT.kind, 0)),
}


# Parameters that a fit with warm_start=True may change; all others are built into the network or its inputs.
_CHANGEABLE = {
    "max_epochs",
    "lr",
    "batch_size",
    "weight_decay",
    "early_stopping",
    "n_iter_no_change",
    "tol",
    "validation_fraction",
    "modality_dropout",
    "class_weight",
    "callbacks",
    "warm_start",
    "device",
    "random_state",
    "verbose",
}


def network_parameters(estimator):
    """The parameters that are built into a network, as text without addresses, which a pickle changes."""
    parameters = estimator.get_params(deep=False)
    return {
        name: re.sub(" at 0x[0-9a-fA-F]+", "", repr(value))
        for name, value in parameters.items()
        if name not in _CHANGEABLE
    }


def check_same_network(estimator, before):
    """Raise where parameters that are built into the fitted network have changed."""
    for name, value in network_parameters(estimator).items():
        if value != before[name]:
            raise ValueError(
                f"warm_start=True goes on with the network of the last fit, which has {name}={before[name]}. "
                f"Got {name}={value}: set it back, or use warm_start=False."
            )


def check_no_overflow(values, known):
    """Raise where what a network says about samples that have a modality, ``known``, is not finite."""
    finite = np.isfinite(values).reshape(len(values), -1).all(axis=1)
    rows = np.flatnonzero(~finite & known)
    if len(rows):
        raise ValueError(
            f"The network overflows in {len(rows)} samples (rows {messages.shown(rows)}), whose values are "
            f"too large for {values.dtype}: use standardize=True."
        )


def widths_by_name(hidden, modalities, names):
    """Hidden widths of the modalities ``names``, from one number or from a dict over ``modalities``."""
    if not isinstance(hidden, Mapping):
        return [int(hidden)] * len(names)
    unknown = [name for name in hidden if name not in modalities]
    if unknown:
        raise messages.unknown_names("hidden", unknown, modalities)
    lacking = [name for name in names if name not in hidden]
    if lacking:
        raise ValueError(
            f"hidden must give a width for every modality. Got none for {messages.quoted(lacking)}."
        )
    bad = {name: width for name, width in hidden.items() if not COUNT.allows(width)}
    if bad:
        raise ValueError(f"The widths in hidden must be {COUNT}. Got {bad!r} instead.")
    return [int(hidden[name]) for name in names]


def check_image_sizes(estimator, smallest):
    """Raise for a modality of images that are smaller than ``smallest`` pixels a side."""
    schema = estimator.schema_
    for name in schema.names:
        size = schema.shapes[name][:2]  # None where sizes differ, which training refuses
        if schema.kinds[name] == "image" and min(side or smallest for side in size) < smallest:
            raise messages.images_too_small(name, size, smallest, type(estimator).__name__)


def observed_modalities(X, weights=None, stacklevel=4):
    """Names of the modalities that some sample of non-zero weight has; warns of the others."""
    seen = (X.present if weights is None else X.present[weights > 0]).any(axis=0)
    if not seen.any():  # `usable_rows` says what is wrong
        seen = X.present.any(axis=0)
    for name, any_seen in zip(X.modalities, seen, strict=True):
        if not any_seen:
            text = messages.modality_never_present_warning(name, "it is left out")
            warnings.warn(text, NoModalityWarning, stacklevel=stacklevel)
    return tuple(name for name, any_seen in zip(X.modalities, seen, strict=True) if any_seen)


def has_modality(X, names):
    """Bool array (n_samples,): True where a sample has one of the modalities ``names``."""
    return X.present[:, [X.modalities.index(name) for name in names]].any(axis=1)


def usable_rows(name, known, weights, stacklevel=5):
    """Rows with a modality and a weight; warns of those without a modality, raises where none is left."""
    if not known.any():
        raise messages.nothing_present(name)
    warn_without_modality(known, "fit leaves them out", stacklevel=stacklevel)
    rows = np.flatnonzero(known & (weights > 0))
    if not len(rows):
        raise ValueError(
            "Samples with a modality must have some weight that is not zero. All their weights are zero."
        )
    return rows


def check_partial_classes(classes, known):
    """Raise where ``classes`` of partial_fit are too few, or not those ``known`` from its first call."""
    if known is None and len(np.unique(classes)) < 2:
        raise ValueError(f"classes must be at least 2 different labels. Got {list(classes)!r} instead.")
    if isinstance(known, list):  # of classes of several labels, which partial_fit refuses in its own words
        return
    if known is not None and classes is not None and not np.array_equal(np.unique(classes), known):
        raise ValueError(
            f"classes must be those of the first call to partial_fit, {known.tolist()}. "
            f"Got {list(classes)!r} instead."
        )


def check_two_classes(name, classes, codes):
    """Raise where the samples to train on are of one class."""
    if len(np.unique(codes)) < 2:
        raise ValueError(
            f"{name} needs samples of at least 2 classes. "
            f"Got the single class {classes.tolist()[codes[0]]!r} "
            f"in the {len(codes)} samples that have a modality and a weight."
        )
