"""How a ModalityDict shows itself: one line a modality, as text and as HTML."""

from html import escape

from skmm.containers._bag_array import BagArray
from skmm.containers._lazy import LazyArray


def describe(X):
    """Rows (name, kind, shape and data type, share missing) for each modality."""
    n_samples = len(X)
    lines = []
    for column, name in enumerate(X.modalities):
        missing = 1 - X.present[:, column].mean() if n_samples else 0.0
        lines.append(
            (
                name,
                X.kinds[name],
                _form(X[name], X.kinds[name]),
                f"{missing:.0%} missing" if missing else "all present",
            )
        )
    return lines


def _form(value, kind):
    """Shape, data type and holder of a modality."""
    if isinstance(value, BagArray):
        lengths = value.lengths
        span = f"{lengths.min()}..{lengths.max()}" if len(lengths) else "0"
        lazy = ", lazy" if isinstance(value.values, LazyArray) else ""
        dtype = value.values.entry_dtype if lazy else value.dtype
        return f"{span} instances of {value.instance_shape} {dtype}{lazy}"
    shape = " x ".join(str(size) for size in value.shape[1:])
    if isinstance(value, LazyArray):
        if None in value.entry_shape:
            return f"different sizes {value.entry_dtype}, lazy"
        return f"{shape} {value.dtype}, lazy"
    if hasattr(value, "dtypes"):
        return f"{shape} columns"
    if hasattr(value, "nnz"):
        return f"{shape} {value.dtype}, sparse"
    if not shape:
        return "documents" if kind == "text" else "different sizes"
    return f"{shape} {value.dtype}"


def _title(X):
    """Counts, and what travels along."""
    extras = [word for word, value in (("sample ids", X.index), ("groups", X.groups)) if value is not None]
    counts = f"{len(X)} sample{'s' * (len(X) != 1)}, {X.shape[1]} modalit{'ies' if X.shape[1] != 1 else 'y'}"
    return f"ModalityDict: {counts}" + (f", with {' and '.join(extras)}" if extras else "")


def text_repr(X):
    """The title and an aligned line a modality."""
    lines = describe(X)
    widths = [max(len(line[column]) for line in lines) for column in range(3)]
    rows = [
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(line, [*widths, 0], strict=True)).rstrip()
        for line in lines
    ]
    return "\n".join([_title(X), *rows])


def html_repr(X):
    """The same as a table."""
    cells = "".join(
        "<tr>" + "".join(f"<td style='text-align:left'>{escape(cell)}</td>" for cell in line) + "</tr>"
        for line in describe(X)
    )
    head = "".join(
        f"<th style='text-align:left'>{word}</th>" for word in ("modality", "kind", "entries", "missing")
    )
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{cells}</tbody></table>"
    return f"<div><b>{escape(_title(X))}</b>{table}</div>"
