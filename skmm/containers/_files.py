"""Images in many files as the rows of one lazy array, and what becomes of files that cannot be read."""

import os
import warnings
from pathlib import Path

import numpy as np

from skmm.containers import _validation_files as messages
from skmm.containers import _validation_sources as source_messages
from skmm.containers._dicom import read_dicom
from skmm.containers._entries import is_missing, object_array
from skmm.containers._nifti import read_nifti
from skmm.containers._npy import read_npy
from skmm.containers._pictures import read_pictures
from skmm.containers._sources import RowSource, file_stamp

READERS = {"npy": read_npy, "picture": read_pictures, "dicom": read_dicom, "nifti": read_nifti}


class FilesSource(RowSource):
    """Images in files, each read when its row is; held by path, so a pickle carries no pixel.

    Parameters
    ----------
    frames : list of Frame or None
        What the headers tell of each row; None where the image is missing.
    channels : int, default=None
        Channels that every image is brought to. When None, those of the files; where they differ, the most
        that any has.
    cast : bool, default=False
        Whether all images are given one data type, the common one. If not, images of different types are
        read as images of different sizes are, each in its own type.
    """

    def __init__(self, frames, *, channels=None, cast=False):
        there = [frame for frame in frames if frame is not None]
        self.paths = ["" if frame is None else frame.path for frame in frames]
        self.formats = ["" if frame is None else frame.format for frame in frames]
        self.numbers = np.array([0 if frame is None else frame.number for frame in frames], dtype=np.int64)
        # (height, width, channels), with 0 channels where there is no such axis; -1 where missing
        self.shapes = np.full((len(frames), 3), -1, dtype=np.int64)
        self.dtypes = ["" if frame is None else frame.dtype.str for frame in frames]
        steps = [(1, 0, np.nan) if f is None else (f.slope, f.intercept, f.white) for f in frames]
        self.scaling = np.array(steps).reshape(-1, 3)
        for row, frame in enumerate(frames):
            if frame is not None:
                self.shapes[row] = (*frame.shape, 0)[:3]
        present = self.shapes[:, 0] >= 0
        self.present = None if present.all() else present
        self.channels = _common_channels(self.shapes[present, 2], channels)
        dtypes = {np.dtype(np.float32) if frame.is_scaled else frame.dtype for frame in there}
        sizes = {frame.shape[:2] for frame in there}
        self.cast = cast and bool(dtypes)
        is_ragged = len(sizes) != 1 or (len(dtypes) > 1 and not cast)
        tail = (self.channels,) if self.channels else ()
        self.entry_shape = (None, None, *tail) if is_ragged else (*sizes.pop(), *tail)
        self.entry_dtype = np.result_type(*dtypes) if dtypes else np.dtype(np.uint8)
        self.dtype = np.dtype(object) if is_ragged else self.entry_dtype
        self.shape = (len(frames), *(() if is_ragged else self.entry_shape))
        self.location = _common_folder(frame.path for frame in there)

    def __getstate__(self):
        # The stamps are of the time of pickling, so that hashes tell a file from its later version.
        return {**vars(self), "stamps": [file_stamp(path) for path in dict.fromkeys(self.paths)]}

    def __setstate__(self, state):
        vars(self).update(state)
        del self.stamps

    def read(self, rows):
        """Read rows, each file once."""
        is_ragged = self.dtype == object
        images = [None] * len(rows) if is_ragged else np.zeros((len(rows), *self.shape[1:]), self.dtype)
        by_file = {}
        for place, row in enumerate(rows):
            if self.shapes[row, 0] >= 0:
                by_file.setdefault(self.paths[row], []).append(place)
        for path, places in by_file.items():
            reader = READERS[self.formats[rows[places[0]]]]
            try:
                frames = reader(path, self.numbers[rows[places]])
                for place, image in zip(places, frames, strict=True):
                    images[place] = self._finish(image, int(rows[place]))
            except FileNotFoundError as error:
                raise source_messages.file_gone(path) from error
        return object_array(images) if is_ragged else images

    def _finish(self, image, row):
        """An image as it is handed out: checked, inverted, scaled, with all channels, in its data type."""
        shape = tuple(int(size) for size in self.shapes[row] if size)
        if image.shape != shape or image.dtype.str != self.dtypes[row]:
            raise source_messages.file_changed(
                self.paths[row], shape, np.dtype(self.dtypes[row]), image.shape, image.dtype
            )
        slope, intercept, white = self.scaling[row]
        if not np.isnan(white):
            image = image.dtype.type(white) - image
        if (slope, intercept) != (1.0, 0.0):
            image = (image * slope + intercept).astype(np.float32)
        image = _with_channels(image, self.channels)
        return image.astype(self.entry_dtype, copy=False) if self.cast else image

    def row_keys(self, rows):
        """Path, size, time and place of each image, and what is done to its values."""
        stamps = {}
        keys = []
        for row in rows:
            path = self.paths[row]
            if not path:
                keys.append(("missing",))
                continue
            if path not in stamps:
                stamps[path] = file_stamp(path)
            if stamps[path] is None:
                return None
            done = (
                *(None if np.isnan(value) else float(value) for value in self.scaling[row]),
                self.channels,
            )
            dtype = self.entry_dtype.str if self.cast else None
            keys.append((path, *stamps[path], self.formats[row], int(self.numbers[row]), *done, dtype))
        return keys


