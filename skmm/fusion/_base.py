"""The base of the fusion classifiers: from a dict of modalities to a trained network and back to labels."""

import copy
from abc import ABCMeta, abstractmethod
from functools import partial

import numpy as np
import pandas as pd
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from skmm._training import (
    batches_for,
    check_groups,
    check_parameters,
    check_weights,
    class_factors,
    draw_seed,
    encode_labels,
    forward_batches,
    history_frame,
    make_inputs,
    resolve_batch_size,
    scan_inputs,
    split_validation,
    train_as_told,
    training_order,
)
from skmm._training._random import stream
from skmm.compose._concat_modalities import wants_pandas
from skmm.containers import _validation as messages
from skmm.containers import validate_modalities
from skmm.fusion._common import (
    COMMON_RULES,
    check_no_overflow,
    check_partial_classes,
    check_same_network,
    check_two_classes,
    has_modality,
    network_parameters,
    observed_modalities,
    usable_rows,
    warn_without_modality,
)
from skmm.fusion._network import any_vector, build_net, fused_vector, prediction_batch_size, resume_net


class BaseFusionClassifier(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, ClassifierMixin, BaseEstimator, metaclass=ABCMeta
):
    """Base class of the fusion classifiers: everything but the network.

    It checks the data, encodes labels, standardizes tables and images, makes batches, trains
    with early stopping, applies the softmax and decodes. A new model writes ``__init__``, with each of its
    parameters spelled out, and one hook, ``_make_module(shapes, n_classes)``. The hook returns a torch module
    whose ``forward(inputs, present)`` takes

    - ``inputs``: dict of modality name -> tensor (batch, ``*shapes[name]``), zero where the modality is
      missing; for a
      bag modality a :class:`skmm.nn.Bag` of flat instances and offsets;
    - ``present``: bool tensor (batch, n_modalities), True where the modality was observed, in the order of
      ``shapes``;

    and returns a :class:`skmm.nn.FusionOutput`. Modules drop out with :class:`skmm.nn.Dropout`, which follows
    the estimator's ``random_state``; torch's own would follow its global one.

    A class says which kinds of modalities it takes with ``_accepts``, and which values of its own parameters
    are allowed with ``_parameter_rules``. The kinds of the modalities are in ``self.schema_.kinds``.

    Parameters
    ----------
    hidden : int or dict of str -> int, default=256
        Width of each modality's representation.
    dropout : float, default=0.5
        Share of a representation's entries that a training step drops, in [0, 1).
    max_epochs : int, default=100
        Passes over the training data.
    lr : float, default=2e-3
        Learning rate.
    batch_size : int or "auto", default="auto"
        Largest number of samples of a step; -1 for all, "auto" for twice the square root of the number of
        training samples, within 8 and 256. Where all fit into one batch, the fit depends neither on their
        order nor on whether a sample is repeated or weighted.
    optimizer : {"adam", "adamw", "sgd"} or type, default="adamw"
        Optimizer, or a class of torch's.
    weight_decay : float, default=0.3
        Weight decay: decoupled from the gradient by "adamw", an L2 penalty by the others (try 1e-4).
    early_stopping : bool, default=False
        Hold out a part of the training samples, stop when the loss on it stops falling, and go back to the
        best epoch. The part is stratified; with groups no group straddles the split, without them rows are
        split.
    n_iter_no_change : int, default=10
        Epochs without progress after which early stopping ends the training.
    tol : float, default=1e-4
        What counts as progress: a loss lower than the lowest so far by more than this.
    validation_fraction : float, default=0.1
        Share of the training samples held out by early stopping.
    modality_dropout : float, default=0.0
        Probability that a training step leaves out a modality of a sample, one always being kept.
    missing : {"neutral", "zero"}, default="neutral"
        What stands for a modality that is missing: a learned vector, or zeros.
    standardize : bool, default=True
        Standardize the columns of tables, also those that are instances of bags, and the channels of images
        by their mean and deviation over the training samples that have them; clip columns at 3 deviations.
    class_weight : {"balanced"} or dict, default="balanced"
        Weights of the classes; "balanced" gives each the same total of sample weights.
    callbacks : list, default=None
        skorch callbacks, of which copies are used. Those that watch the validation need
        ``early_stopping=True``.
    warm_start : bool, default=False
        Go on from the weights of the last fit. Parameters of the network must stay as they were.
    precision : {"float32", "float64", "bfloat16"}, default="float32"
        Arithmetic of the network; bfloat16 keeps weights and results in float32.
    device : str, default="cpu"
        "cpu", "cuda", or "auto" for CUDA where there is one.
    random_state : int or RandomState, default=None
        Fixes initialization, order, dropout and the early-stopping split. None draws from the operating
        system; the global random states are neither used nor changed.
    verbose : int, default=0
        Whether to show a bar over the epochs.

    Examples
    --------
    A model of its own, the sum of one linear map per modality:

    >>> import torch
    >>> from skmm.datasets import load_digits_views
    >>> from skmm.fusion import BaseFusionClassifier
    >>> from skmm.nn import FusionOutput, xavier_linear
    >>> class Sum(torch.nn.Module):
    ...     def __init__(self, shapes, n_classes):
    ...         super().__init__()
    ...         self.maps = torch.nn.ModuleList(xavier_linear(size, n_classes) for (size,) in shapes.values())
    ...     def forward(self, inputs, present):
    ...         parts = [linear(x) for linear, x in zip(self.maps, inputs.values())]
    ...         logits = (torch.stack(parts, dim=2) * present[:, None]).sum(dim=2)
    ...         return FusionOutput(logits, fused=torch.cat(list(inputs.values()), dim=1))
    >>> class SumClassifier(BaseFusionClassifier):
    ...     def __init__(self, *, max_epochs=20, lr=0.01, random_state=None):
    ...         super().__init__(max_epochs=max_epochs, lr=lr, random_state=random_state)
    ...     def _make_module(self, shapes, n_classes):
    ...         return Sum(shapes, n_classes)
    >>> X, y = load_digits_views(return_X_y=True)
    >>> tables = X[[name for name in X if X.kinds[name] == "table"]]
    >>> model = SumClassifier(random_state=0).fit(tables[:500], y[:500])
    >>> bool(model.score(tables[500:], y[500:]) > 0.8)
    True
    """

    _accepts = ("table",)
    _fusion_strategy = "intermediate"
    _parameter_rules = {}
    _to_proba = staticmethod(partial(softmax, axis=1))  # from scores
    _search_space = {
        "hidden": ("log_int", 16, 512),
        "dropout": ("float", 0.0, 0.7),
        "lr": ("log", 1e-4, 1e-2),
        "weight_decay": ("log", 1e-3, 1.0),
        "modality_dropout": ("float", 0.0, 0.5),
    }

    @abstractmethod
    def __init__(
        self,
        hidden=256,
        *,
        dropout=0.5,
        max_epochs=100,
        lr=2e-3,
        batch_size="auto",
        optimizer="adamw",
        weight_decay=0.3,
        early_stopping=False,
        n_iter_no_change=10,
        tol=1e-4,
        validation_fraction=0.1,
        modality_dropout=0.0,
        missing="neutral",
        standardize=True,
        class_weight="balanced",
        callbacks=None,
        warm_start=False,
        precision="float32",
        device="cpu",
        random_state=None,
        verbose=0,
    ):
        self.hidden = hidden
        self.dropout = dropout
        self.max_epochs = max_epochs
        self.lr = lr
        self.batch_size = batch_size
        self.optimizer = optimizer
        self.weight_decay = weight_decay
        self.early_stopping = early_stopping
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.validation_fraction = validation_fraction
        self.modality_dropout = modality_dropout
        self.missing = missing
        self.standardize = standardize
        self.class_weight = class_weight
        self.callbacks = callbacks
        self.warm_start = warm_start
        self.precision = precision
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    @abstractmethod
    def _make_module(self, shapes, n_classes):
        """The network.

        Parameters
        ----------
        shapes : dict of str -> tuple of int
            Shape of a sample's tensor (of an instance's, for a bag) by modality, in the order of ``present``:
            (n_features,) for tables, (channels, height, width) for images, (channels, depth, height, width)
            for volumes.
        n_classes : int
            Number of classes.

        Returns
        -------
        torch.nn.Module
            With ``forward(inputs, present)``; torch's global generator is seeded while it is made.
        """

    def fit(self, X, y, sample_weight=None, groups=None):
        """Train the network.

        Parameters
        ----------
        X : mapping of str -> array, ModalityDict, or array of shape (n_samples, n_features)
            The modalities, or one table.
        y : array-like of shape (n_samples,)
            Labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples; one of weight 0 is left out.
        groups : array-like of shape (n_samples,), default=None
            Groups, such as patients, that early stopping keeps on one side of its split; None for
            ``X.groups``.

        Returns
        -------
        self
            The fitted classifier.

        Raises
        ------
        ValueError
            If a parameter or the data are not allowed: names the parameter, or the modality and rows. Also if
            there are fewer than two classes, no sample has a modality, or training diverges.
        """
        self._check_parameters()
        again = bool(self.warm_start) and hasattr(self, "net_")
        if not again:
            vars(self).pop("net_", None)  # a fit that fails must not leave the old net with new modalities
        X = self._validate(X, reset=not again)
        classes, codes = self._encode(X, y, self.classes_ if again else None)
        weights, groups = check_weights(sample_weight, len(X)), check_groups(groups, X)
        if again:
            self._resume()
        else:
            self._start(X, classes, weights)
        return self._train(X, codes, weights, groups, partial=False, learn_scale=not again)

    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Train the network by one epoch over the samples, without early stopping.

        Balanced class weights balance the samples of each call; ``lr`` is that of the first one.

        Parameters
        ----------
        X : mapping of str -> array, ModalityDict, or array of shape (n_samples, n_features)
            The modalities, or one table.
        y : array-like of shape (n_samples,)
            Labels.
        classes : array-like of shape (n_classes,), default=None
            All labels there will be; needed in the first call.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples.

        Returns
        -------
        self
            The classifier.

        Raises
        ------
        ValueError
            As `fit` does; also if ``classes`` are not given in the first call, or differ in a later one.
        """
        self._check_parameters()
        first = not hasattr(self, "net_")
        if first and classes is None:
            raise ValueError("classes must be passed on the first call to partial_fit.")
        X = self._validate(X, reset=first)
        check_partial_classes(classes, None if first else self.classes_)
        classes, codes = self._encode(X, y, classes if first else self.classes_)
        weights = check_weights(sample_weight, len(X))
        if first:
            self._start(X, classes)
        return self._train(X, codes, weights, None, partial=True, learn_scale=True)

    def predict_proba(self, X):
        """Probabilities of the classes.

        Parameters
        ----------
        X : mapping of str -> array, ModalityDict, or array of shape (n_samples, n_features)
            The modalities; an absent key is missing for all samples.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Rows sum to 1; the class prior where a sample has no modality.

        Raises
        ------
        ValueError
            If the data differ from those of fit in modalities, kinds, shapes or feature names, are infinite
            or partly NaN, or so large that the network overflows.
        """
        X = self._validate_new(X, "they get the class prior")
        scores = self._run(X, self._explained)
        proba = self._to_proba(scores.astype(np.float64))
        proba[~has_modality(X, self.modalities_)] = self.class_prior_
        return proba.astype(scores.dtype, copy=False)

    def predict(self, X):
        """The most probable class.

        Parameters
        ----------
        X : mapping of str -> array, ModalityDict, or array of shape (n_samples, n_features)
            The modalities.

        Returns
        -------
        ndarray of shape (n_samples,)
            Labels.
        """
        proba = self.predict_proba(X)
        return self.classes_[proba.argmax(axis=1)]

    def transform(self, X):
        """The fused vector of each sample, for any other estimator.

        Parameters
        ----------
        X : mapping of str -> array, ModalityDict, or array of shape (n_samples, n_features)
            The modalities.

        Returns
        -------
        ndarray of shape (n_samples, n_fused)
            Fused vectors; that of nothing where a sample has no modality. A DataFrame with the sample ids as
            index after ``set_output(transform="pandas")``.
        """
        X = self._validate_new(X, "their fused vector is that of nothing")
        fused = self._run(X, fused_vector)
        if wants_pandas(self):  # scikit-learn would number the rows
            return pd.DataFrame(fused, index=X.index, columns=self.get_feature_names_out())
        return fused

    def _check_parameters(self):
        """Raise for a parameter that is not allowed."""
        own = set(self.get_params(deep=False))
        rules = {**COMMON_RULES, **self._parameter_rules}
        check_parameters(self, {name: rule for name, rule in rules.items() if name in own})

    def _validate(self, X, *, reset):
        """What came, as a ModalityDict in alphabetical order, in line with fit."""
        return validate_modalities(self, X, reset=reset, accept=self._accepts, order="sorted", numeric=True)

    def _validate_new(self, X, consequence):
        """What came after fit; warns of samples without a modality."""
        check_is_fitted(self, "net_")
        X = self._validate(X, reset=False)
        warn_without_modality(has_modality(X, self.modalities_), consequence)
        return X

    def _encode(self, X, y, classes):
        """Classes, in their order, and the number of each label; ``classes`` are those known, or None."""
        return encode_labels(self, X, y, classes)

    def _factors(self, codes, weights):
        """Factor of each sample by its class."""
        return class_factors(self.class_weight, self.classes_, codes, weights)

    def _explained(self, output):
        """The scores of the classes in a network's output, which attributions explain."""
        return output.logits

    def _strata(self, codes):
        """The classes of which early stopping holds out equal shares."""
        return codes

    def _make_inputs(self):
        """What each modality becomes on its way into the network, not yet fitted."""
        return make_inputs(self.schema_, self.modalities_, standardize=bool(self.standardize))

    def _prepare(self, X, rows, codes, weights, groups):
        """Before a first network: whatever else is to be learned from the training rows of X."""

    def _start(self, X, classes, weights=None):
        """A new seed, and modalities and classes of these samples."""
        if not X.present.any():
            raise messages.nothing_present(type(self).__name__)
        self.classes_ = classes
        if weights is not None:  # in partial_fit what comes later may hold what the first samples lack
            self.modalities_ = observed_modalities(X, weights)
        self._seed = draw_seed(self.random_state)
        self._inputs = self._make_inputs()
        self._class_totals = np.zeros(len(classes))

    def _resume(self):
        """Go on from an earlier fit, with the parameters of now."""
        check_same_network(self, self._built_with)
        resume_net(self)

    def _train(self, X, codes, weights, groups, *, partial, learn_scale):
        """Train on the samples that have a modality and a weight."""
        name = type(self).__name__
        rows = usable_rows(name, has_modality(X, self.modalities_), weights)
        codes, weights = codes[rows], weights[rows]
        if not partial:
            check_two_classes(name, self.classes_, codes)
        first = not hasattr(self, "net_")
        factored = weights * self._factors(codes, weights)

        part, held_out = np.arange(len(rows)), None
        if self.early_stopping and not partial:
            rng = stream(self._seed, 0, 0 if first else len(self.net_.history))
            subset = None if groups is None else groups[rows]
            part, held_out = split_validation(self._strata(codes), subset, self.validation_fraction, rng)
        batch_size = resolve_batch_size(self.batch_size, len(part))
        part, same = training_order(X, rows, part, batch_size)
        if first:
            chosen = rows[part]
            self._prepare(X, chosen, codes[part], weights[part], None if groups is None else groups[chosen])
        if learn_scale:
            inputs = copy.deepcopy(self._inputs)  # data that are refused leave the fitted ones as they are
            scan_inputs(inputs, X, rows[part], weights[part])
            self._inputs = inputs
        self._class_totals = self._class_totals + np.bincount(codes, weights, minlength=len(self.classes_))
        self.class_prior_ = self._class_totals / self._class_totals.sum()
        if first:
            shapes = {name: entry.shape for name, entry in self._inputs.items()}
            self.net_ = build_net(self, shapes, self._seed)
            self._built_with = network_parameters(self)
        self.net_.batch_size = batch_size

        def batches(chosen, *, checked):
            known = {"rows": rows[chosen], "y": codes[chosen], "weights": factored[chosen]}
            return batches_for(self.net_, X, self._inputs, checked=checked, **known)

        valid = None if held_out is None else batches(held_out, checked=False)
        try:
            best_epoch = train_as_told(
                self,
                self.net_,
                batches(part, checked=learn_scale),
                valid,
                seed=self._seed,
                epochs=1 if partial else None,
                groups=same,
            )
        except BaseException:
            if first:  # a first fit that failed leaves no model behind
                del self.net_
            raise
        self.history_ = history_frame(self.net_)
        self.best_epoch_ = best_epoch
        self.validation_rows_ = None if held_out is None else np.sort(rows[held_out])
        self._n_features_out = self._run(X[rows[:1]], any_vector).shape[1]
        return self._finish()

    def _finish(self):
        """After a training: what a class sets besides."""
        return self

    def _run(self, X, read, **options):
        """Run the network over validated samples; ``read`` takes what is wanted from its output."""
        size = prediction_batch_size(self.net_.batch_size, self._inputs, X)
        data = batches_for(self.net_, X, self._inputs)
        found = forward_batches(self.net_, data, read, size, **options)
        known = has_modality(X, self.modalities_)
        for values in found.values() if isinstance(found, dict) else [found]:
            check_no_overflow(values, known)
        return found

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = "table" in self._accepts
        tags.input_tags.sparse = tags.input_tags.two_d_array
        tags.transformer_tags.preserves_dtype = []
        return tags
