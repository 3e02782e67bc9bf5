"""The guards that every test runs under do their work."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

_TESTS = """
import random, warnings
import numpy as np
import pytest

def test_seed_python():
    random.seed(3)

def test_seed_numpy():
    np.random.seed(3)

def test_filter():
    warnings.simplefilter("ignore")

def test_torch():
    import torch
    torch.manual_seed(3)

def test_torch_again():
    import torch
    torch.rand(1)

def test_own_generators():
    import torch
    np.random.default_rng(0).random(3)
    torch.rand(1, generator=torch.Generator().manual_seed(0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")

@pytest.mark.uses_global_state("it is what this test is about")
def test_declared():
    np.random.seed(3)
"""


def test_changes_of_global_state_are_errors(tmp_path):
    """A test that seeds a global generator or adds a filter fails; own generators are fine."""
    (tmp_path / "test_guarded.py").write_text(_TESTS, encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "conftest",
        "-c",
        ROOT / "pyproject.toml",
        "-q",
        "-p",
        "no:cacheprovider",
    ]
    run = subprocess.run([*command, tmp_path], capture_output=True, text=True, check=False, cwd=ROOT)
    failed = {name for name in _names(_TESTS) if f"ERROR test_guarded.py::{name} - " in run.stdout}

    # Torch is imported by the fourth test, so its state is known from the fifth on.
    assert failed == {"test_seed_python", "test_seed_numpy", "test_filter", "test_torch_again"}, run.stdout


def _names(source):
    """Return the names of the tests in a source."""
    return [
        line.partition(" ")[2].partition("(")[0] for line in source.splitlines() if line.startswith("def ")
    ]


def test_the_network_is_out_of_reach():
    """Addresses beyond this machine are refused by name and by number; this machine itself is not."""
    with pytest.raises(RuntimeError, match="tests use no network"):
        socket.create_connection(("192.0.2.1", 80), timeout=1)
    with pytest.raises(RuntimeError, match="tests use no network"):
        socket.getaddrinfo("example.org", 443)
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
    ):
        assert client.getpeername() == server.getsockname()
