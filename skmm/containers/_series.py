"""read_series: scans in files and folders as lazy bags of slices, one modality a series description."""

import os
import re
from pathlib import Path

import numpy as np
import pandas as pd

from skmm.containers import _validation_files as messages
from skmm.containers import _validation_sources as source_messages
from skmm.containers._bag_array import BagArray
from skmm.containers._dicom import Slice, describe_dicom, order_slices
from skmm.containers._files import FilesSource, describe_files, resolve_paths
from skmm.containers._lazy import LazyArray
from skmm.containers._nifti import SUFFIXES as NIFTI
from skmm.containers._nifti import describe_nifti
from skmm.containers._npy import describe_npy_image, describe_npy_stack
from skmm.containers._pictures import describe_pictures

_PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
# What lies beside the slices in a folder. All else is read, so that no slice is lost for its name.
_ASIDE = (
    ".txt", ".json", ".csv", ".tsv", ".xml", ".yaml", ".md", ".html", ".pdf", ".db", ".ini", ".bval", ".bvec",
)  # fmt: skip


def read_series(table, *, sample, modality, path, repeated="error", root=None, on_error="raise"):
    """Make lazy bags of slices of the series that a table names; only headers are read before slices are.

    Each series description becomes a modality, each sample's series a bag. Series are DICOM or NIfTI (with
    pydicom and nibabel, ``pip install "skmm[medical]"``), .npy, PNG, JPEG or TIFF: a folder with a file a
    slice, or one file. The result goes straight into :func:`from_tables`.

    Parameters
    ----------
    table : DataFrame
        One row a series.
    sample : column name
        Column with the id of the sample (the patient, the study) to which the series belongs.
    modality : column name
        Column with the series description, a str.
    path : column name
        Column with the folder or file; None or NaN where there is no such series.
    repeated : {"error", "first", "concat"}, default="error"
        What to do where a sample has several series of one description: raise, take the first in the order of
        the table, or join their slices in one bag, in that order.
    root : str or Path, default=None
        Folder to which relative paths belong; the working directory when None.
    on_error : {"raise", "missing"}, default="raise"
        What to do with series that are not there or cannot be read, as in :func:`read_images`: with
        "missing", all slices are decoded once here, and a series with a damaged slice is missing as a whole.

    Returns
    -------
    dict of str -> (Index, BagArray)
        For each series description the sample ids of the table and their bags, empty where missing.

    Raises
    ------
    FileNotFoundError
        If files or folders are not there.
    OSError
        If a file is damaged.
    ValueError
        If a column is not there, series repeat, or a file or folder holds something else than one series.
    TypeError
        If `table` is no DataFrame, or descriptions or paths are no strings.

    Notes
    -----
    **Order.** DICOM slices are ordered by ImagePositionPatient along the normal of ImageOrientationPatient
    (rows x columns) of the first slice, if all tell both and no slice is tilted by more than 45 degrees
    against it; else by SliceLocation; else by InstanceNumber; and by name, numbers in it by value. Frames of
    multi-frame files are ordered in the same way where they tell their places. Other folders are ordered by
    name; .npy stacks (slices, height, width[, channels]), pages of TIFF and NIfTI as stored. Slices of NIfTI
    lie along the third axis, ``data[:, :, k]``, neither reoriented nor transposed.

    **Values.** DICOM's RescaleSlope and RescaleIntercept and NIfTI's scl_slope and scl_inter are applied:
    values stay as stored where they are 1 and 0, and become float32 where not. MONOCHROME1 is inverted, v
    to ``2 ** BitsStored - 1 - v`` (-1 - v where signed), before that. A modality has one data type, NumPy's
    common type of its slices. Colour is RGB, channels last. Pictures are read as :func:`read_images` does.

    **Folders.** Hidden files, folders, DICOMDIR and files that describe (.txt, .json, .csv, .tsv, .xml,
    .yaml, .md, .html, .pdf, .db, .ini, .bval, .bvec) are passed over; a file with any other name is taken for
    DICOM.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np, pandas as pd
    >>> from skmm.containers import from_tables, read_series
    >>> folder = tempfile.TemporaryDirectory()
    >>> for name, n_slices in [("a1", 3), ("a2", 2), ("b1", 4)]:
    ...     np.save(os.path.join(folder.name, name + ".npy"), np.zeros((n_slices, 8, 8), dtype=np.int16))
    >>> table = pd.DataFrame(
    ...     {
    ...         "study": ["ann", "ann", "bob"],
    ...         "description": ["T1", "T2", "T1"],
    ...         "file": ["a1.npy", "a2.npy", "b1.npy"],
    ...     }
    ... )
    >>> clinical = pd.DataFrame({"age": [40, 50]}, index=["ann", "bob"])
    >>> scans = read_series(table, sample="study", modality="description", path="file", root=folder.name)
    >>> from_tables({"clinical": clinical, **scans})
    ModalityDict: 2 samples, 3 modalities, with sample ids
      clinical  table  1 columns                              all present
      T1        bag    3..4 instances of (8, 8) int16, lazy   all present
      T2        bag    0..2 instances of (8, 8) int16, lazy   50% missing
    >>> folder.cleanup()
    """
    if repeated not in ("error", "first", "concat"):
        raise source_messages.bad_option("repeated", ("error", "first", "concat"), repeated)
    samples, modalities, paths = _columns(table, sample, modality, path)
    paths = resolve_paths(paths, root, f"path={path!r}")
    chosen = _choose(samples, modalities, paths, repeated)
    rows = [row for bags in chosen.values() for bag in bags.values() for row in bag]
    described = dict(
        zip(rows, describe_files([paths[row] for row in rows], describe_series, on_error), strict=True)
    )
    return {name: _gather(table[sample], bags, described) for name, bags in chosen.items()}


