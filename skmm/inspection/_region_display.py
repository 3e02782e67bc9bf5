"""Regions of attribution maps over their images, as a plot."""

from collections.abc import Mapping
from numbers import Integral

import numpy as np
import pandas as pd

from skmm._optional import import_optional
from skmm._training import Choice, Number, check_values
from skmm.containers import ModalityDict, as_modality_dict
from skmm.inspection._maps import draw_image, images_of
from skmm.inspection._panels import figure_of, panel_blocks, plain_title, say
from skmm.inspection._region_curve import lesions_of
from skmm.inspection._regions import (
    COLUMNS,
    prepare_maps,
    region_frame,
    region_options,
    regions_at,
)
from skmm.inspection._samples import chosen_modalities, present_rows, sample_title, samples_to_show
from skmm.model_selection._plotting import COLORS

_COLOURS = "RdBu_r"  # nearly white at zero: what does not speak is not seen
_FOR, _AGAINST, _LESION = COLORS[1], COLORS[0], COLORS[2]
_SIDE = 800  # pixels a side that are drawn
_WIDTH = 2.3  # inches of a panel
_BAR = 1.0  # inches of the colour bar
_PANELS = ("image", "map", "regions")
_FRAME = {"color": "#BBBBBB", "linewidth": 0.8}
_NEAR = 0.08  # of the image, between two numbers of regions
_RULES = {"n_regions": (Number(Integral, 1),), "shape": (Choice(("circle", "box", "both")),)}
_SPEAKS = {True: "speaks for the class", False: "speaks against it"}


