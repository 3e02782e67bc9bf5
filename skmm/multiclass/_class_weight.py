"""Balanced classes and labels of any type for classifiers that know neither, such as XGBoost."""

import numpy as np
from sklearn import get_config
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.metadata_routing import process_routing
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from skmm._training import check_weights, class_factors, draw_seed, encode_labels, seeded_clone
from skmm.compose._plan import fit_metadata
from skmm.multiclass._common import WrapsOne, check_rows, has_something


def has_method(name):
    """Whether the estimator, fitted or not, has a method."""

    def check(self):
        return hasattr(getattr(self, "estimator_", self.estimator), name)

    return available_if(check)


def weights_of_classes(class_weight, classes, codes, weight):
    """Weight of each class.

    Parameters
    ----------
    class_weight : None, "balanced" or dict
        "balanced" gives every class the same total of ``weight``.
    classes : ndarray of shape (n_classes,)
        Labels.
    codes : ndarray of int of shape (n_samples,)
        Class of each sample that can be learned from.
    weight : ndarray of float of shape (n_samples,)
        Their sample weights.

    Returns
    -------
    ndarray of float of shape (n_classes,)
        1 where no such sample has the class.
    """
    out = np.ones(len(classes))
    out[codes] = class_factors(class_weight, classes, codes, weight)
    return out


