"""MM static: representations weighted by fixed numbers, the plain counterpart of MM dynamics."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

from skmm._training import Choice, Instance
from skmm.fusion._base import BaseFusionClassifier
from skmm.fusion._common import check_image_sizes, widths_by_name
from skmm.fusion._stacking import weights_by_name
from skmm.nn import (
    Dropout,
    FusionOutput,
    ImageEncoder,
    NeutralVector,
    RandomFlips,
    renormalize,
    xavier_linear,
)

_SMALLEST = 4  # side of the smallest image: the encoder halves it twice


def _make_encoder(shape, width, flips):
    """The encoder of a table, or of an image that training mirrors at random."""
    if len(shape) == 1:
        return xavier_linear(*shape, width)
    encoder = ImageEncoder(shape, width)
    return encoder if flips is None else nn.Sequential(RandomFlips(flips), encoder)


class MMStaticModule(nn.Module):
    """The network of MM static; ``widths`` and ``weights`` in the order of ``shapes``."""

    def __init__(self, shapes, n_classes, widths, weights, *, dropout, missing, flips):
        super().__init__()
        self.encoders = nn.ModuleList(
            _make_encoder(shape, width, flips) for shape, width in zip(shapes.values(), widths, strict=True)
        )
        self.dropout = Dropout(dropout)
        self.neutral = (
            nn.ModuleList(NeutralVector(width) for width in widths) if missing == "neutral" else None
        )
        self.classifier = xavier_linear(sum(widths), n_classes)
        self.register_buffer("weights", torch.tensor(weights))

    def forward(self, inputs, present):
        """Logits and the fused vector."""
        weights = renormalize(self.weights, present, reference=self.weights)  # (batch, n_modalities)
        blocks = [
            self.dropout(torch.relu(encoder(x))) * weight[:, None]
            for encoder, x, weight in zip(self.encoders, inputs.values(), weights.unbind(dim=1), strict=True)
        ]
        if self.neutral is not None and not bool(present.all()):
            blocks = [
                neutral(block, here)
                for neutral, block, here in zip(self.neutral, blocks, present.unbind(dim=1), strict=True)
            ]
        fused = torch.cat(blocks, dim=1)  # (batch, sum of widths)
        return FusionOutput(self.classifier(fused), fused=fused)


class MMStaticClassifier(BaseFusionClassifier):
    r"""MM static: one encoder a modality, fused with fixed weights.

    With :math:`z_m = \mathrm{dropout}(\mathrm{relu}(E_m x_m + e_m))` and weights :math:`w_m` the fused vector
    is
    :math:`f = [w_1 z_1, \ldots, w_M z_M]`, modalities in alphabetical order, and the class probabilities are
    :math:`\mathrm{softmax}(W f + w_0)`, trained by their cross-entropy. As W could absorb the weights, they
    only change how fast a modality is learned and how strongly it is penalized. With equal weights it is MM
    dynamics without gates and without confidences.

    :math:`E_m` is an affine map of a table, and the small convolutional net of :class:`ImageMMDynamics`
    (:class:`skmm.nn.ImageEncoder`) of an image: grey or of 1, 3 or 4 channels, of 4 x 4 pixels or more, all
    of a modality of one size.

    Where a sample lacks modalities, the weights of the others are raised to the same total, and a learned
    neutral vector, or zero, stands in the place of each that is missing.

    Parameters
    ----------
    hidden : int or dict of str -> int, default=256
        Width of each modality's representation.
    modality_weights : dict of str -> float, or list of float, default=None
        Weights :math:`w_m`, not negative; a list is in alphabetical order of the modalities, a modality that
        a dict leaves out has 1. None for 1 each.
    flips : {"horizontal", "vertical", "both"}, default=None
        Mirror training images at random, with probability 1/2 in each direction; none in prediction.
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
        Standardize the columns of tables, and the channels of images over all their pixels, by their mean and
        deviation over the training samples that have them, and clip columns at 3 deviations. False for the
        paper's images in [0, 1]: bytes are divided by 255, others brought from the range seen in training.
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
    MMDynamicsClassifier : Weights that differ between samples.

    Notes
    -----
    The original trains with ``optimizer="adam", lr=1e-4, weight_decay=1e-4, batch_size=1024, max_epochs=250,
    standardize=False`` and class weights that are the number of classes times those of "balanced". Here
    values are standardized and clipped, and AdamW decays weights apart from the gradient, for which 0.3 is
    mild; for ``optimizer="adam"`` it is far too strong.

    References
    ----------
    Wenderoth: MMdynamics evolved, 2024; the plain counterpart of Han et al., Multimodal dynamics, CVPR 2022.

    Examples
    --------
    >>> from skmm.datasets import load_digits_views
    >>> from skmm.fusion import MMStaticClassifier
    >>> X, y = load_digits_views(return_X_y=True)
    >>> X = X[[name for name in X if X.kinds[name] == "table"]]
    >>> model = MMStaticClassifier(64, max_epochs=20, random_state=0).fit(X[:1000], y[:1000])
    >>> bool(model.score(X[1000:], y[1000:]) > 0.8)
    True
    """

    _accepts = ("table", "image")
    _fusion_strategy = "late"
    _parameter_rules = {
        "flips": (Choice((None, "horizontal", "vertical", "both")),),
        "modality_weights": (
            Choice((None,)),
            Instance((Mapping, list, tuple, np.ndarray), "a dict {modality: weight} or a list of weights"),
        ),
    }

    def __init__(
        self,
        hidden=256,
        *,
        modality_weights=None,
        flips=None,
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
        self.modality_weights = modality_weights
        self.flips = flips

    def _validate(self, X, *, reset):
        """What came, as a ModalityDict in alphabetical order; images that are too small are refused."""
        X = super()._validate(X, reset=reset)
        if reset:
            check_image_sizes(self, _SMALLEST)
        return X

    def _make_module(self, shapes, n_classes):
        """One encoder a modality, and an affine map to the classes."""
        names = self.schema_.names
        weights = dict(zip(names, weights_by_name(self.modality_weights, names), strict=True))
        return MMStaticModule(
            shapes,
            n_classes,
            widths_by_name(self.hidden, names, shapes),
            [weights[name] for name in shapes],
            dropout=self.dropout,
            missing=self.missing,
            flips=self.flips,
        )
