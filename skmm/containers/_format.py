"""What the readers of file formats share: what a header tells of an image, and how errors are told."""

from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from skmm.containers import _validation_files as messages


class Frame(NamedTuple):
    """One image in a file (the file itself, a page, a slice), as the header tells it."""

    path: str
    format: str  # key of READERS in _files
    number: int  # place in the file
    shape: tuple  # (height, width) or (height, width, channels)
    dtype: np.dtype  # of the stored values
    slope: float = 1.0
    intercept: float = 0.0
    white: float = np.nan  # where black and white are exchanged: value v stands for white - v

    @property
    def is_scaled(self):
        """Whether stored values are multiplied or shifted, which makes them float32."""
        return (self.slope, self.intercept) != (1.0, 0.0)


@contextmanager
def reading(path):
    """Tell the path in any error of a foreign reader; that a file is not there passes as it is."""
    try:
        yield
    except (FileNotFoundError, ImportError, MemoryError):
        raise
    except Exception as error:
        # A damaged file may raise anything, from struct.error to KeyError.
        raise messages.file_damaged(path, error) from error
