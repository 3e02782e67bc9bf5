"""Several targets at once, each with labels of its own that may be missing, and modalities of its own."""

import warnings
from collections.abc import Mapping

import numpy as np
import pandas as pd
from joblib import Parallel
from sklearn import get_config
from sklearn.base import BaseEstimator
from sklearn.dummy import DummyClassifier
from sklearn.metrics import accuracy_score
from sklearn.utils import get_tags
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_consistent_length

from skmm._parallel import delayed
from skmm._training import check_weights, draw_seed, seeded_clone
from skmm.compose._fitting import take_metadata
from skmm.compose._named import NamedEstimators
from skmm.containers import _validation as messages
from skmm.exceptions import NoModalityWarning
from skmm.multiclass._common import (
    check_fitted,
    check_rows,
    has_something,
    params_of_fit,
    take_samples,
)
from skmm.multiclass._targets import (
    as_targets,
    check_same_samples,
    encode_target,
    estimators_by_target,
    labels_of,
    modalities_by_target,
    shares,
    warn_of_targets,
)


def fit_target(target, estimator, X, labels, params):
    """Fit the classifier of one target; at module level, so that it can run in another process."""
    try:
        return estimator.fit(X, labels, **params)
    except Exception as error:
        error.add_note(f"Raised by {type(estimator).__name__}, the classifier of target {target!r}.")
        raise


def _all_have(method):
    """Whether every estimator has a method: a condition for `available_if`."""

    def check(self):
        own = self.estimator
        return all(hasattr(each, method) for each in (own.values() if isinstance(own, Mapping) else (own,)))

    return check