def _columns(table, sample, modality, path):
    """The three columns of the table as lists, checked."""
    if not isinstance(table, pd.DataFrame):
        raise messages.not_a_table(table)
    columns = {"sample": sample, "modality": modality, "path": path}
    for parameter, column in columns.items():
        if column not in table.columns:
            raise messages.unknown_column(parameter, column, table.columns)
        missing = table[column].isna().to_numpy()
        if parameter != "path" and missing.any():
            raise messages.missing_cells(parameter, column, np.flatnonzero(missing))
    if len(table) == 0:
        raise messages.no_series()
    for row, name in enumerate(table[modality]):
        if not isinstance(name, str):
            raise messages.modality_no_string(modality, row, name)
    return (table[column].tolist() for column in columns.values())


def _choose(samples, modalities, paths, repeated):
    """For each modality and each of its samples, the rows of the table whose series make the bag."""
    chosen = {}
    for row, (name, label) in enumerate(zip(modalities, samples, strict=True)):
        rows = chosen.setdefault(name, {}).setdefault(label, [])
        # A row without a path counts only where the sample has no other.
        if rows and paths[rows[0]] is None:
            rows.clear()
        if not rows or paths[row] is not None:
            rows.append(row)
    several = [
        (label, name) for name, bags in chosen.items() for label, rows in bags.items() if len(rows) > 1
    ]
    if several and repeated == "error":
        raise messages.repeated_series(several)
    if repeated == "first":
        return {name: {label: rows[:1] for label, rows in bags.items()} for name, bags in chosen.items()}
    return chosen


def _gather(labels, bags, described):
    """Sample ids, and the slices of each sample's series as a bag."""
    frames = [[frame for row in rows for frame in described[row] or ()] for rows in bags.values()]
    source = FilesSource([frame for bag in frames for frame in bag], cast=True)
    offsets = np.cumsum([0, *map(len, frames)], dtype=np.int64)
    ids = pd.Index(labels.iloc[[rows[0] for rows in bags.values()]])
    return ids, BagArray(LazyArray(source), offsets)


# --- one series -----------------------------------------------------------------------------------


def describe_series(path):
    """The slices of a series in a folder or file, in order."""
    if not os.path.isdir(path):  # noqa: PTH112 - a str
        return _in_order(path, _describe_file(path, _format_of(path), is_stack=True))
    names = sorted((entry.name for entry in os.scandir(path)), key=_natural)
    files = [str(Path(path, name)) for name in names if not _is_aside(path, name)]
    if not files:
        raise messages.no_files_in(path, names)
    formats = list(dict.fromkeys(map(_format_of, files)))
    if len(formats) > 1:
        raise messages.several_formats(path, formats)
    is_stack = formats[0] == "NIfTI"
    if is_stack and len(files) > 1:
        raise messages.several_files(path, len(files))
    return _in_order(
        path, [item for file in files for item in _describe_file(file, formats[0], is_stack=is_stack)]
    )


def _in_order(path, slices):
    """The frames of slices, those of DICOM in the order of space."""
    if not isinstance(slices[0], Slice):
        return slices
    n_series = len({item.series for item in slices})
    if n_series > 1:
        raise messages.several_series(path, n_series)
    return [item.frame for item in order_slices(slices)]


def _natural(name):
    """Key that orders names with their numbers by value: slice 2 comes before slice 10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def _is_aside(folder, name):
    """Whether an entry of a folder is no slice."""
    return (
        name.startswith(".")
        or name.upper() == "DICOMDIR"
        or name.lower().endswith(_ASIDE)
        or Path(folder, name).is_dir()
    )


def _format_of(path):
    """The format of a file by its name; DICOM files may have any."""
    name = path.lower()
    if name.endswith(".npy"):
        return ".npy"
    if name.endswith(NIFTI):
        return "NIfTI"
    return "PNG, JPEG or TIFF" if name.endswith(_PICTURES) else "DICOM"


def _describe_file(path, form, *, is_stack):
    """The frames of one file; a .npy file is a stack, or one slice of a folder."""
    if form == "DICOM":
        return describe_dicom(path)
    if form == "NIfTI":
        return describe_nifti(path)
    if form == ".npy":
        return (describe_npy_stack if is_stack else describe_npy_image)(path)
    return describe_pictures(path)
