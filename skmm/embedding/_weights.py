"""Pretrained weights from files: read without running what is in them, and fitted to a net name by name."""

import hashlib
import os
import re
import warnings
from collections.abc import Mapping
from pathlib import Path

import torch

from skmm._optional import import_optional
from skmm.containers._validation import shown

_BASE_URL = "https://download.pytorch.org/models/"
# Files of torchvision, trained on ImageNet; a name ends in the first digits of the SHA-256 of its content.
PUBLISHED = {
    "resnet18": "resnet18-f37072fd.pth",
    "resnet34": "resnet34-b627a593.pth",
    "resnet50": "resnet50-0676ba61.pth",
    "resnet101": "resnet101-63fe2227.pth",
    "resnet152": "resnet152-394f9c45.pth",
    "densenet121": "densenet121-a639ec97.pth",
}
_LISTED = 20  # names of a message
# How files of torch.save begin that are no archives: a pickle too, of a number.
_MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
_ADVICE = (
    "Save the state dict alone, as in torch.save(model.state_dict(), path), with the program that wrote it."
)
_WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "network", "weights", "module")
_PREFIXES = ("", "backbone.", "model.", "encoder.", "net.", "network.", "base_model.", "image_encoder.")
# Layers at the end of published nets, which no embedding goes through.
_HEADS = ("fc.", "classifier.", "class_layers.out.", "conv_seg.", "head.")


def read_weights(path):
    """Read the parameters that a file holds, without running any code that is in it.

    Parameters
    ----------
    path : str or path
        A file written by ``torch.save``: a state dict, or a dict that has one under "state_dict" or the like.

    Returns
    -------
    dict of str -> Tensor
        The parameters, without the prefix "module.".

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is damaged, is something else, or holds more than tensors.
    """
    path = Path(path).expanduser()
    state = _unwrap(load_tensors(path, "weights"), path)
    while state and all(name.startswith("module.") for name in state):
        state = {name.removeprefix("module."): tensor for name, tensor in state.items()}
    return state


def load_tensors(path, what):
    """Load what ``torch.save`` has written, tensors and plain types alone.

    Parameters
    ----------
    path : Path
        The file.
    what : str
        What it is a file of, for messages.

    Returns
    -------
    object
        What is in it.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is damaged, is something else, or holds what would run code.
    """
    if not path.is_file():
        raise FileNotFoundError(f"There is no file of {what} {str(path)!r}.")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise _unreadable(path, error) from error


def _unreadable(path, error):
    """The error for a file of which torch makes nothing, or in which it finds code."""
    text = str(error).strip()
    found = re.search(r"(unsupported (global|class|operand).*|TorchScript)", text, re.IGNORECASE)
    # torch hides the cause in advice about the option that would run the code.
    reason = found[0] if found else text.rpartition("WeightsUnpickler error:")[2].strip()
    reason = reason.partition("\n")[0][:200]
    if found and "operand" not in found[0].lower():
        return ValueError(
            f"The file of weights {str(path)!r} holds more than tensors: reading it would run code, so it "
            f"was not read. {_ADVICE} ({type(error).__name__}: {reason})"
        )
    with path.open("rb") as file:
        start = file.read(len(_MAGIC))
    if start[:1] == b"\x80" and start != _MAGIC:
        return ValueError(
            f"The file of weights {str(path)!r} is a pickle, which could run code when it is read, so it was "
            f"not read. {_ADVICE} ({type(error).__name__}: {reason})"
        )
    return ValueError(
        f"The file of weights {str(path)!r} is damaged, cut off, or was not written by torch.save: copy or "
        f"download it again. ({type(error).__name__}: {reason})"
    )


def _unwrap(content, path):
    """The state dict in what a file holds."""
    for _ in range(len(_WRAPPERS)):
        if not isinstance(content, Mapping):
            break
        if content and all(
            isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in content.items()
        ):
            return dict(content)
        inner = next((name for name in _WRAPPERS if isinstance(content.get(name), Mapping)), None)
        if inner is None:
            break
        content = content[inner]
    found = (
        f"the keys {shown(map(repr, content))}" if isinstance(content, Mapping) else type(content).__name__
    )
    raise ValueError(
        f"The file of weights {str(path)!r} must hold a state dict (a dict of name to tensor), alone or "
        f"under one of the keys {', '.join(map(repr, _WRAPPERS))}. Got {found} instead."
    )


def _strip(state, expected):
    """Parameters without the prefix of the part that the net is in a larger model; prefix; what is left."""

    def stripped(prefix):
        return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}

    prefix = max(_PREFIXES, key=lambda prefix: len(expected & stripped(prefix).keys()))
    left = [name for name in state if not name.startswith((prefix, *_HEADS))]
    return stripped(prefix), prefix, left


def _torchvision_names(state):
    """Parameters of a DenseNet of torchvision under MONAI's names; the files have an old form of them too."""
    pattern = re.compile(r"(denselayer\d+)\.(norm|conv)\.?([12])\.")
    renamed = {pattern.sub(r"\1.layers.\2\3.", name): value for name, value in state.items()}
    return {re.sub(r"^classifier\.", "class_layers.out.", name): value for name, value in renamed.items()}


