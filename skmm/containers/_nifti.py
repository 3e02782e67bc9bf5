"""NIfTI files through nibabel: the header, and the slices asked for."""

import numpy as np

from skmm._optional import import_optional
from skmm.containers import _validation_files as messages
from skmm.containers._format import Frame, reading

SUFFIXES = (".nii", ".nii.gz")


def _open(path):
    """The file as nibabel's image, of which only the header is read, and the shape without axes of one."""
    nibabel = import_optional("nibabel", extra="medical", who=f"Reading {path!r}")
    with reading(path):
        image = nibabel.load(path)
    shape = tuple(int(size) for size in image.shape)
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    return image, shape


def describe_nifti(path):
    """The slices of a file, along its third axis."""
    image, shape = _open(path)
    dtype = np.dtype(image.get_data_dtype()).newbyteorder("=")
    if len(shape) not in (2, 3) or 0 in shape:
        raise messages.file_unusable(
            path, f"its array of shape {shape} is no stack of slices", "Split it into one file a volume."
        )
    if dtype.kind not in "biuf":
        raise messages.file_unusable(path, f"it holds {dtype}, no real numbers", "Convert it.")
    slope, intercept = float(image.dataobj.slope), float(image.dataobj.inter)
    n_slices = shape[2] if len(shape) == 3 else 1
    return [Frame(path, "nifti", number, shape[:2], dtype, slope, intercept) for number in range(n_slices)]


def read_nifti(path, numbers):
    """Yield some slices of a file, as they are stored."""
    image, shape = _open(path)
    proxies = import_optional("nibabel.arrayproxy", extra="medical", who=f"Reading {path!r}")
    shape = shape if len(shape) == 3 else (*shape, 1)
    stored = image.dataobj
    with reading(path):
        # Of slope 1: the header's would be applied in float64, to what may stay whole numbers.
        proxy = proxies.ArrayProxy(stored.file_like, (shape, image.get_data_dtype(), stored.offset, 1.0, 0.0))
        dtype = np.dtype(proxy.dtype).newbyteorder("=")
        if path.lower().endswith(".gz"):  # can only be read from the start: all slices in one go
            first = int(min(numbers))
            block = np.asarray(proxy[:, :, first : int(max(numbers)) + 1])
            for number in numbers:
                yield block[:, :, number - first].astype(dtype)
        else:
            for number in numbers:
                yield np.asarray(proxy[:, :, int(number)]).astype(dtype)
