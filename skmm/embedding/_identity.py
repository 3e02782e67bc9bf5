"""What stands for a backbone by value, so that embeddings kept in a file are never those of another one."""

import functools
import hashlib
import types

import numpy as np
import torch

_PLAIN = (type(None), type(...), bool, int, float, complex, str, bytes, np.generic, torch.dtype, torch.device)
# The code of these packages is told by the names of their classes.
_LIBRARIES = ("torch", "numpy", "builtins", "monai", "torchvision", "timm")


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


def _code_digest(code):
    """Digest of a compiled function, whatever its place in a file."""
    constants = [
        _code_digest(value) if isinstance(value, types.CodeType) else fingerprint(value)
        for value in code.co_consts
    ]
    return digest_of(code.co_code, repr((code.co_names, code.co_varnames)).encode(), *constants)


def _class_digest(cls):
    """Digest of a class: its name, and the code of its methods where it is no library's."""
    parts = []
    for base in cls.__mro__:
        parts.append(f"{base.__module__}.{base.__qualname__}".encode())
        if base.__module__.partition(".")[0] in _LIBRARIES:
            continue
        parts += [
            name.encode() + _code_digest(value.__code__)
            for name, value in sorted(vars(base).items())
            if isinstance(value, types.FunctionType)
        ]
    return digest_of(*parts)


def fingerprint(value, seen=()):
    """Digest of a module, a function, or what they hold, by value.

    Parameters
    ----------
    value : object
        A torch module tells its classes, the code of their methods, plain attributes, parameters and
        buffers; a function its code, defaults, and what it has closed over. An attribute ``cache_token``
        stands for all of that where there is one.
    seen : tuple of int, default=()
        What is being looked at.

    Returns
    -------
    bytes
        Equal for equal content, in every process.

    Raises
    ------
    UnknownContentError
        If something within cannot be told by value.
    """
    if id(value) in seen or len(seen) > 50:
        return b"cycle"
    inner = functools.partial(fingerprint, seen=(*seen, id(value)))
    if hasattr(value, "cache_token") and not isinstance(value, type):
        return digest_of(b"token", repr(value.cache_token).encode())
    if isinstance(value, torch.jit.ScriptModule):
        state = [name.encode() + inner(tensor) for name, tensor in value.state_dict().items()]
        return digest_of(b"script", str(value.inlined_graph).encode(), *state)
    if isinstance(value, _PLAIN):
        return digest_of(type(value).__name__.encode(), repr(value).encode())
    if isinstance(value, torch.Tensor):
        return _tensor_digest(value)
    if isinstance(value, np.ndarray) and value.dtype != object:
        return array_digest(value)
    if isinstance(value, (list, tuple)):
        return digest_of(type(value).__name__.encode(), *(inner(item) for item in value))
    if isinstance(value, (set, frozenset)):
        return digest_of(b"set", *sorted(inner(item) for item in value))
    if isinstance(value, dict):
        return digest_of(b"dict", *(part for pair in value.items() for part in map(inner, pair)))
    if isinstance(value, functools.partial):
        return digest_of(b"partial", *map(inner, (value.func, value.args, value.keywords)))
    if isinstance(value, types.MethodType):
        return digest_of(b"method", value.__name__.encode(), inner(value.__self__))
    if isinstance(value, type):
        return _class_digest(value)
    if isinstance(value, types.FunctionType):
        name = f"{value.__module__}.{value.__qualname__}".encode()
        try:
            cells = [cell.cell_contents for cell in value.__closure__ or ()]
        except ValueError as error:  # a variable without a value
            raise UnknownContentError from error
        held = map(inner, (value.__defaults__, value.__kwdefaults__, cells))
        return digest_of(b"function", name, _code_digest(value.__code__), *held)
    if isinstance(value, types.BuiltinFunctionType):
        return digest_of(b"builtin", f"{value.__module__}.{value.__qualname__}".encode())
    if isinstance(value, torch.nn.Module) or type(value).__call__ is not type.__call__:
        return _object_digest(value, inner)
    raise UnknownContentError


def _object_digest(value, inner):
    """Digest of an object by its class and attributes."""
    if not hasattr(value, "__dict__"):
        raise UnknownContentError
    parts = [
        name.encode() + inner(held)
        for name, held in vars(value).items()
        # Neither bookkeeping of torch (dicts by layer, all empty, and hooks) nor the mode, which is eval.
        if name in {"_parameters", "_buffers", "_modules"}
        or not (isinstance(value, torch.nn.Module) and (name == "training" or name in _TORCH_FIELDS))
    ]
    return digest_of(b"object", _class_digest(type(value)), *parts)


_TORCH_FIELDS = frozenset(vars(torch.nn.Module()))
