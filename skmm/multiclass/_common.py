"""What meta-classifiers share: samples as they come, seeds, and what a wrapped classifier must have."""

import numpy as np
import scipy.sparse as sp
from sklearn.utils import _safe_indexing, get_tags
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping
from sklearn.utils.validation import check_is_fitted, validate_data

from skmm.compose._plan import fit_metadata
from skmm.containers import KINDS, ModalityDict, is_bare_table, validate_modalities


class WrapsOne:
    """What classifiers around one other have in common: its tags of X, and what is routed to it."""

    def get_metadata_routing(self):
        """Routing of metadata: `sample_weight` and `groups` for itself, and what its estimator requests.

        Returns
        -------
        MetadataRouter
            Requests.
        """
        mapping = MethodMapping().add(caller="fit", callee="fit")
        router = MetadataRouter(owner=type(self).__name__).add_self_request(self)
        return router.add(estimator=self.estimator, method_mapping=mapping)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        if hasattr(self.estimator, "__sklearn_tags__"):
            tags.input_tags = get_tags(self.estimator).input_tags
        return tags


def check_rows(estimator, X, *, reset):
    """Samples as the wrapped classifiers get them: modalities as a ModalityDict, anything else as it is.

    Numbers and names of features are compared with those of fit; values are checked by the classifiers.
    """
    if not is_bare_table(X):
        if not reset and not hasattr(estimator, "schema_"):
            raise ValueError(
                f"{type(estimator).__name__} was fitted on one table without a name. Got a mapping of "
                "modalities instead: hand it a table."
            )
        return validate_modalities(estimator, X, reset=reset, accept=KINDS)
    if reset:
        for attribute in ("schema_", "modalities_", "n_features_in_", "feature_names_in_"):
            vars(estimator).pop(attribute, None)
    elif hasattr(estimator, "schema_"):
        return validate_modalities(estimator, X, reset=False)  # as modality "x", or its message
    X = _with_rows(X)
    validate_data(estimator, X, reset=reset, skip_check_array=True)
    return X


def _with_rows(X):
    """What is not a mapping in a form whose rows can be taken."""
    if sp.issparse(X):
        return X if X.format in {"csr", "csc"} else X.tocsr()
    if not hasattr(X, "shape") or not hasattr(X, "__getitem__"):
        X = np.asarray(X)
    if X.ndim == 0 or (X.ndim == 1 and X.dtype.kind in "biuf"):
        raise ValueError(
            f"X must be a 2-D table or modalities. Got {X.ndim}-D numbers instead. Reshape your data: "
            "X.reshape(-1, 1) for one feature, X.reshape(1, -1) for one sample."
        )
    return X


def take_samples(X, rows):
    """Rows of samples of any form; a ModalityDict stays lazy where it is."""
    if isinstance(X, ModalityDict):
        return X[rows]
    return _safe_indexing(X, rows)


def has_something(X, n_samples):
    """Bool array (n_samples,): True where a sample has a modality; a table has nothing missing."""
    return X.present.any(axis=1) if isinstance(X, ModalityDict) else np.ones(n_samples, dtype=bool)


def check_probabilistic(estimator, where):
    """Refuse what is no classifier instance with ``predict_proba``."""
    if isinstance(estimator, type):
        raise TypeError(f"{where} must be a classifier instance. Got the class {estimator.__name__}: add ().")
    if not hasattr(estimator, "fit") or not hasattr(estimator, "predict"):
        raise TypeError(f"{where} must be a classifier with fit and predict. Got {estimator!r} instead.")
    if not hasattr(estimator, "predict_proba"):
        raise TypeError(
            f"{where} must have predict_proba, for its probabilities are needed. Got {estimator!r}, which "
            f"has none: use CalibratedClassifierCV({type(estimator).__name__}(...), ensemble=False)."
        )


def params_of_fit(estimator, metadata, where):
    """Those of the sample weights and groups that a fit takes, while metadata routing is off.

    Weights that nothing takes are an error; groups go where they are wanted.
    """
    metadata = {key: value for key, value in metadata.items() if value is not None}
    taken = fit_metadata(estimator, metadata)
    if "sample_weight" in metadata and not fit_metadata(estimator, {"sample_weight": 1}):
        raise ValueError(
            f"sample_weight needs {where} whose fit takes it. Got {estimator!r}: use another estimator, or "
            "leave the weights out."
        )
    return taken


def check_fitted(estimator):
    """Raise NotFittedError before fit."""
    check_is_fitted(estimator, "estimators_")
