"""From the parameters of an ImageTextClassifier to inputs, encoders, and the rates at which they learn."""

import warnings

import numpy as np
from torch import nn
from torch.optim import LBFGS

from skmm._training import make_inputs
from skmm.containers._validation import quoted
from skmm.fusion._encoder_files import image_branch, text_branch
from skmm.fusion._image_text_encoders import (
    BACKBONES,
    CNN_WIDTH,
    EncoderChoice,
    fitted_encoder,
    initial_vectors,
    own_encoder,
    train_alone,
)
from skmm.fusion._image_text_network import TableBranch
from skmm.fusion._text_input import TextInput

# NOTE[DIFF] The published demonstration trains all parts at one rate; its paper fine-tunes "on low rates".
_TRANSFERRED_LR = 0.1  # share of the learning rate of an encoder that has learned before
_NEW = ("cnn", *BACKBONES)


def is_backbone(spec):
    """Whether an encoder is a published net by name."""
    return isinstance(spec, str) and spec in BACKBONES


def check_encoders(estimator, classifier):
    """Raise for encoders that are none, and for parameters that go with another encoder.

    Parameters
    ----------
    estimator : ImageTextClassifier
        Whose parameters.
    classifier : type
        ImageTextClassifier.
    """
    who = type(estimator).__name__
    rules = {
        "image_encoder": EncoderChoice(_NEW, classifier, takes_modules=True),
        "text_encoder": EncoderChoice(("cnn",), classifier, takes_modules=False),
    }
    for name, rule in rules.items():
        value = getattr(estimator, name)
        if not rule.allows(value):
            raise ValueError(f"The {name!r} parameter of {who} must be {rule}. Got {value!r} instead.")
    image, text = estimator.image_encoder, estimator.text_encoder
    weights = estimator.image_weights
    if weights is not None and not (is_backbone(image) or isinstance(image, nn.Module)):
        raise ValueError(
            f"The 'image_weights' parameter of {who} goes with image_encoder as the name of a published net "
            f"or a module. Got image_encoder={image!r}."
        )
    if weights == "imagenet" and not is_backbone(image):
        raise ValueError("image_weights='imagenet' is for published nets by name. Got a module.")
    if text != "cnn":
        given = [name for name in ("tokenizer", "word_vectors") if getattr(estimator, name) is not None]
        if given:
            raise ValueError(
                f"The {given[0]!r} parameter of {who} goes with text_encoder='cnn': an encoder that is "
                "trained has words and vectors of its own. Give it to that one."
            )
    sizes = estimator.kernel_sizes
    if not sizes or any(
        isinstance(size, bool) or not isinstance(size, (int, np.integer)) or size < 1 for size in sizes
    ):
        raise ValueError(
            f"The 'kernel_sizes' parameter of {who} must be a tuple of ints of 1 or more. Got {sizes!r} "
            "instead."
        )
    for name in ("image_trainable", "text_trainable"):
        parts = getattr(estimator, name) or ()
        if not all(isinstance(part, str) and part for part in parts):
            raise ValueError(
                f"The {name!r} parameter of {who} must hold names of parts. Got {parts!r} instead."
            )


def make_image_text_inputs(estimator):
    """What each modality becomes on its way into the network, not yet fitted."""
    schema, options = estimator.schema_, {"standardize": bool(estimator.standardize)}
    inputs = {}
    for name in estimator.modalities_:
        kind = schema.kinds[name]
        if kind == "text":
            inputs[name] = TextInput(name, estimator.tokenizer)
        elif kind == "image" and is_backbone(estimator.image_encoder):  # it normalizes what is within [0, 1]
            inputs |= make_inputs(schema, [name], standardize=False)
        else:
            inputs |= make_inputs(schema, [name], **options)
    return inputs


