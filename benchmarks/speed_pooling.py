"""The time of attention pooling against a Python loop over bags, forward and backward, and its memory.

2000 bags of 5 to 60 vectors of width 512. The loop takes bags that are cut already, and has for each bag the
scores, their softmax and the weighted sum, written with torch's functions; both have the same parameters and
gradients. How the times are taken is told in _speed.py. The memory is the most that the profiler of torch
counts beyond the instances themselves, forward and backward, for one bag of 5000 among 1000 of 5.
"""

from functools import partial

import torch
from _common import RESULTS
from _speed import call_seconds, report_ratios

from skmm.nn import Bag, BagAttentionPooling

WIDTH, HIDDEN = 512, 128


def make_bag(lengths):
    """Bags of instances from a normal distribution."""
    offsets = torch.cat([torch.zeros(1, dtype=torch.int64), lengths.cumsum(0)])
    return Bag(torch.randn(int(offsets[-1]), WIDTH), offsets)


def learn(pooled, goal):
    """Gradients of a fixed combination of the pooled vectors."""
    (pooled * goal).sum().backward()


def flat(pooling, bag, goal):
    """All bags at once."""
    learn(pooling(bag)[0], goal)


def one_by_one(pooling, bags, goal):
    """A bag at a time."""
    found = []
    for bag in bags:
        seen = bag
        if pooling.gated:
            seen = torch.tanh(pooling.content(bag)) * torch.sigmoid(pooling.gate(bag))
        weights = torch.softmax(pooling.score(seen)[:, 0], dim=0)
        found.append(weights @ bag)
    learn(torch.stack(found), goal)


def peak_megabytes(function, *args):
    """The most memory that a call holds at a time beyond what there was before, in MB."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as run:
        function(*args)
    held = most = 0
    for event in run.profiler.kineto_results.events():
        if event.name() == "[memory]":
            held += event.nbytes()
            most = max(most, held)
    return most / 1e6


def main():
    """Compare."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    bag = make_bag(torch.randint(5, 61, (2000,)))
    bags = list(bag.values.split(bag.offsets.diff().tolist()))
    goal = torch.randn(len(bags), WIDTH)
    cases = {}
    for attention in ("softmax", "gated"):
        pooling = BagAttentionPooling(WIDTH, HIDDEN, attention=attention)
        cases[f"{attention} attention"] = (
            partial(call_seconds, flat, pooling, bag, goal),
            partial(call_seconds, one_by_one, pooling, bags, goal),
        )
    report_ratios("speed_pooling", cases, than="a Python loop")

    uneven = make_bag(torch.tensor([5000] + [5] * 1000))
    bags = list(uneven.values.split(uneven.offsets.diff().tolist()))
    goal = torch.randn(len(bags), WIDTH)
    ours = peak_megabytes(flat, BagAttentionPooling(WIDTH, HIDDEN, attention="gated"), uneven, goal)
    filled = len(bags) * 5000 * WIDTH * 4 / 1e6
    line = (
        f"one bag of 5000 among 1000 of 5, gated, {uneven.values.nbytes / 1e6:.0f} MB of instances: "
        f"at most {ours:.0f} MB more, forward and backward; padded, the instances alone are {filled:.0f} MB"
    )
    print(line)
    with (RESULTS / "speed_pooling.txt").open("a", encoding="utf-8") as file:
        file.write(line + "\n")


if __name__ == "__main__":
    main()
