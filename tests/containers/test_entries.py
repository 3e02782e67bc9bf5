"""Entries and numbers as they are stored."""

import numpy as np
import pandas as pd

from skmm.containers._entries import cast_numbers


def test_numbers_in_the_type_of_a_column():
    """Integers are rounded and stay in range, booleans are at least a half, floats are cast."""
    numbers = np.array([-3.0, 0.5, 1.6, 300.0])

    assert cast_numbers(numbers, np.dtype(np.uint8)).tolist() == [0, 0, 2, 255]
    assert cast_numbers(numbers, np.dtype(bool)).tolist() == [False, True, True, True]
    assert cast_numbers(np.array([1e30]), np.dtype(np.int64)).tolist() == [np.iinfo(np.int64).max]
    assert cast_numbers(numbers, np.dtype(np.float32)).dtype == np.float32
    assert cast_numbers(numbers, pd.Int64Dtype()).tolist() == [-3, 0, 2, 300]
