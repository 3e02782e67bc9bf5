"""MM dynamics: fusion weighted by how informative each modality is for each sample (Han et al. 2022)."""

from numbers import Integral

import pandas as pd
import torch
from sklearn.utils.validation import check_is_fitted
from torch import nn

from skmm._training import Choice, Number
from skmm._training._parameters import FLAG, NON_NEGATIVE
from skmm.fusion._base import BaseFusionClassifier
from skmm.fusion._common import widths_by_name
from skmm.nn import Dropout, FeatureGate, FusionOutput, NeutralVector, renormalize, xavier_linear

_DENSE_GATE = 500  # features up to which an automatic gate is dense: a quarter of a million parameters
_CONFIDENCE = ""  # key of the confidences beside the gates: no modality has an empty name


def _masked(values, here):
    """Values of the samples that have a modality, zero for the others; ``here`` None has all."""
    if here is None:
        return values
    return values * here.to(values.dtype).reshape(-1, *[1] * (values.ndim - 1))


class _Branch(nn.Module):
    """One modality: gate, encoder, and the two heads that judge it alone."""

    def __init__(self, n_features, width, n_classes, *, gate, gate_rank, confidence, dropout, neutral):
        super().__init__()
        if gate == "auto":
            gate = "dense" if n_features <= _DENSE_GATE else "low_rank"
        self.gate = None if gate is None else FeatureGate(n_features, gate, gate_rank)
        self.encoder = xavier_linear(n_features, width)
        self.dropout = Dropout(dropout)
        # NOTE[DIFF] Heads that an ablation does not use are not made; the second system kept them, without
        # gradient.
        self.classifier = xavier_linear(width, n_classes) if confidence else None
        self.confidence = xavier_linear(width, 1) if confidence else None
        self.neutral = NeutralVector(width) if neutral else None

    def forward(self, x):
        """Gate g (None without one) and representation z."""
        gate = None if self.gate is None else self.gate(x)  # (batch, n_features)
        z = torch.relu(self.encoder(x if gate is None else x * gate))
        return gate, self.dropout(z)  # (batch, width)


class MMDynamicsModule(nn.Module):
    """The network of MM dynamics; parameters as in its classifier, ``widths`` in the order of ``shapes``."""

    def __init__(
        self,
        shapes,
        n_classes,
        widths,
        *,
        dropout,
        missing,
        feature_gate,
        gate_rank,
        confidence_weighting,
        confidence_activation,
        detach_confidence,
        gate_penalty,
        confidence_penalty,
        classification_penalty,
    ):
        super().__init__()
        self.modalities = tuple(shapes)
        self.confidence_weighting = confidence_weighting
        self.confidence_activation = confidence_activation
        self.detach_confidence = detach_confidence
        self.gate_penalty = gate_penalty
        self.confidence_penalty = confidence_penalty
        self.classification_penalty = classification_penalty
        self.branches = nn.ModuleList(
            _Branch(
                n_features,
                width,
                n_classes,
                gate=feature_gate,
                gate_rank=gate_rank,
                confidence=confidence_weighting,
                dropout=dropout,
                neutral=missing == "neutral",
            )
            for (n_features,), width in zip(shapes.values(), widths, strict=True)
        )
        self.classifier = xavier_linear(sum(widths), n_classes)

    def forward(self, inputs, present):
        """Logits, the losses of the paper, gates by modality, confidences, and the fused vector."""
        # Most batches miss nothing: they go without the masks, which change nothing there.
        masks = [None] * len(self.branches) if bool(present.all()) else list(present.unbind(dim=1))
        losses, gates, confidences, parts = {}, {}, [], []
        for name, branch, here in zip(self.modalities, self.branches, masks, strict=True):
            gate, z = branch(inputs[name])
            parts.append(z)
            if gate is not None:
                gates[name] = _masked(gate, here)
                losses[f"gate/{name}"] = _masked(self.gate_penalty * gate.mean(dim=1), here)
            if self.confidence_weighting:
                confidences.append(_masked(self._judge(name, branch, z, here, losses), here))
        weights = (
            torch.stack(confidences, dim=1) if confidences else torch.ones_like(present, dtype=parts[0].dtype)
        )
        informativeness = {**gates, _CONFIDENCE: weights}
        if masks[0] is not None:
            weights = renormalize(weights, present)
        blocks = [z * weight[:, None] for z, weight in zip(parts, weights.unbind(dim=1), strict=True)]
        if masks[0] is not None and self.branches[0].neutral is not None:
            blocks = [
                branch.neutral(block, here)
                for branch, block, here in zip(self.branches, blocks, masks, strict=True)
            ]
        fused = torch.cat(blocks, dim=1)  # (batch, sum of widths)
        logits = self.classifier(fused)
        losses["classification"] = -self.classification_penalty * torch.log_softmax(logits, dim=1)
        return FusionOutput(logits, losses, informativeness, fused)

    def _judge(self, name, branch, z, here, losses):
        """Confidence c of one modality, (batch,); adds the losses that teach it, by possible true class."""
        confidence = branch.confidence(z)[:, 0]
        if self.confidence_activation == "sigmoid":
            confidence = torch.sigmoid(confidence)
        elif self.confidence_activation == "clamp" and not self.training:
            # NOTE[DIFF] The paper never bounds it. In training it stays linear here too: one beyond
            # the bounds would have no gradient.
            confidence = confidence.clamp(0, 1)
        log_proba = torch.log_softmax(branch.classifier(z), dim=1)  # (batch, n_classes)
        # NOTE[DIFF] The papers' code does not detach the target, so that the square also moves the prediction
        # towards the confidence; detach_confidence=False is that.
        target = log_proba.detach().exp() if self.detach_confidence else log_proba.exp()
        error = (confidence[:, None] - target).square()
        losses[f"confidence/{name}"] = _masked(self.confidence_penalty * error, here)
        losses[f"classification/{name}"] = _masked(-self.confidence_penalty * log_proba, here)
        return confidence


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
        return MMDynamicsModule(
            shapes,
            n_classes,
            widths_by_name(self.hidden, self.schema_.names, shapes),
            dropout=self.dropout,
            missing=self.missing,
            feature_gate=self.feature_gate,
            gate_rank=self.gate_rank,
            confidence_weighting=bool(self.confidence_weighting),
            confidence_activation=self.confidence_activation,
            detach_confidence=bool(self.detach_confidence),
            gate_penalty=self.gate_penalty,
            confidence_penalty=self.confidence_penalty,
            classification_penalty=self.classification_penalty,
        )

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
        if self.net_.module_.branches[0].gate is None:
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
        check_is_fitted(self, "net_")
        if not self.net_.module_.confidence_weighting:
            raise ValueError(
                "modality_confidence needs confidences. Got confidence_weighting=False: fit with True."
            )
        X = self._validate_new(X, "their confidences are 0")
        confidence = self._run(X, lambda output: output.informativeness[_CONFIDENCE])
        return pd.DataFrame(confidence, index=X.index, columns=list(self.modalities_))
