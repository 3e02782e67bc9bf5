"""What the speed benchmarks share: seconds of steady epochs of a fit and of a loop, of a call; ratios."""

import time

import numpy as np
import torch
from _common import RESULTS
from skorch.callbacks import Callback

WARM_UP = 1  # epochs that do not count


class Clock(Callback):
    """Process time at the end of each epoch."""

    def on_train_begin(self, net, **kwargs):
        """Forget earlier times."""
        self.times_ = []

    def on_epoch_end(self, net, **kwargs):
        """Note the time."""
        self.times_.append(time.process_time())


def fit_seconds(model, X, y, n_epochs=1):
    """Seconds of the epochs of a fit."""
    model.set_params(max_epochs=WARM_UP + n_epochs, callbacks=[("clock", Clock())]).fit(X, y)
    times = dict(model.net_.callbacks_)["clock"].times_
    return times[-1] - times[WARM_UP - 1]


def loop_seconds(model, loss_of, n_samples, batch_size, n_epochs=1, *, lr, weight_decay):
    """Seconds of the epochs of a loop as one would write it; ``loss_of(rows)`` is the loss of a batch."""
    optimizer = torch.optim.Adam(model.parameters(), lr=lr, weight_decay=weight_decay)
    for epoch in range(WARM_UP + n_epochs):
        if epoch == WARM_UP:
            start = time.process_time()
        for rows in torch.randperm(n_samples).split(batch_size):
            optimizer.zero_grad()
            loss = loss_of(rows)
            loss.backward()
            optimizer.step()
            loss.item()
    return time.process_time() - start


def call_seconds(function, *args):
    """Seconds of a call."""
    start = time.process_time()
    function(*args)
    return time.process_time() - start


def report_ratios(name, cases, n_pairs=5, *, than="the hand-written loop", digits=2):
    """Print and write the ratio of two times for each case: {name of the case: (function, function by hand)}.

    Ratios of process times, one thread, alternating pairs; `than` says what was done by hand.
    """
    torch.set_num_threads(1)
    lines = []
    for case, (ours, by_hand) in cases.items():
        ratios = [ours() / by_hand() for _ in range(n_pairs)]
        low, median, high = np.percentile(ratios, [25, 50, 75])
        spread = f"quartiles {low:.{digits}f} to {high:.{digits}f}"
        lines.append(f"{case}: {median:.{digits}f} of {than}'s time ({spread})")
        print(lines[-1], flush=True)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
