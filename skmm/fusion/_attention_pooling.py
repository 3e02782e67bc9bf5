"""Attention pooling: the slices of a series become one vector, and the series of a patient another."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted
from torch import nn

from skmm._training import Choice, Instance
from skmm._training._parameters import COUNT, FLAG
from skmm.containers import BagArray
from skmm.containers import _validation as messages
from skmm.fusion._attention_maps import bag_lengths
from skmm.fusion._attention_pooling_network import (
    WEIGHTS,
    AttentionPoolingModule,
    BagAverage,
    Branch,
    FusedModels,
    GivenEncoder,
    LateModels,
)
from skmm.fusion._base import BaseFusionClassifier
from skmm.fusion._common import widths_by_name
from skmm.nn import AttendedAverage, BagAttentionPooling, ImageEncoder, xavier_linear

_SMALLEST = 4  # side of the smallest image: the encoder halves it twice
_ONE_WIDTH = ("cnn", "mean", "dynamic")  # fusions that put vectors on top of each other


class AttentionPoolingClassifier(BaseFusionClassifier):
    r"""Attention pooling: slices become one vector a series, series one vector a patient, and models decide.

    An encoder maps each entry of modality m, of a bag each instance :math:`x_i`, to
    :math:`h_i = \mathrm{relu}(E_m(x_i))`. The instances of a bag become one vector :math:`v_m`: with
    ``pooling="attention"`` it is

    .. math::

        v_m = \sum_i \alpha_i h_i, \qquad \alpha_i = \mathrm{softmax}_i(s_m(h_i)),

    with scores :math:`s_m` as in :class:`skmm.nn.BagAttentionPooling`; "average" has equal weights, and
    "attended_average" averages the instances after each has looked at the others
    (:class:`skmm.nn.AttendedAverage`). Any other modality has :math:`v_m = h`.

    With presence :math:`r_m`, 1 where a sample has modality m and 0 elsewhere, the vectors are fused as

    - "cnn": channels of a convolution along the vectors, which is pooled and mapped to the width;
    - "concat": side by side;
    - "mean": :math:`\sum_m r_m v_m / \sum_k r_k`;
    - "dynamic": :math:`\sum_m w_m v_m` with :math:`w_m = r_m a_m / \sum_k r_k a_k` and
      :math:`a_m = \exp(a^\top v_m)` (:class:`skmm.nn.ModalityAttention`);
    - "late": not at all. Each modality has models of its own, whose probabilities :math:`p_m` are combined as
      :math:`\sum_m w_m p_m`, with such weights of learned :math:`a_m`, the same for all samples.

    Each of the ``n_heads`` models is a net of one hidden layer; their probabilities are averaged, and each
    learns by a cross-entropy of its own. "late" learns the weights from the cross-entropy of the mixture.

    A learned vector, or zero, takes the place of a modality that is missing in "cnn" and "concat"; in the
    others what is present shares the weights. Bags are stored flat and never filled up: memory goes by
    instances. Dropout follows the vectors, the branches of the scores, and the hidden layers of the models.

    The published architectures are

    ======================= ================== ================= ========== ===========
    architecture            ``pooling``        ``share_pooling`` ``fusion`` ``n_heads``
    ======================= ================== ================= ========== ===========
    1.1                     "attended_average" True              "cnn"      1
    1.2                     "attention"        True              "cnn"      3, say
    2                       "attended_average" True              "late"     1
    proposed_architecture-1 "average"          -                 "cnn"      1
    ======================= ================== ================= ========== ===========

    Parameters
    ----------
    hidden : int or dict of str -> int, default=64
        Width of each modality's instances and vector. The fusions "cnn", "mean" and "dynamic" need one for
        all, as bags do that share a pooling.
    encoder : torch.nn.Module or dict of str -> torch.nn.Module, default=None
        Encoder of images, or of any modality that a dict names: from (n, channels, height, width), or
        (n, n_features) for rows and vectors, to (n, n_outputs), or anything that flattens to it; an affine
        map to the width follows. Each modality trains a copy, whose dropout follows ``random_state``. None,
        or a modality that a dict leaves out, is an affine map of vectors, and of images the small net
        :class:`skmm.nn.ImageEncoder`, which sees where in the image something lies. There is none for
        volumes.
    freeze_encoder : bool, default=False
        Whether given encoders keep their weights, and stay in evaluation. Where slices are many it is faster
        to embed them once, before.
    pooling : {"attention", "average", "attended_average"}, default="attention"
        How the instances of a bag become one vector.
    attention : {"softmax", "gated"}, default="gated"
        Scores of ``pooling="attention"``: linear, or gated attention (Ilse et al. 2018).
    share_pooling : bool, default=False
        Whether one attention serves all bags.
    fusion : {"cnn", "concat", "mean", "dynamic", "late"}, default="concat"
        How the vectors of the modalities become one, or their models one prediction.
    n_heads : int, default=1
        Number of models of the fused vector, or of each modality's with "late".
    dropout : float, default=0.25
        Share of entries that a training step drops, in [0, 1).
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
        What stands for a modality that is missing in "cnn" and "concat": a learned vector, or zeros.
    standardize : bool, default=True
        Standardize the columns of tables, also those that are instances of bags, and the channels of images
        by their mean and deviation over the training samples that have them; clip columns at 3 deviations.
        False for encoders that were trained on images in [0, 1].
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
    MCATClassifier : One modality guides the attention over the instances of the others.
    LateFusionClassifier : Late fusion of any scikit-learn classifiers.

    Notes
    -----
    The published work, on MRI series of the lumbar spine, gives the architectures as diagrams. Open there,
    and decided here: the convolution (16 channels, 3 wide), the attention before the average of 1.1 and 2
    (self-attention), the models, and how they are combined. Of a single series, as embeddings of 512 numbers,
    its one neural network is trained with ``optimizer="adam", weight_decay=0, max_epochs=20, batch_size=16``.

    ``transform`` gives the fused vector (with "late" the vectors side by side), as the step of a Pipeline
    before any other classifier. That of the training samples has seen y, so that what is trained on it is
    surer than it should be; judge by cross-validation of the whole Pipeline.

    References
    ----------
    Ilse, Tomczak, Welling: Attention-based deep multiple instance learning. ICML 2018.

    Examples
    --------
    >>> from skmm.datasets import make_multimodal_classification
    >>> from skmm.fusion import AttentionPoolingClassifier
    >>> modalities = {"t1": {"kind": "bag"}, "t2": {"kind": "bag"}, "clinical": {"n_features": 5}}
    >>> X, y = make_multimodal_classification(200, modalities=modalities, missing=0.2, random_state=0)
    >>> model = AttentionPoolingClassifier(16, fusion="dynamic", max_epochs=20, random_state=0)
    >>> model = model.fit(X[:150], y[:150])
    >>> bool(model.score(X[150:], y[150:]) > 0.7)
    True
    >>> slices = model.attention_weights(X[150:])["t1"]
    >>> bool(abs(slices[0].sum() - 1) < 1e-5)
    True
    >>> series = model.modality_weights(X[150:])
    >>> bool((series["t2"][~X[150:].is_present("t2")] == 0).all())
    True
    """

    _accepts = ("table", "image", "bag")
    _parameter_rules = {
        "encoder": (
            Choice((None,)),
            Instance(nn.Module, "a torch module"),
            Instance(Mapping, "a dict {modality: module}"),
        ),
        "freeze_encoder": (FLAG,),
        "pooling": (Choice(("attention", "average", "attended_average")),),
        "attention": (Choice(("softmax", "gated")),),
        "share_pooling": (FLAG,),
        "fusion": (Choice(("cnn", "concat", "mean", "dynamic", "late")),),
        "n_heads": (COUNT,),
    }
    _search_space = {
        **BaseFusionClassifier._search_space,
        "hidden": ("log_int", 16, 256),
        "pooling": ("categorical", ["attention", "average"]),
        "attention": ("categorical", ["softmax", "gated"]),
        "fusion": ("categorical", ["cnn", "concat", "mean", "dynamic", "late"]),
    }

    def __init__(
        self,
        hidden=64,
        *,
        encoder=None,
        freeze_encoder=False,
        pooling="attention",
        attention="gated",
        share_pooling=False,
        fusion="concat",
        n_heads=1,
        dropout=0.25,
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
        self.encoder = encoder
        self.freeze_encoder = freeze_encoder
        self.pooling = pooling
        self.attention = attention
        self.share_pooling = share_pooling
        self.fusion = fusion
        self.n_heads = n_heads

    @property
    def _fusion_strategy(self):
        """Where the modalities are joined."""
        return "late" if self.fusion == "late" else "intermediate"

    def _make_module(self, shapes, n_classes):
        """A branch for each modality, and what decides from their vectors."""
        widths = dict(zip(shapes, widths_by_name(self.hidden, self.schema_.names, shapes), strict=True))
        if self.fusion in _ONE_WIDTH:
            self._check_one_width(widths, f"fusion={self.fusion!r} needs vectors")
        bags = {name: width for name, width in widths.items() if self.schema_.kinds[name] == "bag"}
        if self.share_pooling:
            self._check_one_width(bags, "share_pooling=True needs instances")
        encoders = self._given_encoders(shapes)
        shared = self._make_pooling(next(iter(bags.values()))) if bags and self.share_pooling else None
        branches = {}
        for name, shape in shapes.items():
            encoder = self._make_encoder(name, shape, widths[name], encoders.get(name))
            pooling = (shared or self._make_pooling(widths[name])) if name in bags else None
            branches[name] = Branch(encoder, widths[name], pooling=pooling, dropout=self.dropout)
        options = {"n_heads": self.n_heads, "dropout": self.dropout}
        decide = (
            LateModels(list(widths.values()), n_classes, **options)
            if self.fusion == "late"
            else FusedModels(self.fusion, list(widths.values()), n_classes, **options)
        )
        return AttentionPoolingModule(branches, decide, missing=self.missing)

    def _make_pooling(self, width):
        """What makes one vector of the instances of a bag."""
        if self.pooling == "average":
            return BagAverage()
        if self.pooling == "attended_average":
            return AttendedAverage(width, width)
        return BagAttentionPooling(width, width, attention=self.attention, dropout=self.dropout)

    def _given_encoders(self, shapes):
        """The user's encoder of each modality that has one."""
        if self.encoder is None:
            return {}
        if not isinstance(self.encoder, Mapping):
            pictured = [name for name, shape in shapes.items() if len(shape) > 1]
            if not pictured:
                raise ValueError(
                    "An encoder for all is for images and bags of images, of which there are none: name the "
                    f"modalities it is for, as in encoder={{'mri': module}}. Got {messages.quoted(shapes)}."
                )
            return dict.fromkeys(pictured, self.encoder)
        unknown = [name for name in self.encoder if name not in self.schema_.names]
        if unknown:
            raise messages.unknown_names("encoder", unknown, self.schema_.names)
        wrong = {name: given for name, given in self.encoder.items() if not isinstance(given, nn.Module)}
        if wrong:
            raise ValueError(f"The encoders must be torch modules. Got {wrong!r} instead.")
        return self.encoder

    def _make_encoder(self, name, shape, width, given):
        """The encoder of a modality's entries, or of the instances of its bags."""
        if given is not None:
            return GivenEncoder(given, shape, width, frozen=bool(self.freeze_encoder), name=name)
        if len(shape) == 1:
            return xavier_linear(*shape, width)
        if len(shape) == 3:
            if min(shape[1:]) < _SMALLEST:
                raise messages.images_too_small(name, shape[1:], _SMALLEST, type(self).__name__)
            return ImageEncoder(shape, width)
        raise ValueError(
            f"The instances of modality {name!r} are volumes of shape {shape}, channels first, which have no "
            f"encoder of their own here: give one, as in encoder={{{name!r}: module}}."
        )

    @staticmethod
    def _check_one_width(widths, what):
        """Raise where modalities have different widths."""
        if len(set(widths.values())) > 1:
            raise ValueError(f"{what} of one width. Got hidden={widths!r}: use one number for all.")

    def attention_weights(self, X):
        r"""How much each instance of each bag counts in the vector of its modality.

        With ``pooling="attention"`` the weights :math:`\alpha_i`, with "average" equal ones, and with
        "attended_average" how much each instance is looked at, averaged over those of its bag.

        Parameters
        ----------
        X : mapping of str -> array, ModalityDict, or array of shape (n_samples, n_features)
            The modalities.

        Returns
        -------
        dict of str -> BagArray
            By modality of bags: a weight an instance. Those of a sample sum to 1; a sample that lacks the
            modality has none.

        Raises
        ------
        ValueError
            If no modality holds bags; and as `predict_proba` does.
        """
        X = self._validate_new(X, "they have no weights")
        lengths = bag_lengths(X, self.modalities_)
        if not lengths:
            raise ValueError(
                f"attention_weights needs a modality of bags. Got {messages.quoted(self.modalities_)}, "
                "none of which is one."
            )
        found = {name: [] for name in lengths}

        def read(output):  # instances of a batch, where samples are what is put together
            for name, parts in found.items():
                parts.append(output.informativeness[name].float().cpu().numpy())
            return output.logits

        self._run(X, read, attention=True)
        return {
            name: BagArray(np.concatenate(parts), np.concatenate([[0], np.cumsum(lengths[name])]))
            for name, parts in found.items()
        }

    def modality_weights(self, X):
        r"""How much each modality counts in what is fused: the weights :math:`w_m`.

        Parameters
        ----------
        X : mapping of str -> array, ModalityDict, or array of shape (n_samples, n_features)
            The modalities.

        Returns
        -------
        DataFrame of shape (n_samples, n_modalities)
            Weights of the vectors, or with ``fusion="late"`` of the probabilities, a column a modality. Rows
            sum to 1; 0 where a modality is missing. The index is that of ``X``.

        Raises
        ------
        ValueError
            If the fusion has no weights, which "cnn" and "concat" have not; and as `predict_proba` does.
        """
        check_is_fitted(self, "net_")
        if not self.net_.module_.has_weights:
            raise ValueError(
                "modality_weights needs a fusion that weighs modalities, 'dynamic', 'late' or 'mean'. "
                f"Got fusion={self.fusion!r}: fit with another one."
            )
        X = self._validate_new(X, "their weights are 0")
        weights = self._run(X, lambda output: output.informativeness[WEIGHTS])
        return pd.DataFrame(weights, index=X.index, columns=list(self.modalities_))
