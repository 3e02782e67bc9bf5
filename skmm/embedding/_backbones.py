"""Backbones: nets by name or the user's own, cut at a layer, pooled to vectors, frozen and never changed."""

import copy
import os
import threading
import uuid
import warnings
from collections import OrderedDict
from typing import NamedTuple

import torch
from torch import nn

from skmm._optional import import_optional
from skmm._training import seeded_init
from skmm._training._parameters import COUNT
from skmm.embedding._functions import check_mode
from skmm.embedding._identity import UnknownContentError, digest_of, fingerprint
from skmm.embedding._weights import fit_weights, read_weights

_KEPT = 4  # backbones that a process keeps at hand, each in the form in which it runs
# Values of a batch that a processor is given at once, four colour images of 224 x 224: feature maps of more
# images do not stay in its caches, and their memory is fetched from the system anew at each layer.
_AT_ONCE = 4 * 3 * 224 * 224
_AGREE = 1e-4  # a frozen graph that differs by more from the net, relative to the largest value, is not used


class Named(NamedTuple):
    """A backbone by name: who makes it, and how."""

    maker: str
    n_axes: int
    n_channels: int
    options: dict
    layer: str
    normalize: str


def _resnet(depth):
    """A 2-D ResNet as torchvision has it: names of parameters, shortcuts without bias, a first stride of 2.

    MONAI's own first stride is 1. Weights of torchvision would fit all the same, and tell nothing.
    """
    options = {"n_input_channels": 3, "num_classes": 1000, "bias_downsample": False, "conv1_t_stride": 2}
    return Named(f"resnet{depth}", 2, 3, options, "layer4", "imagenet")


def _medicalnet(depth):
    """A 3-D ResNet of MedicalNet; those of 18 and 34 layers have shortcuts without parameters.

    NOTE[DIFF] MedicalNet dilates its last two stages, for segmentation; here they have strides instead, as
    in MONAI. The parameters are the same.
    """
    options = {
        "n_input_channels": 1,
        "num_classes": 1,
        "bias_downsample": False,
        "shortcut_type": "A" if depth in (18, 34) else "B",
        "conv1_t_stride": 2,
    }
    return Named(f"resnet{depth}", 3, 1, options, "layer4", "zscore")


NAMED = {
    **{f"resnet{depth}": _resnet(depth) for depth in (18, 34, 50, 101, 152)},
    "densenet121": Named(
        "DenseNet121", 2, 3, {"in_channels": 3, "out_channels": 1000}, "class_layers.relu", "imagenet"
    ),
    **{f"medicalnet_resnet{depth}": _medicalnet(depth) for depth in (10, 18, 34, 50, 101, 152, 200)},
}


class _Reached(Exception):  # noqa: N818 - not an error: it ends a forward pass at the layer that is wanted
    """The output of the layer."""

    def __init__(self, output):
        super().__init__()
        self.output = output


def _stop(module, inputs, output):
    """End the forward pass of a net here, as a hook."""
    del module, inputs
    raise _Reached(output)


class Embedding(nn.Module):
    """A net, or part of one, whose output is pooled to one vector an image.

    Parameters
    ----------
    net : torch.nn.Module or callable
        From a batch to vectors or feature maps.
    layer : str or None
        The part of the net whose output is taken.
    pooling : {"average", "max"} or None
        What is done with the places of a feature map; None keeps all of them.
    """

    def __init__(self, net, layer, pooling):
        super().__init__()
        self.net, self.layer, self.pooling = net, layer, pooling
        if layer is not None:
            parts = dict(net.named_modules())
            if layer not in parts:
                raise ValueError(
                    f"layer must name a part of the backbone, such as {_some(parts)}. Got {layer!r} instead."
                )
            parts[layer].register_forward_hook(_stop)

    def forward(self, batch):
        """Vectors, (batch, n_features), of a batch."""
        try:
            output = self.net(batch)
            if self.layer is not None:
                raise ValueError(f"The backbone does not go through its layer {self.layer!r}: name another.")
        except _Reached as reached:
            output = reached.output
        # While a graph is traced the shapes are tensors, and comparing them would fix what they are.
        if not torch.jit.is_tracing() and not _is_batch(output, len(batch)):
            got = tuple(output.shape) if isinstance(output, torch.Tensor) else type(output).__name__
            raise ValueError(
                f"The backbone must turn a batch of shape {tuple(batch.shape)} into a tensor of shape "
                f"(batch, ...). Got {got} instead: name the layer to take, or wrap it in a function."
            )
        if output.ndim > 2 and self.pooling is not None:
            # Tokens of a transformer, (batch, token, width), are averaged over the tokens.
            axes = (1,) if output.ndim == 3 else tuple(range(2, output.ndim))
            output = output.mean(axes) if self.pooling == "average" else output.amax(axes)
        return output.flatten(1)


