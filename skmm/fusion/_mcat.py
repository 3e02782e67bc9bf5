"""MCAT: one modality guides the attention over the instances of the others (Chen et al. 2021)."""

import math

import numpy as np

from skmm._training import Choice, Instance
from skmm._training._parameters import COUNT, SHARE
from skmm.containers import _validation as messages
from skmm.fusion._attention_maps import attention_map, bag_lengths, resize
from skmm.fusion._base import BaseFusionClassifier
from skmm.fusion._mcat_network import MCATModule
from skmm.fusion._tokenizing import TOKEN_RULES, make_tokenizer, token_names
from skmm.nn import GroupTokens

_POSITION_BANDS = 2  # frequencies that tell where in an image a patch lies


def _default_query(names, kinds):
    """The modality that guides where none is named: the first table, or else the first of all."""
    return next((name for name in names if kinds[name] == "table"), names[0])


class MCATClassifier(BaseFusionClassifier):
    r"""MCAT: tokens of one modality, the query, ask which instances of the others matter.

    The query modality becomes tokens :math:`q_1, \ldots, q_G`. The columns of a table are cut into groups,
    such as gene signatures, and each group has a self-normalizing net of its own,
    :math:`q_g = \mathrm{elu}(T_g\, \mathrm{elu}(U_g x_g + u_g) + t_g)`; instances of a bag and patches of an
    image share one such net. Every other modality m is a set of instances :math:`h_1, \ldots, h_n` with
    :math:`h_i = \mathrm{relu}(W_m x_i + w_m)`: the instances of a bag, the patches of an image, the groups of
    a table, which have a map each. The co-attention of its instances is

    .. math::

        A^m_{gi} = \mathrm{softmax}_i\left(\frac{(Q_m q_g)^\top K_m h_i}{\sqrt{E}}\right), \qquad
        c^m_g = O_m \sum_i A^m_{gi} (V_m h_i),

    where Q, V and O are affine and K is linear. The set of the query's tokens and each set
    :math:`c^m_1, \ldots, c^m_G` go through a set transformer of their own, gated attention pooling
    (:class:`~skmm.nn.GatedAttentionPooling`) with weights :math:`a^m_g`, and one layer, which leaves one
    vector a modality. The vectors are fused by two layers, on their concatenation or their outer products,
    and classified by the softmax of an affine map, trained by the cross-entropy.

    One modality alone is allowed: then there is no co-attention, only the set transformer and the pooling of
    its tokens. Several others each have their own co-attention with the query.

    A learned vector, or zero, takes the place of the vector of a modality that a sample lacks; where it lacks
    the query, one learned token, or a zero one, asks instead. Dropout follows each embedding, all parts of
    the transformers, both branches of the poolings and the layer after them, and, in bilinear fusion, its
    layers.

    Parameters
    ----------
    hidden : int, default=64
        Width E of tokens, instances and vectors; 256 in the paper.
    query : str, default=None
        The modality that guides the attention; None for the first table, or else the first modality, in
        alphabetical order. The tokens of a query attend to one another: a bag as query takes time and memory
        with the square of the largest of a batch.
    feature_groups : int or dict, default=4
        Groups of a table's columns: a number of groups of consecutive columns, or a dict from modality to
        such a number or to ``{group name: columns}``, by name or position. A column may be in several groups,
        or in none. Tables that a dict leaves out are cut into 16 groups.
    tokenization : {"groups", "feature", "vector"}, default="groups"
        Instances of a table other than the query: groups of columns, single columns, or the whole row. A
        whole row leaves attention nothing to choose.
    patch_size : int, default=8
        Side, in pixels, of the patches of images and volumes. Zeros fill up those at the far edges; an axis
        that is shorter is not cut.
    fusion : {"concat", "bilinear"}, default="concat"
        How vectors are fused: concatenated, or gated and multiplied, each with that of the query, which takes
        two modalities or more.
    n_layers : int, default=2
        Layers of each set transformer.
    n_heads : int, default=8
        Heads of its attention, each of width E / ``n_heads``, rounded down, or 1.
    query_dropout : float, default=0.0
        Share of entries that a training step drops from the two layers of the query's nets, by alpha dropout,
        in [0, 1); 0.25 in the paper.
    dropout : float, default=0.25
        Share of entries that a training step drops everywhere else, in [0, 1).
    max_epochs : int, default=30
        Passes over the training data.
    lr : float, default=5e-4
        Learning rate.
    batch_size : int or "auto", default="auto"
        Largest number of samples of a step; -1 for all, "auto" for twice the square root of the number of
        training samples, within 8 and 256. Where all fit into one batch, the fit depends neither on their
        order nor on whether a sample is repeated or weighted.
    optimizer : {"adam", "adamw", "sgd"} or type, default="adamw"
        Optimizer, or a class of torch's.
    weight_decay : float, default=0.3
        Weight decay: decoupled from the gradient by "adamw", an L2 penalty by the others (try 1e-5).
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

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels.
    modalities_ : tuple of str
        Modalities that some training sample has, in alphabetical order.
    query_ : str
        The modality that guides the attention.
    token_names_ : dict of str -> list of str
        Names of the tokens of each table: of groups or of columns.
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
    HEALNetClassifier : A learned array asks all modalities in turn, none of which guides the others.
    MMDynamicsClassifier : Weights of features and of modalities instead of instances.

    Notes
    -----
    The paper predicts survival from bags of patches and six gene signatures. Its settings are ``hidden=256,
    feature_groups={"rna": signatures}, optimizer="adam", lr=2e-4, weight_decay=1e-5, max_epochs=20,
    batch_size=32, standardize=False, query_dropout=0.25``; it sums up 32 single samples to a step, and draws
    classes equally often, where here ``class_weight`` weighs them.

    Here bags of different sizes share a batch, and each sample has the answer that it has alone; images have
    the Fourier features of their patches' positions appended. The query's nets have no dropout by default:
    alpha dropout takes its entries to have variance 1, those of ELU have far less, and on a few hundred
    samples the noise drowned what the tokens tell. For the same reason a table is cut into few groups: each
    token is normalized, be it informative or not. Images alone learn faster with ``lr=1e-3``.

    References
    ----------
    Chen, Lu, Weng, Chen, Williamson, Manz, Shady, Mahmood: Multimodal co-attention transformer for survival
    prediction in gigapixel whole slide images. ICCV 2021.

    Examples
    --------
    >>> from skmm.datasets import make_multimodal_classification
    >>> from skmm.fusion import MCATClassifier
    >>> modalities = {"rna": {"n_features": 12}, "slide": {"kind": "bag", "n_features": 6}}
    >>> X, y = make_multimodal_classification(80, modalities=modalities, random_state=0)
    >>> signatures = {"growth": [0, 1, 2, 3], "repair": [4, 5, 6, 7], "immune": [6, 7, 8, 9, 10, 11]}
    >>> model = MCATClassifier(16, query="rna", feature_groups={"rna": signatures}, random_state=0)
    >>> model = model.fit(X[:60], y[:60])
    >>> weights = model.attention_weights(X[60:])
    >>> bool(abs(weights["slide"][0].sum() - 1) < 1e-5)
    True
    >>> model.attention_weights(X[60:], average=False)["slide"][0].shape == (X["slide"].lengths[60], 3)
    True
    """

    _accepts = ("table", "image", "volume", "bag")
    _parameter_rules = {
        **TOKEN_RULES,
        "hidden": (COUNT,),
        "query": (Choice((None,)), Instance(str, "the name of a modality")),
        "fusion": (Choice(("concat", "bilinear")),),
        "n_layers": (COUNT,),
        "n_heads": (COUNT,),
        "query_dropout": (SHARE,),
    }
    _search_space = {
        **BaseFusionClassifier._search_space,
        "hidden": ("log_int", 16, 256),
        "feature_groups": ("log_int", 4, 64),
        "fusion": ("categorical", ["concat", "bilinear"]),
        "n_layers": ("int", 1, 3),
        "lr": ("log", 5e-5, 5e-3),
    }

    def __init__(
        self,
        hidden=64,
        *,
        query=None,
        feature_groups=4,
        tokenization="groups",
        patch_size=8,
        fusion="concat",
        n_layers=2,
        n_heads=8,
        query_dropout=0.0,
        dropout=0.25,
        max_epochs=30,
        lr=5e-4,
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
        self.query = query
        self.feature_groups = feature_groups
        self.tokenization = tokenization
        self.patch_size = patch_size
        self.fusion = fusion
        self.n_layers = n_layers
        self.n_heads = n_heads
        self.query_dropout = query_dropout

    def _make_module(self, shapes, n_classes):
        """The network of the paper, for any number and kinds of modalities."""
        kinds = self.schema_.kinds
        if self.query is not None and self.query not in shapes:
            raise ValueError(
                f"query must be None or a modality that some training sample has, out of "
                f"{messages.quoted(list(shapes))}. Got {self.query!r} instead."
            )
        if self.fusion == "bilinear" and len(shapes) < 2:
            raise ValueError(
                "fusion='bilinear' multiplies vectors of 2 modalities or more. "
                f"Got the modality {next(iter(shapes))!r} alone: use fusion='concat'."
            )
        self.query_ = _default_query(list(shapes), kinds) if self.query is None else self.query
        tables = [name for name in shapes if kinds[name] == "table"]
        self.token_names_ = {
            name: token_names(self, name, shapes[name][0], groups=name == self.query_) for name in tables
        }
        tokenizers = {name: self._tokenizer(name, shape) for name, shape in shapes.items()}
        return MCATModule(
            tokenizers,
            self.query_,
            n_classes,
            self.hidden,
            n_layers=self.n_layers,
            n_heads=self.n_heads,
            dropout=self.dropout,
            query_dropout=self.query_dropout,
            fusion=self.fusion,
            missing=self.missing,
        )

    def _tokenizer(self, name, shape):
        """The tokens of a modality, without the last map to the width where they are no groups."""
        if self.schema_.kinds[name] != "table":
            return make_tokenizer(self, name, shape, width=self.hidden, n_bands=_POSITION_BANDS)
        groups = name == self.query_
        if self.tokenization == "feature" and not groups:
            # NOTE[DIFF] A map for each column: one for all of them could not tell them apart.
            return GroupTokens([[column] for column in range(shape[0])], self.hidden)
        return make_tokenizer(self, name, shape, width=self.hidden, groups=groups)

    def attention_weights(self, X, *, average=True):
        r"""How much each instance of each modality counts in what is pooled.

        For the query these are the weights of its tokens in the pooling. For another modality m they are the
        co-attention averaged with the weights of the pooling, :math:`\sum_g a^m_g A^m_{gi}`, which leaves out
        what the set transformer between the two exchanges among tokens.

        Parameters
        ----------
        X : mapping of str -> array, ModalityDict, or array of shape (n_samples, n_features)
            The modalities.
        average : bool, default=True
            Whether to average over the tokens of the query. Otherwise the arrays of the other modalities have
            these as axis after the first, and hold the co-attention :math:`A^m_{gi}`; where the query is
            missing, all its tokens have the weights of the one that takes their place.

        Returns
        -------
        dict of str -> DataFrame, ndarray, BagArray or list of ndarray
            By modality. Those of a sample, and of a token of the query, sum to 1; where the sample lacks the
            modality they are zero, or in a bag none.

            - table: a DataFrame (n_samples, n_tokens), whose columns are the names of the groups or features
              and whose index is that of ``X``; an array if not averaged;
            - image: an array (n_samples, rows, columns) of patches, not of pixels: patch (i, j) begins at
              pixel (i, j) * ``patch_size``;
            - volume: an array (n_samples, depth, rows, columns) of patches;
            - bag: a BagArray, a weight for each instance, or an array (rows, columns) for each if instances
              are images. If not averaged, the tokens of the query come after the instances;
            - not averaged, with a bag as query: for each other modality a list of one array a sample,
              (n_query_tokens, ...), also for bags; n_query_tokens is 0 where the sample lacks the query.

        Raises
        ------
        ValueError
            As `predict_proba` does.
        """
        X = self._validate_new(X, "their weights are 0")
        grids = self.net_.module_.grids()
        lengths = bag_lengths(X, self.modalities_)
        longest = {
            name: (int(lengths[name].max()) if name in lengths else 1) * math.prod(grid)
            for name, grid in grids.items()
        }

        def read(output):  # batches differ in their longest bag
            return {
                name: resize(weights, *[longest[self.query_]] * (weights.ndim - 2), longest[name])
                for name, weights in output.informativeness.items()
            }

        found = self._run(X, read, attention="mean" if average else "full")
        maps = {
            name: attention_map(
                found[name],
                grids[name],
                lengths=lengths.get(name),
                columns=self.token_names_.get(name),
                index=X.index,
            )
            for name in self.modalities_
        }
        if not average and self.query_ in lengths:
            n_tokens = lengths[self.query_] * math.prod(grids[self.query_])
            for name in self.modalities_:
                if name != self.query_:
                    maps[name] = self._by_sample(maps[name], n_tokens, bags=name in lengths)
        return maps

    @staticmethod
    def _by_sample(pieces, n_tokens, *, bags):
        """Weights by token of a query of bags, one array a sample, without the tokens that fill it up."""
        if bags:
            pieces = [np.moveaxis(piece, -1, 0) for piece in pieces]
        return [piece[:count] for piece, count in zip(pieces, n_tokens, strict=True)]
