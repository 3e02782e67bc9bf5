"""Images and stacks in .npy files: the header, and the parts asked for. Nothing is unpickled."""

import math
from pathlib import Path

import numpy as np

from skmm.containers import _validation_files as messages
from skmm.containers._format import Frame, reading
from skmm.containers._kinds import CHANNELS

MAGIC = np.lib.format.MAGIC_PREFIX
WHOLE = -1  # number of the frame of a file that is one image


def npy_header(path):
    """Shape and data type of the array in a file, known to hold numbers and to be whole."""
    with reading(path), Path(path).open("rb") as file:
        version = np.lib.format.read_magic(file)
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        shape, _, dtype = read[version](file) if version in read else (None, None, np.dtype("V1"))
        n_bytes = Path(path).stat().st_size - file.tell()
    if dtype.hasobject:
        raise messages.file_unusable(
            path, "it holds pickled Python objects, which are never loaded", "Save an array of numbers."
        )
    if dtype.kind not in "biuf":
        raise messages.file_unusable(path, f"it holds {dtype}, no real numbers", "Save an array of numbers.")
    if math.prod(shape) == 0:
        raise messages.file_unusable(path, f"its array of shape {shape} is empty", "Leave it out.")
    if n_bytes < math.prod(shape) * dtype.itemsize:
        raise messages.file_damaged(path, EOFError("the array is cut off"))
    return shape, dtype.newbyteorder("=")


def describe_npy_image(path):
    """The one image of a file."""
    shape, dtype = npy_header(path)
    if not (len(shape) == 2 or (len(shape) == 3 and shape[-1] in CHANNELS)):
        raise messages.file_unusable(
            path,
            f"its array of shape {shape} is no image, (height, width) or (height, width, 1, 3 or 4 channels)",
            "Read stacks of slices with read_series.",
        )
    return [Frame(path, "npy", WHOLE, shape, dtype)]


def describe_npy_stack(path):
    """The slices of a file, along the first axis; an array with two axes is one slice."""
    shape, dtype = npy_header(path)
    if len(shape) == 2:
        return [Frame(path, "npy", WHOLE, shape, dtype)]
    if not (len(shape) == 3 or (len(shape) == 4 and shape[-1] in CHANNELS)):
        raise messages.file_unusable(
            path,
            f"its array of shape {shape} is no stack, (slices, height, width) or (slices, height, width, 1, "
            "3 or 4 channels)",
            "Move its axes, or split it.",
        )
    return [Frame(path, "npy", number, shape[1:], dtype) for number in range(shape[0])]


def read_npy(path, numbers):
    """Yield some frames of a file."""
    with reading(path):
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        for number in numbers:
            part = array if number == WHOLE else array[number]
            yield np.array(part, dtype=array.dtype.newbyteorder("="), subok=False)