class RegionDisplay:
    """Where a model looks in images: the image, its attribution map, and the regions, side by side.

    A row a sample. The map shows attributions as parts of the largest, red where they speak for the class and
    blue where they speak against it, white at zero; marks at its colour bar are the threshold. Regions are
    circles or boxes, numbered by their score, solid where their attributions sum to more than zero and dashed
    otherwise. Known lesions have a green outline.

    Use :meth:`from_predictions` to make one.

    Parameters
    ----------
    attribution : list of ndarray, ndarray or dict of str -> those
        A map of each sample, (height, width) or (height, width, channels), None where there is none; or an
        array (n_samples, height, width) or (n_samples, height, width, channels); or one map of shape (height,
        width). By modality, or that of one.
    X : mapping of str -> array, ModalityDict, or images, default=None
        The images of the same samples, and which samples have one. Without it regions lie over the maps.
    y : array-like of shape (n_samples,), default=None
        Labels, as titles; samples of all classes are then shown in turn.
    modality : str, default=None
        Which modality to show; may be left out where there is one.
    truth : list of array-like, default=None
        Known lesions of each sample, masks or boxes, as :func:`region_curve` takes them.
    regions : dict or DataFrame, default=None
        Arguments of :func:`find_regions`, or a table of regions as it returns it for these maps.

    Attributes
    ----------
    regions_ : DataFrame
        The regions of the samples shown; "sample" is the row of the sample.
    rows_ : ndarray of int
        The rows of the samples shown.
    axes_ : list of matplotlib Axes
        The panels, sample after sample.
    figure_ : matplotlib Figure
        What holds them.

    Examples
    --------
    >>> import numpy as np
    >>> from skmm.inspection import RegionDisplay
    >>> attribution = np.zeros((1, 20, 30))
    >>> attribution[0, 5:9, 6:12] = 0.8
    >>> display = RegionDisplay.from_predictions(attribution, np.ones((1, 20, 30)), regions={"margin": 2})
    >>> display.regions_[["row", "column", "radius"]].round(2)
       row  column  radius
    0  6.5     8.5    4.92
    """

    def __init__(self, attribution, X=None, *, y=None, modality=None, truth=None, regions=None):
        self.attribution = attribution
        self.X = X
        self.y = y
        self.modality = modality
        self.truth = truth
        self.regions = regions

    @classmethod
    def from_predictions(
        cls, attribution, X=None, y=None, *, modality=None, truth=None, regions=None, ax=None, **options
    ):
        """Find the regions of attribution maps and plot them.

        Parameters
        ----------
        attribution : list of ndarray, ndarray or dict of str -> those
            A map of each sample.
        X : mapping of str -> array, ModalityDict, or images, default=None
            The images of the same samples; without it regions lie over the maps.
        y : array-like of shape (n_samples,), default=None
            Labels, as titles; samples of all classes are then shown in turn.
        modality : str, default=None
            Which modality to show; may be left out where there is one.
        truth : list of array-like, default=None
            Known lesions of each sample, masks or boxes, as :func:`region_curve` takes them.
        regions : dict or DataFrame, default=None
            Arguments of :func:`find_regions`, or a table of regions as it returns it for these maps.
        ax : matplotlib Axes or array of them, default=None
            Where to draw, one Axes a panel; default: a new figure.
        **options : dict
            Further arguments of :meth:`plot`.

        Returns
        -------
        RegionDisplay
            With ``regions_``, ``rows_``, ``axes_`` and ``figure_``.

        Examples
        --------
        See the class.
        """
        display = cls(attribution, X, y=y, modality=modality, truth=truth, regions=regions)
        return display.plot(ax=ax, **options)

    def plot(self, *, samples=3, panels=None, shape="circle", n_regions=5, ax=None):
        """Draw images, maps and regions.

        Parameters
        ----------
        samples : int or list of int, default=3
            How many samples, or the rows of which.
        panels : str or list of str, default=None
            What to show of each sample, some of "image", "map" and "regions"; default: all with images, and
            "regions", over the map, without.
        shape : {"circle", "box", "both"}, default="circle"
            What to draw around a region.
        n_regions : int, default=5
            Number of regions of a sample, at most: those with the highest scores.
        ax : matplotlib Axes or array of them, default=None
            Where to draw, one Axes a panel; default: a new figure.

        Returns
        -------
        RegionDisplay
            Itself.

        Raises
        ------
        ValueError
            If a modality, a sample or an argument is not known, or images and maps differ in size.

        Examples
        --------
        See the class.
        """
        check_values("RegionDisplay", {"n_regions": n_regions, "shape": shape}, _RULES)
        name, maps, X = _of_one_modality(self.attribution, self.X, self.modality)
        panels = _chosen_panels(panels, X is not None)
        labels = None if self.y is None else np.asarray(self.y)
        present = np.array([_has_map(one) for one in maps], dtype=bool)
        if X is not None:
            present &= present_rows(X, name, len(maps))
        if self.truth is not None and len(self.truth) != len(maps):
            raise ValueError(f"truth must have an entry for each of {len(maps)} maps. Got {len(self.truth)}.")
        self.rows_ = samples_to_show(samples, present, labels)
        read, self.regions_, marks = self._read(maps, present)
        images = images_of(X, name, self.rows_)
        _check_sizes(read, images, self.rows_)
        n_rows = max(len(self.rows_), 1)
        height, width = read[0].counted.shape if read else (1, 1)
        inches = _WIDTH * np.clip(height / width, 0.5, 2) + 0.35
        block = ([len(panels)] * n_rows, len(panels), _WIDTH * len(panels) + _BAR, n_rows * inches + 0.5)
        self.axes_ = panel_blocks(ax, [block], type(self).__name__)[0]
        self.figure_ = figure_of(self.axes_[0])
        if not read:
            say(self.axes_[0], f"{name}: no sample has it")
            return self
        grid = np.array(self.axes_, dtype=object).reshape(len(read), len(panels))
        scale = _colours([one.relative for one in read])
        for row, one, image, line in zip(self.rows_, read, images, grid, strict=True):
            own = self.regions_[self.regions_["sample"] == row]
            lesions = [] if self.truth is None else lesions_of(self.truth[row], one.counted.shape, row)
            title = str(sample_title(X, row, labels))
            for panel, what in zip(line, panels, strict=True):
                if image is None or what == "map":
                    _draw_map(panel, one.relative, scale)
                else:
                    draw_image(panel, image)
                    outline(panel, lesions)
                _frame(panel)
                if what == "regions":
                    draw_regions(panel, own[:n_regions], one.counted.shape, shape)
                heading = {"image": "", "map": "attribution", "regions": _count(len(own), n_regions)}[what]
                first = title if panel is line[0] else ""
                plain_title(panel, ", ".join(part for part in (first, heading) if part), beside=_BAR)
        if X is None or "map" in panels:
            _bar(self.axes_, scale, marks, min(1.0, 2 / len(read)))
        _legend(self.axes_, self.regions_, self.truth is not None, self.figure_ if ax is None else None)
        return self

    def _read(self, maps, present):
        """Maps of the samples shown, their regions, and where the threshold lies in their colours."""
        given = self.regions if isinstance(self.regions, pd.DataFrame) else None
        if given is None and not (self.regions is None or isinstance(self.regions, Mapping)):
            raise ValueError(f"regions must be a dict or a DataFrame. Got {type(self.regions).__name__}.")
        if given is not None and not set(COLUMNS) <= set(given.columns):
            missing = [name for name in COLUMNS if name not in given.columns]
            raise ValueError(f"regions must have the columns that find_regions gives. It lacks {missing}.")
        options = region_options("RegionDisplay", {} if given is not None else self.regions or {})
        taken = np.flatnonzero(present) if options["scale"] == "shared" else self.rows_
        mask = options.pop("mask")
        if isinstance(mask, (list, tuple)) or np.ndim(mask) == 3:
            mask = [mask[row] for row in taken]
        prepared = zip(taken, prepare_maps([maps[row] for row in taken], mask, **options), strict=True)
        by_row = {row: one for row, one in prepared if row in self.rows_}
        read = [by_row[row] for row in self.rows_]
        if given is not None:
            return read, given[given["sample"].isin(self.rows_)], ()
        found = [
            {"sample": row, **region}
            for row, one in zip(self.rows_, read, strict=True)
            for region in regions_at(one, **options)[0]
        ]
        signs = {"absolute": (1, -1), "positive": (1,), "negative": (-1,)}[options["sign"]]
        is_marked = options["scale"] != "minmax"
        marks = tuple(sign * options["threshold"] for sign in signs) if is_marked else ()
        return read, region_frame(found), marks


