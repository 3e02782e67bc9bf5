"""Seeds, streams and the borrowed global generator."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from sklearn.ensemble import BaggingClassifier
from sklearn.tree import DecisionTreeClassifier

from skmm._training import draw_seed, seeded_clone, seeded_init
from skmm._training._random import stream, torch_stream


def test_seeds_of_random_states():
    """An int gives one seed, a RandomState the next one at each call, None another every time."""
    state = np.random.RandomState(0)

    assert draw_seed(0) == draw_seed(0) == draw_seed(state)
    assert draw_seed(state) != draw_seed(0)
    assert draw_seed(None) != draw_seed(None)


def test_a_clone_gets_the_seeds_that_it_lacks():
    """What has a seed keeps it, what has none gets one of its own, and the original stays as it was."""
    bagging = BaggingClassifier(DecisionTreeClassifier(), random_state=7)

    first, again = (seeded_clone(bagging, np.random.RandomState(0)) for _ in range(2))

    assert first.random_state == 7
    assert first.estimator.random_state == again.estimator.random_state is not None
    assert bagging.estimator.random_state is None
    assert seeded_clone(None, np.random.RandomState(0)) is None


def test_streams_are_reproducible_and_apart():
    """A seed and a purpose fix a stream; another purpose gives another."""
    assert stream(1, 2).random() == stream(1, 2).random() != stream(1, 3).random()
    first, again, other = (torch.rand(3, generator=torch_stream(1, key)) for key in (2, 2, 3))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_seeded_init_gives_the_global_state_back():
    """Inside, torch's generator is seeded; outside, it is as before, also after an error."""
    before = torch.get_rng_state()
    draws = []
    for _ in range(2):
        try:
            with seeded_init(3):
                draws.append(torch.rand(4))
                raise RuntimeError
        except RuntimeError:
            pass

    assert torch.equal(*draws)
    assert torch.equal(torch.get_rng_state(), before)


def test_seeded_init_in_threads():
    """Threads that initialize at once each get what their seed gives."""

    def draw(seed):
        with seeded_init(seed):
            return torch.cat([torch.rand(50) for _ in range(20)])

    alone = [draw(seed) for seed in range(8)]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(draw, range(8)))

    assert all(torch.equal(a, b) for a, b in zip(alone, together, strict=True))
