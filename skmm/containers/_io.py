"""A ModalityDict in a directory: a few files a modality and a manifest that describes them; never pickle.

All is written under another name first and the manifest moved last, so an interrupted save is not taken for
a good one. A later save into the same directory uses new file names, so containers that were loaded from it
do not read other data unnoticed.
"""

import json
import re
import tempfile
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp

from skmm.containers import _validation_sources as messages
from skmm.containers._bag_array import BagArray
from skmm.containers._entries import object_array
from skmm.containers._frames import from_json, read_frame, to_json, write_frame
from skmm.containers._lazy import LazyArray, is_lazy
from skmm.containers._modality_dict import ModalityDict
from skmm.containers._ragged import RaggedSource
from skmm.containers._rows import lazy_step, n_rows
from skmm.containers._sources import CSRSource, find_source

_MANIFEST = "manifest.json"
_FORMAT = "skmm modalities"
_VERSION = 1
_SAFE_KINDS = "biufUSmM"  # data types that npy files hold without pickle


def save_modalities(X, directory, *, overwrite=False):
    """Write a ModalityDict to a directory.

    Parameters
    ----------
    X : ModalityDict
        What to write; lazy arrays are written in pieces.
    directory : str or path
        Made where it does not exist; must be empty.
    overwrite : bool, default=False
        Whether an earlier container in it may be replaced. Files that are not part of it are left alone.

    Raises
    ------
    FileExistsError
        If the directory is not empty (without `overwrite`), or its manifest belongs to something else.
    TypeError
        If a value has no safe form, such as a Python object in a DataFrame.
    """
    directory = Path(directory)
    is_new = not directory.exists()
    directory.mkdir(parents=True, exist_ok=True)
    found = {path.name for path in directory.iterdir()}
    if found and not overwrite:
        raise messages.directory_not_empty(directory)
    old = _old_manifest(directory) if _MANIFEST in found else {"files": []}
    try:
        # Removed with all that is in it, whatever happens.
        with tempfile.TemporaryDirectory(dir=directory, prefix=".partial-") as folder:
            manifest = _write(X, Path(folder), _suffix(found))
            (Path(folder) / _MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
            for name in [*manifest["files"], _MANIFEST]:
                (Path(folder) / name).replace(directory / name)
    except BaseException:
        if is_new:
            directory.rmdir()
        raise
    for name in _plain_names(directory, old["files"]):
        (directory / name).unlink(missing_ok=True)


def load_modalities(directory):
    """Read a ModalityDict that `save_modalities` wrote; arrays of numbers stay on disk until they are read.

    Parameters
    ----------
    directory : str or path
        Where it was saved.

    Returns
    -------
    ModalityDict
        Equal to the one that was saved.

    Raises
    ------
    FileNotFoundError
        If there is no manifest.
    ValueError
        If files are missing or do not fit together, or the format is of a later version.
    """
    directory = Path(directory)
    manifest = _read_manifest(directory)
    if manifest["version"] > _VERSION:
        raise messages.newer_format(directory, manifest["version"], _VERSION)
    for name in _plain_names(directory, sorted({*manifest["files"], *_files_of(manifest)})):
        if not (directory / name).is_file():
            raise messages.not_a_saved_container(directory, f"the file {name!r} is missing")
    try:
        return _read(directory, manifest)
    except (KeyError, IndexError, json.JSONDecodeError) as error:
        raise messages.not_a_saved_container(directory, f"the manifest does not fit ({error!r})") from error


# --- the manifest ---------------------------------------------------------------------------------


def _read_manifest(directory):
    """The manifest of a directory, known to be ours."""
    path = directory / _MANIFEST
    if not path.is_file():
        raise messages.nothing_saved(directory)
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise messages.not_a_saved_container(directory, "its manifest.json is not JSON") from error
    if not isinstance(manifest, dict) or manifest.get("format") != _FORMAT:
        raise messages.not_a_saved_container(directory, "its manifest.json is of something else")
    return manifest


def _old_manifest(directory):
    """The manifest that a save replaces, which must be ours to replace."""
    try:
        return _read_manifest(directory)
    except ValueError as error:
        raise messages.directory_not_empty(directory) from error


def _plain_names(directory, names):
    """File names, refused where they would lead out of the directory."""
    for name in names:
        if not isinstance(name, str) or name in ("", ".", "..") or name != Path(name).name or "\\" in name:
            raise messages.not_a_saved_container(directory, f"its manifest.json names the file {name!r}")
    return names


def _suffix(found):
    """What tells the files of this save from those of earlier ones; nothing in an empty directory."""
    earlier = [int(match[1]) for match in (re.search(r"\.r(\d+)\.\w+$", name) for name in found) if match]
    return f".r{max([1, *earlier]) + 1}" if found else ""


# --- writing --------------------------------------------------------------------------------------


def _write(X, directory, suffix):
    """Write all files but the manifest, which is returned."""
    entries = []
    for position, name in enumerate(X.modalities):
        stem = f"{position:02d}_{re.sub(r'[^A-Za-z0-9-]+', '_', name)[:40]}{suffix}"
        where = f"Modality {name!r}"
        names = X.feature_names[name]
        entries.append(
            {
                "name": name,
                "kind": X.kinds[name],
                "feature_names": None if names is None else [to_json(label, where) for label in names],
                **_write_value(X[name], directory, stem, where, X.index),
            }
        )
    np.save(directory / f"present{suffix}.npy", X.present, allow_pickle=False)
    groups = None if X.groups is None else _write_array(X.groups, directory, f"groups{suffix}", "groups")
    manifest = {
        "format": _FORMAT,
        "version": _VERSION,
        "n_samples": len(X),
        "modalities": entries,
        "present": f"present{suffix}.npy",
        "index": None if X.index is None else _write_index(X.index, directory, f"index{suffix}"),
        "groups": groups,
    }
    return {**manifest, "files": sorted(_files_of(manifest))}


def _files_of(description):
    """Every file that a part of the manifest names."""
    if isinstance(description, list):
        return {name for item in description for name in _files_of(item)}
    if not isinstance(description, dict):
        return set()
    own = {description[key] for key in ("file", "present") if key in description}
    parts = [value for key, value in description.items() if key not in ("labels", "feature_names", "columns")]
    return own.union(*map(_files_of, parts))


def _write_value(value, directory, stem, where, index):
    """Write one modality and describe its files."""
    if isinstance(value, BagArray):
        offsets = _write_array(value.offsets, directory, f"{stem}.offsets", where)
        return {
            "form": "bag",
            "values": _write_value(value.values, directory, stem, where, None),
            "offsets": offsets,
        }
    if isinstance(value, LazyArray) and value.dtype == object:
        return _write_images(_pieces(value), directory, stem, where, form="lazy_images")
    if isinstance(value, LazyArray):
        return (
            _write_lazy_sparse(value, directory, stem)
            if value.is_sparse
            else _write_lazy(value, directory, f"{stem}.npy")
        )
    if sp.issparse(value):
        sp.save_npz(directory / f"{stem}.npz", value)
        return {"form": "sparse", "file": f"{stem}.npz"}
    if isinstance(value, pd.DataFrame):
        has_ids = index is not None and value.index.equals(index)
        return {"form": "frame", "has_ids": has_ids, "frame": write_frame(value, directory, stem, where)}
    if value.dtype == object and value.ndim == 1:
        is_text = not any(isinstance(entry, np.ndarray) for entry in value)
        if is_text:
            return _write_text(value, directory, stem, where)
        return _write_images([value], directory, stem, where, form="images")
    return _write_array(value, directory, stem, where)


def _write_array(array, directory, stem, where):
    """Write an array; one of objects as a table of safe cells."""
    if array.dtype == object:
        return {
            "form": "objects",
            "ndim": array.ndim,
            "frame": write_frame(pd.DataFrame(array), directory, stem, where),
        }
    if array.dtype.kind not in _SAFE_KINDS:
        raise messages.cannot_save(where, f"an array of dtype {array.dtype}")
    np.save(directory / f"{stem}.npy", array, allow_pickle=False)
    return {"form": "array", "file": f"{stem}.npy"}


def _write_text(texts, directory, stem, where):
    """Write documents as a list in JSON; null where missing."""
    if not all(text is None or isinstance(text, str) for text in texts):
        raise messages.cannot_save(where, "objects that are neither str nor arrays")
    (directory / f"{stem}.json").write_text(json.dumps(texts.tolist()), encoding="ascii")
    return {"form": "text", "file": f"{stem}.json"}


def _write_images(pieces, directory, stem, where, *, form):
    """Write images of different sizes, some at a time: their bytes in a row, shapes and data types."""
    shapes, dtypes, n_bytes = [], [], 0
    with (directory / f"{stem}.npy").open("wb") as file:
        _write_header(file, np.dtype(np.uint8), (0,))
        for image in chain.from_iterable(pieces):
            shapes.append(None if image is None else image.shape)
            dtypes.append(None if image is None else image.dtype.str)
            if image is None:
                continue
            if image.dtype.kind not in "biuf":
                raise messages.cannot_save(where, f"arrays of dtype {image.dtype}")
            file.write(np.ascontiguousarray(image).tobytes())
            n_bytes += image.nbytes
        file.seek(0)
        _write_header(file, np.dtype(np.uint8), (n_bytes,))
    padded = np.full((len(shapes), max((len(shape) for shape in shapes if shape), default=2)), -1)
    for row, shape in enumerate(shapes):
        padded[row, : len(shape or ())] = shape or ()
    return {
        "form": form,
        "file": f"{stem}.npy",
        "shapes": _write_array(padded, directory, f"{stem}.shapes", where),  # -1 where missing
        "dtypes": dtypes,
    }


def _stream(path, dtype, shape, chunks):
    """Write an npy file piece by piece."""
    with path.open("wb") as file:
        _write_header(file, dtype, shape)
        for chunk in chunks:
            file.write(np.ascontiguousarray(chunk, dtype=dtype).tobytes())


def _write_header(file, dtype, shape):
    """Write the header of an npy file; NumPy leaves room in it for a longer first axis."""
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)


