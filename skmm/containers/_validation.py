"""Every message of the data contract: what was expected, what came, where, and what to do.

Each function returns the exception; the caller raises it. So one page shows how skmm speaks, and a
message is changed in one place.
"""

from skmm.exceptions import MissingModalityError

MAX_ROWS_SHOWN = 5


def shown(items):
    """The first few of ``items`` as text, with how many were left out."""
    items = list(items)
    text = ", ".join(str(item) for item in items[:MAX_ROWS_SHOWN])
    more = len(items) - MAX_ROWS_SHOWN
    return f"{text} and {more} more" if more > 0 else text


def quoted(names):
    """Names in quotes, for a message."""
    return shown(repr(name) for name in names)


# --- the mapping itself -------------------------------------------------------------------------


def not_a_mapping(value):
    """X is neither a mapping nor one table."""
    return TypeError(
        "X must be a mapping of modality name -> array, a ModalityDict, or one 2-D table. "
        f"Got {type(value).__name__} instead."
    )


def no_modalities():
    """The mapping is empty."""
    return ValueError(
        "X must hold at least one modality, as in {'rna': array}. Got an empty mapping instead."
    )


def not_a_dict(what, value):
    """An argument that says something about each modality is no dict."""
    return TypeError(
        f"{what} must be a dict of modality name -> value, as in {what}={{'mri': ...}}. "
        f"Got {type(value).__name__} instead."
    )


def bad_name(name):
    """A modality's name cannot be used."""
    return ValueError(
        f"Modality names must be non-empty strings without '__' (nested parameters use it). Got {name!r} "
        "instead: rename it."
    )


def unequal_lengths(lengths):
    """Modalities differ in their numbers of samples."""
    table = ", ".join(f"{name!r} has {n}" for name, n in lengths.items())
    return ValueError(
        f"All modalities must have the same number of samples: {table}. If samples lack a modality, "
        "join by sample id with ModalityDict.from_tables, or put None (or NaN) where an entry is missing."
    )


def wrong_length(what, expected, got):
    """A per-sample argument has the wrong length."""
    return ValueError(f"{what} must have one entry a sample, {expected} in all. Got {got} instead.")


def unknown_names(what, unknown, known):
    """An argument names modalities that X does not hold."""
    return ValueError(f"{what} names {quoted(unknown)}, but X holds {quoted(known)}. Remove or rename them.")


def unknown_modality(name, known):
    """X[name] for a modality that is not there."""
    return KeyError(f"No modality {name!r}: there are {quoted(known)}.")


def disagreeing_indexes(first, second):
    """Two tables of a plain dict carry different sample ids."""
    return ValueError(
        f"The tables {first!r} and {second!r} have different indexes, so their rows may belong to "
        "different samples. "
        "Join them by sample id with ModalityDict.from_tables; or, if the rows do match, call "
        "reset_index(drop=True) on each."
    )


def missing_groups(rows):
    """Groups with holes cannot keep a patient together."""
    return ValueError(
        f"groups must not be missing; it is at rows {shown(rows)}. Give every sample a group of its own "
        "there."
    )


def bad_presence_mask(name, mask):
    """A presence mask is not boolean."""
    return TypeError(
        f"present[{name!r}] must be a boolean array (True = observed). Got dtype "
        f"{getattr(mask, 'dtype', None)} instead."
    )


def bad_feature_names(name, expected, got):
    """A number of feature names that does not fit."""
    return ValueError(
        f"feature_names[{name!r}] must hold {expected} names, one a feature. Got {got} instead."
    )


def feature_names_of_non_table(name, kind):
    """Feature names belong to tables only."""
    return ValueError(f"feature_names are for tables, but {name!r} is of kind {kind!r}. Remove them.")


# --- rows -----------------------------------------------------------------------------------------


def bad_row_key(key):
    """Something that does not select rows."""
    return TypeError(
        "X[...] takes a modality name, a list of names, or rows (integer array, boolean mask, slice, int). "
        f"Got {key!r} instead."
    )


def mask_length(expected, got):
    """A boolean mask of the wrong length."""
    return IndexError(f"A boolean row mask must have {expected} entries, one a sample. Got {got} instead.")


def rows_out_of_range(n_samples, row):
    """A row that is not there."""
    return IndexError(f"Row {row} is out of range: there are {n_samples} samples.")


def no_index():
    """Selection by id where there are no ids."""
    return ValueError("X.loc selects by sample id, but X has none. Give them: ModalityDict(X, index=ids).")


def unknown_ids(ids):
    """Sample ids that are not in the index."""
    return KeyError(f"No samples with ids {quoted(ids)}.")


# --- kinds ----------------------------------------------------------------------------------------


def unknown_kind(name, kind, known):
    """A declared kind that does not exist."""
    return ValueError(f"kinds[{name!r}] must be one of {quoted(known)}. Got {kind!r} instead.")


