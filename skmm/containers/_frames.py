"""DataFrames and labels in files without pickle: parquet where pyarrow is there, else CSV, and JSON.

Each column is written in a plain form (numbers, or strings with None) beside a description from which its
exact data type is restored, so both formats keep the same.
"""

import csv
import importlib.util
import json
import math

import numpy as np
import pandas as pd

from skmm.containers import _validation_sources as messages
from skmm.containers._entries import object_array

# Cells of a CSV file that begin with a backslash are escapes: for a missing value, a string in JSON, or a
# string that begins with a backslash itself.
_MISSING_CELL, _JSON_CELL = "\\N", "\\J"
_WIDE = 1000  # columns
_MISSING = {"None": None, "nan": np.nan, "NA": pd.NA, "NaT": pd.NaT}


def to_json(value, where):
    """A label or a cell as JSON: numbers, strings, missing values and tuples of them."""
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, tuple):
        return {"tuple": [to_json(item, where) for item in value]}
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": repr(value)}
    if value is pd.NA or value is pd.NaT:
        return {"missing": "NA" if value is pd.NA else "NaT"}
    raise messages.cannot_save(where, f"a value of type {type(value).__name__}")


def from_json(value):
    """The value that `to_json` wrote."""
    if not isinstance(value, dict):
        return value
    if "tuple" in value:
        return tuple(from_json(item) for item in value["tuple"])
    return float(value["float"]) if "float" in value else _MISSING[value["missing"]]


# --- columns --------------------------------------------------------------------------------------


def _encode(column, where):
    """A column in plain form, and its description."""
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        categories, spec = _encode(pd.Series(dtype.categories), where)
        values = [to_json(value, where) for value in categories.astype(object)]
        spec = {"as": "category", "categories": values, "spec": spec, "ordered": bool(dtype.ordered)}
        return column.cat.codes.astype("int64"), spec
    if isinstance(dtype, pd.DatetimeTZDtype):
        plain, spec = _encode(column.dt.tz_convert("UTC").dt.tz_localize(None), where)
        return plain, {**spec, "tz": str(dtype.tz)}
    if isinstance(dtype, pd.StringDtype):
        name = f"string[{dtype.storage}]" if dtype.na_value is pd.NA else "str"
        return _plain_strings(column), {"as": "string", "dtype": name}
    if isinstance(dtype, pd.SparseDtype):
        plain, _ = _encode(column.sparse.to_dense(), where)
        return plain, {"as": "dtype", "dtype": str(dtype)}
    if not isinstance(dtype, np.dtype):
        if not pd.api.types.is_numeric_dtype(dtype):  # periods, intervals, nested types of arrow
            raise messages.cannot_save(where, f"a column of dtype {dtype}")
        return column, {"as": "dtype", "dtype": str(dtype)}
    if dtype.kind in "mM":
        return pd.Series(column.to_numpy().view("i8")), {"as": "time", "dtype": dtype.str}
    if dtype.kind in "biuf":
        return column, {"as": "dtype", "dtype": dtype.str}
    return _encode_objects(column, where)


def _plain_strings(column):
    """Strings as objects, None where missing."""
    return column.astype(object).where(column.notna().to_numpy(), None)


def _encode_objects(column, where):
    """A column of objects: as strings with one sort of missing value, else each cell as JSON."""
    missing = {str(value) for value in column[column.isna().to_numpy()]}
    is_text = all(isinstance(value, str) for value in column[column.notna().to_numpy()])
    if is_text and len(missing) <= 1 and _is_unicode(column):
        return _plain_strings(column), {
            "as": "object",
            "missing": (*missing, "None")[0].replace("<NA>", "NA"),
        }
    cells = [json.dumps(to_json(value, where)) for value in column]
    return pd.Series(cells, dtype=object), {"as": "json"}


def _is_unicode(column):
    """Whether all strings can be written; halves of surrogate pairs cannot."""
    try:
        "".join(value for value in column if isinstance(value, str)).encode()
    except UnicodeEncodeError:
        return False
    return True


def _decode(plain, spec):
    """The column of which `_encode` gave the plain form."""
    form = spec["as"]
    if form == "category":
        values = pd.Series(
            [from_json(value) for value in spec["categories"]], dtype=_plain_dtype(spec["spec"])
        )
        categories = pd.Index(_decode(values, spec["spec"]))
        return pd.Series(pd.Categorical.from_codes(plain.to_numpy(), categories, ordered=spec["ordered"]))
    if form == "string":
        return _plain_strings(plain).astype(spec["dtype"])
    if form == "time":
        column = pd.Series(plain.to_numpy().astype("i8").view(spec["dtype"]))
        return column if "tz" not in spec else column.dt.tz_localize("UTC").dt.tz_convert(spec["tz"])
    if form == "json":
        return pd.Series(object_array([from_json(json.loads(cell)) for cell in plain]), dtype=object)
    if form == "object":
        cells = object_array(plain.tolist())
        cells[plain.isna().to_numpy()] = _MISSING[spec["missing"]]
        return pd.Series(cells, dtype=object)
    return plain.astype(spec["dtype"])


