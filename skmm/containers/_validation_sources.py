"""Every message about where modalities come from: lazy arrays, tables joined by id, saved directories.

As in `_validation`, each function returns the exception and the caller raises it.
"""

from skmm.containers._validation import quoted, shown

# --- lazy arrays and their files ------------------------------------------------------------------


def not_lazy(value):
    """An array that cannot be read on demand."""
    return ValueError(
        "A lazy array must be one block of a file, or have shape, dtype and [rows]. Got "
        f"{type(value).__name__} of shape {getattr(value, 'shape', None)} instead: use it as an ordinary "
        "array."
    )


def stored_by_columns(value):
    """A sparse matrix in a file whose rows lie scattered."""
    return ValueError(
        f"Rows of a sparse matrix stored by columns ({type(value).__name__}) cannot be read on demand. "
        "Write it as CSR, or read it whole with .to_memory()."
    )


def file_gone(path):
    """The file of a lazy array is no longer there."""
    return FileNotFoundError(
        f"The file of a lazy array is gone: {str(path)!r}. Put it back, or build the ModalityDict again."
    )


def file_unreadable(path, error):
    """The file of a lazy array cannot be opened."""
    return OSError(
        f"The file of a lazy array cannot be opened for reading: {str(path)!r} ({error}). If it is open for "
        "writing, close it first."
    )


def not_in_file(path, name):
    """A dataset is no longer in its file."""
    return FileNotFoundError(
        f"{str(path)!r} no longer holds {name!r}. Put it back, or build the ModalityDict again."
    )


def file_changed(path, shape, dtype, found_shape, found_dtype):
    """A file holds another array than it did."""
    return ValueError(
        f"{str(path)!r} held an array of shape {shape} and dtype {dtype}, but now shape {found_shape} and "
        f"dtype {found_dtype}. Build the ModalityDict again."
    )


def file_too_short(path, shape, dtype):
    """A file is shorter than the array that it held."""
    return ValueError(
        f"{str(path)!r} is too short for an array of shape {shape} and dtype {dtype}. Build the "
        "ModalityDict again."
    )


def wrong_read(source, expected, got):
    """A reader gives other rows than it was asked for."""
    return ValueError(
        f"Reading {expected[0]} rows of {source} must give an array of shape {expected}. Got {got} instead."
    )


def reading_copies():
    """NumPy asks for an array without a copy."""
    return ValueError(
        "A lazy array is read from its source, which makes a copy. Got copy=False: use copy=None."
    )


# --- splitting and joining tables -----------------------------------------------------------------


def not_a_frame(value):
    """Something else where a DataFrame is needed."""
    return TypeError(f"df must be a pandas DataFrame. Got {type(value).__name__} instead.")


def unknown_columns(name, columns, known):
    """Columns that a DataFrame does not have."""
    return ValueError(
        f"Modality {name!r} names columns that df does not have: {quoted(columns)}. It has {quoted(known)}."
    )


def bad_columns(name, columns):
    """Something that does not select columns."""
    return TypeError(
        f"The columns of modality {name!r} must be a list of column names, a slice, or a callable that is "
        f"given the DataFrame. Got {columns!r} instead."
    )


def needs_one_column(name, kind, n_columns):
    """A kind whose entries are cells, and not one column."""
    return ValueError(
        f"Modality {name!r} was declared {kind!r}, so each cell of one column is an entry. Got {n_columns} "
        "columns instead."
    )


def unknown_groups_column(column, known):
    """A column of groups that is not there."""
    return ValueError(
        f"groups={column!r} is not a column: there are {quoted(known)}. Pass a column's name or an array."
    )


def bad_option(parameter, options, value):
    """A parameter that takes one of some words."""
    return ValueError(f"{parameter} must be one of {quoted(options)}. Got {value!r} instead.")