def _is_batch(output, n_images):
    """Whether an output is a tensor with one entry an image."""
    return isinstance(output, torch.Tensor) and output.ndim >= 2 and len(output) == n_images


def _some(parts):
    """A few names of parts of a net, those near its end."""
    names = [name for name in parts if name][-5:]
    return ", ".join(map(repr, names)) or "'' (it has no parts)"


def build_named(name, *, weights, layer, pooling, seed):
    """A backbone by name, with its weights, ready to run.

    Parameters
    ----------
    name : str
        Key of `NAMED`.
    weights : path or None
        A file of weights; None for random ones.
    layer : str or None
        What is taken; None for the features before the classifier.
    pooling : str or None
        See `Embedding`.
    seed : int
        Of random weights.

    Returns
    -------
    Embedding
        In evaluation mode, without gradients.
    """
    named = NAMED[name]
    nets = import_optional("monai.networks.nets", extra="image", who=f"The backbone {name!r}")
    with seeded_init(seed):
        net = getattr(nets, named.maker)(spatial_dims=named.n_axes, **named.options)
    layer = named.layer if layer is None else layer
    if weights is not None:
        head = layer.startswith(("fc", "class_layers.out")) or not layer
        fit_weights(net, read_weights(weights), weights, keep_head=head)
    return rest(Embedding(net, layer, pooling))


def build_own(backbone, *, weights, layer, pooling):
    """The user's own net or function, ready to run; the net itself stays as it is.

    Parameters
    ----------
    backbone : torch.nn.Module or callable
        What the user gave.
    weights : path or None
        A file of weights for a module.
    layer, pooling : str or None
        See `Embedding`.

    Returns
    -------
    Embedding
        In evaluation mode, without gradients.
    """
    if not isinstance(backbone, nn.Module):
        return Embedding(backbone, layer, pooling).eval()
    net = copy.deepcopy(backbone)
    if weights is not None:
        fit_weights(net, read_weights(weights), weights, keep_head=True)
    return rest(Embedding(net, layer, pooling))


def check_backbone(backbone, weights, layer, who):
    """Refuse what is no backbone, or cannot have weights or a layer.

    Parameters
    ----------
    backbone : object
        A name, a module or a function; one that runs nets runs them in evaluation mode.
    weights, layer : object
        What the user gave.
    who : str
        The estimator, for messages.
    """
    if isinstance(backbone, str) and backbone not in NAMED:
        raise ValueError(
            f"The 'backbone' parameter of {who} must be one of {', '.join(NAMED)}, a torch module or a "
            f"callable. Got {backbone!r} instead."
        )
    if not isinstance(backbone, str) and (not callable(backbone) or isinstance(backbone, type)):
        raise ValueError(
            f"The 'backbone' parameter of {who} must be a name, a torch module or a callable. Got "
            f"{backbone!r} instead."
        )
    is_module = isinstance(backbone, (str, nn.Module))
    if not is_module and (weights is not None or layer is not None):
        raise ValueError("weights and layer need a named backbone or a torch module. Got a function.")
    if weights is not None and not isinstance(weights, (str, os.PathLike)):
        raise ValueError(
            f"The 'weights' parameter of {who} must be the path of a file, 'imagenet' or None. Got "
            f"{type(weights).__name__} instead."
        )
    if not is_module:
        check_mode(backbone, who)


def check_size(size, who):
    """Refuse sizes of images that are none."""
    good = all(map(COUNT.allows, size if isinstance(size, tuple) else (size,)))
    if size is not None and (size == () or not good):
        raise ValueError(
            f"The 'image_size' parameter of {who} must be an int of 1 or more, a tuple of them, or None. Got "
            f"{size!r} instead."
        )


def rest(module):
    """A module in evaluation mode, of which no parameter asks for a gradient."""
    return module.eval().requires_grad_(False)


