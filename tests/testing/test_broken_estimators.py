"""Every check can fail: for each there is an estimator that breaks just this law, in a way that people do."""

import warnings
from unittest import SkipTest

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from skmm import ModalityDict
from skmm.containers import as_modality_dict, read_rows, validate_modalities
from skmm.exceptions import NoModalityWarning
from skmm.testing import make_modalities
from skmm.testing._run import CHECKS, run_check


def broken(**methods):
    """A function that makes a class whose methods differ from those of the sound one.

    Each method is given the sound class as its first argument.
    """

    def make(sound):
        def bind(function):
            return lambda self, *args, **kwargs: function(sound, self, *args, **kwargs)

        return type("Broken", (sound,), {name: bind(function) for name, function in methods.items()})

    return make


def hides_errors(sound, self, X, *, reset):
    """Validation that goes on with the data of fit where it does not like what it gets."""
    if reset:
        self._seen = as_modality_dict(X)
        return sound.validated(self, X, reset=True)
    try:
        return sound.validated(self, X, reset=False)
    except ValueError:
        return sound.validated(self, self._seen, reset=False)


def named_like_a_method(sound):
    """A parameter called score."""

    class Broken(sound):
        def __init__(self, *, score=1, early_stopping=False, random_state=None):
            self.score = score
            self.early_stopping = early_stopping
            self.random_state = random_state
            self.scale = 1.0

    return Broken


def changes_a_parameter(sound, self, X, y, **params):
    """Fit that writes the value it has found into a parameter."""
    self.scale = float(np.sqrt(self.scale)) + 1
    return sound.fit(self, X, y, **params)


def fitted_from_the_start(sound):
    """Learned attributes in __init__."""

    class Broken(sound):
        def __init__(self, *, scale=1.0, early_stopping=False, random_state=None):
            super().__init__(scale=scale, early_stopping=early_stopping, random_state=random_state)
            self.classes_ = None

    return Broken


def goes_on(sound, self, X, y, **params):
    """Fit that mixes what it learned before with what it learns."""
    before = getattr(self, "means_", None)
    sound.fit(self, X, y, **params)
    if before is not None:
        self.means_ = {name: (mean + before[name]) / 2 for name, mean in self.means_.items()}
    return self


def unseeded(sound, self, X, y, **params):
    """Fit with noise of its own."""
    sound.fit(self, X, y, **params)
    noise = np.random.default_rng().normal(size=len(self.classes_))
    self.means_ = {name: mean + noise[:, None] for name, mean in self.means_.items()}
    return self


def seeds_everything(sound, self, X, y, **params):
    """Fit that sets NumPy's global seed."""
    np.random.seed(0)
    return sound.fit(self, X, y, **params)


def resizes_weights(sound):
    """A fit that cuts or fills weights to the number of samples."""

    class Broken(sound):
        def fit(self, X, y, sample_weight=None, groups=None):
            weight = None if sample_weight is None else np.resize(sample_weight, len(y))
            return super().fit(X, y, weight, groups)

    return Broken


def stretched(condition):
    """Values that are stretched where a condition on the modality in its stored form holds."""

    def values(sound, self, X, name):
        value = sound.values(self, X, name)
        return 3 * value if condition(X[name]) else value

    return broken(values=values)


def prefers_dicts(sound, self, X, *, reset):
    """Validation that doubles what comes in a plain dict."""
    if isinstance(X, dict):
        X = {name: 2 * value for name, value in X.items()}
    return sound.validated(self, X, reset=reset)


def first_one_counts_double(sound, self, X, *, reset):
    """Validation that keeps the order in which modalities came, and a model that depends on it."""
    return validate_modalities(self, X, reset=reset, accept=("table", "image"), numeric=True)


def evidence_by_position(sound, self, X, name):
    """Closeness that counts double for the first modality."""
    return sound.evidence(self, X, name) * (2 if name == self.modalities_[0] else 1)


def by_row_number(sound, self, X, name):
    """Closeness that depends on where in X a sample stands."""
    return sound.evidence(self, X, name) * (1 + np.arange(len(X)))[:, None] ** 0.5


