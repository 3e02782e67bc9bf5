"""What stands for a backbone by value, so that embeddings kept in a file are never those of another one."""

import functools
import hashlib
import re
import sys
import types

import numpy as np
import torch

from skmm.embedding._functions import cells_of, is_library, library_name, referenced

_PLAIN = (
    *(type(None), type(...), type(NotImplemented), bool, int, float, complex, str, bytes, range),
    *(np.generic, np.dtype, torch.dtype, torch.device, torch.layout, torch.memory_format),
)
# What a class has besides what is written in it.
_CLASS_FIELDS = {
    *("__module__", "__qualname__", "__doc__", "__dict__", "__weakref__", "__annotations__", "_abc_impl"),
    *("__firstlineno__", "__static_attributes__", "__abstractmethods__", "__parameters__", "__orig_bases__"),
    *("__dataclass_fields__", "__dataclass_params__"),
}
_TORCH_FIELDS = frozenset(vars(torch.nn.Module()))
_HOOKS = ("_forward_pre_hooks", "_forward_hooks")  # by number; a hook may take keyword arguments too
_SIZE = type("Plain", (), {}).__basicsize__  # of objects that hold nothing besides their attributes


class UnknownContentError(Exception):
    """Something whose content cannot be told."""


def digest_of(*parts):
    """Digest of bytes, 32 of them; (a, b) and (ab,) differ."""
    digest = hashlib.blake2b(digest_size=32)
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.digest()


def array_digest(array):
    """Digest of an array: its shape, data type and values."""
    head = f"{array.shape}{array.dtype.str}".encode()
    array = np.ascontiguousarray(array)
    # A view of bytes: nothing is copied.
    return digest_of(head, array.reshape(-1).view(np.uint8).data if array.size else b"")


def _tensor_digest(tensor):
    """Digest of a tensor, wherever it is."""
    tensor = tensor.detach().cpu().contiguous()
    if tensor.layout is not torch.strided:
        raise UnknownContentError
    content = tensor.reshape(-1).view(torch.uint8) if tensor.numel() else tensor.reshape(-1)
    return digest_of(f"{tuple(tensor.shape)}{tensor.dtype}".encode(), content.numpy().tobytes())


def _is_of_library(value):
    """Whether a library has something, such as a function, under its name."""
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if not (isinstance(module, str) and isinstance(name, str) and is_library(module)):
        return False
    return getattr(sys.modules.get(module), name, None) is value


def _graph_digest(graph, inner):
    """Digest of a graph of TorchScript with its constants, which its text leaves out."""
    # Neither places in files nor the numbers that classes of one name have in a process.
    text = re.sub(r"\.___torch_mangle_\d+", "", graph.str(False))
    constants = [node.output().toIValue() for node in graph.findAllNodes("prim::Constant")]
    return digest_of(text.encode(), inner(constants))


def fingerprint(value):
    """Digest of a module, a function, or what they hold, by value.

    Parameters
    ----------
    value : object
        A torch module tells its classes, all that is written in them, plain attributes, parameters, buffers
        and forward hooks; a function its code, defaults, what it has closed over, and the globals that it
        uses. Classes, functions and modules of libraries are told by name and version. An attribute
        ``cache_token`` stands for all of that where there is one.

    Returns
    -------
    bytes
        Equal for equal content, in every process.

    Raises
    ------
    UnknownContentError
        If something within cannot be told by value.
    """
    try:
        return _Walk().digest(value)
    except (RuntimeError, ValueError) as error:  # too deep, no such tensor; a variable without a value
        raise UnknownContentError from error


