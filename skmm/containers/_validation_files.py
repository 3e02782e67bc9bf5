"""Every message about files of images and scans, and the tables that name them.

As in `_validation`, each function returns the exception and the caller raises it.
"""

from skmm.containers._validation import quoted, shown

_LET_GO = "let such files be missing with on_error='missing'"


# --- paths ----------------------------------------------------------------------------------------


def not_paths(value):
    """Something that is no sequence of paths."""
    return TypeError(
        "paths must be a sequence of file names, with None where there is no file, or a Series of them. Got "
        f"{type(value).__name__} instead."
    )


def bad_path(what, row, path):
    """A path that is neither a name nor missing."""
    return TypeError(
        f"{what} must hold file names (str or Path), and None where there is no file. Got {path!r} at row "
        f"{row}."
    )


def bad_channels(channels):
    """A number of channels that images are not brought to."""
    return ValueError(f"channels must be None (as in the files) or 3 (colour). Got {channels!r} instead.")


def files_failed(failures, n_files):
    """Files that are not there, all of them; or else the first that cannot be used."""
    gone = [path for path, error in failures.items() if isinstance(error, FileNotFoundError)]
    if gone:
        return FileNotFoundError(
            f"Of {n_files} files or folders, {len(gone)} are not there: {quoted(gone)}. Correct the paths or "
            f"root=, or {_LET_GO}."
        )
    first = next(iter(failures.values()))
    if len(failures) == 1:
        return first
    others = list(failures)[1:]
    return type(first)(f"{first} It is one of {len(failures)}; the others are {quoted(others)}.")


def made_missing_warning(failures, n_files):
    """Text of the warning for files that became missing."""
    reasons = shown(f"{path!r} ({_reason(error)})" for path, error in failures.items())
    return f"{len(failures)} of {n_files} files or folders cannot be read and are missing: {reasons}."


def _reason(error):
    """Why a file cannot be read, in a few words; the path is told beside it."""
    if isinstance(error, FileNotFoundError):
        return "not there"
    return getattr(error, "reason", str(error))


# --- one file -------------------------------------------------------------------------------------


def file_damaged(path, error):
    """A file that its reader cannot read."""
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    result = OSError(f"{str(path)!r} cannot be read ({text}). Replace the file, or {_LET_GO}.")
    result.reason = text
    return result


def file_unusable(path, reason, advice):
    """A file that is in order but holds something else than is read."""
    result = ValueError(f"{str(path)!r} cannot be used: {reason}. {advice}")
    result.reason = reason
    return result


def unknown_format(path):
    """A file of another format."""
    return file_unusable(path, "it is no PNG, JPEG, TIFF or .npy file", "Convert it to one of these.")


def no_files_in(path, found):
    """A folder without anything to read."""
    what = f"the folder holds only {quoted(found)}" if found else "the folder is empty"
    return file_unusable(path, what, "Name the folder that holds the slices of one series.")


def several_formats(path, kinds):
    """A folder of files of several formats."""
    return file_unusable(
        path, f"the folder holds files of several formats ({', '.join(kinds)})", "Keep one of them in it."
    )


def several_files(path, n_files):
    """A folder of several NIfTI files, each of which is a series."""
    return file_unusable(
        path,
        f"the folder holds {n_files} NIfTI files, each of which is a series",
        "Name the file instead of the folder.",
    )


def several_series(path, n_series):
    """A folder with the slices of several DICOM series."""
    return file_unusable(
        path,
        f"the folder holds slices of {n_series} DICOM series (by SeriesInstanceUID)",
        "Give each series a folder, and a row of the table, of its own.",
    )


def no_decoder(path, syntax, missing):
    """A compressed DICOM file that nothing installed can decode."""
    options = "; ".join(part.strip() for part in missing)
    advice = f"Install one of these: {options}." if options else "Convert it to an uncompressed file."
    return file_unusable(path, f"no decoder of its transfer syntax ({syntax}) is installed", advice)


def too_many_pixels(path, n_pixels, limit):
    """An image that would take very much memory."""
    return file_unusable(
        path,
        f"it has {n_pixels} pixels, more than the {limit} that Pillow takes for safe",
        "If the file is to be trusted, raise PIL.Image.MAX_IMAGE_PIXELS.",
    )


# --- tables of series -----------------------------------------------------------------------------


def not_a_table(table):
    """Something else where a table of series is needed."""
    return TypeError(
        f"table must be a pandas DataFrame with one row a series. Got {type(table).__name__} instead."
    )


def unknown_column(parameter, column, known):
    """A column that the table of series does not have."""
    return ValueError(f"{parameter}={column!r} is not a column of the table, which has {quoted(known)}.")


def no_series():
    """A table without rows."""
    return ValueError("table must have at least one row, one a series. Got 0 rows.")


def missing_cells(parameter, column, rows):
    """Series of which it is not told whose, or which, they are."""
    return ValueError(
        f"{parameter}={column!r} must be told for every series; it is missing at rows {shown(rows)}. Fill or "
        "drop these rows."
    )


def modality_no_string(column, row, value):
    """A series description that is no name."""
    return TypeError(
        f"modality={column!r} must hold strings, which become the names of the modalities. Got {value!r} at "
        f"row {row}."
    )


def repeated_series(pairs):
    """Several series of one sample and modality."""
    pairs = [f"{modality!r} of {sample!r}" for sample, modality in pairs]
    return ValueError(
        f"There is more than one series for {shown(pairs)}. Take the first with repeated='first', join their "
        "slices in one bag with repeated='concat', or tell them apart by modality."
    )
