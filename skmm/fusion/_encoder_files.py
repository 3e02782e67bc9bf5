"""Trained encoders in files that are read without running what is in them."""

from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch

from skmm._training import seeded_init
from skmm._training._inputs import ImageInput
from skmm._training._moments import RunningMoments
from skmm.embedding._backbones import NAMED, build_named
from skmm.embedding._weights import load_tensors
from skmm.fusion._image_text_network import ImageBranch, TextBranch
from skmm.fusion._text_input import TextInput
from skmm.nn import ImageEncoder, TextCNN
from skmm.preprocessing import TextTokenizer

_FORMAT = "skmm encoder 1"


def write_encoder(path, branch, entry):
    """Write an encoder, and how it wants its data, to a file.

    Parameters
    ----------
    path : str or path
        The file, which is overwritten.
    branch : ImageBranch or TextBranch
        The encoder.
    entry : ImageInput or TextInput
        Fitted.

    Raises
    ------
    ValueError
        If the encoder is a net of the user's, which only their own code can make again.
    """
    if branch.settings is None:
        raise ValueError(
            "save_encoder writes encoders that are made by name. This one is a module of your own: save its "
            "weights, torch.save(module.state_dict(), path), and give image_encoder=module with "
            "image_weights=path."
        )
    is_text = isinstance(branch, TextBranch)
    content = {
        "format": _FORMAT,
        "kind": "text" if is_text else "image",
        "settings": branch.settings,
        "input": _tokenizer_state(entry.tokenizer) if is_text else _image_state(entry),
        "state": {name: tensor.detach().cpu() for name, tensor in branch.net.state_dict().items()},
    }
    torch.save(content, Path(path).expanduser())


def read_encoder(path, kind, name):
    """An encoder from a file.

    Parameters
    ----------
    path : str or path
        The file.
    kind : {"image", "text"}
        What it must be of.
    name : str
        The modality that it is for.

    Returns
    -------
    branch : ImageBranch or TextBranch
        With the weights of the file.
    entry : ImageInput or TextInput
        Fitted.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is damaged, holds something else, or an encoder of another kind.
    """
    path = Path(path).expanduser()
    content = load_tensors(path, "an encoder")
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise ValueError(
            f"The file {str(path)!r} holds no encoder that save_encoder has written. Weights of a published "
            f"net go to image_weights, beside its name as image_encoder."
        )
    if content["kind"] != kind:
        raise ValueError(
            f"The encoder in {str(path)!r} is one of modalities of kind {content['kind']!r}. Modality "
            f"{name!r} is of kind {kind!r}."
        )
    settings = content["settings"]
    if kind == "text":
        with seeded_init(0):  # weights that are replaced are drawn from no global generator
            branch = text_branch(settings)
        entry = TextInput(name)
        entry.tokenizer = TextTokenizer(**content["input"]).fit([])
    else:
        with seeded_init(0) if settings["name"] == "cnn" else nullcontext():  # a backbone sees to it itself
            branch = image_branch(settings)
        entry = _image_input(content["input"], name)
    branch.net.load_state_dict(content["state"])
    return branch, entry


def image_branch(settings, weights=None, seed=0):
    """The encoder of images that settings describe: a small net of our own, or a backbone by name.

    Parameters
    ----------
    settings : dict
        "name", "shape" of an image, channels first, and "width".
    weights : path, default=None
        A file of weights of the backbone.
    seed : int, default=0
        Of random weights of a backbone.

    Returns
    -------
    ImageBranch
        With random weights, but for a backbone with a file.
    """
    if settings["name"] == "cnn":
        return ImageBranch(ImageEncoder(settings["shape"], settings["width"]), settings["width"], settings)
    net = build_named(settings["name"], weights=weights, layer=None, pooling="average", seed=seed)
    n_channels = NAMED[settings["name"]].n_channels
    branch = ImageBranch(net, settings["width"], settings, n_channels=n_channels, normalize=True)
    return branch.requires_grad_(True)


def text_branch(settings, vectors=None):
    """The encoder of texts that settings, parameters of :class:`skmm.nn.TextCNN`, describe.

    ``vectors``, an ndarray (n_ids, embedding_dim), are the first vectors of words; None for random ones.
    """
    net = TextCNN(**settings)
    if vectors is not None:
        with torch.no_grad():
            net.embedding.weight.copy_(torch.from_numpy(vectors))
    return TextBranch(net, net.width, settings)


def _tokenizer_state(tokenizer):
    """What makes a fitted tokenizer again, in plain types."""
    parameters = {
        name: value.item() if isinstance(value, np.generic) else value
        for name, value in tokenizer.get_params(deep=False).items()
    }
    words = parameters["stop_words"]
    return {
        **parameters,
        "stop_words": words if words is None or isinstance(words, str) else [str(word) for word in words],
        "max_features": None,
        "max_length": int(tokenizer.max_length_),
        "vocabulary": {str(word): int(number) for word, number in tokenizer.vocabulary_.items()},
    }


def _image_state(entry):
    """What makes a fitted input of images again, in plain types."""
    moments = entry._moments
    return {
        "shape": list(entry.shape),
        "trained_on": entry._trained_on,
        "range": [float(entry._low), float(entry._high)],
        "moments": None
        if moments is None
        else [float(moments.total), moments.mean.tolist(), moments._squares.tolist()],
    }


def _image_input(state, name):
    """The fitted input of images that a state describes."""
    n_channels, *axes = state["shape"]
    entry = ImageInput((*axes, n_channels), n_axes=2, standardize=state["moments"] is not None, name=name)
    entry._trained_on, (entry._low, entry._high) = state["trained_on"], state["range"]
    if state["moments"] is not None:
        entry._moments = RunningMoments(n_channels)
        total, mean, squares = state["moments"]
        entry._moments.total = total
        entry._moments.mean, entry._moments._squares = np.array(mean), np.array(squares)
    return entry
