"""Regions of attribution maps over their images, as a plot."""

from collections.abc import Mapping
from numbers import Integral

import numpy as np
import pandas as pd

from skmm._training import Choice, Number, check_values
from skmm.containers import ModalityDict, as_modality_dict
from skmm.inspection._attribute import attribute
from skmm.inspection._maps import draw_image, images_of
from skmm.inspection._panels import figure_of, panel_blocks, plain_title, say
from skmm.inspection._region_curve import lesions_of
from skmm.inspection._region_drawing import bar, colours, draw_map, draw_regions, frame, legend, outline
from skmm.inspection._regions import (
    COLUMNS,
    prepare_maps,
    region_frame,
    region_options,
    regions_at,
)
from skmm.inspection._samples import chosen_modalities, present_rows, sample_title, samples_to_show

_WIDTH = 2.3  # inches of a panel
_BAR = 1.0  # inches of the colour bar
_PANELS = ("image", "map", "regions")
_RULES = {"n_regions": (Number(Integral, 1),), "shape": (Choice(("circle", "box", "both")),)}


class RegionDisplay:
    """Where a model looks in images: the image, its attribution map, and the regions, side by side.

    A row a sample. The map shows attributions as parts of the largest, red where they speak for the class and
    blue where they speak against it, white at zero; marks at its colour bar are the threshold. Regions are
    circles or boxes, numbered by their score, solid where their attributions sum to more than zero and dashed
    otherwise. Known lesions have a green outline.

    Use :meth:`from_estimator` or :meth:`from_predictions` to make one.

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
    def from_estimator(
        cls,
        estimator,
        X,
        y=None,
        *,
        modality=None,
        target=None,
        truth=None,
        regions=None,
        explain=None,
        samples=3,
        ax=None,
        **options,
    ):
        """Explain a fitted classifier, find the regions of the maps of its images, and plot them.

        Maps are in the coordinates of the images of ``X``, whatever the steps of a Pipeline do to them. Only
        the samples that are shown are explained, or all with ``regions={"scale": "shared"}``.

        Parameters
        ----------
        estimator : estimator
            As :func:`attribute` takes it.
        X : mapping of str -> array, or ModalityDict
            Samples, with all modalities that the estimator is to see.
        y : array-like of shape (n_samples,), default=None
            Labels, as titles; samples of all classes are then shown in turn.
        modality : str, default=None
            Which images to show; may be left out where one modality is of images.
        target : label, or array-like of shape (n_samples,), default=None
            The class that is explained; default: the one that is predicted for the sample.
        truth : list of array-like, default=None
            Known lesions of each sample, masks or boxes, as :func:`region_curve` takes them.
        regions : dict, default=None
            Arguments of :func:`find_regions`.
        explain : dict, default=None
            Further arguments of :func:`attribute`.
        samples : int or list of int, default=3
            How many samples, or the rows of which.
        ax : matplotlib Axes or array of them, default=None
            Where to draw, one Axes a panel; default: a new figure.
        **options : dict
            Further arguments of :meth:`plot`.

        Returns
        -------
        RegionDisplay
            With ``attribution``, ``regions_``, ``rows_``, ``axes_`` and ``figure_``.

        Raises
        ------
        ValueError
            As :func:`attribute`, `Attributions.maps` and :meth:`plot` do.

        Warns
        -----
        UserWarning
            As `Attributions.maps`, of steps that are taken to leave pixels in place.

        Examples
        --------
        >>> import numpy as np
        >>> from skmm.fusion import ImageMMDynamics
        >>> from skmm.inspection import RegionDisplay
        >>> rng = np.random.default_rng(0)
        >>> X = {"scan": rng.uniform(size=(8, 16, 16)), "age": rng.normal(size=(8, 1))}
        >>> model = ImageMMDynamics(4, max_epochs=1, random_state=0).fit(X, [0, 1] * 4)
        >>> display = RegionDisplay.from_estimator(model, X, samples=[0, 5])
        >>> display.rows_.tolist()
        [0, 5]
        """
        X = as_modality_dict(X)
        name = _images_among(X, modality)
        present, labels = X.is_present(name), None if y is None else np.asarray(y)
        rows = samples_to_show(samples, present, labels)
        explained = np.flatnonzero(present) if (regions or {}).get("scale") == "shared" else rows
        maps = [None] * len(X)
        if len(explained):
            targets = target if np.ndim(target) == 0 else np.asarray(target)[explained]
            found = attribute(estimator, X[explained], targets, **(explain or {}))
            for row, one in zip(explained, found.maps(name), strict=True):
                maps[row] = one
        display = cls(maps, X[[name]], y=y, modality=name, truth=truth, regions=regions)
        return display.plot(ax=ax, samples=rows if len(rows) else samples, **options)

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
        scale = colours([one.relative for one in read])
        for row, one, image, line in zip(self.rows_, read, images, grid, strict=True):
            own = self.regions_[self.regions_["sample"] == row]
            lesions = [] if self.truth is None else lesions_of(self.truth[row], one.counted.shape, row)
            title = str(sample_title(X, row, labels))
            for panel, what in zip(line, panels, strict=True):
                if image is None or what == "map":
                    draw_map(panel, one.relative, scale)
                else:
                    draw_image(panel, image)
                    outline(panel, lesions)
                frame(panel)
                if what == "regions":
                    draw_regions(panel, own[:n_regions], one.counted.shape, shape)
                heading = {"image": "", "map": "attribution", "regions": _count(len(own), n_regions)}[what]
                first = title if panel is line[0] else ""
                plain_title(panel, ", ".join(part for part in (first, heading) if part), beside=_BAR)
        if X is None or "map" in panels:
            bar(self.axes_, scale, marks, min(1.0, 2 / len(read)))
        legend(self.axes_, self.regions_, self.truth is not None, self.figure_ if ax is None else None)
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


def _images_among(X, modality):
    """The modality of images to show."""
    names = [name for name in X if X.kinds[name] == "image"]
    if modality is None and len(names) == 1:
        return names[0]
    if modality not in names:
        raise ValueError(f"modality must be one of {names}, which are images. Got {modality!r}.")
    return modality


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
