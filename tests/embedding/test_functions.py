"""What functions reach: a net that they run in training mode is refused, wherever it hides."""

import types
from functools import partial, wraps

import numpy as np
import pytest
import torch

from skmm.embedding import ImageEmbedder
from skmm.embedding._functions import is_library, nets_of, referenced, uses_mode

IMAGES = np.random.default_rng(0).integers(256, size=(3, 6, 6), dtype=np.uint8)


def make_net():
    """A net whose batches change it in training mode."""
    with torch.random.fork_rng():
        return torch.nn.Sequential(torch.nn.Conv2d(3, 2, 1), torch.nn.BatchNorm2d(2))


class Wrapper:
    """A callable that holds a net."""

    def __init__(self, net):
        self.parts = {"net": [net]}

    def __call__(self, batch):
        """Run it."""
        return self.parts["net"][0](batch)

    def run(self, batch):
        """Run it too."""
        return self(batch)


def with_global(net):
    """A function with a net as a global, which a function within uses."""
    space = {"net": net}
    exec("def f(batch): return [net(part[None]) for part in batch][0]\ndef g(batch): return f(batch)", space)
    return space["g"]


def with_module(net):
    """A function that finds a net in a module of the user."""
    module = types.ModuleType("users_nets")
    module.net = net
    space = {"nets": module}
    exec("def f(batch): return nets.net(batch)", space)
    return space["f"]


def closed_over(net):
    """A function that has closed over a net."""

    def run(batch):
        return net(batch)

    return run


def decorated(net):
    """A function with a decorator of torch and one of its own."""
    run = closed_over(net)

    @wraps(run)
    def wrapper(batch):
        return run(batch)

    return torch.no_grad()(wrapper)


WAYS = {
    "closure": closed_over,
    "default": lambda net: lambda batch, held=net: held(batch),
    "global": with_global,
    "module": with_module,
    "method": lambda net: net.forward,
    "partial": lambda net: partial(lambda net, batch: net(batch), net),
    "object": Wrapper,
    "method of object": lambda net: Wrapper(net).run,
    "decorated": decorated,
}


@pytest.mark.parametrize("way", WAYS)
def test_a_net_in_training_mode_is_refused(way):
    """A function would change the net batch by batch: it is refused, and the net stays as it was."""
    net = make_net()
    backbone = WAYS[way](net)

    assert nets_of(backbone) == [net]
    with pytest.raises(
        ValueError, match=r"runs a Sequential, and its part '1', BatchNorm2d, is in training mode"
    ):
        ImageEmbedder(backbone, image_size=None).fit(IMAGES)
    assert net[1].num_batches_tracked == 0
    net.eval()
    embedder = ImageEmbedder(backbone, image_size=None).fit(IMAGES)
    net.train()
    with pytest.raises(ValueError, match=r"Call net.eval\(\) first"):
        embedder.transform(IMAGES)
    assert net[1].num_batches_tracked == 0


def test_layers_that_have_one_mode_may_be_in_any():
    """A net without layers that tell training apart is taken as torch makes it."""
    with torch.random.fork_rng():
        net = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 1), torch.nn.ReLU(), torch.nn.GroupNorm(1, 2))

    assert ImageEmbedder(closed_over(net), image_size=None).fit_transform(IMAGES).shape == (3, 2)
    assert not any(uses_mode(part) for part in net)
    assert uses_mode(torch.nn.Dropout(0.5))
    assert uses_mode(torch.nn.InstanceNorm2d(2))


def test_globals_are_those_that_code_uses():
    """Attributes are no globals of the same name; names of functions within count; builtins do not."""
    space = {"mean": 1, "scale": 2, "unused": 3}
    exec("def f(batch): return [scale * part.mean() for part in list(batch)]", space)

    assert referenced(space["f"]) == {"scale": 2}
    assert referenced(torch.nn.functional.softmax) == {}


def test_libraries_are_what_is_installed():
    """Packages and the standard library are told by name; a user's own modules are not."""
    assert all(map(is_library, ("torch.nn", "sklearn.base", "pytest", "json", "builtins")))
    assert not any(map(is_library, (__name__, "__main__", "users_code")))