def by_batch(sound, self, X, name):
    """Values that are centred by the batch in which they come."""
    value = sound.values(self, X, name)
    return value - value.mean(axis=0) if len(value) > 1 else value


def mappings_only(sound, self, X, *, reset):
    """Validation that refuses arrays of handles."""
    if isinstance(X, np.ndarray) and X.dtype == object:
        raise TypeError("X must be a dict.")
    return sound.validated(self, X, reset=reset)


def no_number_of_features(sound, self, X, y, **params):
    """Fit that forgets n_features_in_."""
    sound.fit(self, X, y, **params)
    if hasattr(self, "n_features_in_"):
        del self.n_features_in_
    return self


def writes(where):
    """Validation that scales the caller's arrays in place, in fit or always."""

    def validated(sound, self, X, *, reset):
        for value in X.values():
            if isinstance(value, np.ndarray) and reset:
                where(value)
        return sound.validated(self, X, reset=reset)

    return broken(validated=validated)


def double(value):
    """Change an array in place."""
    value *= 2


def write_back(value):
    """Write into an array what it holds."""
    value[0] = value[0] + 0


def classes_are_numbers(sound, self, X, y):
    """Labels as numbers that never become labels again."""
    classes, codes = sound.encoded(self, X, y)
    return np.arange(len(classes)), codes


def absent_is_zero(sound, self, X, *, reset):
    """Validation that takes an absent key for a modality full of zeros."""
    if not reset and isinstance(X, ModalityDict):
        lacking = [name for name in self.modalities_ if name not in X]
        if lacking:
            zeros = {name: np.zeros((len(X), self.means_[name].shape[1])) for name in lacking}
            X = ModalityDict({**dict(X.items()), **zeros}, present={name: X.is_present(name) for name in X})
    return sound.validated(self, X, reset=reset)


def reads_absent_content(sound, self, X, name):
    """Values that are scaled by the largest one, whether or not it is missing."""
    largest = np.nan_to_num(read_rows(X[name], slice(None))).max()
    return sound.values(self, X, name) / largest