def _of_one_modality(attribution, X, modality):
    """The name of a modality, its maps as a list, and X as a ModalityDict or None."""
    named = attribution if isinstance(attribution, Mapping) else X if isinstance(X, Mapping) else ["image"]
    names = list(named)  # a ModalityDict has as many samples as its length says
    if modality is None and len(names) != 1:
        raise ValueError(f"modality must be one of {names}, as there are several. Got None.")
    name = names[0] if modality is None else modality
    if isinstance(attribution, Mapping):
        attribution = attribution[chosen_modalities(name, names)[0]]
    if X is not None:
        X = as_modality_dict(X) if isinstance(X, Mapping) else ModalityDict({name: X}, kinds={name: "image"})
        if name in X and X.kinds[name] != "image":
            raise ValueError(f"Modality {name!r} of X must be of kind image. It is of kind {X.kinds[name]}.")
    is_one = not isinstance(attribution, (list, tuple)) and np.ndim(attribution) == 2
    return name, [attribution] if is_one else list(attribution), X


def _has_map(one):
    """Whether there is a map: not None, and not NaN throughout."""
    return one is not None and not (np.asarray(one).dtype.kind == "f" and np.isnan(one).all())


def _chosen_panels(panels, with_images):
    """What to show of each sample."""
    if panels is None:
        return list(_PANELS) if with_images else ["regions"]
    names = [panels] if isinstance(panels, str) else list(panels)
    if not names or not set(names) <= set(_PANELS) or len(set(names)) < len(names):
        raise ValueError(f"panels must be some of {list(_PANELS)}. Got {panels!r} instead.")
    if "image" in names and not with_images:
        raise ValueError('panels may hold "image" only where X holds the images. Got no X.')
    return names


