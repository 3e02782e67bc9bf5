"""The data: ModalityDict, BagArray, lazy arrays, and the one entrance for every estimator.

A ModalityDict holds the modalities of the same samples, says which entries are present, and is indexed
by rows as scikit-learn's tools do it.
"""

from skmm.containers._bag_array import BagArray
from skmm.containers._constructors import from_anndata, from_dataframe, from_mudata, from_tables
from skmm.containers._images import read_images
from skmm.containers._input import (
    as_modality_dict,
    check_finite,
    check_numeric,
    is_bare_table,
    validate_modalities,
)
from skmm.containers._kinds import KINDS
from skmm.containers._lazy import LazyArray, is_lazy
from skmm.containers._mapped import map_rows
from skmm.containers._modality_dict import ModalityDict
from skmm.containers._rows import (
    entry_shape,
    n_rows,
    normalize_rows,
    placeholder,
    read_rows,
    stack_rows,
    take_rows,
)
from skmm.containers._schema import Schema
from skmm.containers._series import read_series

__all__ = [
    "KINDS",
    "BagArray",
    "LazyArray",
    "ModalityDict",
    "Schema",
    "as_modality_dict",
    "check_finite",
    "check_numeric",
    "entry_shape",
    "from_anndata",
    "from_dataframe",
    "from_mudata",
    "from_tables",
    "is_bare_table",
    "is_lazy",
    "map_rows",
    "n_rows",
    "normalize_rows",
    "placeholder",
    "read_images",
    "read_rows",
    "read_series",
    "stack_rows",
    "take_rows",
    "validate_modalities",
]