class MultiTargetClassifier(NamedEstimators, BaseEstimator):
    """A classifier for each of several targets, whose labels may be missing.

    Each target is learned from the samples that have a label for it, a modality that it may see, and a
    weight. Missing labels are neither imputed nor scored.

    Parameters
    ----------
    estimator : classifier or dict of target -> classifier
        One for all targets, or one for each. It is cloned, and takes whatever X is: one table, or modalities.
    modalities : dict of target -> list of str, default=None
        Names of the modalities that a target may see; a target that is not named sees all. Names, never
        positions: an order of columns cannot give one target the scans of another.
    n_jobs : int, default=None
        Number of targets fitted at a time.
    random_state : int, RandomState instance or None, default=None
        Seeds the estimator of each target where its own ``random_state`` is None.

    Attributes
    ----------
    targets_ : list
        Names of the targets that have a classifier: the columns of y, or numbers from 0.
    classes_ : dict of target -> ndarray of shape (n_classes,)
        Class labels of each target.
    class_prior_ : dict of target -> ndarray of shape (n_classes,)
        Share of each class in the sample weights: what a sample gets that has none of a target's modalities.
    estimators_ : dict of target -> classifier
        The fitted classifiers; a ``DummyClassifier`` where a target has one class only.
    modalities_ : tuple of str
        Names of the modalities, where X holds modalities.
    n_features_in_ : int
        Number of features, where there is one table.
    feature_names_in_ : ndarray of str of shape (n_features,)
        Their names, where the table has names.

    Raises
    ------
    ValueError
        If names are unknown, no target has a label, X and y hold the same sample ids in another order, or an
        estimator does not take the sample weights that are given.
    TypeError
        If an estimator is no classifier.

    Warns
    -----
    UserWarning
        In fit, of targets with one class only (they get this class, with probability 1) and of targets
        without a label (they are left out).
    NoModalityWarning
        Once a call, of samples with none of a target's modalities: fit leaves them out, and they get the
        class prior.

    See Also
    --------
    OrdinalCascadeClassifier : Ordered classes, such as grades.
    skmm.model_selection.compare_estimators : Scores of each target, and their averages.

    Notes
    -----
    What all targets share is computed once where it stands before the targets:
    ``make_pipeline(prepare, MultiTargetClassifier(model))`` embeds each scan once a fit,
    ``MultiTargetClassifier(make_pipeline(prepare, model))`` once a target. Steps before the targets get y as
    it is, holes among it.

    scikit-learn's splitters cannot stratify by several targets at once: an integer ``cv`` means KFold.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from skmm.fusion import LateFusionClassifier
    >>> from skmm.multiclass import MultiTargetClassifier
    >>> rng = np.random.default_rng(0)
    >>> canal, foramen = rng.integers(0, 2, size=(2, 40))
    >>> X = {
    ...     "sagittal": rng.normal(size=(40, 3)) + 3 * canal[:, None],
    ...     "axial": rng.normal(size=(40, 3)) + 3 * foramen[:, None],
    ... }
    >>> y = pd.DataFrame({"canal": canal, "foramen": np.where(foramen == 1, "narrow", "wide")})
    >>> y.loc[:4, "foramen"] = None  # five patients have no label for it
    >>> model = MultiTargetClassifier(
    ...     LateFusionClassifier(), modalities={"canal": ["sagittal"], "foramen": ["axial"]}
    ... )
    >>> model.fit(X, y).predict({"sagittal": [[0.0, 0.0, 0.0]], "axial": [[3.0, 3.0, 3.0]]})
       canal foramen
    0      0  narrow
    >>> model.estimators_["foramen"].modalities_
    ('axial',)
    >>> round(model.score(X, y), 2)
    1.0
    """

    def __init__(self, estimator, *, modalities=None, n_jobs=None, random_state=None):
        self.estimator = estimator
        self.modalities = modalities
        self.n_jobs = n_jobs
        self.random_state = random_state

    def fit(self, X, y, sample_weight=None, groups=None):
        """Fit a classifier for each target.

        Parameters
        ----------
        X : mapping of str -> array, ModalityDict or array-like of shape (n_samples, ...)
            Samples, in any form that the estimators take.
        y : DataFrame or array-like of shape (n_samples, n_targets)
            Labels, a column a target; None, NaN and NA where there is none.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights, handed to the estimators; a sample of weight 0 is left out.
        groups : array-like of shape (n_samples,), default=None
            Groups, handed to estimators whose fit takes them. Those of a ModalityDict travel in it.

        Returns
        -------
        self : MultiTargetClassifier
            Fitted.
        """
        vars(self).pop("estimators_", None)  # none of another fit, should this one fail
        X = check_rows(self, X, reset=True)
        y = as_targets(y)
        check_consistent_length(X, y)
        check_same_samples(X, y)
        templates = estimators_by_target(self.estimator, list(y.columns), super().get_params(deep=False))
        self._seen = modalities_by_target(self.modalities, X, list(y.columns))
        weight = check_weights(sample_weight, len(y))
        given = None if sample_weight is None else weight
        parts, known = self._parts(X, list(y.columns))
        self._warn_of_nothing(known, "fit leaves them out")
        rng = np.random.RandomState(draw_seed(self.random_state))
        constant, tasks, priors = {}, {}, {}
        for target, template in templates.items():
            seeded = seeded_clone(template, rng)  # so that a seed belongs to a target
            rows = np.flatnonzero(y[target].notna().to_numpy() & known[target] & (weight > 0))
            labels, names, codes = encode_target(self, target, y[target].iloc[rows])
            priors[target] = dict(zip(names.tolist(), np.bincount(codes, weight[rows]), strict=True))
            if len(names) == 1:
                dummy = DummyClassifier(strategy="prior")
                constant[target] = dummy.fit(np.zeros((len(rows), 1)), names[codes])
            elif len(names) > 1:
                params = self._params_of_fit(target, template, given, groups)
                params = {key: take_metadata(value, rows, len(y)) for key, value in params.items()}
                part = parts[target] if len(rows) == len(y) else take_samples(parts[target], rows)
                tasks[target] = delayed(fit_target)(target, seeded, part, labels, params)
        empty = [target for target in templates if target not in constant and target not in tasks]
        if len(empty) == len(templates):
            raise ValueError(
                f"{type(self).__name__} needs labels. Got none in y for samples with a modality and a weight."
            )
        warn_of_targets(list(constant), empty)
        fitted = Parallel(n_jobs=self.n_jobs)(tasks.values())
        done = {**constant, **dict(zip(tasks, fitted, strict=True))}
        self.targets_ = [target for target in templates if target in done]
        self.classes_ = {target: np.asarray(done[target].classes_) for target in self.targets_}
        self.class_prior_ = {
            target: shares(priors[target], self.classes_[target]) for target in self.targets_
        }
        self.estimators_ = {target: done[target] for target in self.targets_}
        return self

    def predict(self, X):
        """Class of each target.

        Parameters
        ----------
        X : mapping of str -> array, ModalityDict or array-like of shape (n_samples, ...)
            Samples. One with none of a target's modalities gets its most frequent class, with one warning.

        Returns
        -------
        DataFrame of shape (n_samples, n_targets)
            Labels, a column a target; the index holds the sample ids where X has them.
        """

        def most_frequent(target):
            return self.classes_[target][self.class_prior_[target].argmax()]

        columns, index = self._apply(X, "predict", most_frequent)
        return pd.DataFrame(columns, index=index)

    @available_if(_all_have("predict_proba"))
    def predict_proba(self, X):
        """Probability of each class of each target.

        Parameters
        ----------
        X : mapping of str -> array, ModalityDict or array-like of shape (n_samples, ...)
            Samples. One with none of a target's modalities gets its class prior, with one warning.

        Returns
        -------
        dict of target -> DataFrame of shape (n_samples, n_classes)
            Rows sum to 1, columns are the classes of the target; the index holds the sample ids where X has
            them.
        """

        def prior(target):
            return self.class_prior_[target]

        columns, index = self._apply(X, "predict_proba", prior)
        return {
            target: pd.DataFrame(proba, index=index, columns=self.classes_[target])
            for target, proba in columns.items()
        }

    def score(self, X, y, sample_weight=None):
        """Mean over the targets of the accuracy on the samples that have a label.

        Parameters
        ----------
        X : mapping of str -> array, ModalityDict or array-like of shape (n_samples, ...)
            Samples.
        y : DataFrame or array-like of shape (n_samples, n_targets)
            Labels. Targets without any are left out of the mean.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples.

        Returns
        -------
        float
            Between 0 and 1.
        """
        y = as_targets(y)
        predicted = self.predict(X)
        check_consistent_length(predicted, y)
        check_same_samples(X, y)
        weight = None if sample_weight is None else check_weights(sample_weight, len(y))
        scores = []
        for target in y.columns:
            rows = np.flatnonzero(y[target].notna())
            if not len(rows):
                continue
            if target not in predicted:
                raise ValueError(
                    f"y has labels of target {target!r}, but the targets of fit are {self.targets_}. "
                    "Leave it out."
                )
            truth, answer = (np.asarray(labels_of(t.iloc[rows])) for t in (y[target], predicted[target]))
            scores.append(
                accuracy_score(truth, answer, sample_weight=None if weight is None else weight[rows])
            )
        if not scores:
            raise ValueError("The score needs at least one label. Got none in y.")
        return float(np.mean(scores))

    # --- parameters -------------------------------------------------------------------------------

    def get_metadata_routing(self):
        """Routing of metadata: `sample_weight` and `groups` for itself, and what its estimators request.

        Returns
        -------
        MetadataRouter
            Requests.
        """
        router = MetadataRouter(owner=type(self).__name__).add_self_request(self)
        own = self.estimator if isinstance(self.estimator, Mapping) else {"estimator": self.estimator}
        for name, estimator in own.items():
            mapping = MethodMapping().add(caller="fit", callee="fit")
            router.add(method_mapping=mapping, **{str(name): estimator})
        return router

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.target_tags.multi_output = True
        tags.target_tags.single_output = False
        if hasattr(self.estimator, "__sklearn_tags__"):
            tags.input_tags = get_tags(self.estimator).input_tags
        return tags

    # --- steps ------------------------------------------------------------------------------------

    def _parts(self, X, targets):
        """What each target sees, and a bool array of the samples for which there is something to see."""
        n_samples = X.shape[0]
        parts = {target: X[self._seen[target]] if target in self._seen else X for target in targets}
        return parts, {target: has_something(part, n_samples) for target, part in parts.items()}

    def _params_of_fit(self, target, template, weight, groups):
        """Keyword arguments of a target's fit, with one entry a sample of all."""
        metadata = {"sample_weight": weight, "groups": groups}
        if get_config()["enable_metadata_routing"]:
            given = {key: value for key, value in metadata.items() if value is not None}
            name = str(target) if isinstance(self.estimator, Mapping) else "estimator"
            return process_routing(self, "fit", **given)[name].fit if given else {}
        return params_of_fit(template, metadata, f"an estimator of target {target!r}")

    def _apply(self, X, method, default):
        """Results of a method by target, those of samples with nothing to see by ``default``; their index."""
        check_fitted(self)
        X = check_rows(self, X, reset=False)
        parts, known = self._parts(X, self.targets_)
        self._warn_of_nothing(known, "they get the class prior")
        results = {}
        for target, fitted in self.estimators_.items():
            here, part = known[target], parts[target]
            if here.all():
                results[target] = np.asarray(getattr(fitted, method)(part))
                continue
            answer = np.asarray(default(target))
            results[target] = np.repeat(answer[None], len(here), axis=0)
            if here.any():
                results[target][here] = getattr(fitted, method)(take_samples(part, np.flatnonzero(here)))
        index = getattr(X, "index", None)
        return results, index if isinstance(index, pd.Index) else pd.RangeIndex(X.shape[0])

    def _warn_of_nothing(self, known, consequence):
        """Warn, once, of samples that have none of the modalities of some target."""
        lacking = ~np.all(list(known.values()), axis=0)
        rows = np.flatnonzero(lacking)
        if not len(rows):
            return
        text = messages.nothing_present_warning(len(rows), rows, consequence)
        if self._seen:
            n_targets = sum(not here.all() for here in known.values())
            text = (
                f"{len(rows)} samples (rows {messages.shown(rows)}) have none of the modalities of one of "
                f"{n_targets} targets: there {consequence}."
            )
        warnings.warn(text, NoModalityWarning, stacklevel=4)
