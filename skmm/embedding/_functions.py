"""What a function reaches beyond its arguments: globals by value, and nets that it runs as they are."""

import dis
import functools
import sys
import types
from pathlib import Path

import torch

_LIBRARIES = {"torch", "numpy", "builtins", "monai", "torchvision", "timm", "skmm", *sys.stdlib_module_names}
_FOLDERS = {"site-packages", "dist-packages"}


def is_library(module):
    """Whether code is installed, or of Python itself: its name and version tell what it is.

    Parameters
    ----------
    module : str
        The name of its module.
    """
    return _is_library(str(module).partition(".")[0])


@functools.cache
def _is_library(package):
    """Whether a package is installed."""
    if package in {"__main__", "__mp_main__"}:
        return False
    file = getattr(sys.modules.get(package), "__file__", None) or ""
    return package in _LIBRARIES or not _FOLDERS.isdisjoint(Path(file).parts)


def library_name(module, name=""):
    """What stands for something of a library: where it is, and which version that is."""
    version = str(getattr(sys.modules.get(str(module).partition(".")[0]), "__version__", ""))
    # Builds for other devices are one version.
    return f"{module}.{name} {version.partition('+')[0]}".encode()


def _codes(code):
    """A compiled function and all that are defined within it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)


def referenced(function):
    """The globals that a function uses, by name; of modules that are no libraries, what the function names.

    Parameters
    ----------
    function : function
        Of Python.

    Returns
    -------
    dict of str -> object
        In the order of the names. Names that are no globals (yet), such as builtins, are left out, and so
        are all globals of a function of a library.
    """
    space = function.__globals__
    if is_library(space.get("__name__", "")):
        return {}
    names, used, found, modules = set(), set(), {}, set()
    for code in _codes(function.__code__):
        names.update(code.co_names)
        used.update(
            step.argval
            for step in dis.get_instructions(code)
            if "GLOBAL" in step.opname or step.opname == "LOAD_NAME"
        )

    def add(name, value):
        if not isinstance(value, types.ModuleType) or is_library(value.__name__):
            found[name] = value
        elif value not in modules:
            modules.add(value)
            for inner in sorted(names & vars(value).keys()):
                add(f"{name}.{inner}", vars(value)[inner])

    for name in sorted(used & space.keys()):
        add(name, space[name])
    return found


def cells_of(function):
    """What a function has closed over; ValueError where a variable has no value."""
    return [cell.cell_contents for cell in function.__closure__ or ()]


def nets_of(backbone):
    """The nets that a function, a method, a partial or another callable reaches and would run as they are.

    Parameters
    ----------
    backbone : callable
        What the user gave.

    Returns
    -------
    list of torch.nn.Module
        Each once.
    """
    waiting, seen, nets = [backbone], {}, []
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen[id(value)] = value  # held, so that no other object gets its number
        if isinstance(value, torch.nn.Module):
            nets.append(value)
        elif isinstance(value, functools.partial):
            waiting += [value.func, value.args, value.keywords]
        elif isinstance(value, types.MethodType):
            waiting += [value.__self__, value.__func__]
        elif isinstance(value, types.FunctionType):
            cells = [cell.cell_contents for cell in value.__closure__ or () if cell != types.CellType()]
            waiting += [cells, value.__defaults__, value.__kwdefaults__, referenced(value)]
        elif isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, (list, tuple, set, frozenset)):
            waiting += value
        elif isinstance(value, (staticmethod, classmethod)):
            waiting.append(value.__func__)
        elif isinstance(value, property):
            waiting.append(value.fget)
        elif hasattr(value, "__dict__") and not isinstance(value, types.ModuleType):
            cls = value if isinstance(value, type) else type(value)
            waiting += [dict(vars(base)) for base in cls.__mro__ if not is_library(base.__module__)]
            if cls is not value:
                waiting.append(vars(value).get("__wrapped__") if is_library(cls.__module__) else vars(value))
    return nets


def uses_mode(module):
    """Whether the training mode changes what a module itself computes, as far as its code tells.

    Parameters
    ----------
    module : torch.nn.Module
        Looked at without its parts.
    """
    if isinstance(module, torch.jit.ScriptModule):
        return True  # its code is not Python's
    bases = type(module).__mro__[: type(module).__mro__.index(torch.nn.Module)]
    functions = [value for base in bases for value in vars(base).values() if hasattr(value, "__code__")]
    return any("training" in code.co_names for f in functions for code in _codes(f.__code__))


def check_mode(backbone, who):
    """Refuse a function that runs a net in training mode: batches would change the net, and one another.

    Parameters
    ----------
    backbone : callable
        No module.
    who : str
        The estimator, for messages.

    Raises
    ------
    ValueError
        If a net that it reaches has a part in training mode, to which that makes a difference.
    """
    for net in nets_of(backbone):
        for name, part in net.named_modules():
            if getattr(part, "training", False) and uses_mode(part):
                place = f"its part {name!r}, {type(part).__name__}, is" if name else "which is"
                raise ValueError(
                    f"{who}: the backbone is a function that runs a {type(net).__name__}, and {place} in "
                    "training mode, in which each batch changes the net or its own vectors. Call net.eval() "
                    "first, or give the net itself as backbone, which is copied."
                )
