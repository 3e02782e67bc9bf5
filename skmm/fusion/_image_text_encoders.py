"""Where the encoders of images and texts come from: new, by name, the user's, or trained before."""

import copy
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from sklearn.frozen import FrozenEstimator
from torch import nn

from skmm._training import seeded_clone
from skmm.containers._validation import quoted
from skmm.embedding._backbones import NAMED, build_own, input_of
from skmm.embedding._weights import fetch_weights
from skmm.embedding._word_pooling import composed
from skmm.embedding._word_vectors import as_word_vectors, read_word_vectors
from skmm.fusion._encoder_files import image_branch, read_encoder
from skmm.fusion._image_text_network import ImageBranch
from skmm.nn import Dropout

BACKBONES = tuple(name for name, named in NAMED.items() if named.n_axes == 2)
CNN_WIDTH = 128  # features of the small net of our own


class Encoder(NamedTuple):
    """An encoder that is there before the network is made."""

    branch: nn.Module
    entry: object  # its fitted input; None for an input that is fitted with the others
    is_trained: bool | None  # whether its weights come from elsewhere; None where that is not known


class FittedInput:
    """An input that stays as another training has left it.

    Parameters
    ----------
    entry : ImageInput or TextInput
        Fitted.
    shape : tuple of int
        Shape of what it gives now: images may be of another size.
    """

    def __init__(self, entry, shape):
        self.entry, self.shape = entry, shape

    @property
    def tokenizer(self):
        """That of texts."""
        return self.entry.tokenizer

    def learns_from(self, dtype):
        """Whether there is anything to refuse in a data type."""
        return self.entry.learns_from(dtype)

    def update(self, value, weights):
        """Nothing is learned."""

    def __call__(self, value, present, dtype):
        """As the input that was fitted."""
        return self.entry(value, present, dtype)


class EncoderChoice:
    """The rule for what an encoder may be.

    Parameters
    ----------
    names : tuple of str
        Nets by name.
    classifier : type
        The class of which unfitted instances, or frozen fitted ones, give an encoder.
    takes_modules : bool
        Whether a torch module is one.
    """

    def __init__(self, names, classifier, *, takes_modules):
        self.names, self.classifier, self.takes_modules = names, classifier, takes_modules

    def allows(self, value):
        """Whether a value is one."""
        if isinstance(value, str):
            return value in self.names or Path(value).suffix != ""
        inner = value.estimator if isinstance(value, FrozenEstimator) else value
        is_module = self.takes_modules and isinstance(value, nn.Module)
        return isinstance(value, os.PathLike) or isinstance(inner, self.classifier) or is_module

    def __str__(self):
        module = ", a torch module" if self.takes_modules else ""
        return (
            f"{', '.join(map(repr, self.names))}{module}, an unfitted {self.classifier.__name__}, a "
            "FrozenEstimator of a fitted one, or the path of a file that save_encoder has written"
        )


def own_encoder(spec, weights, shape, name, seed):
    """The encoder of images by a named backbone or a module.

    Parameters
    ----------
    spec : str or torch.nn.Module
        What the user gave.
    weights : path, "imagenet" or None
        A file of weights.
    shape : tuple of int
        Channels, height and width.
    name : str
        The modality, for messages.
    seed : int
        Of random weights.

    Returns
    -------
    Encoder
        Its input is fitted with the others.
    """
    is_trained = weights is not None
    if isinstance(spec, str):
        weights = fetch_weights(spec) if weights == "imagenet" else weights
        branch = image_branch({"name": spec, "shape": list(shape), "width": 0}, weights, seed)
    else:
        net = build_own(spec, weights=weights, layer=None, pooling="average").requires_grad_(True)
        is_trained = is_trained or None  # a module may bring weights of its own
        _use_own_dropout(net)
        branch = ImageBranch(net, 0, n_channels=input_of(net)[1] if input_of(net)[0] else None)
    branch.width = _width_of(branch, shape, name)
    if branch.settings is not None:
        branch.settings["width"] = branch.width
    return Encoder(branch, None, is_trained)


def _use_own_dropout(net):
    """Let plain dropout draw from the fit's generator: torch's draws from the global one."""
    for module in net.modules():
        for name, part in module.named_children():
            if type(part) is nn.Dropout and part.p < 1:
                setattr(module, name, Dropout(part.p))


def _width_of(branch, shape, name):
    """Number of features of images of a shape; an error where the net cannot take them."""
    weight = next(branch.parameters(), torch.empty(0))
    branch.eval()
    images = weight.new_zeros((2, *shape))
    try:
        with torch.no_grad():
            return branch._features(images).shape[1]
    except Exception as error:
        raise ValueError(
            f"The 'image_encoder' cannot take the images of modality {name!r}, which come to it channels "
            f"first, {' x '.join(map(str, shape))}: {error}"
        ) from error


