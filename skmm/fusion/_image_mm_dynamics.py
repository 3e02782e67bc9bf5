"""MM dynamics for images and tables together: a U-Net as the gate and a CNN as the encoder of an image."""

from numbers import Real

from torch.optim import LBFGS

from skmm._training import Choice, Number
from skmm.fusion._common import check_image_sizes
from skmm.fusion._mm_dynamics import MMDynamicsClassifier
from skmm.nn import ImageEncoder, RandomFlips, UNetGate

_SMALLEST = 16  # side of the smallest image: one cell of the U-Net at its coarsest


class ImageMMDynamics(MMDynamicsClassifier):
    r"""MM dynamics of images and tables: each patch, feature and modality weighted by how informative it is.

    :class:`MMDynamicsClassifier` with the terms of its formulas for images too: the gate :math:`g_m` of an
    image is a map of patches from a compact U-Net (:class:`skmm.nn.UNetGate`), which multiplies all its
    channels, and its encoder :math:`E_m` a small convolutional net (:class:`skmm.nn.ImageEncoder`); all else
    is as there, the loss included, in which :math:`\bar g_m` is the mean over pixels. Any number of tables
    and images goes together, and each may be missing in any sample; on tables alone it is that class, with
    other defaults of ``lr`` and ``max_epochs``.

    Images are grey (n_samples, height, width) or have 1, 3 or 4 channels (n_samples, height, width,
    channels), other numbers of channels where ``ModalityDict`` is told ``kinds={name: "image"}``. They are of
    16 x 16 pixels or more, all of a modality of one size; modalities may differ in it. Lazy arrays are read
    batch by batch.

    Parameters
    ----------
    hidden : int or dict of str -> int, default=256
        Width of each modality's representation.
    feature_gate : {"auto", "dense", "low_rank", "diagonal"}, default="auto"
        Form of :math:`A_m` of the tables, as in :class:`MMDynamicsClassifier`; None for no gate at all, of
        images neither, and no penalty of it.
    gate_rank : int, default=32
        Rank of a "low_rank" gate.
    patch_size : {4, 8}, default=4
        Side, in pixels, of the squares on which the gate of an image is constant. The paper's text speaks of
        4, its code has 8.
    gate_lr : float, default=0.1
        Learning rate of the gates of images as a share of ``lr``, in (0, 1]. With 1, as in the paper, a gate
        can close before the encoder has learned anything, and stay so: its modality is lost. Callbacks
        that scale the rate keep the share; schedulers with rates of their own, as ``CyclicLR``, take a list:
        the gate of each image modality in alphabetical order, then all else.
    flips : {"horizontal", "vertical", "both"}, default=None
        Mirror training images at random, with probability 1/2 in each direction, never in prediction. Worth
        setting wherever orientation means nothing, as with cells: the encoder knows some hundred images by
        heart otherwise. None where it means something, as in X-rays, where left is not right.
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
    max_epochs : int, default=50
        Passes over the training data.
    lr : float, default=1e-3
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
        paper's images in [0, 1]: bytes are divided by 255, floats within [0, 1] stay, others are brought from
        the range seen in training.
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
    MMDynamicsClassifier : The same for tables.

    Notes
    -----
    The convolutional nets are the paper's: small, without normalization and not pretrained. With some hundred
    images, features of a pretrained network as a table are the stronger choice.

    The gate and the encoder learn against each other: an encoder that sees nothing yet lets the gate close,
    and a closed gate shows it nothing. Standardized images and a gate that learns more slowly let the encoder
    be first, neither of which is the paper's; look whether all maps of ``feature_informativeness`` are near
    0.

    The paper's settings are ``hidden={"image": 500, "protein": 35, "rna": 250}, feature_gate="dense",
    patch_size=8, gate_lr=1.0, flips="both", confidence_activation=None, detach_confidence=False,
    max_epochs=250, lr=1e-4, batch_size=1024, optimizer="adam", weight_decay=1e-4, standardize=False``, on
    images of 64 x 64 and tables as they are. Its class weights are in the cross-entropies alone, and larger
    than "balanced" by the number of classes; it mirrored images in prediction, too. Feature maps of images
    larger than 64 x 64 are pooled before the affine maps, which bounds the number of parameters.

    References
    ----------
    Han, Yang, Huang, Zhang, Yao: Multimodal dynamics: dynamical fusion for trustworthy multimodal
    classification. CVPR 2022.

    Wenderoth: MMdynamics-evolved, code on GitHub: the networks for images.

    Examples
    --------
    >>> from skmm.datasets import make_multimodal_classification
    >>> from skmm.fusion import ImageMMDynamics
    >>> X, y = make_multimodal_classification(
    ...     200, modalities={"cells": {"kind": "image"}, "rna": {"kind": "table"}}, random_state=0
    ... )
    >>> model = ImageMMDynamics(16, max_epochs=10, flips="both", random_state=0).fit(X[:150], y[:150])
    >>> maps = model.feature_informativeness(X[150:])["cells"]
    >>> maps.shape
    (50, 16, 16)
    >>> bool((maps[:, :4, :4] == maps[:, :1, :1]).all())
    True
    """

    _accepts = ("table", "image")
    _instead = {"bag": "HEALNetClassifier or MCATClassifier", "volume": "HEALNetClassifier"}
    _parameter_rules = {
        **MMDynamicsClassifier._parameter_rules,
        "patch_size": (Choice((4, 8)),),
        "gate_lr": (Number(Real, 0, 1, "right"),),
        "flips": (Choice((None, "horizontal", "vertical", "both")),),
    }
    _search_space = {
        **MMDynamicsClassifier._search_space,
        "lr": ("log", 1e-4, 3e-3),
        "patch_size": ("categorical", [4, 8]),
        "flips": ("categorical", [None, "horizontal", "both"]),
    }

    def __init__(
        self,
        hidden=256,
        *,
        feature_gate="auto",
        gate_rank=32,
        patch_size=4,
        gate_lr=0.1,
        flips=None,
        confidence_weighting=True,
        confidence_activation="clamp",
        detach_confidence=True,
        gate_penalty=1.0,
        confidence_penalty=1.0,
        classification_penalty=1.0,
        dropout=0.5,
        max_epochs=50,
        lr=1e-3,
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
            feature_gate=feature_gate,
            gate_rank=gate_rank,
            confidence_weighting=confidence_weighting,
            confidence_activation=confidence_activation,
            detach_confidence=detach_confidence,
            gate_penalty=gate_penalty,
            confidence_penalty=confidence_penalty,
            classification_penalty=classification_penalty,
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
        self.patch_size = patch_size
        self.gate_lr = gate_lr
        self.flips = flips

    def _validate(self, X, *, reset):
        """What came, as a ModalityDict in alphabetical order; images that are too small are refused."""
        X = super()._validate(X, reset=reset)
        if reset:
            check_image_sizes(self, _SMALLEST)
        return X

    def _make_module(self, shapes, n_classes):
        """The network; gates of images learn with a share of the learning rate."""
        module = super()._make_module(shapes, n_classes)
        images = [column for column, shape in enumerate(shapes.values()) if len(shape) > 1]
        if images and self.feature_gate is not None and self.gate_lr != 1:
            if self.optimizer is LBFGS:
                raise ValueError(
                    "The optimizer LBFGS has one learning rate for all parameters: use gate_lr=1 with it. "
                    f"Got gate_lr={self.gate_lr!r}."
                )
            # NOTE[DIFF] The paper has one rate for all.
            module.lr_shares = {f"branches.{column}.gate.*": self.gate_lr for column in images}
        return module

    def _make_parts(self, shape, width):
        """Gate, encoder and flips of a modality whose entries have a shape."""
        if len(shape) == 1:
            return super()._make_parts(shape, width)
        return {
            "gate": None if self.feature_gate is None else UNetGate(shape[0], int(self.patch_size)),
            "encoder": ImageEncoder(shape, width),
            "augment": None if self.flips is None else RandomFlips(self.flips),
        }

    def feature_informativeness(self, X):
        """How informative each feature of a table, and each pixel of an image, is for each sample: the gates.

        Parameters
        ----------
        X : mapping of str -> array, ModalityDict, or array of shape (n_samples, n_features)
            The modalities.

        Returns
        -------
        dict of str -> ndarray
            Values in (0, 1) by modality: of shape (n_samples, n_features) for a table, and for images heat
            maps of shape (n_samples, height, width), constant on each patch. Zeros for samples that lack the
            modality.

        Raises
        ------
        ValueError
            If the classifier has no gates.
        """
        found = super().feature_informativeness(X)
        return {
            name: gate[:, 0] if self.schema_.kinds[name] == "image" else gate for name, gate in found.items()
        }