def doubtful_kind(name, what, options):
    """The kind of a modality cannot be inferred without doubt."""
    choice = " or ".join(f"ModalityDict(X, kinds={{{name!r}: {kind!r}}})" for kind in options)
    return ValueError(f"Modality {name!r} is {what}: its kind leaves doubt. Declare it: {choice}.")


def channels_first(name, shape):
    """A 4-D array whose last axis is not a number of channels."""
    return ValueError(
        f"Modality {name!r} has shape {shape}: its kind leaves doubt. Images are channels last, "
        "(n_samples, height, width, channels), "
        "so channels-first arrays need np.moveaxis(array, 1, -1); otherwise declare ModalityDict(X, "
        f"kinds={{{name!r}: 'bag'}}) "
        "(or 'image', 'volume')."
    )


def one_dimensional(name):
    """A 1-D numeric array may be one feature or one sample."""
    return ValueError(
        f"Modality {name!r} is one-dimensional, but a table is two-dimensional, (n_samples, n_features). "
        "Use .to_frame() on a Series or .reshape(-1, 1) on an array."
    )


def not_a_modality(name, value):
    """A value that no kind takes."""
    return TypeError(
        f"Modality {name!r} must be a 2-D to 5-D array, a sparse matrix, a DataFrame, a BagArray, a lazy "
        "array, or a sequence of "
        f"str or arrays. Got {type(value).__name__} instead."
    )


def kind_does_not_fit(name, kind, what):
    """A declared kind that the values contradict."""
    return ValueError(f"Modality {name!r} was declared {kind!r}, but it is {what}.")


def mixed_sequence(name, row, value):
    """A sequence whose entries are of several sorts."""
    return TypeError(
        f"Modality {name!r} must hold entries of one sort (str, or arrays, with None where missing). "
        f"Got {type(value).__name__} at row {row}."
    )


def masked_array(name):
    """NumPy's masked arrays have no place in the contract."""
    return TypeError(
        f"Modality {name!r} is a NumPy masked array. Use .filled(numpy.nan) for missing values, or "
        "present= for missing rows."
    )


def complex_numbers(name):
    """Complex data, refused as scikit-learn does."""
    return ValueError(
        f"Complex data not supported: modality {name!r}. Use real and imaginary part, or modulus, as "
        "features."
    )


def structured(name):
    """Structured arrays have columns of their own."""
    return TypeError(f"Modality {name!r} is a structured array. Pass pandas.DataFrame(array) instead.")


def not_numbers(name, kind, dtype):
    """Images, volumes and bags of something else than numbers."""
    return TypeError(
        f"Modality {name!r} is of kind {kind!r}, so it must hold real numbers. Got dtype {dtype} instead."
    )


def empty_entries(name, kind, shape):
    """Images without pixels and the like."""
    return ValueError(
        f"Modality {name!r} of kind {kind!r} has entries without values, shape {shape}. Leave it out."
    )


def no_features(name):
    """A table with no columns."""
    return ValueError(f"Modality {name!r} has 0 features. Leave it out.")


def instance_shapes(name, row, expected, got):
    """Instances of one bag differ from the others."""
    where = f"Modality {name!r}" if name else "The bag"
    return ValueError(
        f"{where} must hold instances of shape {expected} in every bag. Got {got} at row {row}. Bring them "
        "to one shape: only images, channels last, may differ in height and width."
    )


def no_instance_shape():
    """Bags of which none tells what its instances look like."""
    return ValueError("Every bag is empty, so the shape of an instance is not known. Pass instance_shape=.")


def bad_offsets(why):
    """Offsets that do not describe bags."""
    return ValueError(
        f"offsets must be integers that start at 0, never decrease and end at the number of instances: {why}."
    )


def all_entries_missing(name):
    """A sequence of None only says nothing about its kind."""
    return ValueError(
        f"Modality {name!r} is missing for every sample and its kind cannot be inferred. Leave the key "
        "out, or declare its kind."
    )


# --- fitted estimators ----------------------------------------------------------------------------


def modality_not_in_fit(unknown, known, estimator):
    """A name at predict that fit has not seen."""
    return ValueError(
        f"{estimator} was fitted on the modalities {quoted(known)}. Got {quoted(unknown)} as well: remove "
        "or rename."
    )


def kind_changed(name, fitted, got):
    """The kind at predict differs from the kind in fit."""
    return ValueError(
        f"Modality {name!r} was of kind {fitted!r} in fit. Got {got!r} instead: pass the same kind of data."
    )


def shape_changed(name, kind, fitted, got):
    """Width or size at predict differs from those in fit."""
    if kind == "table":
        return ValueError(
            f"Modality {name!r} has {got[0]} features, but it had {fitted[0]} in fit. Pass the same columns."
        )
    return ValueError(
        f"Modality {name!r} has entries of shape {got}, but they had {fitted} in fit. Resize or re-cut them."
    )


