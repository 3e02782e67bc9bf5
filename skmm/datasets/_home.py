"""The folder that keeps downloaded data sets."""

import os
from pathlib import Path


def get_data_home(data_home=None):
    """Return the folder for downloaded data sets, and create it where it does not exist.

    Parameters
    ----------
    data_home : str or path-like, default=None
        The folder. None: the environment variable ``SKMM_DATA``, or else ``~/skmm_data``. A leading ``~`` is
        the user's home.

    Returns
    -------
    data_home : pathlib.Path
        The folder.

    Examples
    --------
    >>> import tempfile
    >>> from skmm.datasets import get_data_home
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     get_data_home(folder + "/skmm").is_dir()
    True
    """
    if data_home is None:
        data_home = os.environ.get("SKMM_DATA") or "~/skmm_data"
    data_home = Path(data_home).expanduser()
    data_home.mkdir(parents=True, exist_ok=True)
    return data_home
