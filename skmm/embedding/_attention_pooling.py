"""From a bag of vectors to a weighted mean of its instances, with weights that are learned from labels."""

from collections.abc import Mapping
from numbers import Real

import numpy as np
from joblib import Parallel
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from sklearn.utils.validation import check_is_fitted

from skmm._parallel import delayed
from skmm._training import (
    Choice,
    Instance,
    Number,
    check_groups,
    check_parameters,
    check_weights,
    draw_seed,
    encode_labels,
    history_frame,
)
from skmm._training._parameters import COUNT, FLAG, NON_NEGATIVE, SHARE
from skmm.containers import BagArray
from skmm.containers import _validation as messages
from skmm.containers._presence import warn_without_modality
from skmm.embedding._attention_network import train_attention
from skmm.embedding._bags import BAGS, float_type, validate_bags


class _Splitter:
    """The rule for a cross-validator."""

    def allows(self, value):
        """Whether a value splits."""
        return callable(getattr(value, "split", None)) and not isinstance(value, str)

    def __str__(self):
        return "a cross-validator with a method split"


_RULES = {
    "attention": (Choice(("softmax", "gated")),),
    "hidden": (COUNT,),
    "n_heads": (COUNT,),
    "dropout": (SHARE,),
    "max_epochs": (COUNT,),
    "lr": (Number(Real, 0, None, "neither"),),
    "batch_size": (COUNT, Choice((-1, "auto"))),
    "optimizer": (Choice(("adam", "adamw", "sgd")),),
    "weight_decay": (NON_NEGATIVE,),
    "early_stopping": (FLAG,),
    "n_iter_no_change": (COUNT,),
    "tol": (NON_NEGATIVE,),
    "validation_fraction": (Number(Real, 0, 1, "neither"),),
    "standardize": (FLAG,),
    "class_weight": (Choice((None, "balanced")), Instance(Mapping, "a dict {label: weight}")),
    "cv": (Number(COUNT.kind, 2), _Splitter()),
    "n_jobs": (Choice((None,)), Number(COUNT.kind)),
    "precision": (Choice(("float32", "float64", "bfloat16")),),
    "device": (Instance(str, "'cpu', 'cuda' or 'auto'"),),
    "verbose": (FLAG, Number(COUNT.kind, 0)),
}