def ready_encoders(estimator, X, rows, y, weights, groups):
    """The encoders that are there before the network is made, trained now where they are to be.

    Parameters
    ----------
    estimator : ImageTextClassifier
        With inputs, not yet fitted.
    X : ModalityDict
        The data.
    rows : ndarray of int of shape (n_rows,)
        Training rows.
    y, weights, groups : ndarray of shape (n_rows, ...)
        Labels, weights and groups of these; groups may be None.

    Returns
    -------
    dict of str -> Encoder
        By modality; without those of tables, and those that begin with the network.
    """
    seeds = np.random.RandomState(estimator._seed)
    found = {}
    for name in estimator.modalities_:
        kind = estimator.schema_.kinds[name]
        spec = {"image": estimator.image_encoder, "text": estimator.text_encoder}.get(kind, "cnn")
        shape = estimator._inputs[name].shape
        if is_backbone(spec) or isinstance(spec, nn.Module):
            seed = seeds.randint(np.iinfo(np.int32).max)
            found[name] = own_encoder(spec, estimator.image_weights, shape, name, seed)
        elif not (isinstance(spec, str) and spec == "cnn"):

            def train(one, name=name):
                return train_alone(one, X, name, rows, y, weights, groups, seeds)

            found[name] = fitted_encoder(spec, kind, name, shape, train)
    return found


def make_branches(estimator, shapes, ready):
    """The encoders of all modalities, and the shares of the learning rate of some.

    Parameters
    ----------
    estimator : ImageTextClassifier
        With fitted inputs.
    shapes : dict of str -> tuple of int
        As for ``_make_module``.
    ready : dict of str -> Encoder
        From `ready_encoders`.

    Returns
    -------
    branches : dict of str -> Branch
        In the order of ``shapes``.
    shares : dict of str -> float
        By pattern of names of parameters.
    """
    branches, shares = {}, {}
    for column, (name, shape) in enumerate(shapes.items()):
        kind = estimator.schema_.kinds[name]
        if kind == "table":
            branches[name] = TableBranch(shape[0])
            continue
        encoder = ready.get(name)
        branches[name] = branch = (
            _new_branch(estimator, name, kind, shape) if encoder is None else encoder.branch
        )
        share, trainable = getattr(estimator, f"{kind}_lr"), getattr(estimator, f"{kind}_trainable")
        is_trained = encoder.is_trained if encoder is not None else False
        if share is None:
            share = _TRANSFERRED_LR if is_trained else 1
        if share == 0:
            if is_trained is False:
                warnings.warn(
                    f"{type(estimator).__name__}: the encoder of modality {name!r} has random weights and is "
                    f"frozen ({kind}_lr=0), so it stays random.",
                    UserWarning,
                    stacklevel=8,
                )
            branch.freeze()
        elif trainable is not None:
            _check_parts(branch, trainable, f"{kind}_trainable", type(estimator).__name__)
            branch.freeze(trainable)
        if 0 < share < 1:
            shares[f"branches.{column}.*"] = share
    if shares and estimator.optimizer is LBFGS:
        raise ValueError(
            "The optimizer LBFGS has one learning rate for all parameters: use image_lr and text_lr of 0 or "
            f"1 with it. Got {list(shares.values())}."
        )
    return branches, shares


def _new_branch(estimator, name, kind, shape):
    """An encoder that begins with the network."""
    if kind == "image":
        return image_branch({"name": "cnn", "shape": list(shape), "width": CNN_WIDTH})
    if not shape:
        raise ValueError(
            f"Modality {name!r} has no text in the training rows, so that there is no vocabulary: leave it "
            "out, or give a tokenizer that has one (vocabulary and max_length)."
        )
    tokenizer, vectors = estimator._inputs[name].tokenizer, None
    if estimator.word_vectors is not None:
        vectors = initial_vectors(estimator.word_vectors, tokenizer, type(estimator).__name__)
    settings = {
        "n_ids": int(tokenizer.n_ids_),
        "length": int(shape[0]),
        "embedding_dim": int(estimator.embedding_dim if vectors is None else vectors.shape[1]),
        "n_filters": int(estimator.n_filters),
        "kernel_sizes": [int(size) for size in estimator.kernel_sizes],
        "pooling": str(estimator.text_pooling),
        "dropout": float(estimator.embedding_dropout),
    }
    return text_branch(settings, vectors)


def _check_parts(branch, parts, parameter, who):
    """Raise for a name that is no part of an encoder, or a part without parameters."""
    known = {
        name
        for name, part in branch.parts.named_modules()
        if name and next(part.parameters(), None) is not None
    }
    unknown = [part for part in parts if part not in known]
    if unknown or not parts:
        top = sorted(name for name in known if "." not in name) or sorted(known)
        rate = parameter.replace("trainable", "lr")
        raise ValueError(
            f"The {parameter!r} parameter of {who} must name parts of the encoder with parameters, such as "
            f"{quoted(top)}; {rate}=0 freezes all. Got {quoted(unknown) if unknown else 'none'} instead."
        )
