"""Late fusion: a scikit-learn classifier for each modality, and their probabilities averaged or stacked."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from joblib import Parallel
from sklearn import get_config
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.utils import Bunch, get_tags
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.validation import check_is_fitted

from skmm._parallel import delayed
from skmm._training import check_groups, check_weights, class_factors, draw_seed, encode_labels, seeded_clone
from skmm.compose._concat_modalities import wants_pandas
from skmm.compose._named import NamedEstimators
from skmm.containers import KINDS, take_rows, validate_modalities
from skmm.containers import _validation as messages
from skmm.fusion._common import (
    check_two_classes,
    has_modality,
    observed_modalities,
    usable_rows,
    warn_without_modality,
)
from skmm.fusion._modality_classifier import (
    ModalityClassifier,
    align_to_classes,
    check_classifier,
    check_kind,
    fit_and_judge,
    fit_part,
)
from skmm.fusion._stacking import (
    assign_folds,
    average_present,
    centred_log_proba,
    check_weight_is_taken,
    class_shares,
    fit_final,
    take_params,
    weights_by_name,
)


class LateFusionClassifier(NamedEstimators, ClassifierMixin, TransformerMixin, BaseEstimator):
    r"""Late fusion: one scikit-learn classifier for each modality, their probabilities averaged or stacked.

    With ``method="average"`` the probabilities of sample i are

    .. math:: p_i(c) = \sum_m s_{im} w_m p_{im}(c) / \sum_m s_{im} w_m

    where :math:`p_{im}(c)` is what the classifier of modality m gives to class c, :math:`w_m` the weight of
    the modality, and :math:`s_{im}` is 1 where sample i has modality m and 0 elsewhere: weights are shared
    among what is present.

    With ``method="stacking"`` (Wolpert 1992) a final estimator learns from the evidence
    :math:`s_{im} (\log p_{im}(c) - \log \pi(c))`, :math:`\pi` the class prior
    under `class_weight`, and from :math:`s_{im}`. In
    fit the :math:`p_{im}` are out of fold: each sample is judged by classifiers that have not seen it, nor
    its group. A missing modality is evidence 0, for no class and against none.

    Each classifier is fitted on the samples that have its modality. A class that none of these has keeps its
    prior, in that modality, so that it is not ruled out.

    Parameters
    ----------
    estimator : classifier or dict of str -> classifier, default=None
        One for all modalities, or one for each; "drop" leaves a modality out, None stands for the default:
        logistic regression on standardized features, with C = 0.7 / sqrt(n_features). Estimators that take
        tables get images and volumes flattened; those that begin with something else (a text vectorizer, an
        embedder) get the modality as it is. They learn classes as numbers.
    method : {"average", "stacking"}, default="average"
        How the probabilities are fused. Classifiers without ``predict_proba`` can only be stacked.
    modality_weights : dict of str -> float or array-like of shape (n_modalities,), default=None
        Weights :math:`w_m` of the average, not negative; an array is for the modalities that are not dropped,
        in alphabetical order, a dict gives the weights that are not 1. Equal weights when None.
    final_estimator : classifier, default=None
        Learns from the evidence when stacking; None is a multinomial logistic regression on standardized
        evidence, with C = 0.5.
    cv : int, splitter or iterable of (train, test), default=5
        Folds when stacking. An integer is the number of folds, shuffled and stratified, with groups whole
        where there are groups.
    class_weight : dict, "balanced" or None, default=None
        Multiplied into the sample weights.
    n_jobs : int, default=None
        Number of fits at a time.
    random_state : int, RandomState instance or None, default=None
        Shuffles the folds, and seeds every estimator whose own ``random_state`` is None.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    class_prior_ : ndarray of shape (n_classes,)
        Share of each class in the sample weights, without ``class_weight``: what a sample with no modality
        gets.
    estimators_ : dict of str -> classifier
        The fitted classifiers of the modalities that are present somewhere in fit.
    final_estimator_ : classifier
        The fitted final estimator, when stacking.
    modalities_ : tuple of str
        Names of the modalities that have a classifier, in alphabetical order.
    n_features_in_ : int
        Number of features, where there is one table.
    feature_names_in_ : ndarray of str of shape (n_features,)
        Their names, where the table has names.

    Raises
    ------
    ValueError
        If the data break the contract, a name is unknown, no estimator takes the sample weights, or there is
        one class only.
    TypeError
        If an estimator is no classifier, or has no ``predict_proba`` and should be averaged.

    See Also
    --------
    skmm.compose.ConcatModalities : Early fusion, for any classifier.

    Notes
    -----
    Sample weights of w and w-fold repetition of the rows give the same model for ``method="average"``, and
    for ``method="stacking"`` with folds given as `cv` that agree; folds drawn by number put rows that are
    repeated in several folds.

    References
    ----------
    Wolpert, D. H. (1992). Stacked generalization. Neural Networks 5, 241-259.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from skmm.fusion import LateFusionClassifier
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat(["control", "patient"], 20)
    >>> shift = 2.0 * (y == "patient")[:, None]
    >>> X = {"rna": rng.normal(size=(40, 5)) + shift, "clinical": rng.normal(size=(40, 2)) + shift}
    >>> X["rna"][:5] = np.nan  # five samples have no RNA
    >>> late = LateFusionClassifier({"rna": None, "clinical": RandomForestClassifier(20)}, random_state=0)
    >>> late.fit(X, y).predict({"rna": [[0.0] * 5, [2.0] * 5]})
    array(['control', 'patient'], dtype='<U7')
    >>> stacked = LateFusionClassifier(method="stacking", random_state=0).fit(X, y)
    >>> stacked.score(X, y)
    1.0
    """

    _fusion_strategy = "late"
    _search_space = {
        "method": ("categorical", ["average", "stacking"]),
        "cv": ("int", 3, 10),
        "class_weight": ("categorical", [None, "balanced"]),
    }

    def __init__(
        self,
        estimator=None,
        *,
        method="average",
        modality_weights=None,
        final_estimator=None,
        cv=5,
        class_weight=None,
        n_jobs=None,
        random_state=None,
    ):
        self.estimator = estimator
        self.method = method
        self.modality_weights = modality_weights
        self.final_estimator = final_estimator
        self.cv = cv
        self.class_weight = class_weight
        self.n_jobs = n_jobs
        self.random_state = random_state

    def fit(self, X, y, sample_weight=None, groups=None):
        """Fit a classifier for each modality, and the final estimator.

        Parameters
        ----------
        X : mapping of str -> array, ModalityDict or one table
            Modalities of the samples.
        y : array-like of shape (n_samples,)
            Class labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights, handed to every estimator that takes them; a sample of weight 0 is left out.
        groups : array-like of shape (n_samples,), default=None
            Groups that stay whole in the folds of stacking; ``X.groups`` when None.

        Returns
        -------
        self : LateFusionClassifier
            Fitted.
        """
        if self.method not in ("average", "stacking"):
            raise ValueError(f"method must be 'average' or 'stacking'. Got {self.method!r} instead.")
        for name in ("estimators_", "final_estimator_"):  # none of another fit, should this one fail
            vars(self).pop(name, None)
        numeric = self.estimator is None
        X = validate_modalities(self, X, reset=True, accept=KINDS, order="sorted", numeric=numeric)
        self.classes_, codes = encode_labels(self, X, y)
        templates = self._check_estimators(X)
        X = X[list(templates)]
        if not X.present.any():
            raise messages.nothing_present(type(self).__name__)
        own_weight = check_weights(sample_weight, len(codes))
        self.modalities_ = observed_modalities(X, own_weight, stacklevel=3)
        known = has_modality(X, self.modalities_)
        kept = usable_rows(type(self).__name__, known, own_weight, stacklevel=4)
        weight = self._weights(own_weight, sample_weight is not None, codes, kept)
        kept = kept if weight is None else kept[weight[kept] > 0]
        check_two_classes(type(self).__name__, self.classes_, codes[kept])
        routed = self._routed(weight, groups)
        if weight is not None and routed is None:
            check_weight_is_taken(templates.values())
        n_classes = len(self.classes_)
        self.class_prior_ = class_shares(codes, own_weight, kept, n_classes)
        # What the classifiers see, and their probabilities stand for: classes as class_weight weighs them.
        self._seen_prior = class_shares(codes, weight, kept, n_classes)
        rng = np.random.RandomState(draw_seed(self.random_state))
        self._parts = {
            name: ModalityClassifier(seeded_clone(templates[name], rng), name, X.kinds[name])
            for name in self.modalities_
        }
        shares = dict(zip(templates, weights_by_name(self.modality_weights, list(templates)), strict=True))
        self._weights_by_part = [shares[name] for name in self.modalities_]

        def arguments(name, rows):
            """What the classifier of a modality learns from, at those of ``rows`` where it is present."""
            rows = rows[X.is_present(name)[rows]]
            key = name if isinstance(self.estimator, Mapping) else "estimator"
            params = None if routed is None else take_params(routed[key].fit, rows, len(X))
            weights = None if weight is None else weight[rows]
            return self._parts[name], take_rows(X[name], rows), codes[rows], weights, params, rows

        parallel = Parallel(n_jobs=self.n_jobs)
        if self.method == "stacking":
            folds = assign_folds(codes, check_groups(groups, X), self.cv, rng, kept)
            tasks = [
                (name, train, test[X.is_present(name)[test]]) for train, test in folds for name in self._parts
            ]
            judged = parallel(
                delayed(fit_and_judge)(
                    *arguments(name, train), take_rows(X[name], test), test, self._seen_prior
                )
                for name, train, test in tasks
            )
            probas = {name: np.tile(self.class_prior_, (len(X), 1)) for name in self._parts}
            for (name, _, test), proba in zip(tasks, judged, strict=True):
                probas[name][test] = proba
            evidence = self._evidence(X, probas)
        fitted = parallel(delayed(fit_part)(*arguments(name, kept)) for name in self._parts)
        self._parts = dict(zip(self._parts, fitted, strict=True))
        self.estimators_ = {name: part.estimator_ for name, part in self._parts.items()}
        if self.method == "stacking":
            params = None if routed is None else routed["final_estimator"].fit
            self._final_columns = np.unique(codes[kept])
            self.final_estimator_ = fit_final(
                seeded_clone(self.final_estimator, rng), evidence, codes, weight, params, kept
            )
        return self

    def predict_proba(self, X):
        """Probability of each class.

        Parameters
        ----------
        X : mapping of str -> array, ModalityDict or one table
            Modalities of the samples; some may be missing. A sample with none gets the class prior, with one
            warning.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Rows sum to 1, columns are in the order of ``classes_``.
        """
        X, probas = self._probabilities(X)
        present = [X.is_present(name) for name in probas]
        if hasattr(self, "final_estimator_"):
            known = np.any(present, axis=0)
            proba = np.zeros((len(X), len(self.classes_)))
            if known.any():
                learned = self.final_estimator_.predict_proba(self._evidence(X, probas)[known])
                proba[known] = align_to_classes(learned, self._final_columns, self._seen_prior)
        else:
            proba, known = average_present(list(probas.values()), present, self._weights_by_part)
        warn_without_modality(known, "they get the class prior")
        proba[~known] = self.class_prior_
        return proba

    def predict(self, X):
        """Most probable class.

        Parameters
        ----------
        X : mapping of str -> array, ModalityDict or one table
            Modalities of the samples; some may be missing.

        Returns
        -------
        ndarray of shape (n_samples,)
            Class labels.
        """
        codes = self.predict_proba(X).argmax(axis=1)
        return self.classes_[codes]

    def modality_proba(self, X):
        """Probabilities by each modality alone.

        Parameters
        ----------
        X : mapping of str -> array, ModalityDict or one table
            Modalities of the samples; some may be missing.

        Returns
        -------
        dict of str -> ndarray of shape (n_samples, n_classes)
            Probabilities of the modalities in ``estimators_``; the class prior where a sample lacks the
            modality.
        """
        return self._probabilities(X)[1]

    def transform(self, X):
        """Evidence of each modality for each class, as the final estimator sees it.

        Parameters
        ----------
        X : mapping of str -> array, ModalityDict or one table
            Modalities of the samples; some may be missing.

        Returns
        -------
        ndarray of shape (n_samples, n_estimators * (n_classes + 1))
            For each modality in alphabetical order the evidence log p(c) - log prior(c), 0 where it is
            missing, then for each modality 1 where it is present and 0 elsewhere. A DataFrame with the sample
            ids as index after ``set_output(transform="pandas")``.
        """
        X, probas = self._probabilities(X)
        evidence = self._evidence(X, probas)
        if wants_pandas(self):  # scikit-learn would number the rows
            return pd.DataFrame(evidence, index=X.index, columns=self.get_feature_names_out())
        return evidence

    def get_feature_names_out(self, input_features=None):
        """Names of the columns of :meth:`transform`.

        Parameters
        ----------
        input_features : object, default=None
            Not used.

        Returns
        -------
        ndarray of object of shape (n_features_out,)
            ``rna__control`` and so on, then ``rna__present``.
        """
        check_is_fitted(self, "estimators_")
        names = [f"{name}__{label}" for name in self.estimators_ for label in self.classes_]
        return np.asarray([*names, *(f"{name}__present" for name in self.estimators_)], dtype=object)

    # --- parameters -------------------------------------------------------------------------------

    def get_metadata_routing(self):
        """Routing of metadata: `sample_weight` and `groups` for itself, and what its estimators request.

        Returns
        -------
        MetadataRouter
            Requests.
        """
        router = MetadataRouter(owner=type(self).__name__).add_self_request(self)
        for name, estimator in self._routed_estimators().items():
            router.add(method_mapping=MethodMapping().add(caller="fit", callee="fit"), **{name: estimator})
        return router

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        estimators = self._routed_estimators().values()
        tags.input_tags.sparse = all(get_tags(estimator).input_tags.sparse for estimator in estimators)
        tags.input_tags.dict = True
        return tags

    # --- steps ------------------------------------------------------------------------------------

    def _check_estimators(self, X):
        """Unfitted classifier of each modality that is not dropped, checked."""
        own = self.estimator
        if isinstance(own, Mapping):
            unknown = [name for name in own if name not in X]
            undecided = [name for name in X if name not in own]
            if unknown:
                raise messages.unknown_names("estimator", unknown, list(X))
            if undecided:
                raise ValueError(
                    f"estimator must name every modality of X. Got none for {messages.quoted(undecided)}: "
                    "give a classifier, None (the default one) or 'drop'."
                )
            taken = sorted(set(own) & set(super().get_params(deep=False)))
            if taken:
                raise ValueError(
                    f"{taken} are names of parameters of LateFusionClassifier: rename these modalities."
                )
        templates = {name: own[name] if isinstance(own, Mapping) else own for name in X}
        templates = {name: template for name, template in templates.items() if template != "drop"}
        if not templates:
            raise ValueError("estimator drops every modality: keep at least one.")
        for name, template in templates.items():
            where = f"estimator[{name!r}]" if isinstance(own, Mapping) else "estimator"
            if template is not None:
                check_classifier(template, where, needs_proba=self.method == "average")
            check_kind(template, name, X.kinds[name])
        if self.method == "stacking" and self.final_estimator is not None:
            check_classifier(self.final_estimator, "final_estimator", needs_proba=True)
        return templates

    def _weights(self, own, given, codes, kept):
        """Sample weights times class weights, or None where neither are given."""
        if self.class_weight is None:
            return own if given else None
        weight = np.zeros(len(codes))
        weight[kept] = own[kept] * class_factors(self.class_weight, self.classes_, codes[kept], own[kept])
        return weight

    def _routed_estimators(self):
        """Estimators to which metadata are routed, by parameter name; default ones get what they need."""
        own = self.estimator if isinstance(self.estimator, Mapping) else {"estimator": self.estimator}
        own = {**own, "final_estimator": self.final_estimator}
        return {
            name: estimator for name, estimator in own.items() if hasattr(estimator, "get_metadata_routing")
        }

    def _routed(self, weight, groups):
        """Arguments of fit by the estimators' requests where metadata routing is on; None where it is off."""
        if not get_config()["enable_metadata_routing"]:
            return None
        metadata = {"sample_weight": weight, "groups": groups}
        metadata = {key: value for key, value in metadata.items() if value is not None}
        routed = process_routing(self, "fit", **metadata)
        own = self.estimator if isinstance(self.estimator, Mapping) else ("estimator",)
        return {name: routed.get(name) or Bunch(fit={}) for name in (*own, "final_estimator")}

    def _probabilities(self, X):
        """Data in the order of fit, and probabilities by modality, the prior where it is missing."""
        check_is_fitted(self, "estimators_")
        X = validate_modalities(self, X, reset=False)
        probas = {name: np.tile(self.class_prior_, (len(X), 1)) for name in self._parts}
        for name, part in self._parts.items():
            rows = np.flatnonzero(X.is_present(name))
            probas[name][rows] = part.predict_proba(take_rows(X[name], rows), rows, self._seen_prior)
        return X, probas

    def _evidence(self, X, probas):
        """What is stacked: evidence for each class by modality, 0 where it is missing, and presence."""
        present = [X.is_present(name)[:, None].astype(float) for name in probas]
        evidence = [centred_log_proba(proba, self._seen_prior) for proba in probas.values()]
        return np.hstack([*(e * mask for e, mask in zip(evidence, present, strict=True)), *present])
