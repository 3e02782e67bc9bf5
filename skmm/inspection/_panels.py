"""What the displays of this folder share: panels in rows, names of features, heat maps over images."""

from skmm._optional import import_optional
from skmm.model_selection._plotting import new_axes

_WIDEST = 40  # letters of a name that are shown


def short(name):
    """A name of bearable length: its middle left out."""
    name = str(name)
    return name if len(name) <= _WIDEST else f"{name[: _WIDEST - 16]}…{name[-15:]}"


def name_rows(ax, positions, names):
    """Names at the left, shown as they are: a dollar sign starts no formula."""
    ax.set_yticks(positions, labels=[short(name) for name in names])
    for label in ax.get_yticklabels():
        label.set_parse_math(False)


def plain_title(ax, text, below=None):
    """A title in which a dollar sign starts no formula; perhaps with a line below it."""
    size = "medium" if below is None else "small"
    lines = [short(text)] if below is None else [short(text), below]
    ax.set_title("\n".join(lines), fontsize=size).set_parse_math(False)


def say(ax, text):
    """A panel that has nothing to show says why."""
    ax.set_axis_off()
    ax.text(0.5, 0.5, text, ha="center", va="center", transform=ax.transAxes, color="#444444", wrap=True)


def figure_of(ax):
    """The figure that holds an Axes, which may lie in a part of it."""
    figure = ax.figure
    return getattr(figure, "figure", None) or figure


def panel_blocks(ax, blocks, who):
    """Axes in blocks, one below the other: those given, or new ones.

    Parameters
    ----------
    ax : matplotlib Axes, array of them or None
        The caller's.
    blocks : list of (n_panels, n_columns, width, height)
        Panels of each block, and its inches.
    who : str
        The display, for messages.

    Returns
    -------
    list of list of Axes
        One list a block, row after row.
    """
    if ax is not None:
        flat = iter(new_axes(ax, sum(block[0] for block in blocks), who, size=None))
        return [[next(flat) for _ in range(n_panels)] for n_panels, _, _, _ in blocks]
    pyplot = import_optional("matplotlib.pyplot", extra="explain", who=who)
    width, heights = max(block[2] for block in blocks), [block[3] for block in blocks]
    figure = pyplot.figure(figsize=(width, sum(heights)), layout="constrained")
    parts = figure.subfigures(len(blocks), 1, height_ratios=heights, squeeze=False)[:, 0]
    panels = []
    for part, (n_panels, n_columns, own_width, _) in zip(parts, blocks, strict=True):
        filled = max(
            n_columns, int(width * n_columns / own_width)
        )  # panels of a narrow block keep their size
        grid = part.subplots(-(-n_panels // n_columns), filled, squeeze=False)
        own = list(grid[:, :n_columns].ravel())
        for spare in [*grid[:, n_columns:].ravel(), *own[n_panels:]]:
            spare.remove()
        panels.append(own[:n_panels])
    return panels
