"""fingerprint: equal for equal backbones, in every process; different for whatever computes differently."""

import copy
from functools import partial

import numpy as np
import pytest
import torch

from skmm.embedding._identity import UnknownContentError, array_digest, digest_of, fingerprint


class Scaled(torch.nn.Module):
    """A net with a plain attribute."""

    def __init__(self, factor=2.0):
        super().__init__()
        self.factor = factor
        self.conv = torch.nn.Conv2d(1, 1, 1)
        torch.nn.init.ones_(self.conv.weight)
        torch.nn.init.zeros_(self.conv.bias)

    def forward(self, batch):
        """The factor times a convolution."""
        return self.factor * self.conv(batch)


def double(batch):
    """Twice a batch."""
    return 2 * batch


def triple(batch):
    """Three times a batch."""
    return 3 * batch


def times(factor):
    """A function that has closed over a factor."""
    return lambda batch: factor * batch


def make(kind):
    """A module of a kind: as it is, or changed in one respect."""
    with torch.random.fork_rng():
        net = Scaled(3.0 if kind == "attribute" else 2.0)
    if kind == "parameter":
        net.conv.weight.data[0] += 1e-6
    if kind == "buffer":
        net.register_buffer("shift", torch.zeros(1))
    if kind == "stride":
        net.conv.stride = (2, 2)
    if kind == "class":
        net.__class__ = type("Other", (Scaled,), {"forward": lambda self, batch: self.conv(batch)})
    return net


def test_equal_modules_are_equal_and_others_are_not():
    """A copy, also in evaluation mode and without gradients, is the same; any change within is another."""
    kinds = ["", "parameter", "buffer", "attribute", "stride", "class"]
    net = make("")

    assert fingerprint(copy.deepcopy(net).eval().requires_grad_(False)) == fingerprint(net)
    assert fingerprint(make("")) == fingerprint(net)
    assert len({fingerprint(make(kind)) for kind in kinds}) == len(kinds)


def test_functions_are_told_by_code_and_by_what_they_hold():
    """Code, constants, closures, arguments of partials and objects of methods all count."""
    functions = [
        double,
        triple,
        times(2),
        times(3),
        partial(double),
        partial(np.multiply.outer, 2),
        make("").forward,
    ]
    functions = [
        function
        for function in functions
        if not isinstance(getattr(function, "func", None), type(np.add.outer))
    ]

    assert len({fingerprint(function) for function in functions}) == len(functions)
    assert fingerprint(times(2)) == fingerprint(times(2))


def test_a_token_stands_for_what_cannot_be_told():
    """A backbone with something inside that has no value by which to tell it says so; a token helps."""
    net = make("")
    net.handle = object()
    with pytest.raises(UnknownContentError):
        fingerprint(net)

    net.cache_token = ("mine", 1)
    other = make("parameter")
    other.cache_token = ("mine", 1)

    assert fingerprint(net) == fingerprint(other)


def test_order_without_meaning_does_not_count():
    """Sets, also those within code, are told by their members: their order differs between processes."""
    names = [f"name {number}" for number in range(20)]

    assert fingerprint(set(names)) == fingerprint({*names[::-1]})
    assert fingerprint(set(names)) != fingerprint(set(names[1:]))
    assert fingerprint({"a": 1, "b": 2}) != fingerprint({"a": 2, "b": 1})


def test_arrays_of_equal_bytes_differ_by_shape_and_type():
    """Shape and data type are part of an image; its place in memory is not."""
    image = np.arange(6, dtype=np.uint8).reshape(2, 3)
    digests = {array_digest(a) for a in (image, image.T, image.reshape(3, 2), image.view(np.int8))}

    assert len(digests) == 4
    assert array_digest(np.asfortranarray(image)) == array_digest(image)
    assert array_digest(image[:, ::2]) == array_digest(image[:, ::2].copy())
    assert digest_of(b"ab", b"c") != digest_of(b"a", b"bc")