def _pieces(lazy):
    """Rows of a lazy array, a part at a time."""
    step = lazy_step(lazy)
    return (lazy[start : start + step] for start in range(0, len(lazy), step))


def _write_lazy(lazy, directory, file):
    """Write a lazy array in pieces."""
    _stream(directory / file, lazy.dtype, lazy.shape, _pieces(lazy))
    return {"form": "array", "file": file}


def _write_lazy_sparse(lazy, directory, stem):
    """Write a lazy sparse matrix in pieces, as three arrays of which the first two are read on demand."""
    files = {part: f"{stem}.{part}.npy" for part in ("data", "indices", "indptr")}
    dtypes = {"data": lazy.dtype, "indices": np.dtype(np.int64)}
    lengths = [np.zeros(1, dtype=np.int64)]
    with (directory / files["data"]).open("wb") as data, (directory / files["indices"]).open("wb") as indices:
        streams = {"data": data, "indices": indices}
        for part, stream in streams.items():
            _write_header(stream, dtypes[part], (0,))
        for piece in _pieces(lazy):
            data.write(piece.data.tobytes())
            indices.write(piece.indices.astype(np.int64).tobytes())
            lengths.append(np.diff(piece.indptr))
        indptr = np.cumsum(np.concatenate(lengths), dtype=np.int64)
        for part, stream in streams.items():
            stream.seek(0)
            _write_header(stream, dtypes[part], (int(indptr[-1]),))
    np.save(directory / files["indptr"], indptr, allow_pickle=False)
    parts = {part: {"form": "array", "file": file} for part, file in files.items()}
    return {"form": "lazy_sparse", "shape": list(lazy.shape), **parts}