class AttentionPooling(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Pool each bag of vectors to a weighted mean of its instances, with weights that labels teach.

    The vector of a bag with instances x_1, ..., x_n is the sum of a_i x_i. The weights a_i are the softmax,
    over the instances of the bag, of scores s(z_i) of the standardized instances z_i:

    - "softmax": s = c z, the attention over slices of a scan;
    - "gated": s = c (tanh(A z + a) * sigmoid(B z + b)), that of Ilse et al. [1]_.

    `fit` trains c, A and B together with an affine map from the weighted mean to the classes, which serves
    the training alone.

    What is averaged are the instances as they came, in their own units, not a projection of them: so the
    vectors of two trained networks are of one space, that of the instances.

    **The vectors of training samples have seen their labels**: a classifier that learns from
    ``fit(X, y).transform(X)`` trusts them more than new samples deserve. So `fit_transform`, which
    pipelines call, pools each training sample with a network that was trained without it, and without the
    other samples of its group, as scikit-learn's ``TargetEncoder`` does: ``fit(X, y).transform(X)`` differs
    from ``fit_transform(X, y)``. New samples are pooled with the network that was trained on all.

    NOTE[DIFF] The published notebooks pooled with random scores, which were never trained; another one left
    out the softmax, so that the vector grew with the number of slices.

    Parameters
    ----------
    attention : {"softmax", "gated"}, default="gated"
        How scores are computed.
    hidden : int, default=64
        Width of A and B, of "gated" alone.
    n_heads : int, default=1
        Number of weighted means, each with a c of its own; they lie side by side.
    dropout : float, default=0.25
        Share of entries that a training step drops from what scores and classes are computed from, in [0, 1).
    max_epochs : int, default=50
        Passes over the training data.
    lr : float, default=1e-2
        Learning rate.
    batch_size : int or "auto", default="auto"
        Largest number of bags of a step; -1 for all, "auto" for twice the square root of the number of
        training samples, within 8 and 256.
    optimizer : {"adam", "adamw", "sgd"}, default="adamw"
        Optimizer.
    weight_decay : float, default=1e-2
        Weight decay: decoupled from the gradient by "adamw", an L2 penalty by the others.
    early_stopping : bool, default=False
        Hold out a part of the training samples, stop when the loss on it stops falling, and go back to the
        best epoch. The part is stratified; with groups no group straddles the split.
    n_iter_no_change : int, default=10
        Epochs without progress after which early stopping ends the training.
    tol : float, default=1e-4
        What counts as progress: a loss lower than the lowest so far by more than this.
    validation_fraction : float, default=0.1
        Share of the training samples held out by early stopping.
    standardize : bool, default=True
        Whether scores see each feature standardized by its mean and deviation over all training instances,
        and clipped at 3 deviations. What is averaged is as it came.
    class_weight : {"balanced"} or dict, default="balanced"
        Weights of the classes; "balanced" gives each the same total of sample weights.
    cv : int or cross-validator, default=5
        Folds of `fit_transform`: a number for stratified ones that are shuffled, and that keep groups
        together where there are any; or what has ``split(X, y, groups)`` and tests each sample once.
    n_jobs : int, default=None
        Number of folds that are trained at a time.
    precision : {"float32", "float64", "bfloat16"}, default="float32"
        Arithmetic of the network.
    device : str, default="cpu"
        "cpu", "cuda", or "auto" for CUDA where there is one.
    random_state : int or RandomState, default=None
        Fixes initialization, order, dropout, the early-stopping split and the folds. None draws from the
        operating system; the global random states are neither used nor changed.
    verbose : int, default=0
        Whether to show a bar over the epochs of the network that is trained on all samples.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    history_ : DataFrame
        What the training on all samples recorded, one row an epoch.
    best_epoch_ : int or None
        Epoch whose weights were kept by early stopping.
    n_features_in_ : int
        Width of an instance.
    net_ : skorch.NeuralNetClassifier
        The trained network.

    See Also
    --------
    AveragePooling : The same with equal weights, and nothing to learn.

    References
    ----------
    .. [1] M. Ilse, J. Tomczak, M. Welling, "Attention-based deep multiple instance learning", ICML 2018; A is
       V, B is U and c is w there.

    Examples
    --------
    One instance of each bag tells the class by its first feature, and is the only one with a large second:

    >>> import numpy as np
    >>> from skmm import BagArray
    >>> from skmm.embedding import AttentionPooling
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat(["no", "yes"], 30)
    >>> bags = BagArray(rng.normal(size=(300, 2)), offsets=np.arange(0, 301, 5))
    >>> bags.values[::5] = np.column_stack([np.where(y == "yes", 3, -3), np.full(60, 3)])
    >>> pooling = AttentionPooling(random_state=0).fit(bags, y)
    >>> bool(pooling.attention_weights(bags).values[::5].mean() > 0.5)
    True
    >>> pooling.transform(bags).shape
    (60, 2)
    """

    _accepts_lazy = True
    _search_space = {
        "attention": ("categorical", ("softmax", "gated")),
        "hidden": ("log_int", 16, 256),
        "n_heads": ("int", 1, 4),
        "dropout": ("float", 0.0, 0.5),
        "lr": ("log", 1e-4, 3e-2),
        "weight_decay": ("log", 1e-4, 1.0),
    }

    def __init__(
        self,
        attention="gated",
        *,
        hidden=64,
        n_heads=1,
        dropout=0.25,
        max_epochs=50,
        lr=1e-2,
        batch_size="auto",
        optimizer="adamw",
        weight_decay=1e-2,
        early_stopping=False,
        n_iter_no_change=10,
        tol=1e-4,
        validation_fraction=0.1,
        standardize=True,
        class_weight="balanced",
        cv=5,
        n_jobs=None,
        precision="float32",
        device="cpu",
        random_state=None,
        verbose=0,
    ):
        self.attention = attention
        self.hidden = hidden
        self.n_heads = n_heads
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
        self.standardize = standardize
        self.class_weight = class_weight
        self.cv = cv
        self.n_jobs = n_jobs
        self.precision = precision
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X, y, sample_weight=None, groups=None):
        """Train the attention on all samples.

        Parameters
        ----------
        X : BagArray, sequence of arrays (n_instances_i, n_features), or array of equal bags
            Bags of vectors, one a sample; they may be lazy. Samples without a bag are left out.
        y : array-like of shape (n_samples,)
            Labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples; one of weight 0 is left out.
        groups : array-like of shape (n_samples,), default=None
            Groups, such as patients, that early stopping keeps on one side of its split.

        Returns
        -------
        self
            The fitted pooling.

        Raises
        ------
        ValueError
            If a parameter or the data are not allowed, there are fewer than two classes, or training
            diverges.
        """
        self._fit(*self._prepare(X, y, sample_weight, groups))
        return self

    def fit_transform(self, X, y, sample_weight=None, groups=None):
        """Train the attention, and pool each sample with a network that has seen neither it nor its group.

        The network that `transform` uses afterwards is that of ``fit(X, y)``.

        Parameters
        ----------
        X : BagArray, sequence of arrays (n_instances_i, n_features), or array of equal bags
            Bags of vectors, one a sample.
        y : array-like of shape (n_samples,)
            Labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples; one of weight 0 is pooled, but nothing is learned from it.
        groups : array-like of shape (n_samples,), default=None
            Groups, such as patients, that no fold divides.

        Returns
        -------
        ndarray of shape (n_samples, n_heads * n_features)
            Pooled vectors, as `transform` returns them.

        Raises
        ------
        ValueError
            As `fit` does; also if there are fewer groups than folds, or the samples outside of a fold are of
            one class.
        """
        X, present, codes, weights, groups = self._prepare(X, y, sample_weight, groups)
        folds = self._folds(present, codes, groups)  # before the training, which takes longer than an error
        self._fit(X, present, codes, weights, groups)
        pooled = np.full((len(X), self._n_features_out), np.nan, dtype=float_type(X[BAGS].dtype))
        found = Parallel(n_jobs=self.n_jobs)(
            delayed(self._pool_fold)(
                X, present, np.setdiff1d(np.arange(len(present)), fold), fold, codes, weights, groups, number
            )
            for number, fold in enumerate(folds, start=1)
        )
        for fold, vectors in zip(folds, found, strict=True):
            pooled[present[fold]] = vectors
        return pooled

    def transform(self, X):
        """Pool the bags with the network that was trained on all samples.

        Parameters
        ----------
        X : BagArray, sequence of arrays (n_instances_i, n_features), or array of equal bags
            Bags of vectors; lazy ones are read a part at a time.

        Returns
        -------
        ndarray of shape (n_samples, n_heads * n_features)
            Weighted means of the instances in their own units, one head beside the other; float32 where
            instances are, else float64; NaN where a sample has no bag.

        Raises
        ------
        ValueError
            If the width of the instances differs from that of fit, or some are infinite or NaN.
        """
        check_is_fitted(self, "net_")
        X = validate_bags(self, X, reset=False)
        pooled = np.full((len(X), self._n_features_out), np.nan, dtype=float_type(X[BAGS].dtype))
        self._fitted.pool(X, np.flatnonzero(X.is_present(BAGS)), pooled)
        return pooled

    def attention_weights(self, X):
        """How much each instance counts, by the network that was trained on all samples.

        Parameters
        ----------
        X : BagArray, sequence of arrays (n_instances_i, n_features), or array of equal bags
            Bags of vectors.

        Returns
        -------
        BagArray of shape (n_samples,)
            The weights (n_instances_i, n_heads) of each bag: they sum to 1 over its instances.

        Raises
        ------
        ValueError
            As `transform` does.
        """
        check_is_fitted(self, "net_")
        X = validate_bags(self, X, reset=False)
        present = X.is_present(BAGS)
        found = [weights for _, _, weights in self._fitted.parts(X, np.flatnonzero(present))]
        dtype = np.float64 if self.precision == "float64" else np.float32
        offsets = np.concatenate([[0], np.cumsum(np.where(present, X[BAGS].lengths, 0))])
        return BagArray(np.concatenate([np.zeros((0, self.n_heads), dtype), *found]), offsets)

    def _prepare(self, X, y, sample_weight, groups):
        """Checked data: X, the rows that have a bag, and their classes, weights and groups."""
        check_parameters(self, _RULES)
        vars(self).pop("net_", None)  # a fit that fails must not leave the old net with new data
        X = validate_bags(self, X, reset=True)
        classes, codes = encode_labels(self, X, y)
        weights, groups = check_weights(sample_weight, len(X)), check_groups(groups, X)
        present = X.is_present(BAGS)
        if not present.any():
            raise messages.nothing_present(type(self).__name__)
        warn_without_modality(present, "fit leaves them out")
        rows = np.flatnonzero(present)
        self.classes_ = classes
        self._seed = draw_seed(self.random_state)
        return X, rows, codes[rows], weights[rows], None if groups is None else groups[rows]

    def _fit(self, X, rows, codes, weights, groups):
        """Train on all rows that have a bag."""
        self._fitted = self._train(X, rows, codes, weights, groups, self._seed, "X", self.verbose)
        self.net_ = self._fitted.net
        self.history_ = history_frame(self.net_)
        self.best_epoch_ = self._fitted.best_epoch
        self._n_features_out = self.n_heads * self.n_features_in_

    def _train(self, X, rows, codes, weights, groups, seed, where, verbose=0):
        """Train on the rows that have a weight."""
        used = weights > 0
        seen = np.unique(codes[used])
        if len(seen) < 2:
            only = f"the single class {self.classes_[seen[0]].item()!r}" if len(seen) else "no sample"
            raise ValueError(
                f"{type(self).__name__} needs samples of at least 2 classes that have a bag and a weight. "
                f"Got {only} in {where}."
            )
        return train_attention(
            self,
            X,
            rows[used],
            codes[used],
            weights[used],
            None if groups is None else groups[used],
            n_classes=len(self.classes_),
            seed=seed,
            verbose=verbose,
        )

    def _folds(self, rows, codes, groups):
        """Positions of the samples of each fold."""
        cv = self.cv
        if not hasattr(cv, "split"):
            if groups is not None and len(np.unique(groups)) < cv:
                raise ValueError(
                    f"cv={cv} needs at least as many groups. Got {len(np.unique(groups))} instead."
                )
            folds = StratifiedKFold if groups is None else StratifiedGroupKFold
            cv = folds(cv, shuffle=True, random_state=self._seed)
        tests = [test for _, test in cv.split(np.zeros((len(rows), 1)), codes, groups)]
        if not np.array_equal(np.sort(np.concatenate(tests)), np.arange(len(rows))):
            raise ValueError(f"cv must test each sample exactly once. Got {cv!r} instead.")
        return [test for test in tests if len(test)]

    def _pool_fold(self, X, rows, train, test, codes, weights, groups, number):
        """Pool the samples of a fold with a network that is trained on the others, from the same seed."""
        groups = None if groups is None else groups[train]
        where = f"the samples outside of fold {number}"
        fitted = self._train(X, rows[train], codes[train], weights[train], groups, self._seed, where)
        pooled = np.empty((len(X), self._n_features_out), dtype=float_type(X[BAGS].dtype))
        fitted.pool(X, rows[test], pooled)
        return pooled[rows[test]]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.target_tags.required = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