def _check_sizes(read, images, rows):
    """Raise where a map is not as large as its image."""
    for one, image, row in zip(read, images, rows, strict=True):
        if image is not None and one.counted.shape != (image.height, image.width):
            raise ValueError(
                f"The attribution of sample {row} must have the size of its image, {image.height} x "
                f"{image.width} pixels. Got {one.counted.shape[0]} x {one.counted.shape[1]}."
            )


def _count(n_found, n_regions):
    """How many regions there are, in words."""
    if n_found > n_regions:
        return f"{n_regions} of {n_found} regions"
    return f"{n_found or 'no'} region{'' if n_found == 1 else 's'}"


def _colours(maps):
    """Colours of maps: from white at 0 to red, and to blue where some value is below 0."""
    colors = import_optional("matplotlib.colors", extra="explain")
    cm = import_optional("matplotlib.cm", extra="explain")
    if min(one.min() for one in maps) < 0:
        return cm.ScalarMappable(colors.Normalize(-1.0, 1.0), cmap=_COLOURS)
    upper = cm.ScalarMappable(colors.Normalize(-1.0, 1.0), cmap=_COLOURS).to_rgba(np.linspace(0, 1, 128))
    return cm.ScalarMappable(colors.Normalize(0.0, 1.0), cmap=colors.ListedColormap(upper))


