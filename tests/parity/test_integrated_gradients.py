"""Integrated gradients give the numbers of the system in which they were published, in float64."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from skmm.inspection._gradients import integrated_gradients


def _fixture():
    """Return the recorded numbers of the original system; skip where they are not at hand."""
    folder = os.environ.get("SKMM_TEST_DATA")
    name = "chestxray_integrated_gradients.npz"
    path = None if folder is None else Path(folder).parent / "facts" / "parity" / name
    if path is None or not path.exists():
        pytest.skip("the recorded numbers of the original systems are not beside SKMM_TEST_DATA")
    return {name: torch.from_numpy(np.array(value)) for name, value in np.load(path).items()}


@pytest.mark.parametrize("baseline", ["zero", "ref"])
def test_left_riemann_sums_of_50_steps_are_the_published_ones(baseline):
    """Of a probability, from a baseline of zeros and from a given one; their error is as large as it was."""
    recorded = _fixture()
    x = recorded["x"][None]
    start = recorded["reference"][None] if baseline == "ref" else torch.zeros_like(x)

    def probability(z, rows):
        hidden = torch.tanh(z @ recorded["W1"].T + recorded["b1"])
        return torch.sigmoid(hidden @ recorded["w2"] + recorded["b2"])

    published = integrated_gradients(probability, (x,), (start,), n_steps=50, rule="riemann_left")
    ours = integrated_gradients(probability, (x,), (start,))

    expected, change = recorded[f"attribution_{baseline}"], recorded[f"delta_{baseline}"]
    np.testing.assert_allclose(published.attributions[0][0], expected, rtol=0, atol=1e-10)
    np.testing.assert_allclose(published.difference[0], change, rtol=0, atol=1e-10)
    assert float(ours.attributions[0].sum()) == pytest.approx(float(change), abs=1e-7)
