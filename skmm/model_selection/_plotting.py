"""What the plots of this folder share: colours, axes and names of metrics."""

import numpy as np
import pandas as pd

from skmm._optional import import_optional

# Okabe and Ito's palette, told apart with any colour vision; yellow last, as it is faint on white.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442")
GREY = "#6E6E6E"
MARKERS = ("o", "s", "^", "D", "v", "P", "X")

_LEGEND_WIDTH = 75  # letters of a legend that fit above one panel

REFERENCE = {"color": GREY, "linestyle": "--", "linewidth": 1}

_METRICS = {
    "f1_macro": "macro F1",
    "f1_weighted": "weighted F1",
    "recall_macro": "macro recall",
    "recall_weighted": "weighted recall",
    "precision_macro": "macro precision",
    "precision_weighted": "weighted precision",
    "roc_auc": "ROC AUC",
    "roc_auc_ovr": "ROC AUC (one vs rest)",
    "neg_log_loss": "negative log-loss",
    "balanced_accuracy": "balanced accuracy",
}


def metric_label(name):
    """Name of a metric for readers."""
    return _METRICS.get(name, str(name).replace("_", " "))


def new_axes(ax, n_panels, who, *, size, **options):
    """Axes to draw on: those given, or new ones side by side; always a list."""
    if ax is not None:
        axes = list(np.ravel(ax))
        if len(axes) != n_panels:
            raise ValueError(
                f"{who} draws {n_panels} panels, so ax must hold {n_panels} Axes. Got {len(axes)} instead."
            )
        return axes
    pyplot = import_optional("matplotlib.pyplot", extra="explain", who=who)
    width, height = size
    _, axes = pyplot.subplots(
        1, n_panels, figsize=(width, height), squeeze=False, layout="constrained", **options
    )
    return list(axes[0])


def tidy(ax, grid="x"):
    """A light grid behind the data and no box around it."""
    ax.grid(axis=grid, color="#DDDDDD", linewidth=0.8)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)


def spread(n, width=0.3):
    """Offsets that keep n points of one row apart, the same in every call."""
    return np.zeros(1) if n == 1 else np.linspace(-width, width, n)


def mean_and_std(values):
    """Mean and standard deviation (ddof=1; 0 for a single value)."""
    values = pd.Series(values, dtype=float)
    return values.mean(), values.std(ddof=1) if len(values) > 1 else 0.0


def dot_rows(ax, rows, *, labels):
    """Rows of scores from top to bottom: each value as a faint point, mean and standard deviation on top.

    Parameters
    ----------
    ax : matplotlib Axes
        Where to draw.
    rows : list of (values, colour, marker)
        One entry a row.
    labels : list of str
        Names at the left.
    """
    for position, (values, color, marker) in enumerate(rows):
        mean, std = mean_and_std(values)
        ax.scatter(values, position + spread(len(values)), s=16, color=color, alpha=0.35, linewidths=0)
        ax.errorbar(
            mean, position, xerr=std, color=color, marker=marker, markersize=8, capsize=4, elinewidth=2,
            markeredgecolor="white",
        )  # fmt: skip
    ax.set_yticks(range(len(labels)), labels=labels)
    for label in ax.get_yticklabels():
        label.set_parse_math(False)  # a dollar sign starts no formula
    ax.set_ylim(len(labels) - 0.4, -0.6)
    ax.locator_params(axis="x", nbins=6)  # more labels of three decimals touch one another
    tidy(ax)


def rows_size(labels, n_panels, height):
    """Inches of a figure of dot rows: the names at the left take nothing from the panels."""
    widest = max(len(line) for label in labels for line in label.split("\n"))
    return (max(3.0, 1.0 + 0.09 * widest) + 3.4 * n_panels, 1.3 + height * len(labels))


def legend_above(ax, *, columns, title=None):
    """Legend of what has a label, above the axes, in so few columns that it is no wider than they are."""
    labels = ax.get_legend_handles_labels()[1]
    if not labels:
        return

    def width(n):
        return sum(8 + max(map(len, part)) for part in np.array_split(labels, n))  # in letters; 8 for a line

    fitting = [n for n in range(1, min(columns, len(labels)) + 1) if width(n) <= _LEGEND_WIDTH]
    ax.legend(
        title=title, fontsize="small", title_fontsize="small", frameon=False, loc="lower left",
        bbox_to_anchor=(0, 1), ncols=max(fitting, default=1), borderaxespad=0,
    )  # fmt: skip


def repeats(scores):
    """How many evaluations a mean goes over, in words; empty for one."""
    n_seeds, folds = scores["seed"].nunique(), scores.loc[scores["fold"] != "test", "fold"].nunique()
    parts = [f"{n} {name}s" for n, name in ((folds, "fold"), (n_seeds, "seed")) if n > 1]
    return f"mean ± std of {' x '.join(parts)}" if parts else ""


def score_label(metric, scores):
    """Axis label: the metric, and what points and bars are."""
    return "\n".join(part for part in (metric_label(metric), repeats(scores)) if part)


def band_line(ax, x, y, std, *, color, label, **style):
    """A line with a band of one standard deviation, where there is one."""
    std = pd.Series(std, dtype=float).fillna(0.0).to_numpy()
    y = np.asarray(y, dtype=float)
    ax.plot(x, y, color=color, label=label, markersize=5, **style)
    if std.any():
        ax.fill_between(x, y - std, y + std, color=color, alpha=0.12, linewidth=0)
