"""Rows between two rows of a table, in its own form and data types."""

import numpy as np
import pandas as pd
import scipy.sparse as sp

from skmm.sampling._parents import Parents
from skmm.sampling._tables import rows_between


def test_forms_of_tables():
    """Sparse tables stay sparse, nullable columns nullable, booleans are those of the nearer parent."""
    parents = Parents(np.array([0, 0]), np.array([1, 2]), np.array([0.25, 0.5]))
    present = np.array([True, False])
    frame = pd.DataFrame(
        {
            "n": pd.array([1, 4, None], dtype="Int64"),
            "b": [True, False, False],
            "c": pd.array([True, False, None], dtype="boolean"),
            "f": [0.0, 1.0, 2.0],
        }
    )
    got = rows_between(frame, parents, present)
    sparse = rows_between(sp.csr_matrix([[0, 4], [4, 0], [0, 0]]), parents, present)

    assert got.dtypes.tolist() == frame.dtypes.tolist()
    assert got.iloc[0].tolist() == [2, True, True, 0.25]
    assert np.isnan(got["f"].iloc[1])
    assert isinstance(sparse, sp.csr_matrix)
    assert sparse.toarray()[0].tolist() == [1, 3]
    assert rows_between(np.array([[1, 0], [2, 4], [0, 0]]), parents, present)[0].tolist() == [1, 1]


def test_numbers_beyond_a_type_stay_within_it():
    """Samplers that extrapolate reach the end of a type's range, and never wrap around it."""
    parents = Parents(np.array([0, 2]), np.array([1, 3]), np.array([-0.5, -0.5]))
    value = np.array([[0], [10], [250], [200]], dtype=np.uint8)

    assert rows_between(value, parents, np.ones(2, dtype=bool)).ravel().tolist() == [0, 255]