def backbone_digest(embedding, otherwise=None):
    """What a backbone is, by value; what cannot be told is like nothing else, or as it was otherwise."""
    try:
        content = fingerprint(embedding.net)
    except UnknownContentError:
        if otherwise is not None:
            return otherwise
        content = uuid.uuid4().bytes
    return digest_of(content, repr((embedding.layer, embedding.pooling)).encode())


class Kept:
    """A few values by key, those used last; made once where several threads ask."""

    def __init__(self, n_kept=_KEPT):
        self._values, self._n_kept, self._lock = OrderedDict(), n_kept, threading.RLock()

    def get(self, key, make):
        """The value of a key, made where it is not there."""
        with self._lock:
            if key not in self._values:
                self._values[key] = make()
                while len(self._values) > self._n_kept:
                    self._values.popitem(last=False)
            self._values.move_to_end(key)
            return self._values[key]


class Runner:
    """An embedding where it runs: on a device, in a precision, as a frozen graph where there can be one.

    Parameters
    ----------
    embedding : Embedding
        Stays as it is.
    device : str
        Where to run.
    precision : str
        "float32", "float64" or "bfloat16".
    """

    def __init__(self, embedding, device, precision):
        self.device, self.precision = torch.device(device), precision
        self.dtype = torch.float64 if precision == "float64" else torch.float32
        self.is_module = isinstance(embedding.net, nn.Module)
        if self.is_module:
            own = copy.deepcopy(embedding) if self.dtype == torch.float64 or device != "cpu" else embedding
            embedding = own.to(self.device, self.dtype)
        self.module, self._frozen, self._lock = embedding, None, threading.Lock()

    def __call__(self, batch):
        """Vectors of a batch, as an ndarray of float64 in that precision and float32 elsewhere."""
        batch = batch.to(self.device, self.dtype)
        if batch.ndim == 4:  # faster, also where the batch has to be reordered
            batch = batch.contiguous(memory_format=torch.channels_last)
        module = self._graph(batch) if self.is_module else self.module
        n_images = max(1, _AT_ONCE // batch[0].numel()) if self.device.type == "cpu" else len(batch)
        with torch.inference_mode(), self._autocast():
            vectors = torch.cat([module(part) for part in batch.split(n_images)])
        return vectors.to("cpu", self.dtype).numpy()

    def _autocast(self):
        """Products and convolutions in bfloat16 where asked for."""
        on = self.precision == "bfloat16"
        # The cache of autocast would be baked into a traced graph.
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=on, cache_enabled=False)

    def _graph(self, batch):
        """The frozen graph, made at the first batch; the module itself where there cannot be one."""
        with self._lock:
            if self._frozen is None:
                with self._autocast():
                    self._frozen = (
                        freeze(self.module, batch[:2]) if self.device.type == "cpu" else self.module
                    )
            return self._frozen


_TRACING = threading.Lock()


def freeze(module, example):
    """A graph of a module in which all weights are constants and normalizations are folded into convolutions.

    Parameters
    ----------
    module : torch.nn.Module
        In evaluation mode; stays as it is.
    example : Tensor
        A batch.

    Returns
    -------
    callable
        The graph; the module itself where tracing warns that the graph depends on the example, fails, or
        gives other values.
    """
    example = torch.cat([example, example[:1]]) if len(example) == 1 else example
    # What torch says of TorchScript's future is not for users, and its warnings about a trace are read here.
    # Filters belong to the whole process: one thread at a time, and only while a graph is made.
    with _TRACING, warnings.catch_warnings(record=True) as caught, torch.no_grad():
        warnings.simplefilter("always")
        try:
            graph = torch.jit.freeze(torch.jit.trace(module, example, check_trace=False))
            expected, found = module(example[:1]), graph(example[:1])
        except Exception:  # noqa: BLE001 - whatever a net does that TorchScript cannot follow
            return module
    if any(issubclass(warning.category, torch.jit.TracerWarning) for warning in caught):
        return module
    same = expected.shape == found.shape and bool(
        (expected - found).abs().max() <= _AGREE * max(1e-30, float(expected.abs().max()))
    )
    return graph if same else module


def input_of(backbone):
    """Axes and channels of what a module takes, by its first convolution; (None, 3) where it has none."""
    convolutions = {nn.Conv2d: 2, nn.Conv3d: 3}
    parts = backbone.modules() if isinstance(backbone, nn.Module) else ()
    for part in parts:
        for kind, n_axes in convolutions.items():
            if isinstance(part, kind):
                return n_axes, part.in_channels
    return None, 3