def not_by_id(name, value):
    """A modality that does not say to which samples its rows belong."""
    return TypeError(
        f"Modality {name!r} must say to which sample each row belongs: a DataFrame or Series with ids as "
        f"index, a pair (ids, values), or a dict of id -> value. Got {type(value).__name__} instead."
    )


def ids_length(name, n_ids, n_rows):
    """Ids and values differ in number."""
    return ValueError(f"Modality {name!r} must have one id a row. Got {n_ids} ids and {n_rows} rows instead.")


def no_rows(name):
    """A table without rows, from which nothing can be taken."""
    return ValueError(f"Modality {name!r} has no rows. Leave it out.")


def missing_ids(name, rows):
    """Ids that are NaN or None."""
    return ValueError(
        f"Sample ids must not be missing; in {name!r} they are at rows {shown(rows)}. Fill or drop those "
        "rows."
    )


def repeated_ids(name, ids):
    """Ids that occur more than once in one table."""
    return ValueError(
        f"Modality {name!r} has more than one row for the ids {quoted(ids)}. Make a bag of the rows of each "
        "id with repeated='bag', take the first with repeated='first', or remove them."
    )


def ids_of_different_sorts(first, sort, second, other_sort):
    """Ids that can never be equal, such as 1 and "1"."""
    return ValueError(
        f"Sample ids must be of one sort: those of {first!r} are {sort}, those of {second!r} are "
        f"{other_sort}, so none would match. Convert one of them, for example with df.index.astype(str)."
    )


def no_common_ids(names):
    """An inner join that leaves nothing."""
    return ValueError(f"No sample id is in all of {quoted(names)}. Check the ids, or use how='outer'.")


def cannot_bag(name, what):
    """Rows that cannot be the instances of a bag."""
    return ValueError(
        f"Modality {name!r} has repeated ids, but bags are made of numeric arrays and it is {what}. Encode "
        "it first, or use repeated='first'."
    )


def conflicting_groups(ids):
    """An id whose group is given differently in two places."""
    return ValueError(f"groups must be one a sample, but differ for the ids {quoted(ids)}. Correct them.")


def ids_without_group(ids):
    """Samples whose group is not told."""
    return ValueError(f"groups says nothing of the ids {quoted(ids)}. Give every sample a group.")


# --- AnnData and MuData ---------------------------------------------------------------------------


def unknown_location(name, location, known):
    """A place that an AnnData or MuData object does not have."""
    return ValueError(f"Modality {name!r}: there is no {location!r}. There are {quoted(known)}.")


def not_samples_first(axis):
    """A MuData object whose modalities do not share samples."""
    return ValueError(
        f"The modalities of a MuData object must share observations (axis=0). Got axis={axis!r} instead."
    )


def repeated_names(where):
    """Observation names that are not unique."""
    return ValueError(
        f"The obs_names of {where} must be unique to be matched. Call obs_names_make_unique() on it first."
    )


# --- saved directories ----------------------------------------------------------------------------


def directory_not_empty(directory):
    """Saving would mix with other files."""
    return FileExistsError(
        f"{str(directory)!r} is not empty. Choose another directory, or replace the container in it with "
        "overwrite=True."
    )


def not_a_saved_container(directory, why):
    """A directory from which nothing can be loaded."""
    return ValueError(f"{str(directory)!r} holds no complete ModalityDict: {why}. Save it again.")


def nothing_saved(directory):
    """A directory without a manifest."""
    return FileNotFoundError(
        f"{str(directory)!r} holds no saved ModalityDict: it has no manifest.json. Check the path."
    )


def newer_format(directory, version, known):
    """A directory of a later version of the package."""
    return ValueError(
        f"{str(directory)!r} was saved in format {version}, but this version of skmm reads formats up to "
        f"{known}. Upgrade skmm."
    )


def cannot_save(where, what):
    """A value that has no safe form in a file."""
    return TypeError(
        f"{where} holds {what}, which cannot be saved without pickle. Convert it to numbers, strings or "
        "dates first."
    )
