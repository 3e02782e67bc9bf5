"""What the steps before a model have made of the modalities, and what they were made of."""

from sklearn.frozen import FrozenEstimator

from skmm.compose import ModalityTransformer
from skmm.containers import as_modality_dict, is_bare_table
from skmm.inspection._original_maps import _chain


def as_given(estimator, X):
    """Samples of which rows can be taken, of the kinds that the first step of an estimator has learned.

    Parameters
    ----------
    estimator : estimator
        Fitted.
    X : mapping of str -> array, ModalityDict, or array-like of shape (n_samples, n_features)
        Samples.

    Returns
    -------
    ModalityDict, array, sparse array or DataFrame
    """
    if is_bare_table(X):
        return X
    while not hasattr(estimator, "schema_"):
        if hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        elif hasattr(estimator, "steps"):
            estimator = estimator.steps[0][1]
        elif isinstance(estimator, FrozenEstimator):
            estimator = estimator.estimator
        else:
            return as_modality_dict(X)
    return as_modality_dict(X, kinds=estimator.schema_.kinds)


class Trail:
    """Where each modality was seen first, and which step made another kind of it.

    Called with each step, what went in and what came out.

    Attributes
    ----------
    first : dict of str -> ModalityDict
        By modality, the samples as they were where it came up.
    made_by : dict of str -> str
        By modality, the first step that changed its kind.
    """

    def __init__(self):
        self.first, self.made_by = {}, {}

    def __call__(self, step, before, after):
        """Take in a step."""
        if is_bare_table(after):
            self.first.clear()
            return
        schema = getattr(step, "schema_", None)
        if not is_bare_table(before):
            self._see(as_modality_dict(before, kinds=getattr(schema, "kinds", None)))
        after = as_modality_dict(after)
        for name, kind in after.kinds.items():
            if name in self.first and self.first[name].kinds[name] != kind and name not in self.made_by:
                per_modality = isinstance(step, ModalityTransformer)
                parts = _chain(step.transformers_.get(name) if per_modality else step)
                self.made_by[name] = type(parts[-1] if parts else step).__name__
        self._see(after)

    def _see(self, X):
        """Remember what comes up."""
        for name in X:
            self.first.setdefault(name, X)
