"""Honest baselines for whatever a ModalityDict holds: majority class, logistic regression."""

import numpy as np
import pandas as pd
import scipy.sparse as sp
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.dummy import DummyClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from skmm.compose import ConcatModalities, ModalityTransformer
from skmm.containers import as_modality_dict, n_rows, read_rows

MAX_SIDE = 32  # pixels: larger images are averaged down, a linear model gains nothing from more
_CHUNK = 256  # samples read at once from arrays on disk


def resize_axis(values, axis, size):
    """Averages of ``size`` equal blocks along an axis; entries are repeated where there are fewer."""
    length = values.shape[axis]
    starts = np.arange(size) * length // size
    counts = np.maximum(np.diff(np.append(starts, length)), 1)
    shape = [1] * values.ndim
    shape[axis] = size
    return np.add.reduceat(values, starts, axis=axis) / counts.reshape(shape)


def _small(image, *, fixed):
    """One image or volume (channels last, if any) as a vector; ``fixed`` forces grey and equal sides."""
    image = np.asarray(image, dtype=float)
    if fixed:
        image = image.mean(axis=-1) if image.ndim == 3 else image
    for axis in range(min(image.ndim, 3) if image.ndim == 4 else 2):
        if fixed or image.shape[axis] > MAX_SIDE:
            image = resize_axis(image, axis, MAX_SIDE)
    return image.ravel()


def _vector_of_bag(bag):
    """The mean instance; image instances are averaged down."""
    mean = np.asarray(bag, dtype=float).mean(axis=0)
    return _small(mean, fixed=False) if mean.ndim >= 2 else mean.ravel()


def _chunks(value):
    """Pieces of a modality, in memory."""
    for start in range(0, n_rows(value), _CHUNK):
        yield read_rows(value, slice(start, start + _CHUNK))


def average_instances(bags):
    """Bags as a table: one mean instance a sample."""
    return np.stack([_vector_of_bag(bag) for piece in _chunks(bags) for bag in piece])


def flatten_images(images):
    """Images or volumes as a table of pixels, at most 32 a side."""
    ragged = isinstance(images, np.ndarray) and images.dtype == object
    return np.stack([_small(image, fixed=ragged) for piece in _chunks(images) for image in piece])


def _as_frame(table):
    """Table of objects as a DataFrame whose columns have their own types."""
    return (table if isinstance(table, pd.DataFrame) else pd.DataFrame(table)).infer_objects()


def _as_text(frame):
    """Categories of any type as strings, a hole as a category of its own."""
    return frame.astype(str)


def _numbers(*, with_mean=True):
    """Holes filled by the mean, then standardised."""
    return make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler(with_mean=with_mean))


def _mixed_columns():
    """Numbers standardised, everything else one-hot encoded."""
    categories = make_pipeline(
        FunctionTransformer(_as_text),
        OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=100, sparse_output=False),
    )
    # durations are numbers to pandas, but not to the imputer
    numbers = make_column_selector(dtype_include="number", dtype_exclude="timedelta")
    columns = ColumnTransformer([("numbers", _numbers(), numbers)], remainder=categories)
    return make_pipeline(FunctionTransformer(_as_frame), columns)


def to_table(value, kind):
    """Transformer that turns one modality into a standardised numeric table."""
    if kind == "text":
        return TfidfVectorizer(token_pattern=r"(?u)\b\w+\b", max_features=20_000)  # noqa: S106 - no password
    if kind == "bag":
        return make_pipeline(FunctionTransformer(average_instances), _numbers())
    if kind in {"image", "volume"}:
        return make_pipeline(FunctionTransformer(flatten_images), _numbers())
    if isinstance(value, pd.DataFrame) or value.dtype == object:
        return _mixed_columns()
    return _numbers(with_mean=not sp.issparse(value))


def concat_lr(X, modalities=None):
    """Logistic regression on the concatenation of all modalities, each as a standardised table.

    Strings are one-hot encoded, holes filled by the mean, documents weighted by tf-idf, bags averaged over
    their instances, images flattened (averaged down to 32 pixels a side where they are larger). Samples that
    lack a modality get its training mean.
    """
    X = as_modality_dict(X)
    transformers = {name: to_table(X[name], X.kinds[name]) for name in modalities or X.modalities}
    return Pipeline(
        [
            ("prepare", ModalityTransformer(transformers, remainder="drop")),
            ("concat", ConcatModalities()),
            ("classify", LogisticRegression(max_iter=1000)),
        ]
    )


def make_baselines(names, X):
    """Baselines by name: {name: (estimator, strategy)}."""
    made = {}
    for name in (names,) if isinstance(names, str) else names or ():
        if name == "majority":
            made[name] = (DummyClassifier(strategy="most_frequent"), "none")
        elif name == "concat_lr":
            made[name] = (concat_lr(X), "early" if len(as_modality_dict(X).modalities) > 1 else "none")
        elif name == "single_lr":
            for modality in as_modality_dict(X).modalities:
                made[f"single_lr({modality})"] = (concat_lr(X, [modality]), "none")
        else:
            raise ValueError(
                f'baselines must be among "majority", "concat_lr" and "single_lr". Got {name!r} instead.'
            )
    return made
