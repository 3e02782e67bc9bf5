"""From what a model sees of images back to the original ones: which steps lie between, and what they did."""

import sys
import warnings

import numpy as np

from skmm.compose import ModalitySplitter, ModalityTransformer
from skmm.containers import as_modality_dict, entry_shape, is_bare_table, read_rows
from skmm.impute import PseudoModalityImputer, RandomForestImputer
from skmm.preprocessing import GrayscaleNormalizer, HistogramEqualizer
from skmm.preprocessing._grayscale_normalizer import resize

_IMAGES = ("image", "volume", "bag")
_KNOWN = (HistogramEqualizer, GrayscaleNormalizer)  # a pixel stays where it is, but for a change of size
_IN_PLACE = (*_KNOWN, PseudoModalityImputer, RandomForestImputer)  # passed without a word


class Origin:
    """The original images of a modality, by their sizes, and what the steps before the model did to them.

    Parameters
    ----------
    value : object
        The modality before the first step.
    kind : str
        Its kind.
    blocked : str, default=None
        The step that made the images, where it is not known of what.
    """

    def __init__(self, value, kind, blocked=None):
        self.sizes = self._now = sizes_of(value, kind)
        self.is_resized = False
        self.blocked = blocked
        self.assumed = []  # steps that are taken to leave pixels in place

    def add(self, parts, value, kind):
        """Take in what was done to the modality by some transformers, and what came out of it."""
        unknown = [type(part).__name__ for part in parts if not isinstance(part, _KNOWN)]
        if self.blocked is not None or not parts:
            return
        if kind not in _IMAGES:
            self.blocked = (unknown or [type(parts[-1]).__name__])[0]
            return
        before, self._now = self._now, sizes_of(value, kind)
        if not unknown:
            self.is_resized |= before != self._now
            return
        # A step that is not known is taken to leave pixels in place if it leaves the size of images as it is.
        resizes = [number for number, part in enumerate(parts) if getattr(part, "size", None) is not None]
        tail = parts[resizes[-1] + 1 :] if resizes else parts
        hidden = [part for part in parts[: len(parts) - len(tail)] if not isinstance(part, _KNOWN)]
        expected = _pair(parts[resizes[-1]].size) if resizes else before
        if hidden or expected != self._now:
            self.blocked = unknown[0]
        self.assumed += [type(part).__name__ for part in parts if not isinstance(part, _IN_PLACE)]
        self.is_resized |= bool(resizes)

    def check(self, name):
        """Raise where a step cannot be passed; warn where one is passed on an assumption."""
        if self.blocked is not None:
            raise ValueError(
                f"Attributions of {name!r} cannot be brought back to the original images through "
                f"{self.blocked}: which pixels became what there is not known. attributions[{name!r}] holds "
                "those of what the model sees."
            )
        if self.assumed:
            warnings.warn(
                f"Maps of {name!r} are brought back to the original images through "
                f"{', '.join(dict.fromkeys(self.assumed))}, which keeps their size and is taken to leave "
                "pixels in place. If it moves them, as a flip or a shift does, the maps are wrong by that.",
                UserWarning,
                stacklevel=_levels_to_caller(),
            )

    def back(self, maps):
        """Maps in the coordinates of the original images."""
        if not self.is_resized:
            return maps
        sizes = [self.sizes] * len(maps) if isinstance(self.sizes, tuple) else self.sizes
        return [_enlarged_all(one, size) for one, size in zip(maps, sizes, strict=True)]


def trace(origins, step, before, after):
    """Take in a step of a pipeline.

    Parameters
    ----------
    origins : dict of str -> Origin
        By modality; changed in place.
    step : transformer
        The step.
    before, after : object
        What went in, and what came out.
    """
    if is_bare_table(after):
        origins.clear()
        return
    if not is_bare_table(before):
        before = as_modality_dict(before, kinds=getattr(getattr(step, "schema_", None), "kinds", None))
        for name, kind in before.kinds.items():
            if kind in _IMAGES and name not in origins:
                origins[name] = Origin(before[name], kind)
    after = as_modality_dict(after)
    for name in [name for name in origins if name not in after]:
        del origins[name]
    for name, kind in after.kinds.items():
        if name in origins:
            per_modality = isinstance(step, ModalityTransformer)
            origins[name].add(
                _chain(step.transformers_.get(name) if per_modality else step), after[name], kind
            )
        elif kind in _IMAGES:
            made = None if isinstance(step, ModalitySplitter) else type(step).__name__
            origins[name] = Origin(after[name], kind, made)


def _chain(step):
    """The transformers that a step consists of, without those that do nothing."""
    if hasattr(step, "steps"):
        return [part for _, inner in step.steps for part in _chain(inner)]
    return [] if step is None or isinstance(step, str) else [step]


def _levels_to_caller():
    """How many levels above the function that asks the first one outside of the package is."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("skmm."):
        level, frame = level + 1, frame.f_back
    return level


def _pair(size):
    """Height and width."""
    return (size, size) if np.ndim(size) == 0 else tuple(size)


def sizes_of(value, kind):
    """Height and width of images, or a list by sample where they differ; in bags a list by instance each.

    Parameters
    ----------
    value : object
        Images, volumes or bags of a modality.
    kind : str
        Its kind.

    Returns
    -------
    tuple of int, or list
        None where a sample lacks the modality.
    """
    size = _size(entry_shape(value, kind))
    if None not in size:
        return size
    if kind == "bag":
        return [[_size(np.shape(one)) for one in value[row]] for row in range(len(value))]
    rows = (read_rows(value, np.array([row]))[0] for row in range(len(value)))
    return [None if one is None else _size(np.shape(one)) for one in rows]


def _size(shape):
    """Height and width in the shape of an image or volume; of a vector nothing."""
    return tuple(shape[int(len(shape) == 4) :][:2]) if len(shape) > 1 else ()


def _enlarged_all(maps, size):
    """Maps of a sample over its original images; as they are where it has none."""
    if size is None:
        return maps
    if isinstance(size, list):  # the instances of a bag
        return [enlarged(one, own) for one, own in zip(maps, size, strict=True)]
    return enlarged(maps, size)


def enlarged(one, size):
    """A map over the pixels that its own were made of by resizing, each shared by their weights in it.

    Parameters
    ----------
    one : ndarray of shape (..., height, width)
        The map.
    size : tuple of int
        Height and width of what it was made of.

    Returns
    -------
    ndarray of shape (..., *size)
        With the same sum.
    """
    rows, columns = (_weights(old, new) for old, new in zip(size, one.shape[-2:], strict=True))
    return rows.T @ one @ columns


def _weights(old, new):
    """What each of ``old`` pixels counts in each of ``new``, (new, old): rows sum to 1."""
    if old == new:
        return np.eye(old)
    weights = resize(np.eye(old, dtype=np.float32)[None], (new, old))[0].astype(np.float64)
    return weights / weights.sum(axis=1, keepdims=True)
