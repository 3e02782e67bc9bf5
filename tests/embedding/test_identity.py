"""fingerprint: equal for equal backbones, in every process; different for whatever computes differently."""

import copy
import subprocess
import sys
import textwrap
import types
from functools import partial

import numpy as np
import pytest
import torch

from skmm.embedding import ImageEmbedder, _identity, clear_memory_cache
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


def define(source, name="backbone", module="users_code", **given):
    """Run source code as a module of a user, and give what it defines under a name."""
    space = {"__name__": module, "torch": torch, **given}
    exec(compile(textwrap.dedent(source), "<users code>", "exec"), space)
    return space[name]


def filled(value):
    """A net of which all parameters are one value."""
    with torch.random.fork_rng():
        net = torch.nn.Conv2d(3, 2, 1).eval()
    for parameter in net.parameters():
        torch.nn.init.constant_(parameter, value)
    return net


FUNCTION = """
def backbone(batch):
    return net(batch)
"""


def test_a_function_is_told_by_the_net_that_is_its_global():
    """The same function with another net under the same global name gets its own vectors, from any cache."""
    clear_memory_cache()
    images = np.full((2, 4, 4), 255, np.uint8)
    backbones = [define(FUNCTION, net=filled(value)) for value in (1.0, 2.0, 1.0)]
    one, two, again = (ImageEmbedder(b, image_size=None).fit_transform(images) for b in backbones)

    np.testing.assert_array_equal((one, two, again), np.full((3, 2, 2), [[[4]], [[8]], [[4]]]))
    found = [fingerprint(backbone) for backbone in backbones]
    assert found[0] == found[2] != found[1]


def test_a_function_that_changed_after_it_was_fitted_gets_its_own_vectors():
    """What a function uses may change between fit and transform: the cache keeps both apart."""
    clear_memory_cache()
    images = np.full((2, 4, 4), 255, np.uint8)
    net = filled(1.0)
    embedder = ImageEmbedder(define(FUNCTION, net=net), image_size=None).fit(images)
    net.bias.data += 1
    changed = embedder.transform(images)
    fresh = ImageEmbedder(define(FUNCTION, net=filled(1.0)), image_size=None).fit_transform(images)

    np.testing.assert_array_equal((changed, fresh), np.full((2, 2, 2), [[[5]], [[4]]]))


def test_plain_globals_count():
    """Numbers, lists, functions and what modules of the user hold count; other globals do not."""
    source = """
    SCALE, LEVELS, OTHER = {}, [1, {}], {}
    def helper(batch):
        return [batch * part for part in LEVELS]
    class backbone(torch.nn.Module):
        def forward(self, batch):
            return SCALE * sum(helper(batch)) + settings.shift
    """
    first, *others = (
        fingerprint(define(source.format(*values[:3]), settings=settings(values[3]))())
        for values in [(1, 2, 3, 4), (1, 2, 9, 4), (9, 2, 3, 4), (1, 9, 3, 4), (1, 2, 3, 9)]
    )

    assert others[0] == first
    assert len({first, *others}) == 4


def settings(shift):
    """A module of a user that holds a number."""
    module = types.ModuleType("users_settings")
    module.shift = shift
    return module


@pytest.mark.parametrize(
    "part",
    [
        "@staticmethod\n        def part(batch): return {} * batch",
        "@classmethod\n        def part(cls, batch): return {} * batch",
        "@property\n        def part(self): return {}",
        "def part(self, batch): return [({} * x) for x in batch]",
        "part = {}",
        "part = torch.full((2,), {})",
    ],
    ids=["static method", "class method", "property", "method", "class attribute", "tensor"],
)
def test_all_that_is_written_in_a_class_counts(part):
    """Static methods, class methods, properties and attributes of a class tell it, also those of a base."""
    source = f"""
    class Base(torch.nn.Module):
        {part}
    class backbone(Base):
        def forward(self, batch):
            return self.part
    """
    one, two, again = (fingerprint(define(source.replace("{}", value))()) for value in ("1", "2", "1"))

    assert one == again != two


