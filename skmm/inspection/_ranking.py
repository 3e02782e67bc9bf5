"""Features or tokens of a table, ranked by what a model thinks of them."""

import numpy as np
import pandas as pd

from skmm.inspection._panels import name_rows, plain_title, say, short
from skmm.model_selection._plotting import COLORS, REFERENCE, tidy

_COLUMNS = 3


def ranking(values, present, names=None):
    """Mean, standard deviation (ddof=1) and number of samples of each feature, the highest mean first."""
    seen = np.asarray(values, dtype=np.float64)[present]
    n, n_features = seen.shape
    if names is None:
        names = np.arange(n_features)
    if len(names) != n_features:
        raise ValueError(f"There must be a name for each of {n_features} features. Got {len(names)} names.")
    blank = np.full(n_features, np.nan)
    frame = pd.DataFrame(
        {
            "mean": seen.mean(axis=0) if n else blank,
            "std": seen.std(axis=0, ddof=1) if n > 1 else blank,
            "n": n,
        },
        index=pd.Index(names, name="feature"),
    )
    return frame.sort_values("mean", ascending=False, kind="stable")


def _ends(summary, n_highest, n_lowest):
    """The highest and the lowest features; all in one part where they are no more than these."""
    if len(summary) <= n_highest + n_lowest:
        return [summary]
    return [summary[:n_highest], summary[len(summary) - n_lowest :]]


def ranking_block(summaries, n_highest, n_lowest):
    """Panels of tables, and their inches."""
    shown = [_ends(summary, n_highest, n_lowest) for summary in summaries]
    n_rows = max(sum(map(len, parts)) + len(parts) for parts in shown)
    widest = max(len(short(name)) for parts in shown for part in parts for name in part.index)
    columns = min(len(shown), _COLUMNS)
    height = (1.2 + 0.22 * n_rows) * -(-len(shown) // columns)
    return [len(shown)], columns, (3.2 + 0.08 * widest) * columns, height


def draw_ranking(ax, title, summary, n_highest, n_lowest, *, label, what=None, reference=None):
    """The highest and the lowest features of a table, and how many are left out.

    Parameters
    ----------
    ax : matplotlib Axes
        Where to draw.
    title : str
        The table.
    summary : DataFrame
        From `ranking`.
    n_highest, n_lowest : int
        How many to show.
    label : str
        What is on the horizontal axis.
    what : str, default=None
        What is at the left, where it is no names.
    reference : float, default=None
        Where to draw a dashed line.
    """
    n_samples = int(summary["n"].iloc[0])
    plain_title(ax, title, below=what)
    if not n_samples:
        say(ax, "no sample has it")
        return
    parts = _ends(summary, n_highest, n_lowest)
    start, places = 0, []
    for part, color, marker in zip(parts, COLORS, "os", strict=False):
        at = start + np.arange(len(part))
        ax.errorbar(
            part["mean"], at, xerr=part["std"].fillna(0), fmt=marker, color=color, markersize=6, capsize=3,
            elinewidth=1.5, markeredgecolor="white",
        )  # fmt: skip
        places += list(at)
        start = len(places) + 1
    name_rows(ax, places, [name for part in parts for name in part.index])
    n_left_out = len(summary) - len(places)
    ax.set_ylim(max(places[-1], n_highest if n_left_out else 0) + 0.6, -0.6)
    ax.set_xlim(left=max(ax.get_xlim()[0], 0))  # nothing is below 0 but the end of a bar
    ax.locator_params(axis="x", nbins=5)
    spread = f"mean ± std of {n_samples} samples" if n_samples > 1 else "of 1 sample"
    ax.set_xlabel(f"{label}\n{spread}")
    tidy(ax)
    if n_left_out:
        between = f"{n_left_out} {'between' if n_lowest else 'below'}"
        ax.axhline(n_highest, color="#BBBBBB", linewidth=0.8)
        ax.text(
            0.5, n_highest, between, transform=ax.get_yaxis_transform(), ha="center", va="center",
            fontsize="small", color="#444444", bbox={"facecolor": "white", "edgecolor": "none", "pad": 2},
        )  # fmt: skip
    if reference is not None:
        ax.axvline(reference, **REFERENCE)
