"""ImageTextClassifier: encoders of images and of texts, each perhaps trained before, and a joint head."""

import os
from numbers import Integral, Real

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skmm._training import Choice, Instance, Number
from skmm.fusion._base import BaseFusionClassifier
from skmm.fusion._common import check_image_sizes
from skmm.fusion._encoder_files import write_encoder
from skmm.fusion._image_text_branches import (
    check_encoders,
    make_branches,
    make_image_text_inputs,
    ready_encoders,
)
from skmm.fusion._image_text_network import ImageTextModule
from skmm.fusion._several_labels import SeveralLabelsClassifier
from skmm.preprocessing import TextTokenizer

_SMALLEST = 4  # side of the smallest image: the small encoder halves it twice
_SHARE = (Choice((None,)), Number(Real, 0, 1, "both"))
_PARTS = (Choice((None,)), Instance((tuple, list), "a tuple of names of parts"))
_PATH = Instance((str, os.PathLike), "the path of a file")


class ImageTextClassifier(SeveralLabelsClassifier):
    r"""Classify images with their reports: encoders, trained alone before or not, and a joint head.

    Each modality m that a sample has becomes features :math:`h_m`: an image by a convolutional net, a text by
    :class:`skmm.nn.TextCNN`, a table by its standardized columns. With :math:`\nu` a normalization and
    :math:`[\cdot, \cdot]` one beside the other,

    .. math::
        u = \mathrm{ReLU}(W [\nu(h_1), \dots, \nu(h_M)] + b), \qquad
        p = \mathrm{softmax}(V \nu(\mathrm{dropout}(u)) + c).

    **Transfer.** Encoders come from files of weights, from classifiers of this class for one modality, which
    ``fit`` trains on its training rows first, or from such classifiers that were fitted before, on other
    data with other classes, or on several labels a sample; word vectors are where the embedding of words
    begins. Encoders that are transferred learn at a tenth of the rate unless told otherwise, or stay frozen,
    whole or in part.

    **Several labels a sample.** Where y is a table of zeros and ones with a column a label, scores go through
    a sigmoid each, and the loss is the sum of the labels' cross-entropies; ``predict_proba`` and ``predict``
    have a column a label.

    Parameters
    ----------
    hidden : int, default=256
        Width of u, the fused vector.
    image_encoder : str, torch.nn.Module, estimator or path, default="cnn"
        "cnn" is a small net, :class:`skmm.nn.ImageEncoder`; "resnet18" to "resnet152" and "densenet121" are
        published ones, without their classifier, for which grey images are repeated in three channels and
        normalized as ImageNet's; a module is copied and takes images channels first, of which maps are
        averaged. An unfitted ImageTextClassifier is fitted on the images of the training rows; a fitted one
        is given as FrozenEstimator, or as the path of a file of `save_encoder`.
    image_weights : path or {"imagenet"}, default=None
        Weights of a published net or a module: a file of ``torch.save(state_dict)``, or torchvision's,
        downloaded once. None for random ones.
    image_lr : float, default=None
        Learning rate of the encoders of images as a share of ``lr``, in [0, 1]; with 0 they are frozen. None
        for 0.1 where they have learned before, else 1, also for a module without ``image_weights``.
    image_trainable : tuple of str, default=None
        Names of the parts of the encoder that learn, all others being frozen, such as ("layer4",) of a
        ResNet; None for all.
    text_encoder : str, estimator or path, default="cnn"
        "cnn" is a :class:`skmm.nn.TextCNN`; or an ImageTextClassifier or path as for ``image_encoder``, with
        which comes its tokenizer.
    text_lr : float, default=None
        As ``image_lr``, of the encoders of texts.
    text_trainable : tuple of str, default=None
        As ``image_trainable``: of "embedding" and "convolutions".
    tokenizer : TextTokenizer, default=None
        Cuts texts into words; a copy learns its vocabulary from the training texts alone. None for the
        published one, 14,999 words and up to 140 of a text.
    word_vectors : path or mapping, default=None
        Where the embedding begins: a file or mapping as `TextEmbedder` takes them. Words that it lacks begin
        at zero. None for random vectors.
    embedding_dim : int, default=100
        Length of a word's vector, without ``word_vectors``.
    n_filters : int, default=100
        Filters of texts of each size.
    kernel_sizes : tuple of int, default=(1, 2, 3)
        Sizes of the filters, in words.
    text_pooling : {"max", "neighbours"}, default="max"
        "max" keeps the strongest answer of each filter, wherever it is; "neighbours" the stronger of each two
        neighbouring answers, at every place of the text, as published.
    filter_penalty : float, default=0.0
        Factor of the squares of the filters of texts in the loss (0.03 as published).
    embedding_dropout : float, default=0.5
        Share of the numbers of word vectors that a training step drops, in [0, 1).
    normalization : {"layer", "batch"}, default="layer"
        The normalization :math:`\nu` of features of encoders and of u; "batch" as published. None for none.
    dropout : float, default=0.3
        Share of u that a training step drops, in [0, 1).
    max_epochs : int, default=20
        Passes over the training data.
    lr : float, default=1e-3
        Learning rate.
    batch_size : int or "auto", default="auto"
        Largest number of samples of a step; -1 for all, "auto" for twice the square root of the number of
        training samples, within 8 and 256. Where all fit into one batch, the fit depends neither on their
        order nor on whether a sample is repeated or weighted, but with ``normalization="batch"``.
    optimizer : {"adam", "adamw", "sgd"} or type, default="adamw"
        Optimizer, or a class of torch's.
    weight_decay : float, default=0.3
        Weight decay: decoupled from the gradient by "adamw", an L2 penalty by the others (try 1e-4).
    early_stopping : bool, default=False
        Hold out a part of the training samples, stop when the loss on it stops falling, and go back to the
        best epoch. The part is stratified; with groups no group straddles the split, without them rows are
        split. Nothing learns from it, neither the vocabulary nor classifiers that are fitted first.
    n_iter_no_change : int, default=10
        Epochs without progress after which early stopping ends the training.
    tol : float, default=1e-4
        What counts as progress: a loss lower than the lowest so far by more than this.
    validation_fraction : float, default=0.1
        Share of the training samples held out by early stopping.
    modality_dropout : float, default=0.0
        Probability that a training step leaves out a modality of a sample, one always being kept.
    missing : {"neutral", "zero"}, default="neutral"
        What stands for the features of a modality that is missing: a learned vector, or zeros.
    standardize : bool, default=True
        Standardize the columns of tables, and the channels of images but for published nets, by their mean
        and deviation over the training samples that have them; clip columns at 3 deviations.
    class_weight : {"balanced"} or dict, default="balanced"
        Weights of the classes; "balanced" gives each the same total of sample weights. Of several labels,
        it gives presence and absence of each the same total.
    callbacks : list, default=None
        skorch callbacks, of which copies are used. Those that watch the validation need
        ``early_stopping=True``.
    warm_start : bool, default=False
        Go on from the weights of the last fit. Parameters of the network must stay as they were, and samples
        have one label.
    precision : {"float32", "float64", "bfloat16"}, default="float32"
        Arithmetic of the network; bfloat16 keeps weights and results in float32.
    device : str, default="cpu"
        "cpu", "cuda", or "auto" for CUDA where there is one.
    random_state : int or RandomState, default=None
        Fixes initialization, order, dropout, the early-stopping split, and seeds of classifiers that have
        none. None draws from the operating system; the global random states are neither used nor changed.
    verbose : int, default=0
        Whether to show a bar over the epochs.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels; where a sample may have several, a list with [0, 1] for each column of y.
    modalities_ : tuple of str
        Modalities that some training sample has, in alphabetical order.
    tokenizers_ : dict of str -> TextTokenizer
        The fitted tokenizer of each modality of texts.
    class_prior_ : ndarray of shape (n_classes,)
        Shares of the classes, or of each label, in the sample weights, without ``class_weight``; the
        prediction where a sample has no modality.
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
    skmm.embedding.ImageEmbedder : A frozen backbone whose vectors are computed once, not in every epoch.
    skmm.embedding.TextEmbedder : Means of word vectors as a table.
    skmm.inspection.attribute : Where in the image, and which word.

    Notes
    -----
    Several images of one patient with one report are a row an image, with the report repeated and the
    patients as groups, so that none is on both sides of a split.

    The published classifier is ``image_encoder="densenet121"`` with weights from chest X-rays,
    ``text_pooling="neighbours", n_filters=10, kernel_sizes=(3, 4, 5), filter_penalty=0.03,
    normalization="batch", hidden=512, optimizer="adam", weight_decay=0, batch_size=32, max_epochs=3``. Its
    one output unit with a softmax was always 1; here two classes have two scores. ResNets and DenseNets
    normalize over batches within themselves: where they learn, repeated samples are not the same as weighted
    ones.

    Modules of your own that draw random numbers in training, other than ``torch.nn.Dropout``, draw them from
    torch's global generator.

    References
    ----------
    Kim: Convolutional neural networks for sentence classification. EMNLP 2014 (filters over words).

    Examples
    --------
    >>> from skmm.datasets import make_multimodal_classification
    >>> from skmm.fusion import ImageTextClassifier
    >>> kinds = {"xray": {"kind": "image"}, "report": {"kind": "text"}}
    >>> X, y = make_multimodal_classification(200, modalities=kinds, missing=0.2, random_state=0)
    >>> model = ImageTextClassifier(max_epochs=10, random_state=0).fit(X[:150], y[:150])
    >>> bool(model.score(X[150:], y[150:]) > 0.8)
    True

    Encoders that are trained alone on the training rows first, then joined:

    >>> alone = ImageTextClassifier(max_epochs=5)
    >>> joined = ImageTextClassifier(image_encoder=alone, text_encoder=alone, max_epochs=5, random_state=0)
    >>> joined.fit(X[:150], y[:150]).predict_proba(X[150:]).shape
    (50, 2)
    """

    _accepts = ("table", "image", "text")
    _instead = {"bag": "AttentionPoolingClassifier", "volume": "HEALNetClassifier"}
    _parameter_rules = {
        "hidden": (Number(Integral, 1),),
        "image_weights": (Choice((None,)), _PATH),
        "image_lr": _SHARE,
        "image_trainable": _PARTS,
        "text_lr": _SHARE,
        "text_trainable": _PARTS,
        "tokenizer": (Choice((None,)), Instance(TextTokenizer, "a TextTokenizer")),
        "embedding_dim": (Number(Integral, 1),),
        "n_filters": (Number(Integral, 1),),
        "kernel_sizes": (Instance((tuple, list), "a tuple of ints of 1 or more"),),
        "text_pooling": (Choice(("max", "neighbours")),),
        "filter_penalty": (Number(Real, 0),),
        "embedding_dropout": (Number(Real, 0, 1),),
        "normalization": (Choice(("layer", "batch", None)),),
    }
    _search_space = {
        **BaseFusionClassifier._search_space,
        "embedding_dropout": ("float", 0.0, 0.7),
        "n_filters": ("log_int", 8, 256),
    }

    def __init__(
        self,
        hidden=256,
        *,
        image_encoder="cnn",
        image_weights=None,
        image_lr=None,
        image_trainable=None,
        text_encoder="cnn",
        text_lr=None,
        text_trainable=None,
        tokenizer=None,
        word_vectors=None,
        embedding_dim=100,
        n_filters=100,
        kernel_sizes=(1, 2, 3),
        text_pooling="max",
        filter_penalty=0.0,
        embedding_dropout=0.5,
        normalization="layer",
        dropout=0.3,
        max_epochs=20,
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
        self.image_encoder = image_encoder
        self.image_weights = image_weights
        self.image_lr = image_lr
        self.image_trainable = image_trainable
        self.text_encoder = text_encoder
        self.text_lr = text_lr
        self.text_trainable = text_trainable
        self.tokenizer = tokenizer
        self.word_vectors = word_vectors
        self.embedding_dim = embedding_dim
        self.n_filters = n_filters
        self.kernel_sizes = kernel_sizes
        self.text_pooling = text_pooling
        self.filter_penalty = filter_penalty
        self.embedding_dropout = embedding_dropout
        self.normalization = normalization

    @property
    def tokenizers_(self):
        """Fitted tokenizers by modality."""
        return {name: entry.tokenizer for name, entry in self._inputs.items() if hasattr(entry, "tokenizer")}

    def tokenize(self, X):
        """Words of texts that the classifier sees, and where they stand in the raw texts.

        Parameters
        ----------
        X : mapping of str -> array or ModalityDict
            The modalities.

        Returns
        -------
        dict of str -> list of list of Token
            For each modality of texts the tokens of each sample, as `TextTokenizer.tokenize` gives them; none
            where the text is missing.

        Raises
        ------
        ValueError
            If the data differ from those of fit.
        """
        check_is_fitted(self, "net_")
        X = self._validate(X, reset=False)
        return {
            name: tokenizer.tokenize(np.where(X.is_present(name), X[name], None))
            for name, tokenizer in self.tokenizers_.items()
        }

    def save_encoder(self, path, modality=None):
        """Write the encoder of a modality to a file, for ``image_encoder`` or ``text_encoder`` elsewhere.

        The file holds weights, what prepares the data (for texts the vocabulary), and no code.

        Parameters
        ----------
        path : str or path
            The file, which is overwritten.
        modality : str, default=None
            Which; None where one modality is of images or texts.

        Raises
        ------
        ValueError
            If there is no such modality, or its encoder is a module of your own.
        """
        check_is_fitted(self, "net_")
        names = [name for name in self.modalities_ if self.schema_.kinds[name] != "table"]
        if modality is None and len(names) == 1:
            (modality,) = names
        if modality not in names:
            raise ValueError(f"modality must be one of {names}, images or texts. Got {modality!r} instead.")
        entry = self._inputs[modality]
        write_encoder(path, self.net_.module_.branch(modality), getattr(entry, "entry", entry))

    def _check_parameters(self):
        """Raise for a parameter that is not allowed."""
        super()._check_parameters()
        check_encoders(self, ImageTextClassifier)

    def _validate(self, X, *, reset):
        """What came, as a ModalityDict in alphabetical order; images that are too small are refused."""
        X = super()._validate(X, reset=reset)
        if reset and self.image_encoder == "cnn":
            check_image_sizes(self, _SMALLEST)
        return X

    def _make_inputs(self):
        """What each modality becomes on its way into the network; published nets normalize images."""
        return make_image_text_inputs(self)

    def _prepare(self, X, rows, codes, weights, groups):
        """Train the encoders that are to be trained alone first, and take over those that were."""
        super()._prepare(X, rows, codes, weights, groups)
        self._ready = ready_encoders(self, X, rows, self._labels_of(codes), weights, groups)
        self._inputs |= {name: one.entry for name, one in self._ready.items() if one.entry is not None}

    def __getstate__(self):
        # Left where a fit has failed between the two that follow.
        return {k: v for k, v in super().__getstate__().items() if k not in {"_ready", "_label_loss"}}

    def _make_module(self, shapes, n_classes):
        """An encoder a modality and a head; encoders may learn with a share of the learning rate."""
        branches, shares = make_branches(self, shapes, vars(self).pop("_ready"))
        module = ImageTextModule(
            branches,
            self._n_scores(n_classes),
            hidden=int(self.hidden),
            dropout=self.dropout,
            normalization=self.normalization,
            missing=self.missing,
            filter_penalty=self.filter_penalty,
            label_loss=vars(self).pop("_label_loss"),
        )
        module.lr_shares = shares
        return module.train()  # encoders that were there before come in evaluation mode
