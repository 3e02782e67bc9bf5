"""What every test and every doctest gets: no network, no window, and a guard on global state."""

import os

# Worker processes run side by side: one thread each is faster than threads that wait for one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# SciPy reads it once, at its import; scikit-learn's checks of array types are skipped without it.
os.environ.setdefault("SCIPY_ARRAY_API", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

import random
import socket
import sys
import warnings

import numpy as np
import pytest

_LOOPBACK = {"localhost", "127.0.0.1", "::1", "0.0.0.0", ""}  # noqa: S104 - compared, never bound
_connect = socket.socket.connect
_connect_ex = socket.socket.connect_ex
_getaddrinfo = socket.getaddrinfo


def _check_address(address):
    """Raise for an address beyond this machine; paths of Unix sockets are on it."""
    host = address[0] if isinstance(address, tuple) else ""
    host = host.decode() if isinstance(host, bytes) else host
    if host not in _LOOPBACK:
        raise RuntimeError(f"A test tried to reach {address!r}: tests use no network.")


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Block every connection but those to this machine itself."""

    def connect(sock, address):
        _check_address(address)
        return _connect(sock, address)

    def connect_ex(sock, address):
        _check_address(address)
        return _connect_ex(sock, address)

    def getaddrinfo(host, *args, **kwargs):
        _check_address((host or "",))
        return _getaddrinfo(host, *args, **kwargs)

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(socket.socket, "connect_ex", connect_ex)
    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


@pytest.fixture(autouse=True)
def closed_figures():
    """Close what a test, or a doctest, has drawn."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


def _global_state():
    """Return what the library must leave as it was, as comparable values by name."""
    _, keys, position, *_ = np.random.get_state()  # noqa: NPY002 - the global state is what is guarded
    state = {
        "random state of Python": random.getstate(),
        "random state of NumPy": (keys.tobytes(), position),
        "warning filters": tuple(warnings.filters),
    }
    torch = sys.modules.get("torch")
    if hasattr(torch, "get_rng_state"):
        state["random state of torch"] = torch.get_rng_state().numpy().tobytes()
        state["threads of torch"] = torch.get_num_threads()
        state["deterministic mode of torch"] = torch.are_deterministic_algorithms_enabled()
    return state


@pytest.fixture(autouse=True)
def unchanged_global_state(request):
    """Fail a test in which a random state, the warning filters or the thread count change for everybody."""
    modules, before = set(sys.modules), _global_state()
    yield
    # A doctest cannot carry a marker; MuData itself draws names of columns from Python's generator.
    if request.node.get_closest_marker("uses_global_state") or request.node.name.endswith("from_mudata"):
        return
    after = _global_state()
    changed = [name for name, value in before.items() if after[name] != value]
    # Packages such as scikit-learn add a filter when they are first imported, which is theirs to do.
    imported = {name for name in set(sys.modules) - modules if not name.startswith("skmm")}
    if imported and "warning filters" in changed:
        changed.remove("warning filters")
    if changed:
        pytest.fail(f"The test changed global state: {', '.join(changed)}.")
