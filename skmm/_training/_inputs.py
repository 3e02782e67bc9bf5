"""What becomes of each kind of modality on its way into a network."""

from functools import partial

import numpy as np
import scipy.sparse as sp

from skmm._training._moments import RunningMoments
from skmm.containers import check_finite, check_numeric, read_rows

_CHUNK = 1 << 22  # values read at once in the pass over the training rows
# NOTE[DIFF] The papers neither standardize nor clip. Values are clipped at this many deviations: a rare term
# or gene is up to sqrt(n_samples) deviations away where it occurs, and a representation that grows with it
# drowns every other feature and modality.
CLIP = 3.0
# Pixels deviate this much only where a channel hardly varies in training, such as one that was almost always
# opaque.
IMAGE_CLIP = 10.0
_UNIT, _BYTES = (0.0, 1.0), (0.0, 255.0)  # what is brought to 0 and what to 1


class TableInput:
    """A table: standardized by the weighted mean and deviation of the rows seen in training, and clipped.

    Columns that are constant in training become zero, also where new data differ: no weight was learned for
    them. With ``clip=None`` nothing is clipped, for a network that is to tell the values again.
    """

    def __init__(self, shape, *, standardize, clip=CLIP):
        self.shape = tuple(shape)
        self._clip = clip
        self._moments = RunningMoments(shape[0]) if standardize else None
        self._set_scale()

    def _set_scale(self):
        """Keep what a batch needs: a mean, and the inverse of the deviation."""
        if self._moments is not None:
            self._mean, self._factor = self._moments.mean.copy(), 1.0 / self._moments.scale

    def learns_from(self, dtype):
        """Whether there is anything to learn, or to refuse, in columns of a data type."""
        del dtype
        return True

    def update(self, value, weights):
        """Take in training rows."""
        if self._moments is not None:
            self._moments.update(_dense(value), weights)
            self._set_scale()

    def __call__(self, value, present, dtype):
        """A new array of floats (n_rows, n_features), zero in the rows that are missing."""
        if self._moments is None:
            with np.errstate(over="ignore"):  # what overflows is found in the network's answer
                array = np.array(_dense(value), dtype=dtype, order="C")
        else:
            # In float64, then cast: a large mean would cost a float32 its digits.
            array = np.subtract(_dense(value), self._mean)
            with np.errstate(over="ignore"):  # clipped
                array *= self._factor
            if self._clip is not None:
                np.clip(array, -self._clip, self._clip, out=array)
            with np.errstate(over="ignore"):  # what overflows is found in the network's answer
                array = array.astype(dtype, order="C", copy=False)
        array[~present] = 0
        return array

    @property
    def varies(self):
        """Bool array (n_features,): the columns that are not constant in training."""
        return np.isfinite(self._moments.scale)

    def restore(self, array):
        """Standardized values in their own units again, in float64: the mean for constant columns."""
        scale = np.where(self.varies, self._moments.scale, 0.0)
        return np.asarray(array, dtype=np.float64) * scale + self._moments.mean