def fit_weights(net, state, path, *, keep_head=False):
    """Put parameters from a file into a net, all of them, or say which do not fit.

    Parameters
    ----------
    net : torch.nn.Module
        Changed in place.
    state : dict of str -> Tensor
        From `read_weights`.
    path : str or path
        The file, for messages.
    keep_head : bool, default=False
        Whether the classifier at the end is wanted; if not, it may differ or be absent.

    Raises
    ------
    ValueError
        If parameters are missing, too many, of other shapes, integers, or not finite: names them.

    Warns
    -----
    UserWarning
        If the net is one part of what the file holds, by the names of its parameters.
    """
    own = net.state_dict()
    if any(".layers.norm1." in name for name in own):
        state = _torchvision_names(state)
    needed = {name for name in own if keep_head or not name.startswith(_HEADS)}
    state, prefix, left = _strip(state, needed)
    if not keep_head:
        state = {name: value for name, value in state.items() if not name.startswith(_HEADS)}
    missing = sorted(name for name in needed - state.keys() if not name.endswith("num_batches_tracked"))
    unknown = sorted(state.keys() - own.keys())
    wrong = [
        f"{name} {tuple(state[name].shape)} instead of {tuple(own[name].shape)}"
        for name in sorted(needed & state.keys())
        if state[name].shape != own[name].shape
    ]
    problems = [
        f"{len(names)} {what}: {', '.join(names[:_LISTED])}{' ...' if len(names) > _LISTED else ''}"
        for names, what in (
            (missing, "parameters of the net are not in the file"),
            (unknown, "of the file are not in the net"),
            (wrong, "have other shapes"),
        )
        if names
    ]
    if problems:
        raise ValueError(
            f"The file of weights {str(path)!r} does not fit the backbone. {'. '.join(problems)}. It is of "
            "another architecture: name the backbone that it was made for."
        )
    whole = [
        f"{name} ({str(state[name].dtype).removeprefix('torch.')})"
        for name in sorted(needed & state.keys())
        if own[name].is_floating_point() and not state[name].is_floating_point()
    ]
    if whole:
        raise ValueError(
            f"The file of weights {str(path)!r} must hold floating-point numbers where the backbone has "
            f"them. Got {shown(whole)} instead: integers would truncate or quantize the net. Save its "
            "parameters as floats."
        )
    endless = [name for name, value in state.items() if not torch.isfinite(value.float()).all()]
    if endless:
        raise ValueError(
            f"The file of weights {str(path)!r} holds NaN or infinities in {shown(sorted(endless))}. Use "
            "another copy or version of it."
        )
    if left:
        warnings.warn(
            f"Of the file of weights {str(path)!r} the part {prefix!r} is the backbone. The other "
            f"{len(left)} of its parameters are left out: {shown(left)}.",
            UserWarning,
            stacklevel=2,
        )
    net.load_state_dict({**own, **state})


def fetch_weights(name):
    """The file of published weights of a backbone; downloaded once, and checked each time.

    Parameters
    ----------
    name : str
        Key of `PUBLISHED`.

    Returns
    -------
    Path
        The file, in the folder ``weights`` of ``SKMM_DATA``, or of ``~/skmm_data``.

    Raises
    ------
    ImportError
        If it has to be downloaded and pooch is not installed.
    OSError
        If it cannot be downloaded, or is not what was published.
    ValueError
        If no weights are published for the backbone.
    """
    if name not in PUBLISHED:
        raise ValueError(
            f"weights='imagenet' is known for {', '.join(PUBLISHED)}. Got backbone={name!r}: download the "
            "file that its authors publish, and give its path as weights."
        )
    file = PUBLISHED[name]
    folder = Path(os.environ.get("SKMM_DATA") or "~/skmm_data").expanduser() / "weights"
    path = folder / file
    if path.is_file() and _is_published(path):
        return path
    pooch = import_optional("pooch", extra="data", who=f"Downloading weights of {name}")
    path.unlink(missing_ok=True)
    try:
        pooch.retrieve(
            _BASE_URL + file,
            known_hash=None,
            fname=file,
            path=folder,
            downloader=pooch.HTTPDownloader(timeout=30),
        )
    except (OSError, ValueError) as error:
        raise OSError(
            f"Could not download {_BASE_URL + file} to {str(folder)!r}: {error} Check the connection, or "
            "copy the file there by hand, or give the path of a file as weights."
        ) from error
    if not _is_published(path):
        path.unlink()
        raise OSError(
            f"What was downloaded from {_BASE_URL + file} is not the published file: its SHA-256 does not "
            "begin as its name says. Try again later, or give the path of a file as weights."
        )
    return path


def _is_published(path):
    """Whether the content of a file has the hash that its name tells."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    return found.startswith(path.stem.rpartition("-")[2])