def fitted_encoder(spec, kind, name, shape, train):
    """The encoder of a classifier that is fitted now, or was before, or of a file.

    Parameters
    ----------
    spec : estimator or path
        What the user gave.
    kind : {"image", "text"}
        Of the modality.
    name : str
        The modality.
    shape : tuple of int
        Of its entries, channels first.
    train : callable
        Fits an estimator on the training rows of the modality, and returns it.

    Returns
    -------
    Encoder
        With its own input.

    Raises
    ------
    ValueError
        If it is not fitted, has no modality of this kind, or cannot take images of this shape.
    """
    if isinstance(spec, (str, os.PathLike)):
        branch, entry = read_encoder(spec, kind, name)
    else:
        model = spec.estimator if isinstance(spec, FrozenEstimator) else train(spec)
        branch, entry = _encoder_of(model, kind, name)
    entry = copy.deepcopy(getattr(entry, "entry", entry))
    if kind == "text":
        return Encoder(branch, FittedInput(entry, entry.shape), is_trained=True)
    if shape[0] != entry.shape[0]:
        raise ValueError(
            f"The encoder of modality {name!r} was trained on images of {entry.shape[0]} channels. The "
            f"images have {shape[0]}: bring them to the same, with GrayscaleNormalizer for one."
        )
    if shape != entry.shape and _width_or_none(branch, shape, name) != branch.width:
        trained, here = (" x ".join(map(str, size)) for size in (entry.shape[1:], shape[1:]))
        raise ValueError(
            f"The encoder of modality {name!r} was trained on images of {trained} pixels and takes no "
            f"others. The images have {here}: resize them, with GrayscaleNormalizer(size=...)."
        )
    return Encoder(branch, FittedInput(entry, shape), is_trained=True)


def _width_or_none(branch, shape, name):
    """Number of features of images of a shape; None where the net cannot take them."""
    try:
        return _width_of(branch, shape, name)
    except ValueError:
        return None


def _encoder_of(model, kind, name):
    """A copy of the encoder of a fitted classifier, and its input."""
    parameter = f"{kind}_encoder"
    if not hasattr(model, "net_"):
        raise ValueError(
            f"The classifier in the FrozenEstimator of {parameter!r} is not fitted. Fit it first; or give it "
            "without FrozenEstimator, to be fitted on the training rows."
        )
    kinds = model.schema_.kinds
    found = [one for one in model.modalities_ if kinds[one] == kind]
    if name not in found and len(found) != 1:
        have = f"has {quoted(found)}" if found else "has none"
        raise ValueError(
            f"The classifier of {parameter!r} must have modality {name!r}, or one modality of kind {kind!r}. "
            f"It {have}."
        )
    source = name if name in found else found[0]
    branch = model.net_.module_.branch(source).thawed_copy().to("cpu", torch.float32)
    return branch, model._inputs[source]


def train_alone(estimator, X, name, rows, y, weights, groups, random_state):
    """A copy of a classifier, fitted on one modality in the training rows that have it."""
    here = X.is_present(name)[rows]
    groups = None if groups is None else groups[here]
    model = seeded_clone(estimator, random_state)
    try:
        return model.fit(X[rows[here]][[name]], y[here], sample_weight=weights[here], groups=groups)
    except ValueError as error:
        raise ValueError(
            f"The encoder of modality {name!r}, which is trained alone first: {error}"
        ) from error


def initial_vectors(given, tokenizer, who):
    """The first vectors of a vocabulary's words, from a file or from memory.

    Parameters
    ----------
    given : path, mapping or KeyedVectors
        Word vectors.
    tokenizer : TextTokenizer
        Fitted.
    who : str
        The estimator, for messages.

    Returns
    -------
    ndarray of float32 of shape (n_ids, width)
        Zeros for padding, unknown words, and words without a vector.

    Raises
    ------
    ValueError
        If no word has a vector.
    """
    if isinstance(given, (str, os.PathLike)):
        words, vectors = read_word_vectors(Path(given).expanduser())
    else:
        words, vectors = as_word_vectors(given, who)
    words = composed(words)
    found = {word: number for word, number in tokenizer.vocabulary_.items() if word in words}
    if not found:
        raise ValueError(
            f"The 'word_vectors' of {who} know none of the {len(tokenizer.vocabulary_)} words of the "
            f"training texts, the first of which are {quoted(list(tokenizer.vocabulary_)[:5])}: check the "
            "language, and lowercase of the tokenizer."
        )
    table = np.zeros((tokenizer.n_ids_, vectors.shape[1]), dtype=np.float32)
    table[list(found.values())] = vectors[[words[word] for word in found]]
    return table