def test_hooks_count():
    """A hook that changes what comes out makes another backbone, by what the hook is."""
    hooks = [lambda _net, _inputs, output, f=factor: f * output for factor in (2, 3, 2)]
    nets = [filled(1.0) for _ in range(5)]
    for net, hook in zip(nets, hooks, strict=False):
        net.register_forward_hook(hook)
    nets[3].register_forward_pre_hook(lambda _, inputs: inputs)
    one, two, again, before, none = map(fingerprint, nets)

    assert one == again
    assert len({one, two, before, none}) == 4
    nets[4].register_forward_hook(partial(print, open))
    nets[3].register_forward_hook(partial(print, iter(())))
    with pytest.raises(UnknownContentError):
        fingerprint(nets[3])


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_graphs_are_told_by_their_constants():
    """A frozen graph has its weights within, where its text does not show them."""
    example = torch.ones(1, 3, 2, 2)
    graphs = [
        torch.jit.freeze(torch.jit.trace(filled(value), example, check_trace=False)) for value in (1.0, 2.0)
    ]

    assert fingerprint(graphs[0]) != fingerprint(graphs[1])
    assert fingerprint(graphs[0]) == fingerprint(copy.deepcopy(graphs[0]))


def test_bound_functions_of_objects_count_with_the_objects():
    """A function of C that belongs to an object is told by that object too."""
    one, two, again = (fingerprint(torch.full((2,), value).mul) for value in (1.0, 2.0, 1.0))

    assert one == again != two


@pytest.mark.parametrize(
    "held", [iter(()), torch.Generator(), np.random.RandomState(0)], ids=lambda value: type(value).__name__
)
def test_globals_of_unknown_content(held):
    """A global that cannot be told by value makes the function one that cannot."""
    with pytest.raises(UnknownContentError):
        fingerprint(define(FUNCTION, net=held))


def test_what_refers_to_itself_is_told():
    """Functions and classes that name one another end, and differ where one of them does."""
    source = """
    def even(n): return n == 0 or odd(n - 1)
    def odd(n): return n != {} and even(n - 1)
    class backbone(torch.nn.Module):
        def __init__(self):
            super().__init__()
        def forward(self, batch): return batch if even(2) else backbone()(batch)
    """
    one, two, again = (fingerprint(define(source.format(value))()) for value in (0, 1, 0))

    assert one == again != two


ACROSS = """
LEVELS = {"a", "b", "c", "d", "e"}
class backbone(torch.nn.Module):
    kind = frozenset({"x", "y", "z", "u"})
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.utils.skip_init(torch.nn.Conv2d, 1, 1, 1)
        torch.nn.init.ones_(self.conv.weight)
        torch.nn.init.ones_(self.conv.bias)
        self.conv.register_forward_hook(lambda net, inputs, output: 2 * output)
    @staticmethod
    def scale(batch):
        return batch if "a" in LEVELS or batch in {"p", "q", "r"} else torch.relu(batch)
    def forward(self, batch):
        return self.scale(self.conv(batch))
"""


def test_equal_definitions_are_equal_in_every_process():
    """Another process, with another order of sets and other objects, finds the same digest."""
    script = f"""
import importlib.util, sys, types
import torch
for name in ("skmm", "skmm.embedding"):  # without what their own code imports
    sys.modules[name] = types.ModuleType(name)
for name in ("_functions", "_identity"):
    spec = importlib.util.spec_from_file_location(
        "skmm.embedding." + name, {str(_identity.__file__)!r}.replace("_identity", name)
    )
    sys.modules[spec.name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
unrelated, space = object(), dict(__name__="users_code", torch=torch)
exec({ACROSS!r}, space)
print(module.fingerprint(space["backbone"]()).hex())
"""
    printed = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True)

    assert printed.stdout.strip() == fingerprint(define(ACROSS)()).hex()