class ImageInput:
    """Images or volumes: scaled to [0, 1], standardized by channel where wanted, and seen channels first.

    Bytes are divided by 255. Other integers, and floats that are not within [0, 1] already, are brought from
    the range seen in training: 12 bits in a uint16 fill the range as well as 16 do, and signed Hounsfield
    units keep what is below 0. Standardized channels have mean 0 and deviation 1 over all pixels of the rows
    seen in training.

    New values of another type than in training are in the same units as there, but for floats within [0, 1]:
    those are bytes, or other integers up to 255, that were divided by 255.
    """

    def __init__(self, shape, *, n_axes, standardize=False, name="image"):
        *axes, n_channels = shape if len(shape) > n_axes else (*shape, 1)
        self.shape = (n_channels, *axes)
        self._n_axes = n_axes
        self._name = name
        self._trained_on = None  # "bytes", or the kind of another data type, the first that came
        self._low, self._high = np.inf, -np.inf
        # NOTE[DIFF] The papers' networks see [0, 1]. Where most of an image is one bright background, all
        # images look the same to a net that begins with small weights.
        self._moments = RunningMoments(n_channels) if standardize else None

    def learns_from(self, dtype):
        """Whether there is anything to learn, or to refuse, in images of a data type."""
        return self._moments is not None or dtype != np.uint8

    def update(self, value, weights):
        """Take in training rows."""
        if not len(value):
            return
        if self._trained_on is None:
            self._trained_on = "bytes" if value.dtype == np.uint8 else value.dtype.kind
        self._check_units(value)
        own, trained = self._range(value.dtype), self._trained_range()
        if own == trained and value.dtype != np.uint8:
            self._low = min(self._low, float(value.min()))
            self._high = max(self._high, float(value.max()))
        if self._moments is not None:
            pixels = value.reshape(-1, self.shape[0])
            if own != trained:
                pixels = pixels * (trained[1] / own[1])
            self._moments.update(pixels, np.repeat(weights, len(pixels) // len(value)))

    def __call__(self, value, present, dtype):
        """A new array of floats (n_rows, n_channels, ...), zero in the rows that are missing.

        Channels stay last in memory, as the caller has them: nothing is transposed, and convolutions are
        faster so.
        """
        dtype = np.dtype(dtype).type
        low, high = self._range(value.dtype)
        self._check_units(value, present)
        if low == 0 and value.dtype.kind in "ub":
            array = np.divide(value, dtype(high), dtype=dtype, order="C")
        else:
            with np.errstate(over="ignore"):  # clipped
                array = np.array(value, dtype=dtype, order="C")
            array -= dtype(low)
            array /= dtype(high - low)
        if value.dtype != np.uint8 or (low, high) != _BYTES:
            np.clip(array, 0, 1, out=array)
        array = array[..., None] if array.ndim == self._n_axes + 1 else array
        if self._moments is not None:
            low, high = self._trained_range()  # in the units of which the moments are
            mean, factor = (self._moments.mean - low) / (high - low), (high - low) / self._moments.scale
            array -= mean.astype(dtype)
            array *= factor.astype(dtype)
            if (np.maximum(mean, 1 - mean) * factor).max() > IMAGE_CLIP:
                np.clip(array, -IMAGE_CLIP, IMAGE_CLIP, out=array)
        if not present.all():
            array[~present] = 0
        return np.moveaxis(array, -1, 1)

    def _trained_range(self):
        """What is brought to 0 and what to 1 in values as training had them."""
        if self._trained_on in (None, "bytes"):
            return _BYTES
        low, high = self._low, self._high
        return _UNIT if not low < high or (low >= 0 and high <= 1) else (low, high)

    def _is_by_type(self):
        """Whether what is brought to 1 follows from the data type: after bytes, or floats within [0, 1]."""
        return self._trained_on in (None, "bytes") or (
            self._trained_on == "f" and self._trained_range() == _UNIT
        )

    def _range(self, dtype):
        """What is brought to 0 and what to 1 in values of a data type."""
        if self._is_by_type():
            return _UNIT if dtype.kind in "fb" else _BYTES
        return self._trained_range()

    def _check_units(self, value, present=None):
        """Raise for values of another type than in training that cannot be in the units of their type."""
        if value.dtype == np.uint8 or value.dtype.kind in ("b", self._trained_on) or not self._is_by_type():
            return
        value = value if present is None else value[present]
        _, high = self._range(value.dtype)
        # What resampling leaves a little beyond is clipped.
        if value.size and (value.max() > 1.5 * high or value.min() < -0.5 * high):
            before = "floats within [0, 1]" if self._trained_on == "f" else "bytes"
            raise ValueError(
                f"Modality {self._name!r} holds {value.dtype} from {value.min():g} to {value.max():g}, but "
                f"it held {before} in fit. Bring them to [0, 1], as values / 255 does with bytes."
            )


class BagInput:
    """Bags: each instance as a row of a table, an image or a volume; flat values and offsets."""

    def __init__(self, instance):
        self._instance = instance
        self.shape = instance.shape

    def update(self, value, weights):
        """Take in training bags."""
        self._instance.update(value.values, np.repeat(weights, value.lengths))

    def learns_from(self, dtype):
        """Whether there is anything to learn, or to refuse, in instances of a data type."""
        return self._instance.learns_from(dtype)

    def __call__(self, value, present, dtype):
        """A pair: values (total_instances, ...) and offsets (n_rows + 1,)."""
        value = value if present.all() else _without(value, ~present)
        offsets = np.array(value.offsets, dtype=np.int64)
        return self._instance(value.values, np.ones(len(value.values), dtype=bool), dtype), offsets


def _without(bags, missing):
    """Bags, those that are missing emptied."""
    lengths = np.where(missing, 0, bags.lengths)
    kept = np.repeat(~missing, bags.lengths)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return type(bags)(bags.values[kept], offsets)


def _dense(value):
    """A table as an ndarray."""
    return value.toarray() if sp.issparse(value) else np.asarray(value)


def _input_of(kind, shape, name, *, standardize, clip):
    """The input of one modality."""
    if None in shape:
        raise ValueError(
            f"Modality {name!r} holds {kind}s of different sizes, which a network cannot take: "
            "resize them to one size first."
        )
    if kind == "table":
        return TableInput(shape, standardize=standardize, clip=clip)
    if kind == "image":
        return ImageInput(shape, n_axes=2, standardize=standardize, name=name)
    if kind == "volume":
        return ImageInput(shape, n_axes=3, standardize=standardize, name=name)
    if kind == "bag":
        instance = {1: "table", 2: "image", 3: "image", 4: "volume"}.get(len(shape))
        if instance is not None:
            return BagInput(_input_of(instance, shape, name, standardize=standardize, clip=clip))
    raise ValueError(
        f"Modality {name!r} is {kind} with entries of shape {shape}, which no network here takes."
    )


def make_inputs(schema, names, *, standardize, clip=CLIP):
    """The input of each modality, not yet fitted.

    Parameters
    ----------
    schema : Schema
        Kinds and shapes of the modalities.
    names : sequence of str
        The modalities that the network sees, in its order.
    standardize : bool
        Whether columns of tables, and channels of images and volumes, are standardized.
    clip : float or None, default=3.0
        How many deviations from the mean a standardized column may be; None for any number.

    Returns
    -------
    dict of str -> object
        Each with ``shape`` (of the tensor of a sample), ``learns_from(dtype)``, ``update(value, weights)``
        and ``(value, present, dtype) -> ndarray``.
    """
    return {
        name: _input_of(schema.kinds[name], schema.shapes[name], name, standardize=standardize, clip=clip)
        for name in names
    }


def fast_rows(value, name):
    """A modality in a form of which rows are read fast: no DataFrame, no columns of a sparse matrix."""
    if hasattr(value, "iloc"):
        return check_numeric(value, name)
    return value.tocsr() if sp.issparse(value) and value.format == "csc" else value


def check_values(value, kind, present, name, rows):
    """Numbers of a modality in memory; raises on infinities and partly NaN rows."""
    if kind == "text":
        return value
    if kind == "table":
        value = check_numeric(value, name)
    if kind == "bag":
        owners = np.repeat(np.arange(len(value)), value.lengths)
        check_finite(value.values, present[owners], name, rows[owners], in_bags=True)
    else:
        check_finite(value, present, name, rows)
    return value


def scan_inputs(inputs, X, rows, weights):
    """Check the present training rows, and let the inputs learn from them, a chunk at a time.

    Parameters
    ----------
    inputs : dict of str -> object
        From `make_inputs`; changed in place.
    X : ModalityDict
        The data.
    rows : ndarray of int of shape (n_rows,)
        Training rows.
    weights : ndarray of float of shape (n_rows,)
        Their sample weights.
    """
    for name, entry in inputs.items():
        # Where nothing is standardized, large images of bytes in a file are not read for nothing.
        if hasattr(X[name], "dtype") and not entry.learns_from(X[name].dtype):
            continue
        here = X.is_present(name)[rows]
        chosen, chosen_weights = rows[here], weights[here]
        read = partial(read_rows, fast_rows(X[name], name))
        step = max(1, _CHUNK // max(1, int(np.prod(entry.shape))))  # texts come all at once
        for start in range(0, len(chosen), step):
            part = chosen[start : start + step]
            value = check_values(read(part), X.kinds[name], np.ones(len(part), dtype=bool), name, part)
            entry.update(value, chosen_weights[start : start + step])