def _plain_dtype(spec):
    """Data type of the plain form."""
    if spec["as"] in ("category", "time"):
        return np.dtype("int64")
    if spec["as"] == "dtype":
        dtype = pd.api.types.pandas_dtype(spec["dtype"])
        return dtype.subtype if isinstance(dtype, pd.SparseDtype) else dtype
    return object


# --- frames ---------------------------------------------------------------------------------------


def write_frame(frame, directory, stem, where):
    """Write the columns of a DataFrame, without its index, and return what describes the file."""
    labels = [to_json(label, where) for label in frame.columns]
    description = {
        "labels": labels,
        "names": [to_json(name, where) for name in frame.columns.names],
        "n_rows": len(frame),
    }
    if _is_wide_matrix(frame):
        np.save(directory / f"{stem}.npy", frame.to_numpy(), allow_pickle=False)
        return {**description, "file": f"{stem}.npy"}
    parts = [_encode(frame.iloc[:, j], f"{where}, column {label!r}") for j, label in enumerate(frame.columns)]
    has_names = all(isinstance(label, str) for label in labels) and len(set(labels)) == len(labels)
    plain = pd.DataFrame({position: part.array for position, (part, _) in enumerate(parts)})
    plain.columns = labels if has_names else [str(position) for position in range(len(parts))]
    description["columns"] = [spec for _, spec in parts]
    if importlib.util.find_spec("pyarrow") is None:
        _write_csv(plain, directory / f"{stem}.csv")
        return {**description, "file": f"{stem}.csv"}
    plain.to_parquet(directory / f"{stem}.parquet", engine="pyarrow", index=False)
    return {**description, "file": f"{stem}.parquet"}


def read_frame(directory, description):
    """Read a DataFrame that `write_frame` wrote; its index counts rows."""
    path, index = directory / description["file"], pd.RangeIndex(description["n_rows"])
    if path.suffix == ".npy":
        frame = pd.DataFrame(np.load(path, allow_pickle=False))
    else:
        specs = description["columns"]
        is_csv = path.suffix == ".csv"
        plain = _read_csv(path, specs, len(index)) if is_csv else pd.read_parquet(path, engine="pyarrow")
        columns = {j: _decode(plain.iloc[:, j], spec).array for j, spec in enumerate(specs)}
        frame = pd.DataFrame(columns, index=index)
    labels = [from_json(label) for label in description["labels"]]
    names = [from_json(name) for name in description["names"]]
    if len(names) > 1:
        frame.columns = pd.MultiIndex.from_tuples(labels, names=names)
    else:
        frame.columns = pd.Index(labels, name=names[0], tupleize_cols=False)
    return frame


def _is_wide_matrix(frame):
    """Whether a DataFrame is a matrix of so many columns that files made of columns are slow."""
    first = frame.dtypes.iloc[0]
    return (
        frame.shape[1] > _WIDE
        and isinstance(first, np.dtype)
        and first.kind in "biuf"
        and (frame.dtypes == first).all()
    )


def _write_csv(plain, path):
    """Write a table cell by cell, numbers with all their digits."""
    columns = [_cells(plain.iloc[:, j]) for j in range(plain.shape[1])]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(plain.columns)
        writer.writerows(zip(*columns, strict=True))


def _cells(column):
    """A column as the cells of a CSV file."""
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "biuf":
        return [repr(value) for value in column.tolist()]
    cells = []
    for value, is_missing in zip(column.tolist(), column.isna(), strict=True):
        if is_missing:
            cells.append(_MISSING_CELL)
        elif isinstance(value, str):
            cells.append(_string_cell(value))
        else:
            cells.append(repr(value))
    return cells


def _string_cell(text):
    """A string as a cell of a CSV file; readers do not agree on returns and zero characters."""
    if "\r" in text or "\0" in text:
        return _JSON_CELL + json.dumps(text)
    return f"\\{text}" if text.startswith("\\") else text


def _parse_string(cell):
    """The string of a cell, or None."""
    if cell == _MISSING_CELL:
        return None
    if cell.startswith(_JSON_CELL):
        return json.loads(cell.removeprefix(_JSON_CELL))
    return cell.removeprefix("\\")


def _read_csv(path, specs, n_rows):
    """Read the cells that `_write_csv` wrote into columns of the plain data types."""
    cells = pd.read_csv(path, dtype=str, na_filter=False, skip_blank_lines=False)
    if len(cells) != n_rows or cells.shape[1] != len(specs):
        raise messages.not_a_saved_container(path, f"it has shape {cells.shape}, not {(n_rows, len(specs))}")
    return pd.DataFrame(
        {j: _parse(cells.iloc[:, j].tolist(), _plain_dtype(spec)) for j, spec in enumerate(specs)}
    )


def _parse(cells, dtype):
    """Cells of a CSV file as an array of a data type."""
    if dtype is object:
        return pd.Series(object_array([_parse_string(cell) for cell in cells]), dtype=object).array
    number = {"b": lambda cell: cell == "True", "f": float}.get(dtype.kind, int)
    values = [pd.NA if cell == _MISSING_CELL else number(cell) for cell in cells]
    return pd.array(values, dtype=dtype)