def _write_index(index, directory, stem):
    """Write sample ids: a range by its ends, all else as a table with a column a level."""
    names = [to_json(name, "index") for name in index.names]
    if isinstance(index, pd.RangeIndex):
        return {"form": "range", "range": [index.start, index.stop, index.step], "names": names}
    levels = pd.DataFrame({level: index.get_level_values(level).array for level in range(index.nlevels)})
    return {"form": "ids", "names": names, "frame": write_frame(levels, directory, stem, "index")}


# --- reading --------------------------------------------------------------------------------------


def _read(directory, manifest):
    """The container that a manifest describes."""
    present = _load(directory, manifest["present"])
    index = _read_index(directory, manifest["index"])
    groups = (
        None if manifest["groups"] is None else np.asarray(_read_value(directory, manifest["groups"], None))
    )
    data, kinds, feature_names = {}, {}, {}
    for entry in manifest["modalities"]:
        name = entry["name"]
        data[name], kinds[name] = _read_value(directory, entry, index), entry["kind"]
        names = entry["feature_names"]
        feature_names[name] = None if names is None else object_array([from_json(label) for label in names])
    lengths = {name: n_rows(value) for name, value in data.items()} | {"present": len(present)}
    lengths |= {
        what: len(labels) for what, labels in (("index", index), ("groups", groups)) if labels is not None
    }
    wrong = {name: length for name, length in lengths.items() if length != manifest["n_samples"]}
    if wrong or present.shape[1] != len(data):
        raise messages.not_a_saved_container(
            directory, f"files differ in their numbers of samples ({wrong or present.shape})"
        )
    return ModalityDict._build(data, kinds, present, feature_names, index, groups)


