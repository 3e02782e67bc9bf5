"""The time of integrated gradients of 100 samples in 50 steps, against one call of Captum a sample.

The digits as three tables of 72 columns, and networks of several widths. Both compute in float64, from zeros,
and for the predicted class; Captum's call takes the 50 steps of its sample at once. How times are taken is
told in _speed.py. The wider a network, the more of the time is arithmetic, which is the same for both.
"""

import copy
import warnings
from functools import partial

import numpy as np
import torch
from _speed import call_seconds, report_ratios
from captum.attr import IntegratedGradients
from sklearn.exceptions import ConvergenceWarning

from skmm.datasets import load_digits_views
from skmm.fusion import MMDynamicsClassifier, MMStaticClassifier
from skmm.inspection import attribute

N_SAMPLES, N_STEPS = 100, 50
CASES = [
    ("MM static", MMStaticClassifier, 16),
    ("MM dynamics", MMDynamicsClassifier, 16),
    ("MM dynamics", MMDynamicsClassifier, 64),
    ("MM dynamics", MMDynamicsClassifier, 256),
]


def tensors_of(model, X):
    """The tables as the network sees them, in float64."""
    here = np.ones(len(X), dtype=bool)
    return {name: torch.from_numpy(entry(X[name], here, np.float64)) for name, entry in model._inputs.items()}


def one_by_one(model, inputs, codes):
    """Attributions by one call a sample."""
    module = copy.deepcopy(model.net_.module_).double().eval()

    def logits(*tables):
        present = torch.ones(len(tables[0]), len(tables), dtype=torch.bool)
        return module(dict(zip(inputs, tables, strict=True)), present).logits

    explainer = IntegratedGradients(logits)
    found = []
    for row, code in enumerate(codes):
        sample = tuple(table[row : row + 1] for table in inputs.values())
        found.append(explainer.attribute(sample, target=code, n_steps=N_STEPS))
    return [torch.cat(parts) for parts in zip(*found, strict=True)]


def main():
    """Compare."""
    warnings.simplefilter("ignore", ConvergenceWarning)  # of 50 steps, which both have
    X, y = load_digits_views(return_X_y=True)
    X = X[["profile", "fourier", "gradient"]]
    cases = {}
    for name, network, width in CASES:
        model = network(width, max_epochs=10, random_state=0).fit(X[:500], y[:500])
        test = X[500 : 500 + N_SAMPLES]
        proba = model.predict_proba(test)
        target, codes = model.classes_[proba.argmax(axis=1)], proba.argmax(axis=1).tolist()
        inputs = tensors_of(model, test)
        ours = attribute(model, test, target, n_steps=N_STEPS)
        for values, theirs in zip(ours.values(), one_by_one(model, inputs, codes), strict=True):
            np.testing.assert_allclose(values, theirs, atol=1e-5)
        cases[f"{name}, width {width}"] = (
            partial(call_seconds, partial(attribute, model, test, target, n_steps=N_STEPS)),
            partial(call_seconds, one_by_one, model, inputs, codes),
        )
    report_ratios("speed_attributions", cases, than="one Captum call a sample", digits=3)


if __name__ == "__main__":
    main()
