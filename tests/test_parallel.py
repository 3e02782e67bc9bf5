"""Workers see scikit-learn's settings and leave the process as it was."""

import time
import warnings

import sklearn
from joblib import Parallel

from skmm._parallel import delayed


def output_setting(seconds):
    """The setting that a worker sees, after some time."""
    time.sleep(seconds)
    return sklearn.get_config()["transform_output"]


def test_settings_reach_threads_and_warning_filters_stay():
    """Threads that overlap see the caller's settings, and the process keeps its warning filters."""
    before = list(warnings.filters)
    with sklearn.config_context(transform_output="pandas"):
        seen = Parallel(n_jobs=4, backend="threading")(
            delayed(output_setting)(0.01 * i) for i in (4, 1, 3, 2)
        )

    assert seen == ["pandas"] * 4
    assert warnings.filters == before