def _load(directory, file, *, lazy=False):
    """An array of an npy file, as a memory map where it is to stay on disk."""
    array = np.load(directory / file, mmap_mode="r" if lazy else None, allow_pickle=False)
    return np.array(array) if lazy and not is_lazy(array) else array


def _read_value(directory, entry, index):
    """One modality as it was, but that arrays of numbers stay on disk."""
    form = entry["form"]
    if form == "array":
        array = _load(directory, entry["file"], lazy=True)
        return (
            LazyArray(array)
            if is_lazy(array) and array.dtype.kind in "biuf"
            else np.array(array, subok=False)
        )
    if form == "sparse":
        return sp.load_npz(directory / entry["file"])
    if form == "lazy_sparse":
        parts = [
            find_source(_load(directory, entry[part]["file"], lazy=True))
            for part in ("data", "indices", "indptr")
        ]
        return LazyArray(CSRSource(*parts, entry["shape"]))
    if form == "bag":
        return BagArray(
            _read_value(directory, entry["values"], None), _load(directory, entry["offsets"]["file"])
        )
    if form == "text":
        return object_array(json.loads((directory / entry["file"]).read_text(encoding="ascii")))
    if form in ("images", "lazy_images"):
        shapes = _load(directory, entry["shapes"]["file"])
        images = LazyArray(RaggedSource(_load(directory, entry["file"], lazy=True), shapes, entry["dtypes"]))
        return images if form == "lazy_images" else images[:]
    frame = read_frame(directory, entry["frame"])
    if form == "objects":
        array = frame.to_numpy(dtype=object)
        return array[:, 0] if entry["ndim"] == 1 else array
    return frame.set_axis(index, axis=0) if entry["has_ids"] else frame


def _read_index(directory, entry):
    """Sample ids."""
    if entry is None:
        return None
    names = [from_json(name) for name in entry["names"]]
    if entry["form"] == "range":
        return pd.RangeIndex(*entry["range"], name=names[0])
    levels = read_frame(directory, entry["frame"])
    return (
        pd.MultiIndex.from_frame(levels, names=names)
        if len(names) > 1
        else pd.Index(levels[0]).rename(names[0])
    )