def strongest(values, side=_SIDE):
    """A map in fewer pixels, each the strongest of a block, so that none is lost."""
    step = -(-max(values.shape) // side)
    if step == 1:
        return values
    height, width = (-(-size // step) * step for size in values.shape)
    padded = np.zeros((height, width))
    padded[: values.shape[0], : values.shape[1]] = values
    blocks = padded.reshape(height // step, step, width // step, step).swapaxes(1, 2).reshape(-1, step**2)
    peaks = np.take_along_axis(blocks, np.abs(blocks).argmax(axis=1)[:, None], axis=1)
    return peaks.reshape(height // step, width // step)


def _draw_map(ax, relative, scale):
    """A map in its colours."""
    drawn = strongest(relative)
    step = -(-max(relative.shape) // _SIDE)
    extent = (-0.5, drawn.shape[1] * step - 0.5, drawn.shape[0] * step - 0.5, -0.5)
    ax.imshow(drawn, cmap=scale.cmap, norm=scale.norm, interpolation="nearest", extent=extent)
    ax.set_xlim(-0.5, relative.shape[1] - 0.5)
    ax.set_ylim(relative.shape[0] - 0.5, -0.5)


def _frame(ax):
    """A thin frame, as maps and images may be as white as the page."""
    ax.set_axis_on()
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set(**_FRAME)


def _cased(width):
    """A white line below a coloured one, so that it is seen on black and on white."""
    effects = import_optional("matplotlib.patheffects", extra="explain")
    return [effects.withStroke(linewidth=width, foreground="white")]


def outline(ax, lesions):
    """Edges of the pixels of lesions."""
    collections = import_optional("matplotlib.collections", extra="explain")
    for lesion in lesions:
        padded = np.pad(lesion, 1)
        beside = np.argwhere(padded[1:-1, 1:] != padded[1:-1, :-1]) - 0.5  # upper ends of vertical edges
        below = np.argwhere(padded[1:, 1:-1] != padded[:-1, 1:-1]) - 0.5  # left ends of horizontal ones
        edges = [[(c, r), (c, r + 1)] for r, c in beside] + [[(c, r), (c + 1, r)] for r, c in below]
        for color, width in (("white", 2.4), (_LESION, 1.2)):
            ax.add_collection(collections.LineCollection(edges, colors=color, linewidths=width))


def draw_regions(ax, regions, shape, form):
    """Circles or boxes of regions and their numbers."""
    patches = import_optional("matplotlib.patches", extra="explain")
    taken = []
    for region in regions.itertuples():
        is_for = region.attribution >= 0
        style = {
            "fill": False, "edgecolor": _FOR if is_for else _AGAINST, "linewidth": 1.5,
            "linestyle": "-" if is_for else (0, (3, 1.5)), "path_effects": _cased(2.8),
        }  # fmt: skip
        if form != "box":
            ax.add_patch(patches.Circle((region.column, region.row), region.radius, **style))
        if form != "circle":
            size = region.right - region.left, region.bottom - region.top
            ax.add_patch(patches.Rectangle((region.left - 0.5, region.top - 0.5), *size, **style))
        place, (right, down) = place_of_number(region, regions, shape, form, taken)
        taken.append(place)
        text = ax.annotate(
            str(region.region + 1), place, xytext=(2 * right, -down), textcoords="offset points",
            ha="left" if right > 0 else "right", va="top" if down > 0 else "bottom",
            color=style["edgecolor"], fontsize="small", fontweight="bold",
        )  # fmt: skip
        text.set_path_effects(_cased(2.5))


def place_of_number(region, regions, shape, form, taken):
    """A corner of a region for its number: in the image, outside other regions, away from other numbers."""
    aside = 0.71 * region.radius if form != "box" else (region.right - region.left) / 2
    along = 0.71 * region.radius if form != "box" else (region.bottom - region.top) / 2
    near = _NEAR * max(shape)
    found = []
    for right, down in ((1, -1), (-1, -1), (1, 1), (-1, 1)):
        column, row = region.column + right * aside, region.row + down * along
        outer = np.array([row + down * near / 2, column + right * near / 2])
        others = regions[regions["region"] != region.region]
        covered = (
            np.hypot(others["row"] - outer[0], others["column"] - outer[1]) < others["radius"] + near / 4
        )
        close = sum(max(abs(column - c), abs(row - r)) < near for c, r in taken)
        is_outside = (outer < 0).any() or (outer > np.array(shape) - 1).any()
        found.append((4 * is_outside + 2 * close + covered.sum(), len(found), (column, row), (right, down)))
    return min(found)[2:]


def _bar(axes, scale, marks, shrink):
    """A colour bar beside maps, with the threshold."""
    bar = axes[0].figure.colorbar(scale, ax=axes, fraction=0.05, pad=0.02, shrink=shrink, aspect=30 * shrink)
    bar.set_label("attribution, part of the largest", fontsize="small")
    bar.ax.tick_params(labelsize="small")
    for mark in marks:
        if bar.norm.vmin <= mark <= bar.norm.vmax:
            bar.ax.axhline(mark, color="black", linewidth=1.2)


def _legend(axes, regions, with_truth, figure):
    """What lines mean: below a figure of our own, or below the first of the caller's Axes."""
    lines = import_optional("matplotlib.lines", extra="explain")
    signs = regions["attribution"] >= 0
    handles = [
        lines.Line2D([], [], color=_FOR if sign else _AGAINST, linestyle="-" if sign else "--", label=label)
        for sign, label in _SPEAKS.items()
        if (signs == sign).any()
    ]
    if with_truth:
        handles.append(lines.Line2D([], [], color=_LESION, label="known lesion"))
    if not handles:
        return
    options = {"handles": handles, "frameon": False, "fontsize": "small", "ncols": len(handles)}
    if figure is not None:
        figure.legend(loc="outside lower center", **options)
    else:
        axes[0].legend(loc="upper left", bbox_to_anchor=(0, 0), **{**options, "ncols": 1})
