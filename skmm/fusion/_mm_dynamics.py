"""MM dynamics: fusion weighted by how informative each modality is for each sample (Han et al. 2022)."""

from numbers import Integral

import numpy as np
import pandas as pd
from scipy.special import softmax
from sklearn.utils.validation import check_is_fitted

from skmm._training import Choice, Number
from skmm._training._parameters import FLAG, NON_NEGATIVE
from skmm.fusion._base import BaseFusionClassifier
from skmm.fusion._common import widths_by_name
from skmm.fusion._mm_dynamics_network import ALONE, CONFIDENCE, Branch, MMDynamicsModule, table_parts


class MMDynamicsClassifier(BaseFusionClassifier):
    r"""MM dynamics: each feature and each modality weighted, per sample, by how informative it is.

    For modality m with features :math:`x_m`,

    .. math::
        g_m = \sigma(A_m x_m + a_m), \quad z_m = \mathrm{dropout}(\mathrm{relu}(E_m (x_m \odot g_m) + e_m)),
        \quad c_m = v_m^\top z_m + v_{0m}, \quad p_m = \mathrm{softmax}(U_m z_m + b_m)

    are the informativeness of its features, its representation, the confidence in it and the prediction from
    it alone. The fused vector is :math:`f = [w_1 z_1, \ldots, w_M z_M]`, modalities in alphabetical order,
    and the class probabilities are
    :math:`\mathrm{softmax}(W f + w_0)`. Training minimizes

    .. math::
        \lambda_c \mathrm{CE} + \sum_m \left[\lambda_{FI} \bar g_m + \lambda_{MI}
        \left((c_m - p_m[y])^2 + \mathrm{CE}_m\right)\right]

    with the cross-entropies CE of the fused prediction and :math:`\mathrm{CE}_m` of :math:`p_m`: the gates
    become sparse, and the confidence an estimate of the probability of the true class. Terms are averaged
    over samples; those of a missing modality are 0.

    The weights are :math:`w_m = c_m` where every modality is present, as in the paper. A missing modality has
    confidence 0, and the others are raised: :math:`w_m = c_m M / n` with n of M modalities present. Its block
    of f is a learned neutral vector or zero.

    Parameters
    ----------
    hidden : int or dict of str -> int, default=256
        Width of each modality's representation.
    feature_gate : {"auto", "dense", "low_rank", "diagonal"}, default="auto"
        Form of :math:`A_m`; None for no gate, :math:`g_m = 1`, and no penalty of it. A dense one, as in the
        paper, has as many parameters as the square of the number of features; "auto" is dense up to 500
        features and "low_rank" beyond.
    gate_rank : int, default=32
        Rank of a "low_rank" gate.
    confidence_weighting : bool, default=True
        Whether modalities are weighted by confidence; False for :math:`c_m = 1`, without the terms of
        :math:`\lambda_{MI}`.
    confidence_activation : {"clamp", "sigmoid"}, default="clamp"
        "clamp" brings :math:`c_m` to [0, 1], as a probability is, outside training; "sigmoid" to (0, 1),
        always; None leaves it unbounded, as in the paper, so that it can be negative and turn a modality's
        evidence around.
    detach_confidence : bool, default=True
        Whether :math:`p_m[y]` is a fixed target of the confidence. In the paper's code it is not: there the
        square also moves the prediction towards the confidence.
    gate_penalty : float, default=1.0
        :math:`\lambda_{FI}`; 0 keeps the gates and does not ask them to be sparse.
    confidence_penalty : float, default=1.0
        :math:`\lambda_{MI}`; 0 keeps the weighting, and only the fused prediction teaches it.
    classification_penalty : float, default=1.0
        :math:`\lambda_c`.
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
        Standardize the columns of tables by their mean and deviation over the training samples that have
        them, and clip them at 3 deviations.
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

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels.
    modalities_ : tuple of str
        Modalities that some training sample has, in alphabetical order.
    class_prior_ : ndarray of shape (n_classes,)
        Shares of the classes in the sample weights, without ``class_weight``; the prediction where a sample
        has no modality.
    history_ : DataFrame
        One row an epoch: "epoch", "train_loss", "duration" in seconds, and with early stopping "valid_loss"
        and "valid_accuracy"; besides the scores of callbacks.
    best_epoch_ : int or None
        Epoch whose weights early stopping restored.
    validation_rows_ : ndarray of int or None
        Rows of X that early stopping held out; None without it.
    net_ : skorch.NeuralNetClassifier
        The trained net; its ``module_`` is the network.
    n_features_in_ : int
        Number of features, where there is one table.
    feature_names_in_ : ndarray of str
        Names of the features, where there is one table that has them.

    See Also
    --------
    ImageMMDynamics : The same for images and tables together.
    MMStaticClassifier : Fixed weights of the modalities.
    LateFusionClassifier : Any classifier a modality, probabilities averaged or stacked.

    Notes
    -----
    The defaults were chosen on other data than the paper's, and differ from it. They add a clip of
    standardized values at 3 deviations, mini-batches, balanced classes, AdamW with decoupled decay,
    confidences within [0, 1], and no gradient through the target of the confidence. The paper's settings are
    ``hidden=1000, feature_gate="dense", confidence_activation=None, detach_confidence=False,
    class_weight=None, optimizer="adam", lr=1e-4, weight_decay=1e-4, batch_size=-1, standardize=False``, on
    columns scaled to [0, 1], as by ``ModalityTransformer`` with scikit-learn's ``MinMaxScaler``; 1001 epochs
    on ROSMAP with skorch's ``LRScheduler("StepLR", step_size=500, gamma=0.2)`` among the callbacks.
    ``optimizer="adam"`` has the penalty in its gradient, as in the paper, where 0.3 would be far too strong.

    References
    ----------
    Han, Yang, Huang, Zhang, Yao: Multimodal dynamics: dynamical fusion for trustworthy multimodal
    classification. CVPR 2022.

    Examples
    --------
    >>> from skmm.datasets import load_digits_views
    >>> from skmm.fusion import MMDynamicsClassifier
    >>> X, y = load_digits_views(return_X_y=True)
    >>> X = X[[name for name in X if X.kinds[name] == "table"]]
    >>> model = MMDynamicsClassifier(64, max_epochs=20, random_state=0).fit(X[:1000], y[:1000])
    >>> bool(model.score(X[1000:], y[1000:]) > 0.8)
    True
    >>> list(model.modality_confidence(X[1000:])) == sorted(X)
    True
    """

    _fusion_strategy = "late"
    _instead = {"image": "ImageMMDynamics"}
    _parameter_rules = {
        "feature_gate": (Choice((None, "auto", "dense", "low_rank", "diagonal")),),
        "gate_rank": (Number(Integral, 1),),
        "confidence_weighting": (FLAG,),
        "confidence_activation": (Choice((None, "clamp", "sigmoid")),),
        "detach_confidence": (FLAG,),
        "gate_penalty": (NON_NEGATIVE,),
        "confidence_penalty": (NON_NEGATIVE,),
        "classification_penalty": (NON_NEGATIVE,),
    }
    _search_space = {
        **BaseFusionClassifier._search_space,
        "feature_gate": ("categorical", ["auto", "diagonal", None]),
        "gate_penalty": ("log", 1e-2, 10.0),
        "confidence_penalty": ("log", 1e-1, 10.0),
    }

    def __init__(
        self,
        hidden=256,
        *,
        feature_gate="auto",
        gate_rank=32,
        confidence_weighting=True,
        confidence_activation="clamp",
        detach_confidence=True,
        gate_penalty=1.0,
        confidence_penalty=1.0,
        classification_penalty=1.0,
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
        super().__init__(
            hidden,
            dropout=dropout,
            max_epochs=max_epochs,
            lr=lr,
            batch_size=batch_size,
            optimizer=optimizer,
            weight_decay=weight_decay,
            early_stopping=early_stopping,
            n_iter_no_change=n_iter_no_change,
            tol=tol,
            validation_fraction=validation_fraction,
            modality_dropout=modality_dropout,
            missing=missing,
            standardize=standardize,
            class_weight=class_weight,
            callbacks=callbacks,
            warm_start=warm_start,
            precision=precision,
            device=device,
            random_state=random_state,
            verbose=verbose,
        )
        self.feature_gate = feature_gate
        self.gate_rank = gate_rank
        self.confidence_weighting = confidence_weighting
        self.confidence_activation = confidence_activation
        self.detach_confidence = detach_confidence
        self.gate_penalty = gate_penalty
        self.confidence_penalty = confidence_penalty
        self.classification_penalty = classification_penalty

    def _make_module(self, shapes, n_classes):
        """The network of the paper."""
        widths = widths_by_name(self.hidden, self.schema_.names, shapes)
        branches = {
            name: Branch(
                width,
                n_classes,
                **self._make_parts(shape, width),
                confidence=bool(self.confidence_weighting),
                dropout=self.dropout,
                neutral=self.missing == "neutral",
            )
            for (name, shape), width in zip(shapes.items(), widths, strict=True)
        }
        return MMDynamicsModule(
            branches,
            n_classes,
            confidence_activation=self.confidence_activation,
            detach_confidence=bool(self.detach_confidence),
            gate_penalty=self.gate_penalty,
            confidence_penalty=self.confidence_penalty,
            classification_penalty=self.classification_penalty,
        )

    def _make_parts(self, shape, width):
        """Gate and encoder of a modality whose entries have a shape."""
        (n_features,) = shape
        return table_parts(n_features, width, feature_gate=self.feature_gate, gate_rank=self.gate_rank)

    def feature_informativeness(self, X):
        """How informative each feature is for each sample: the gates.

        Parameters
        ----------
        X : mapping of str -> array, ModalityDict, or array of shape (n_samples, n_features)
            The modalities.

        Returns
        -------
        dict of str -> ndarray of shape (n_samples, n_features)
            Values in (0, 1) by modality; zeros in the rows of samples that lack it.

        Raises
        ------
        ValueError
            If the classifier has no gates.
        """
        check_is_fitted(self, "net_")
        if not self.net_.module_.has_gates:
            raise ValueError(
                "feature_informativeness needs gates. Got feature_gate=None: fit with another one."
            )
        X = self._validate_new(X, "their informativeness is 0")
        return self._run(X, lambda output: {name: output.informativeness[name] for name in self.modalities_})

    def modality_confidence(self, X):
        """The confidence in each modality for each sample: the estimated probability of the true class.

        Parameters
        ----------
        X : mapping of str -> array, ModalityDict, or array of shape (n_samples, n_features)
            The modalities.

        Returns
        -------
        DataFrame of shape (n_samples, n_modalities)
            Confidences :math:`c_m` before any renormalization, a column a modality; 0 where it is missing.
            The index is that of ``X``.

        Raises
        ------
        ValueError
            If the classifier has no confidences.
        """
        self._check_weighting("modality_confidence needs confidences")
        X = self._validate_new(X, "their confidences are 0")
        confidence = self._run(X, lambda output: output.informativeness[CONFIDENCE])
        return pd.DataFrame(confidence, index=X.index, columns=list(self.modalities_))

    def modality_proba(self, X):
        """Probabilities of the classes from each modality alone.

        Parameters
        ----------
        X : mapping of str -> array, ModalityDict, or array of shape (n_samples, n_features)
            The modalities.

        Returns
        -------
        dict of str -> ndarray of shape (n_samples, n_classes)
            :math:`p_m` by modality; rows sum to 1. The class prior where a sample lacks it.

        Raises
        ------
        ValueError
            If the classifier has no confidences, which these predictions teach.
        """
        self._check_weighting("modality_proba needs the predictions that teach confidences")
        X = self._validate_new(X, "they get the class prior")
        names = self.modalities_
        found = self._run(X, lambda output: {name: output.informativeness[ALONE + name] for name in names})
        for name, scores in found.items():
            proba = softmax(scores.astype(np.float64), axis=1)
            proba[~X.is_present(name)] = self.class_prior_
            found[name] = proba.astype(scores.dtype, copy=False)
        return found

    def _check_weighting(self, what):
        """Raise where the network has no heads that judge modalities."""
        check_is_fitted(self, "net_")
        if not self.net_.module_.confidence_weighting:
            raise ValueError(f"{what}. Got confidence_weighting=False: fit with True.")
