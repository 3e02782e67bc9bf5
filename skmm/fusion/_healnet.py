"""HEALNet: latents that look at one modality after the other through attention (Hemker et al. 2024)."""

import math

from skmm._training import Choice
from skmm._training._parameters import COUNT, SHARE, Integral, Number, Real
from skmm.containers import _validation as messages
from skmm.fusion._attention_maps import attention_map, bag_lengths, resize
from skmm.fusion._base import BaseFusionClassifier
from skmm.fusion._healnet_network import HEALNetModule
from skmm.fusion._tokenizing import TOKEN_RULES, make_tokenizer, token_names

_POSITIVE = Number(Real, 0, math.inf, "neither")
_NARROW = 2  # two numbers, normalized, are 1 and -1, and a single one is 0


class HEALNetClassifier(BaseFusionClassifier):
    r"""HEALNet: an array of latents looks at each modality in turn, layer after layer, through attention.

    Every modality becomes a set of tokens :math:`X_m`: the row of a table, or its groups of columns, or its
    features; the patches of an image or volume; the instances of a bag. A learned array S of latents, the
    same for every sample at first, is changed by each modality m, in alphabetical order, in each of some
    layers:

    .. math::
        S \leftarrow S + \mathrm{CA}_m(\mathrm{LN}(S), \mathrm{LN}(X_m)), \quad
        S \leftarrow S + \mathrm{FF}_m(\mathrm{LN}(S)), \quad
        S \leftarrow S + \mathrm{SA}(\mathrm{LN}(S)), \quad
        S \leftarrow S + \mathrm{FF}(\mathrm{LN}(S)),

    with layer normalization LN. Attention of x over tokens c is

    .. math::
        \mathrm{CA}(x, c) = \mathrm{leakyrelu}(W A V c + w), \quad
        A = \mathrm{softmax}\left(\frac{(Q x) (K c)^\top}{T \sqrt{d}}\right)

    in several heads of width d, at temperature T; self-attention SA is that of the latents over themselves,
    and :math:`\mathrm{FF}(x) = R (a \odot \mathrm{selu}(g)) + r` with :math:`[a, g] = E x + e`. The class
    probabilities are the softmax of an affine map of the mean latent, normalized. Each of these maps has
    weights of its own.

    The last two updates are made after each modality with ``self_attention="modality"``, and by default only
    once a layer, after all of them. A modality that a sample lacks is skipped for this sample, with all its
    updates, in training as in prediction: nothing stands in for it.

    Parameters
    ----------
    n_latents : int, default=8
        Number of latents (the paper's :math:`l_c`).
    latent_dim : int, default=32
        Width of a latent (:math:`l_d`).
    depth : int, default=2
        Number of layers: how often the latents look at each modality.
    n_cross_heads : int, default=4
        Heads of the attention over tokens.
    cross_head_dim : int, default=16
        Width of each of them.
    n_latent_heads : int, default=4
        Heads of the attention among latents.
    latent_head_dim : int, default=16
        Width of each of them.
    self_attention : {"layer", "modality"}, default="layer"
        When the latents look at one another: once a layer, after all modalities, or after each of them, with
        the same weights each time; None for never.
    weight_tying : {"layers", "layers_and_modalities"}, default=None
        None gives each layer weights of its own. With "layers" those after the first share theirs.
        "layers_and_modalities" is what the original's code calls tied: besides, all modalities share one
        :math:`\mathrm{FF}_m` in these layers.
    activation : {"selu", "gelu"}, default="selu"
        The gate in the feed-forward networks.
    attention_temperature : float, default=0.5
        T; below 1, attention is sharper than usual.
    attention_dropout : float, default=0.0
        Share of the attention weights that a training step drops, in [0, 1).
    tokenization : {"vector", "groups", "feature"}, default="vector"
        Tokens of a table: the whole row as a single one, as in the original, which leaves attention nothing
        to choose from; one for each group of columns, by an affine map of its own; or one for each column,
        told apart by their positions, which takes time and memory where there are thousands.
    feature_groups : int or dict, default=8
        For "groups": the number of equal runs of neighbouring columns, or by modality such a number or a
        dict {name of the group: columns}, by name or position. A column may be in several groups, or in none.
        Tables that a dict leaves out are cut into 16.
    patch_size : int, default=8
        Side of the square, or cubic, patches of images and volumes, in pixels. Zeros fill up those at the far
        edges; an axis that is shorter is not cut.
    n_frequency_bands : int, default=2
        Frequencies of the Fourier features of a token's position, which are appended to the token; None for
        no positions. Instances of a bag have no order: vectors are all at the same position, images have
        those of their patches.
    max_frequency : float, default=10.0
        Twice the highest frequency; the frequencies are evenly spaced from 1 to half of it, for positions
        from -1 to 1.
    dropout : float, default=0.5
        Share of the entries that a training step drops behind each feed-forward network, in [0, 1).
    max_epochs : int, default=50
        Passes over the training data.
    lr : float, default=2e-3
        Learning rate.
    batch_size : int or "auto", default="auto"
        Largest number of samples of a step; -1 for all, "auto" for twice the square root of the number of
        training samples, within 8 and 256. Where all fit into one batch, the fit depends neither on their
        order nor on whether a sample is repeated or weighted.
    optimizer : {"adam", "adamw", "sgd"} or type, default="adamw"
        Optimizer, or a class of torch's.
    weight_decay : float, default=1.0
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
        Modalities that some training sample has, in alphabetical order, which is that of the updates.
    token_names_ : dict of str -> list of str
        Names of the tokens of each table: of groups, of columns, or its own if a row is one token.
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
    MMDynamicsClassifier : Modalities and features weighted by how informative they are; tables.

    Notes
    -----
    The order of the keys of X does not matter. That of the names does: the modalities change the latents in
    alphabetical order, so that names in another order give another network.

    The defaults were chosen by cross-validation on training data of a few hundred samples, for which the
    paper's network is too large and, on a CPU, too slow. There, on tables, it was about as good as logistic
    regression on the concatenation, and behind :class:`MMDynamicsClassifier`; on small images it was far
    better than principal components. It fits few samples perfectly within some epochs, whatever the dropout;
    weight decay and fewer latents helped. Groups of columns were 1 to 6 points of accuracy behind whole rows,
    less at a higher temperature: ask for them where it matters what the latents look at.

    The original's defaults are ``n_latents=128, latent_dim=128, depth=3, n_cross_heads=8, cross_head_dim=64,
    n_latent_heads=8, latent_head_dim=64, self_attention="modality", dropout=0``, with patches of one pixel;
    it is trained with Adam, a one-cycle schedule and an L1 penalty. Wenderoth (2024) takes ``n_latents=17,
    latent_dim=126, depth=2, n_cross_heads=1, cross_head_dim=63, self_attention=None, attention_dropout=0.5,
    dropout=0.36, max_frequency=2``.

    References
    ----------
    Hemker, Simidjievski, Jamnik: HEALNet: multimodal fusion for heterogeneous biomedical data. NeurIPS 2024.

    Wenderoth: MMdynamics evolved, 2024.

    Examples
    --------
    >>> from skmm.datasets import load_digits_views
    >>> from skmm.fusion import HEALNetClassifier
    >>> X, y = load_digits_views(return_X_y=True)
    >>> X = X[["image", "profile"]]
    >>> model = HEALNetClassifier(patch_size=4, max_epochs=15, random_state=0).fit(X[:400], y[:400])
    >>> bool(model.score(X[400:800], y[400:800]) > 0.7)
    True
    >>> model.attention_weights(X[400:800])["image"].shape
    (400, 2, 2)
    """

    _accepts = ("table", "image", "volume", "bag")
    _fusion_strategy = "intermediate"
    _parameter_rules = {
        **TOKEN_RULES,
        "n_latents": (COUNT,),
        "latent_dim": (COUNT,),
        "depth": (COUNT,),
        "n_cross_heads": (COUNT,),
        "cross_head_dim": (COUNT,),
        "n_latent_heads": (COUNT,),
        "latent_head_dim": (COUNT,),
        "self_attention": (Choice((None, "modality", "layer")),),
        "weight_tying": (Choice((None, "layers", "layers_and_modalities")),),
        "activation": (Choice(("selu", "gelu")),),
        "attention_temperature": (_POSITIVE,),
        "attention_dropout": (SHARE,),
        "n_frequency_bands": (Choice((None,)), Number(Integral, 0)),
        "max_frequency": (_POSITIVE,),
    }
    _search_space = {
        "n_latents": ("log_int", 4, 64),
        "latent_dim": ("log_int", 16, 128),
        "depth": ("int", 1, 3),
        "tokenization": ("categorical", ["vector", "groups"]),
        "feature_groups": ("log_int", 4, 64),
        "self_attention": ("categorical", ["layer", "modality", None]),
        **{name: space for name, space in BaseFusionClassifier._search_space.items() if name != "hidden"},
    }

    def __init__(
        self,
        n_latents=8,
        latent_dim=32,
        *,
        depth=2,
        n_cross_heads=4,
        cross_head_dim=16,
        n_latent_heads=4,
        latent_head_dim=16,
        self_attention="layer",
        weight_tying=None,
        activation="selu",
        attention_temperature=0.5,
        attention_dropout=0.0,
        tokenization="vector",
        feature_groups=8,
        patch_size=8,
        n_frequency_bands=2,
        max_frequency=10.0,
        dropout=0.5,
        max_epochs=50,
        lr=2e-3,
        batch_size="auto",
        optimizer="adamw",
        weight_decay=1.0,
        early_stopping=False,
        n_iter_no_change=10,
        tol=1e-4,
        validation_fraction=0.1,
        modality_dropout=0.0,
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
            standardize=standardize,
            class_weight=class_weight,
            callbacks=callbacks,
            warm_start=warm_start,
            precision=precision,
            device=device,
            random_state=random_state,
            verbose=verbose,
        )
        self.n_latents = n_latents
        self.latent_dim = latent_dim
        self.depth = depth
        self.n_cross_heads = n_cross_heads
        self.cross_head_dim = cross_head_dim
        self.n_latent_heads = n_latent_heads
        self.latent_head_dim = latent_head_dim
        self.self_attention = self_attention
        self.weight_tying = weight_tying
        self.activation = activation
        self.attention_temperature = attention_temperature
        self.attention_dropout = attention_dropout
        self.tokenization = tokenization
        self.feature_groups = feature_groups
        self.patch_size = patch_size
        self.n_frequency_bands = n_frequency_bands
        self.max_frequency = max_frequency

    def _make_module(self, shapes, n_classes):
        """The network of the paper."""
        # NOTE[DIFF] In the original an image is a token a pixel, thousands of them, and a table a single one.
        tokenizers = {
            name: make_tokenizer(
                self,
                name,
                shape,
                width=self.latent_dim,
                n_bands=self.n_frequency_bands,
                max_frequency=self.max_frequency,
                # NOTE[DIFF] The original numbers instances in the order in which they come; here it does not
                # matter. A position that all share still counts: they keep their scale when normalized.
                instance_bands=self.n_frequency_bands,
            )
            for name, shape in shapes.items()
        }
        narrow = [name for name, tokenizer in tokenizers.items() if tokenizer.width <= _NARROW]
        if narrow:
            raise ValueError(
                "Layer normalization leaves no more than a sign of tokens that are one or two numbers, as "
                f"those of {messages.quoted(narrow)}. Got n_frequency_bands={self.n_frequency_bands!r}: "
                "use 1 or more."
            )
        # Kept, as parameters may have been set to other values when somebody asks what was looked at.
        self.token_names_ = {
            name: token_names(self, name, *shape)
            for name, shape in shapes.items()
            if self.schema_.kinds[name] == "table"
        }
        return HEALNetModule(
            tokenizers,
            [
                None if self.schema_.kinds[name] == "bag" else math.prod(tokenizer.axes)
                for name, tokenizer in tokenizers.items()
            ],
            n_classes,
            n_latents=self.n_latents,
            latent_dim=self.latent_dim,
            depth=self.depth,
            n_cross_heads=self.n_cross_heads,
            cross_head_dim=self.cross_head_dim,
            n_latent_heads=self.n_latent_heads,
            latent_head_dim=self.latent_head_dim,
            self_attention=self.self_attention,
            weight_tying=self.weight_tying,
            activation=self.activation,
            attention_temperature=self.attention_temperature,
            attention_dropout=self.attention_dropout,
            dropout=self.dropout,
        )

    def attention_weights(self, X, *, average=True):
        """Where the latents look: the weights of each modality's tokens in the attention over them.

        Parameters
        ----------
        X : mapping of str -> array, ModalityDict, or array of shape (n_samples, n_features)
            The modalities.
        average : bool, default=True
            Whether to average over layers, heads and latents. Otherwise the arrays have them as axes after
            the first, in this order, which takes memory: ``depth * n_cross_heads * n_latents`` times as much.

        Returns
        -------
        dict of str -> DataFrame, ndarray or BagArray
            By modality. Those of a sample sum to 1; where it lacks the modality they are zero, or in a bag
            none.

            - table: a DataFrame (n_samples, n_tokens), whose columns are the names of the groups or features
              (of the table, with weights of 1, if a row is one token) and whose index is that of ``X``; an
              array if not averaged;
            - image: an array (n_samples, rows, columns) of patches, not of pixels: patch (i, j) begins at
              pixel (i, j) * ``patch_size``;
            - volume: an array (n_samples, depth, rows, columns) of patches;
            - bag: a BagArray, a weight for each instance, or an array (rows, columns) for each if instances
              are images. If not averaged, layers, heads and latents come after the instances.

        Raises
        ------
        ValueError
            As `predict_proba` does.
        """
        X = self._validate_new(X, "their weights are 0")
        grids = {
            name: tokenizer.axes
            for name, tokenizer in zip(self.modalities_, self.net_.module_.tokenizers, strict=True)
        }
        lengths = bag_lengths(X, self.modalities_)
        longest = {name: int(counts.max()) * math.prod(grids[name]) for name, counts in lengths.items()}

        def read(output):  # batches differ in their longest bag
            return {
                name: resize(weights, longest[name]) if name in longest else weights
                for name, weights in output.informativeness.items()
            }

        found = self._run(X, read, attention="mean" if average else "full")
        return {
            name: attention_map(
                weights,
                grids[name],
                lengths=lengths.get(name),
                columns=self.token_names_.get(name),
                index=X.index,
            )
            for name, weights in found.items()
        }