def _common_channels(counts, wanted):
    """Channels that all images get: those wanted, or the most of any; 0 where no image has that axis."""
    if wanted is not None:
        return wanted
    return int(counts.max()) if len(counts) else 0


def _with_channels(image, channels):
    """An image with a number of channels: grey is repeated, opacity is added or left out."""
    own = image.shape[2] if image.ndim == 3 else 0
    if own == channels:
        return image
    image = image if own else image[:, :, np.newaxis]
    if own == 4:
        return image[:, :, :channels]
    if channels > 1 and image.shape[2] == 1:
        image = np.repeat(image, 3, axis=2)
    if channels == 4:
        opaque = np.iinfo(image.dtype).max if image.dtype.kind in "iu" else 1
        image = np.concatenate([image, np.full_like(image[:, :, :1], opaque)], axis=2)
    return image


def _common_folder(paths):
    """The folder that holds all files, for messages."""
    paths = list(paths)
    try:
        return os.path.commonpath(paths) if paths else None
    except ValueError:  # on several drives
        return paths[0]


def resolve_paths(paths, root, what):
    """Absolute paths without links, None where there is none."""
    resolved = []
    for row, path in enumerate(paths):
        if is_missing(path):
            resolved.append(None)
            continue
        if not isinstance(path, (str, Path)) or not str(path):
            raise messages.bad_path(what, row, path)
        resolved.append(os.path.realpath(path if root is None else Path(root, path)))
    return resolved


def describe_files(paths, describe, on_error):
    """What the headers of files tell, a list of frames each, None where a path is missing.

    Files that cannot be read raise, all that are not there at once; or, with "missing", are decoded here to
    be sure, and become missing with one warning.
    """
    if on_error not in ("raise", "missing"):
        raise source_messages.bad_option("on_error", ("raise", "missing"), on_error)
    found, failures = [], {}
    for path in paths:
        frames = None
        try:
            if path is not None:
                frames = describe(path)
                if on_error == "missing":
                    source = FilesSource(frames)
                    for row in range(len(frames)):
                        source.read(np.array([row]))
        except (OSError, ValueError) as error:
            frames, failures[path] = None, error
        found.append(frames)
    if failures:
        n_files = len({path for path in paths if path is not None})
        if on_error == "raise":
            raise messages.files_failed(failures, n_files)
        warnings.warn(messages.made_missing_warning(failures, n_files), stacklevel=3)
    return found