def divides_by_presence(sound, self, X, name):
    """Closeness that is divided by presence."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return sound.evidence(self, X, name) / X.is_present(name)[:, None]


def silent(method):
    """A method that hides the warnings of missing modalities."""

    def call(sound, self, *args, **params):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NoModalityWarning)
            return getattr(sound, method)(self, *args, **params)

    return call


def learns_from_nothing(sound, self, X, y, **params):
    """Fit that makes up a model where there is nothing to learn from."""
    try:
        return sound.fit(self, X, y, **params)
    except ValueError:
        self.means_ = {}
        return self


def equal_lengths(sound, self, X, *, reset):
    """Validation that cuts all modalities to the shortest."""
    if isinstance(X, dict) and X:
        shortest = min(map(len, X.values()))
        X = {name: value[:shortest] for name, value in X.items()}
    return sound.validated(self, X, reset=reset)


def knows_the_rest(sound, self, X, *, reset):
    """Validation that ignores names that it does not know."""
    if not reset:
        X = {name: value for name, value in X.items() if name in self.schema_.names}
    return sound.validated(self, X, reset=reset)


def repaired(sound, self, X, *, reset):
    """Validation that turns NaN and infinities into numbers."""
    if isinstance(X, ModalityDict):
        data = {
            name: np.nan_to_num(value, posinf=0) if isinstance(value, np.ndarray) else value
            for name, value in X.items()
        }
        X = ModalityDict(data, present={name: X.is_present(name) for name in X}, groups=X.groups)
    return sound.validated(self, X, reset=reset)


def numbers_only(sound, self, X, *, reset):
    """Validation that drops columns that are not numeric."""
    data = {name: v.select_dtypes("number") if isinstance(v, pd.DataFrame) else v for name, v in X.items()}
    return sound.validated(self, data, reset=reset)


def one_class_will_do(sound, self, X, y, **params):
    """Fit that makes up a second class."""
    y = np.asarray(y)
    if len(np.unique(y)) == 1:
        y = np.where(np.arange(len(y)) % 2, y, y + 1)
    return sound.fit(self, X, y, **params)


BROKEN = {
    "check_parameter_names": named_like_a_method,
    "check_parameters_unchanged": broken(fit=changes_a_parameter),
    "check_clone": fitted_from_the_start,
    "check_unfitted": broken(predict_proba=lambda sound, self, X: self.class_prior_),
    "check_learned_attributes": broken(
        fit=lambda sound, self, X, y, **params: sound.fit(self, X, y, **params) and None
    ),
    "check_refit": broken(fit=goes_on),
    "check_deterministic": broken(fit=unseeded),
    "check_global_state_untouched": broken(fit=seeds_everything),
    "check_persistence": broken(
        __getstate__=lambda sound, self: {**vars(self), "class_prior_": np.array([0.8, 0.1, 0.1])}
    ),
    "check_probabilities": broken(predict_proba=lambda sound, self, X: 1.5 * sound.predict_proba(self, X)),
    "check_fit_transform": broken(fit_transform=lambda sound, self, X, y: 2 * self.fit(X, y).transform(X)),
    "check_sample_weight_shape": resizes_weights,
    "check_groups_stay_whole": broken(held_out=lambda sound, self, n_samples, groups: np.arange(3)),
    "check_dict_equals_modality_dict": broken(validated=prefers_dicts),
    "check_order_of_modalities": broken(validated=first_one_counts_double, evidence=evidence_by_position),
    "check_row_selection": broken(evidence=by_row_number),
    "check_array_of_handles": broken(validated=mappings_only),
    "check_one_table": broken(fit=no_number_of_features),
    "check_sparse_equals_dense": stretched(sp.issparse),
    "check_dataframe_equals_array": stretched(lambda value: isinstance(value, pd.DataFrame)),
    "check_data_unchanged": writes(double),
    "check_read_only_data": writes(write_back),
    "check_batch_of_one": broken(values=by_batch),
    "check_labels": broken(encoded=classes_are_numbers),
    "check_missing_equals_absent_key": broken(validated=absent_is_zero),
    "check_absent_content_is_ignored": broken(values=reads_absent_content),
    "check_no_nan": broken(evidence=divides_by_presence),
    "check_sample_with_nothing": broken(fit=silent("fit")),
    "check_nothing_at_all": broken(fit=learns_from_nothing),
    "check_modality_never_present": broken(fit=silent("fit")),
    "check_unknown_modality": broken(validated=knows_the_rest),
    "check_wrong_lengths": broken(validated=equal_lengths),
    "check_wrong_kind": broken(validated=hides_errors),
    "check_wrong_width": broken(validated=hides_errors),
    "check_partly_nan": broken(validated=repaired),
    "check_infinity": broken(validated=repaired),
    "check_strings": broken(validated=numbers_only),
    "check_empty": broken(fit=learns_from_nothing),
    "check_one_class": broken(fit=one_class_will_do),
    "check_failed_fit_changes_nothing": writes(double),
}


@pytest.fixture(scope="module")
def data():
    """Two tables and an image, with groups."""
    return make_modalities(("table", "image", "table"))


def test_every_check_has_its_broken_estimator():
    """No check is without an estimator that fails it."""
    assert set(BROKEN) == {check.__name__ for check in CHECKS}
    assert all(check.__doc__.partition("\n")[0].endswith(".") for check in CHECKS)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_sound_estimator_passes(check, centroids, data):
    """An estimator that keeps the contract passes each check, and is not skipped."""
    try:
        run_check(check, centroids(), data)
    except SkipTest as reason:
        pytest.fail(f"skipped: {reason}")


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.uses_global_state(reason="one of the faults is to seed NumPy")
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_the_broken_estimator_fails(check, centroids, data):
    """An estimator that breaks one law fails the check of this law, in plain words."""
    try:
        run_check(check, BROKEN[check.__name__](centroids)(), data)
    except SkipTest as reason:
        pytest.fail(f"skipped: {reason}")
    except AssertionError as error:
        message = str(error)
    else:
        pytest.fail("passed")

    assert "must" in message or "But this raised" in message