class _Walk:
    """One walk through what an object holds; classes and functions are looked at once, and then numbered."""

    def __init__(self):
        self._open = []  # what is being looked at
        self._known = {}  # classes and functions: they are held, so that their numbers stay theirs

    def digest(self, value):
        """Digest of anything."""
        if isinstance(value, _PLAIN):
            return digest_of(type(value).__name__.encode(), repr(value).encode())
        if id(value) in self._known:
            return f"known {self._known[id(value)][0]}".encode()
        if id(value) in self._open:
            return f"cycle {self._open.index(id(value))}".encode()
        if isinstance(value, (type, types.FunctionType)):
            self._known[id(value)] = len(self._known), value
        self._open.append(id(value))
        found = self._content(value)
        self._open.pop()
        return found

    def _content(self, value):
        """Digest of what is no plain value."""
        inner = self.digest
        if isinstance(value, types.ModuleType):
            if not is_library(value.__name__):
                raise UnknownContentError
            return library_name(value.__name__)
        if not isinstance(value, type) and _is_of_library(value):
            return library_name(value.__module__, value.__qualname__)
        if not isinstance(value, type) and hasattr(value, "cache_token"):
            return digest_of(b"token", repr(value.cache_token).encode())
        if isinstance(value, torch.jit.ScriptModule):
            state = [name.encode() + inner(tensor) for name, tensor in value.state_dict().items()]
            return digest_of(b"script", _graph_digest(value.inlined_graph, inner), *state)
        if isinstance(value, torch.jit.ScriptFunction):
            return digest_of(b"script function", _graph_digest(value.inlined_graph, inner))
        if isinstance(value, torch.Tensor):
            return _tensor_digest(value)
        if isinstance(value, np.ndarray) and value.dtype != object:
            return array_digest(value)
        if isinstance(value, (list, tuple)):
            return digest_of(type(value).__name__.encode(), *map(inner, value))
        if isinstance(value, (set, frozenset)):  # in no order, so nothing that has a number by its order
            return digest_of(b"set", *sorted(_Walk().digest(item) for item in value))
        if isinstance(value, dict):
            return digest_of(b"dict", *(part for pair in value.items() for part in map(inner, pair)))
        if isinstance(value, functools.partial):
            return digest_of(b"partial", *map(inner, (value.func, value.args, value.keywords)))
        if isinstance(value, types.MethodType):
            return digest_of(b"method", *map(inner, (value.__func__, value.__self__)))
        if isinstance(value, (staticmethod, classmethod)):
            return digest_of(type(value).__name__.encode(), inner(value.__func__))
        if isinstance(value, property):
            return digest_of(b"property", *map(inner, (value.fget, value.fset, value.fdel)))
        if isinstance(value, functools.cached_property):
            return digest_of(b"cached", inner(value.func))
        if isinstance(value, type):
            return self._class(value)
        if isinstance(value, types.FunctionType):
            return self._function(value)
        if isinstance(value, types.CodeType):
            names = (value.co_names, value.co_varnames, value.co_freevars, value.co_cellvars)
            return digest_of(b"code", value.co_code, repr(names).encode(), *map(inner, value.co_consts))
        if isinstance(value, np.ufunc):
            return library_name("numpy", value.__name__)
        if isinstance(value, types.BuiltinFunctionType):
            owner = b"" if value.__self__ is None else inner(value.__self__)
            return digest_of(b"builtin", f"{value.__module__}.{value.__qualname__}".encode(), owner)
        return self._object(value)

    def _function(self, value):
        """Digest of a function: code, defaults, closure, globals."""
        module = value.__globals__.get("__name__", "")
        name = f"{value.__module__}.{value.__qualname__}".encode()
        if is_library(module):  # its code may be a wrapper around a function of the user
            name += library_name(module)
        held = (value.__defaults__, value.__kwdefaults__, cells_of(value), vars(value), referenced(value))
        return digest_of(b"function", name, *map(self.digest, (value.__code__, *held)))

    def _class(self, cls):
        """Digest of a class: of a library by name and version, else by all that is written in it."""
        parts = []
        for base in cls.__mro__:
            if is_library(base.__module__):
                parts.append(library_name(base.__module__, base.__qualname__))
                continue
            parts.append(f"{base.__module__}.{base.__qualname__}".encode())
            parts += [
                name.encode() + self.digest(held)
                for name, held in sorted(vars(base).items())
                if name not in _CLASS_FIELDS
            ]
        return digest_of(*parts)

    def _object(self, value):
        """Digest of an object by its class and attributes, where it holds nothing else."""
        is_module = isinstance(value, torch.nn.Module)
        if not is_module and (not hasattr(value, "__dict__") or type(value).__basicsize__ > _SIZE):
            raise UnknownContentError
        parts = [
            name.encode() + self.digest(held)
            for name, held in vars(value).items()
            # Neither bookkeeping of torch (dicts by layer, all empty) nor the mode, which is eval.
            if not is_module or name in {"_parameters", "_buffers", "_modules"} or name not in _TORCH_FIELDS
        ]
        if is_module:
            parts += [self._hooks(value, name) for name in _HOOKS if getattr(value, name)]
        return digest_of(b"object", self.digest(type(value)), *parts)

    def _hooks(self, module, name):
        """Digest of the hooks of a module, in their order."""
        keywords = getattr(module, f"{name}_with_kwargs")
        hooks = [(number in keywords, hook) for number, hook in getattr(module, name).items()]
        return name.encode() + self.digest(hooks)
