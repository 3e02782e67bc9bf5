"""DICOM files through pydicom: headers, the order of slices in space, and the frames asked for."""

from typing import NamedTuple

import numpy as np

from skmm._optional import import_optional
from skmm.containers import _validation_files as messages
from skmm.containers._format import Frame, reading

_SAME_WAY = 0.7  # cosine of the angle up to which slices count as parallel: those of the spine are tilted
_TAGS = (
    "BitsAllocated", "BitsStored", "Columns", "ImageOrientationPatient", "ImagePositionPatient",
    "InstanceNumber", "ModalityLUTSequence", "NumberOfFrames", "PerFrameFunctionalGroupsSequence",
    "PhotometricInterpretation", "PixelRepresentation", "RescaleIntercept", "RescaleSlope", "Rows",
    "SamplesPerPixel", "SeriesInstanceUID", "SharedFunctionalGroupsSequence", "SliceLocation",
)  # fmt: skip


class Slice(NamedTuple):
    """A frame and what tells its place among the others; None where the header does not say."""

    frame: Frame
    position: tuple | None = None  # of the first pixel, in mm
    orientation: tuple | None = None  # directions of rows and of columns
    location: float | None = None
    instance: float | None = None
    series: str | None = None


def _numbers(item, name, n_values=1):
    """Values of an element as floats, or None where it is absent or holds another number of them."""
    value = item.get(name)
    if value is None or value == "":
        return None
    values = tuple(float(part) for part in (value if n_values > 1 else [value]))
    return values if len(values) == n_values else None


def _number(item, name, default=None):
    """One value of an element as a float."""
    values = _numbers(item, name)
    return default if values is None else values[0]


def _group(groups, sequence):
    """The first item of a sequence in the first of some functional groups that has it, or an empty one."""
    return next((group[sequence][0] for group in groups if group.get(sequence)), {})


def describe_dicom(path):
    """The frames of a file, with their places in space.

    Raises
    ------
    ValueError
        If the file holds no image, or one of a sort that is not read.
    OSError
        If it cannot be read, or no decoder of its compression is installed.
    """
    pydicom = import_optional("pydicom", extra="medical", who=f"Reading {path!r}")
    with reading(path):
        header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(_TAGS))
        n_rows, n_columns = (int(header.get(name) or 0) for name in ("Rows", "Columns"))
        n_frames = int(header.get("NumberOfFrames") or 1)
        syntax = header.file_meta.get("TransferSyntaxUID")
    if n_rows * n_columns == 0:
        raise messages.file_unusable(path, "it holds no image", "Leave it out.")
    _check_decoder(path, syntax)
    shape, dtype, white = _pixels_of(header, path)
    with reading(path):
        slices = []
        for number in range(n_frames):
            groups = _functional_groups(header, number)
            values = _group(groups, "PixelValueTransformationSequence") or header
            frame = Frame(
                path,
                "dicom",
                number if n_frames > 1 else -1,
                (n_rows, n_columns, *shape),
                dtype,
                _number(values, "RescaleSlope", 1.0),
                _number(values, "RescaleIntercept", 0.0),
                white,
            )
            slices.append(
                Slice(
                    frame,
                    _numbers(_group(groups, "PlanePositionSequence") or header, "ImagePositionPatient", 3),
                    _numbers(
                        _group(groups, "PlaneOrientationSequence") or header, "ImageOrientationPatient", 6
                    ),
                    _number(header, "SliceLocation"),
                    _number(header, "InstanceNumber"),
                    str(header.get("SeriesInstanceUID") or ""),
                )
            )
    return slices


def _functional_groups(header, number):
    """What a header says of one frame alone, and of all frames."""
    of_frames, shared = (header.get(f"{which}FunctionalGroupsSequence") for which in ("PerFrame", "Shared"))
    return ([of_frames[number]] if of_frames else []) + ([shared[0]] if shared else [])


def _pixels_of(header, path):
    """Axis of channels, data type of stored values, and what white is where it stands for the lowest."""
    kind = header.get("PhotometricInterpretation")
    if kind == "PALETTE COLOR" or header.get("ModalityLUTSequence"):
        what = "the colours of a palette" if kind == "PALETTE COLOR" else "a modality lookup table"
        raise messages.file_unusable(path, f"its values stand for {what}", "Convert it.")
    bits, signed = int(header.get("BitsAllocated") or 16), bool(header.get("PixelRepresentation"))
    dtype = np.dtype(f"{'i' if signed else 'u'}{max(bits // 8, 1)}")
    stored = int(header.get("BitsStored") or bits)
    white = np.nan if kind != "MONOCHROME1" else -1.0 if signed else 2.0**stored - 1
    n_samples = int(header.get("SamplesPerPixel") or 1)
    return ((n_samples,) if n_samples > 1 else ()), dtype, white


def _check_decoder(path, syntax):
    """Raise where no package that is installed decodes the compression of a file."""
    pixels = import_optional("pydicom.pixels", extra="medical", who=f"Reading {path!r}")
    if syntax is None:
        raise messages.file_damaged(path, ValueError("its header names no transfer syntax"))
    try:
        decoder = pixels.get_decoder(syntax)
    except NotImplementedError as error:  # pydicom has no decoder for the file
        raise messages.no_decoder(path, syntax.name, ()) from error
    if not decoder.is_available:
        raise messages.no_decoder(path, syntax.name, decoder.missing_dependencies)


def order_slices(slices):
    """Slices of one series in the order of space.

    By position along the normal of the first slice, where all have positions and orientations and are about
    parallel; else by slice location; else by instance number; else as they are, which is by name. Each later
    key orders what is equal in the earlier ones.
    """
    keys = []
    if all(item.position is not None and item.orientation is not None for item in slices):
        normals = np.array([np.cross(item.orientation[:3], item.orientation[3:]) for item in slices])
        if (normals @ normals[0] > _SAME_WAY).all():
            depth = np.array([item.position for item in slices]) @ normals[0]
            keys.append(np.round(depth, 3))  # micrometres: what is equal up to rounding is equal
    for name in ("location", "instance"):
        values = [getattr(item, name) for item in slices]
        if all(value is not None for value in values):
            keys.append(np.array(values))
    keys.append(np.arange(len(slices)))
    return [slices[row] for row in np.lexsort(keys[::-1])]


def read_dicom(path, numbers):
    """Yield some frames of a file, as they are stored; colours as RGB."""
    pixels = import_optional("pydicom.pixels", extra="medical", who=f"Reading {path!r}")
    with reading(path):
        if numbers[0] < 0:
            arrays = (pixels.pixel_array(path) for _ in numbers)
        else:
            arrays = pixels.iter_pixels(path, indices=[int(number) for number in numbers])
        for array in arrays:
            yield np.array(array, dtype=array.dtype.newbyteorder("="))