def images_too_small(name, size, smallest, estimator):
    """Images with fewer pixels a side than a network needs."""
    height, width = size
    return ValueError(
        f"{estimator} needs images of {smallest} x {smallest} pixels or more. Got {name!r} with {height} x "
        f"{width}: enlarge or pad them, or make them a table, as images.reshape(len(images), -1) does."
    )


def sizes_differ(name, kind, fitted):
    """Entries of several sizes at predict, all of one size in fit."""
    return ValueError(
        f"Modality {name!r} holds {kind}s of different sizes, but each had the shape {fitted} in fit. Resize "
        "them to that, in one array."
    )


def feature_names_changed(name, fitted, got):
    """Feature names at predict differ from those in fit."""
    missing = [feature for feature in fitted if feature not in set(got)]
    extra = [feature for feature in got if feature not in set(fitted)]
    parts = []
    if missing:
        parts.append(f"missing: {quoted(missing)}")
    if extra:
        parts.append(f"not seen in fit: {quoted(extra)}")
    if not parts:
        parts.append("the same features come in another order")
    return ValueError(
        f"Modality {name!r} must have the feature names of fit ({'; '.join(parts)}). Select and order the "
        "columns."
    )


def kind_not_taken(name, kind, accepted, estimator, instead=None):
    """A kind that the estimator cannot use; ``instead`` names those that can."""
    advice = {
        "text": "turn it into a table with TfidfVectorizer",
        "bag": "pool each bag into a row",
        "image": "flatten or embed it into a table",
        "volume": "embed it into a table",
        "table": "leave it out",
    }[kind]
    advice = f"use {instead}, {advice}" if instead else advice
    return ValueError(
        f"{estimator} takes modalities of kind {quoted(accepted)}. Got {name!r}, which is of kind "
        f"{kind!r}: {advice} in a "
        "ModalityTransformer, or leave it out."
    )


def not_numeric(name, columns):
    """Strings (or other objects) handed to a model."""
    return ValueError(
        f"Modality {name!r} must be numeric here, but column {quoted(columns)} is not. Encode it first, with "
        f"ModalityTransformer({{{name!r}: OneHotEncoder(handle_unknown='ignore')}}) or a ColumnTransformer "
        "for some of the columns."
    )


def infinite_values(name, rows):
    """Infinities never pass."""
    return ValueError(
        f"Modality {name!r} contains infinity in {len(rows)} rows ({shown(rows)}). Replace them before fit."
    )


def partly_nan(name, rows, n_axes=2, *, in_bags=False):
    """NaN inside rows that are present; tables have two axes, images more."""
    if in_bags:
        return ValueError(
            f"Modality {name!r} contains NaN in instances of the bags of {len(rows)} rows ({shown(rows)}). "
            "Drop these instances, or fill their values, before the bags are made; an empty bag is a missing "
            "one."
        )
    if n_axes > 2:
        return ValueError(
            f"Modality {name!r} contains NaN in {len(rows)} rows ({shown(rows)}). Fill these pixels, as "
            "np.nan_to_num does, or declare the rows missing: "
            f"ModalityDict(X, present={{{name!r}: mask}})."
        )
    return ValueError(
        f"Modality {name!r} contains NaN in a part of {len(rows)} rows ({shown(rows)}). A row that is all "
        "NaN is a missing modality; one that is "
        f"partly NaN needs an imputer, as in ModalityTransformer({{{name!r}: SimpleImputer()}})."
    )


def no_samples(estimator):
    """X is empty."""
    return ValueError(f"{estimator} needs at least one sample. Got X with 0 samples.")


def nothing_present(estimator):
    """No sample with any modality is left."""
    return MissingModalityError(
        f"{estimator} needs at least one sample with at least one modality. Got samples that have none: "
        "check the missing entries of X."
    )


def nothing_present_warning(n_samples, rows, consequence):
    """Text of the warning for samples that have no modality at all."""
    have = "sample has" if n_samples == 1 else "samples have"
    return f"{n_samples} {have} no modality at all (rows {shown(rows)}): {consequence}."


def modality_never_present_warning(name, consequence):
    """Text of the warning for a modality with no present row."""
    return f"Modality {name!r} is missing for every sample: {consequence}."


def cast_to_float():
    """A container handed to something that wants numbers."""
    return TypeError(
        "A ModalityDict holds several modalities and cannot be turned into one array of numbers. Use "
        "ConcatModalities first, as in make_pipeline(ConcatModalities(), LogisticRegression()); or transform "
        "each modality by itself, as in ModalityTransformer({}, remainder=StandardScaler())."
    )


def bags_to_float():
    """A BagArray handed to something that wants numbers."""
    return TypeError(
        "Bags differ in length and cannot be turned into one array of numbers. Use .values, all instances, "
        "or pool each bag into a row."
    )


def broken_handles(why):
    """An object array that once was a ModalityDict and no longer can be."""
    return ValueError(f"This object array cannot be turned back into a ModalityDict: {why}.")