class ClassWeightClassifier(WrapsOne, ClassifierMixin, BaseEstimator):
    r"""Give any classifier ``class_weight``, and labels of any type: XGBoost and others have neither.

    Sample i of class c is handed on with the weight

    .. math:: v_i = w_i \, u_c, \qquad u_c = \frac{\sum_k w_k}{C \sum_{k: y_k = c} w_k}

    where :math:`w_i` is the caller's weight (1 where none is given), C the number of classes, and :math:`u_c`
    the balanced class weight, or that of a dict. Classes are learned as 0, ..., C - 1 and given back as they
    came: strings, or numbers with gaps, also where a fold lacks a class.

    Parameters
    ----------
    estimator : classifier
        Cloned and fitted; its ``fit`` must take ``sample_weight``. It takes whatever X is: one table, or
        modalities. In a Pipeline the weights go to each step that takes them.
    class_weight : "balanced", dict or None, default="balanced"
        Weights of the classes; a dict has the labels of y, and 1 where it names none. None hands the caller's
        weights on as they are.
    random_state : int, RandomState instance or None, default=None
        Seeds the estimator where its own ``random_state`` is None.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    class_weight_ : ndarray of shape (n_classes,)
        Weight :math:`u_c` of each class.
    estimator_ : classifier
        The fitted estimator; it knows classes as numbers.
    modalities_ : tuple of str
        Names of the modalities, where X holds modalities.
    n_features_in_ : int
        Number of features, where there is one table.
    feature_names_in_ : ndarray of str of shape (n_features,)
        Their names, where the table has names.

    Raises
    ------
    ValueError
        If the estimator does not take sample weights, there is one class only, or a weight is negative.
    TypeError
        If the estimator is no classifier.

    See Also
    --------
    skmm.sampling.ModalitySampler : Resamples instead.

    Notes
    -----
    An estimator that has a ``class_weight`` of its own needs none of this; set there as well, the two
    multiply. With metadata routing the estimator must request ``sample_weight``, for that is what it gets.

    Examples
    --------
    >>> import numpy as np
    >>> from skmm.multiclass import ClassWeightClassifier
    >>> from xgboost import XGBClassifier
    >>> X = np.arange(40.0)[:, None]
    >>> y = np.repeat(["mild", "severe"], [30, 10])
    >>> model = ClassWeightClassifier(XGBClassifier(n_estimators=5)).fit(X, y)
    >>> model.class_weight_
    array([0.66666667, 2.        ])
    >>> model.predict([[0.0], [39.0]])
    array(['mild', 'severe'], dtype='<U6')
    """

    def __init__(self, estimator, *, class_weight="balanced", random_state=None):
        self.estimator = estimator
        self.class_weight = class_weight
        self.random_state = random_state

    def fit(self, X, y, sample_weight=None, groups=None):
        """Fit the estimator with weights by class.

        Parameters
        ----------
        X : mapping of str -> array, ModalityDict or array-like of shape (n_samples, ...)
            Samples, in any form that the estimator takes.
        y : array-like of shape (n_samples,)
            Class labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights, multiplied by those of the classes.
        groups : array-like of shape (n_samples,), default=None
            Groups, handed to an estimator whose fit takes them. Those of a ModalityDict travel in it.

        Returns
        -------
        self : ClassWeightClassifier
            Fitted.
        """
        self._check_parameters()
        vars(self).pop("estimator_", None)  # none of another fit, should this one fail
        X = check_rows(self, X, reset=True)
        self.classes_, codes = encode_labels(self, X, y)
        if len(self.classes_) < 2:
            raise ValueError(
                f"ClassWeightClassifier needs samples of at least 2 classes. Got {len(codes)} samples of "
                f"{len(self.classes_)} class, {self.classes_.tolist()}."
            )
        own = check_weights(sample_weight, len(codes))
        known = has_something(X, len(codes))
        self.class_weight_ = weights_of_classes(self.class_weight, self.classes_, codes[known], own[known])
        given = self.class_weight is not None or sample_weight is not None
        params = self._params_of_fit(own * self.class_weight_[codes] if given else None, groups)
        template = seeded_clone(self.estimator, np.random.RandomState(draw_seed(self.random_state)))
        self.estimator_ = template.fit(X, codes, **params)
        return self

    def predict(self, X):
        """Class of each sample.

        Parameters
        ----------
        X : mapping of str -> array, ModalityDict or array-like of shape (n_samples, ...)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples,)
            Class labels.
        """
        codes = np.asarray(self._apply("predict", X)).ravel().astype(np.intp)
        return self.classes_[codes]

    @has_method("predict_proba")
    def predict_proba(self, X):
        """Probability of each class, where the estimator gives it.

        Parameters
        ----------
        X : mapping of str -> array, ModalityDict or array-like of shape (n_samples, ...)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Columns are in the order of ``classes_``. The probabilities are those under balanced classes, not
            those of the shares in which the classes occur.
        """
        return self._apply("predict_proba", X)

    @has_method("decision_function")
    def decision_function(self, X):
        """Confidence in each class, where the estimator gives it.

        Parameters
        ----------
        X : mapping of str -> array, ModalityDict or array-like of shape (n_samples, ...)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
            As the estimator gives it; one value a sample, for the second class, where there are two.
        """
        return self._apply("decision_function", X)

    # --- steps ------------------------------------------------------------------------------------

    def _check_parameters(self):
        """Refuse what is no classifier, and words that are no class weights."""
        if isinstance(self.estimator, type) or not (
            hasattr(self.estimator, "fit") and hasattr(self.estimator, "predict")
        ):
            raise TypeError(
                "The 'estimator' parameter of ClassWeightClassifier must be a classifier instance, with fit "
                f"and predict. Got {self.estimator!r} instead."
            )
        if not (self.class_weight is None or isinstance(self.class_weight, dict)) and (
            not isinstance(self.class_weight, str) or self.class_weight != "balanced"
        ):
            raise ValueError(
                "The 'class_weight' parameter of ClassWeightClassifier must be 'balanced', a dict of label "
                f"-> weight, or None. Got {self.class_weight!r} instead."
            )

    def _params_of_fit(self, weight, groups):
        """Keyword arguments of the estimator's fit; weights that it does not take are an error."""
        metadata = {"sample_weight": weight, "groups": groups}
        metadata = {key: value for key, value in metadata.items() if value is not None}
        if not metadata:
            return {}
        if get_config()["enable_metadata_routing"]:
            params = process_routing(self, "fit", **metadata).estimator.fit
        else:
            params = fit_metadata(self.estimator, metadata)
        if weight is not None and not any(value is weight for value in params.values()):
            raise ValueError(
                "ClassWeightClassifier weighs classes by sample_weight, so its estimator's fit must take it. "
                f"Got {self.estimator!r}, which does not: use a classifier that does, or resample with "
                "skmm.sampling.ModalitySampler. (With metadata routing, set_fit_request(sample_weight=True) "
                "on the estimator.)"
            )
        return params

    def _apply(self, method, X):
        """What a method of the fitted estimator gives."""
        check_is_fitted(self, "estimator_")
        return getattr(self.estimator_, method)(check_rows(self, X, reset=False))
