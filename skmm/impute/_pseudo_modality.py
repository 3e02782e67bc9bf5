"""PseudoModalityImputer: absent modalities -> what the present ones let expect."""

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from skmm._training import (
    check_groups,
    check_parameters,
    draw_seed,
    history_frame,
    make_inputs,
    net_of,
    resolve_batch_size,
    scan_inputs,
    split_validation,
    train_as_told,
    training_order,
)
from skmm._training._random import stream
from skmm.containers import KINDS, ModalityDict, placeholder, validate_modalities
from skmm.containers import _validation as messages
from skmm.containers._schema import names_out
from skmm.impute._pseudo_checks import (
    RULES,
    check_dense,
    check_tables,
    choose_tables,
    usable_tables,
    warn_alone,
    warn_without,
)
from skmm.impute._pseudo_networks import NETWORKS, PseudoModalityModule
from skmm.impute._pseudo_predictions import Predictor
from skmm.impute._pseudo_tables import missing_like, template_of, with_rows

PRESENCE = "presence"  # the modality that tells what was observed


class PseudoModalityImputer(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):
    r"""Predict the modalities that a sample lacks from those that it has.

    With :math:`x_m` the standardized modality m of a sample and :math:`r \in \{0, 1\}^M` what is present, a
    network

    .. math:: g\left([r_1 x_1, \ldots, r_M x_M], r\right) = [\hat x_1, \ldots, \hat x_M]

    has a linear output and is trained on random masks :math:`k \subset r` that keep one modality at least
    (the number that is kept is drawn first, each being as likely as another). Its loss is that of the
    modalities that were hidden, whose values are known:

    .. math:: \frac{1}{|r \setminus k|} \sum_{m \in r \setminus k}
              \frac{1}{d_m} \lVert g_m([k_1 x_1, \ldots, k_M x_M], k) - x_m \rVert^2,

    where :math:`d_m` is the number of columns, so that each modality counts the same whatever its width.
    ``transform`` puts the predictions, in the units and the type of the modality, where it is missing, and
    leaves what is present as it is, bit for bit.

    Tables are used and predicted, such as embeddings. Images, texts and bags, and tables that ``modalities``
    leaves out, pass as they are: they are not used, and stay missing where they are.

    Parameters
    ----------
    strategy : {"denoising", "variational", "mean", "nearest"}, default="denoising"
        What predicts: a network (:class:`skmm.nn.DenoisingAutoencoder` or
        :class:`skmm.nn.VariationalAutoencoder`), the mean of the training samples that have the modality, or
        its mean over the nearest of them.
    modalities : list of str, default=None
        Tables to use and to predict; None for all.
    add_presence : bool, default=False
        Whether to add a table "presence" with a column a modality that is 1 where it was observed and 0 where
        it is predicted or missing, so that a classifier can tell.
    n_neighbors : int, default=10
        Number of neighbours for "nearest". The distance of two samples is the mean, over the tables that both
        have, of the mean squared difference of the standardized columns.
    hidden : int, default=256
        Width of the two hidden layers of a network.
    latent : int, default=64
        Width of the layer between them.
    noise : float, default=0.5
        Standard deviation of the noise that training adds to what a network sees; in standard deviations of
        the columns.
    dropout : float, default=0.5
        Share of the entries of the hidden layers that a training step drops, in [0, 1).
    kl_weight : float, default=1.0
        Weight :math:`\beta` of the Kullback-Leibler divergence from N(0, I) in the loss of "variational",
        which gets :math:`\beta \mathrm{KL} / \sum_m d_m`; 1 is its share beside a sum of squares.
    max_epochs : int, default=50
        Passes over the training data.
    lr : float, default=1e-3
        Learning rate of AdamW.
    batch_size : int or "auto", default="auto"
        Largest number of samples of a step; -1 for all, "auto" for twice the square root of the number of
        training samples, within 8 and 256.
    weight_decay : float, default=1.0
        Weight decay of AdamW.
    early_stopping : bool, default=False
        Hold out a part of the training samples, stop when the error on it stops falling, and go back to the
        best epoch; for networks. With groups no group straddles the split.
    n_iter_no_change : int, default=10
        Epochs without progress after which early stopping ends the training.
    tol : float, default=1e-4
        What counts as progress: a loss lower than the lowest so far by more than this.
    validation_fraction : float, default=0.1
        Share of the training samples with two tables or more that early stopping holds out.
    precision : {"float32", "float64", "bfloat16"}, default="float32"
        Arithmetic of the network; bfloat16 keeps weights and results in float32.
    device : str, default="cpu"
        "cpu", "cuda", or "auto" for CUDA where there is one.
    random_state : int or RandomState, default=None
        Fixes initialization, order, masks, noise and the early-stopping split. None draws from the operating
        system; the global random states are neither used nor changed.
    verbose : int, default=0
        Whether to show a bar over the epochs.

    Attributes
    ----------
    modalities_ : tuple of str
        Modalities seen in ``fit``.
    imputed_modalities_ : tuple of str
        Tables that are used and predicted, in alphabetical order; without those that no sample had.
    net_ : skorch.NeuralNet or None
        The trained net; None for other strategies, and where no sample has two tables.
    history_ : DataFrame or None
        One row an epoch: "epoch", "train_loss", "duration" in seconds, and with early stopping "valid_loss".
    best_epoch_ : int or None
        Epoch whose weights early stopping restored.
    validation_rows_ : ndarray of int or None
        Rows of X that early stopping held out; None without it.
    reconstruction_error_ : DataFrame or None
        :meth:`reconstruction_error` of these rows; None without them.
    n_features_in_ : int
        Number of features, where there is a single table.
    feature_names_in_ : ndarray of str
        Their names, where it has names.

    Raises
    ------
    ValueError
        If a parameter is not allowed; if X holds no table, or one that is sparse, not numeric, infinite or
        partly NaN; if training diverges, or predictions overflow.
    MissingModalityError
        If no sample has any of the tables.

    See Also
    --------
    skmm.compose.ConcatModalities : Fills in the training mean, and joins the modalities.

    Notes
    -----
    - A sample that has none of the tables stays without them: there is nothing to predict from. ``fit``
      leaves it out; both warn. What follows gives it the class prior, or the training mean.
    - A table that no sample of ``fit`` has is neither used nor predicted, with a warning. One that no sample
      of ``fit`` has together with any table that a sample has is predicted by its mean.
    - A key that is absent in ``transform`` is missing for all samples, and predicted.
    - Columns of integers get rounded predictions, booleans True from 0.5 on. A lazy table is read into memory
      where there is something to fill in.
    - Which values were predicted: those of ``X.present`` before, that are False.

    References
    ----------
    Vincent et al.: Extracting and composing robust features with denoising autoencoders, ICML 2008.
    Kingma and Welling: Auto-encoding variational Bayes, ICLR 2014.

    Examples
    --------
    >>> import numpy as np
    >>> from skmm.impute import PseudoModalityImputer
    >>> rng = np.random.default_rng(0)
    >>> mri = rng.normal(size=(60, 4))
    >>> X = {"mri": mri, "pet": 10 + mri @ rng.normal(size=(4, 2))}
    >>> imputer = PseudoModalityImputer(hidden=64, latent=8, random_state=0).fit(X)
    >>> without = {"mri": X["mri"]}
    >>> filled = imputer.transform(without)
    >>> filled["pet"].shape
    (60, 2)
    >>> bool(np.abs(filled["pet"] - X["pet"]).mean() < np.abs(10 - X["pet"]).mean())
    True
    """

    _search_space = {
        "hidden": ("log_int", 32, 512),
        "latent": ("log_int", 8, 256),
        "noise": ("float", 0.0, 1.0),
        "dropout": ("float", 0.0, 0.7),
        "lr": ("log", 1e-4, 1e-2),
        "weight_decay": ("log", 1e-3, 1.0),
    }

    def __init__(
        self,
        strategy="denoising",
        *,
        modalities=None,
        add_presence=False,
        n_neighbors=10,
        hidden=256,
        latent=64,
        noise=0.5,
        dropout=0.5,
        kl_weight=1.0,
        max_epochs=50,
        lr=1e-3,
        batch_size="auto",
        weight_decay=1.0,
        early_stopping=False,
        n_iter_no_change=10,
        tol=1e-4,
        validation_fraction=0.1,
        precision="float32",
        device="cpu",
        random_state=None,
        verbose=0,
    ):
        self.strategy = strategy
        self.modalities = modalities
        self.add_presence = add_presence
        self.n_neighbors = n_neighbors
        self.hidden = hidden
        self.latent = latent
        self.noise = noise
        self.dropout = dropout
        self.kl_weight = kl_weight
        self.max_epochs = max_epochs
        self.lr = lr
        self.batch_size = batch_size
        self.weight_decay = weight_decay
        self.early_stopping = early_stopping
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.validation_fraction = validation_fraction
        self.precision = precision
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X, y=None, groups=None):
        """Learn to predict each table from the others.

        Parameters
        ----------
        X : mapping of str -> array
            The modalities; those that a sample lacks are missing as everywhere.
        y : None
            Not used.
        groups : array-like of shape (n_samples,), default=None
            Groups, such as patients, that early stopping keeps on one side of its split; None for
            ``X.groups``.

        Returns
        -------
        self : PseudoModalityImputer
            Fitted.

        Examples
        --------
        See the example of the class.
        """
        check_parameters(self, RULES)
        X = validate_modalities(self, X, reset=True, accept=KINDS)
        names, groups = choose_tables(X, self.modalities, type(self).__name__), check_groups(groups, X)
        if self.add_presence and PRESENCE in X:
            raise ValueError(
                f"add_presence=True adds a modality {PRESENCE!r}, which X has already: rename it."
            )
        check_dense(X, names, type(self).__name__)
        X, rows = usable_tables(X[list(names)], type(self).__name__)
        self.imputed_modalities_ = X.modalities
        self._templates = {name: template_of(X[name]) for name in X}
        self.net_ = self.history_ = self.best_epoch_ = None
        self.validation_rows_ = self.reconstruction_error_ = None
        self._seed = draw_seed(self.random_state)

        several = np.flatnonzero(X.present[rows].sum(axis=1) > 1)
        learns = self.strategy in NETWORKS and len(several) > 0
        part, held_out, training = several, np.empty(0, dtype=int), rows
        if learns and self.early_stopping:
            own = np.arange(len(X)) if groups is None else groups
            subset = None if groups is None else np.unique(own[rows[several]], return_inverse=True)[1]
            split = split_validation(
                np.zeros(len(several), int), subset, self.validation_fraction, stream(self._seed, 0)
            )
            part, held_out = (several[positions] for positions in split)
            away = np.isin(own[rows], own[rows[held_out]])  # with all that the groups have
            training, self.validation_rows_ = rows[~away], rows[away]
        inputs = make_inputs(self.schema_, X.modalities, standardize=True, clip=None)
        scan_inputs(inputs, X, training, np.ones(len(training)))
        present = X.present[training].astype(int)
        together = present.T @ present
        if self.strategy != "mean":
            warn_alone(X.modalities, together)
        self._predictor = Predictor(inputs, together, n_neighbors=self.n_neighbors)
        if self.strategy == "nearest":
            donors = [self._predictor.standardized(X, name, training) for name in X]
            self._predictor.donors = donors, X.present[training]
        if learns:
            try:
                self._train(X, rows, part, held_out)
            except BaseException:
                del self.imputed_modalities_  # a fit that failed leaves no imputer behind
                raise
        return self

    def transform(self, X):
        """Predict what is missing.

        Parameters
        ----------
        X : mapping of str -> array
            Some or all of the modalities of ``fit``.

        Returns
        -------
        ModalityDict
            The modalities in the order of ``fit``: tables without missing entries, but for samples that have
            none of them; other modalities as they are. DataFrames stay DataFrames.

        Examples
        --------
        See the example of the class.
        """
        X, tables = self._validate_new(X)
        present = tables.present
        known = present.any(axis=1)
        if not known.all():
            warn_without(tables.modalities, known, "they stay as they are")
        rows = np.flatnonzero(known & ~present.all(axis=1))
        predicted = self._predictor.predict(tables[rows])
        data, kinds, feature_names, masks = {}, {}, {}, {}
        for name in self.modalities_:
            source = tables if name in tables else X
            if name not in source:
                continue  # not a table of ours, and absent
            kinds[name], feature_names[name] = source.kinds[name], source.feature_names[name]
            data[name], masks[name] = source[name], source.is_present(name)
            if name in predicted:
                positions, standardized = predicted[name]
                data[name] = self._filled(X, name, rows[positions], standardized)
                masks[name] = known
        if self.add_presence:
            data[PRESENCE], kinds[PRESENCE] = present.astype(np.float32), "table"
            feature_names[PRESENCE] = np.array(self.imputed_modalities_, dtype=object)
            masks[PRESENCE] = np.ones(len(X), dtype=bool)
        stacked = np.column_stack(list(masks.values()))
        return ModalityDict._build(data, kinds, stacked, feature_names, X.index, X.groups)

    def reconstruction_error(self, X):
        """How well each table is predicted where it is known: it is hidden, and told from the others.

        For samples that ``fit`` has not seen: those that it has are known to "nearest", and to a large
        network.

        Parameters
        ----------
        X : mapping of str -> array
            The modalities.

        Returns
        -------
        DataFrame
            A row a table: "modality"; "n_samples" that have it and another; "mse", the mean squared error in
            units of the standard deviation of each column in training; "r2", the share of the squared
            distance from the training mean that is explained; "cosine_distance", the mean over samples, in
            the table's own units; and "mean_mse" and "mean_cosine_distance", those of the training mean.
            Columns that were constant in training count in the last of these only.

        Examples
        --------
        >>> import numpy as np
        >>> from skmm.impute import PseudoModalityImputer
        >>> mri = np.random.default_rng(0).normal(size=(60, 4))
        >>> X = {"mri": mri, "pet": 10 + 3 * mri}
        >>> imputer = PseudoModalityImputer("nearest", n_neighbors=3).fit({k: v[:50] for k, v in X.items()})
        >>> error = imputer.reconstruction_error({k: v[50:] for k, v in X.items()})
        >>> error["modality"].tolist(), bool((error["r2"] > 0.2).all())
        (['mri', 'pet'], True)
        """
        _, tables = self._validate_new(X)
        return pd.DataFrame([self._predictor.error_of(tables, name) for name in self.imputed_modalities_])

    def get_feature_names_out(self, input_features=None):
        """Names of what comes out: ``rna__GAPDH`` for columns of tables, the modality's name for others.

        Parameters
        ----------
        input_features : None
            Not used; the names are those of ``fit``.

        Returns
        -------
        ndarray of str
            Modality after modality.

        Examples
        --------
        >>> import numpy as np
        >>> from skmm.impute import PseudoModalityImputer
        >>> X = {"mri": np.eye(4), "pet": np.eye(4)[:, :1]}
        >>> PseudoModalityImputer("mean").fit(X).get_feature_names_out().tolist()
        ['mri__x0', 'mri__x1', 'mri__x2', 'mri__x3', 'pet__x0']
        """
        check_is_fitted(self, "imputed_modalities_")
        names = names_out(self.schema_)
        names += [f"{PRESENCE}__{name}" for name in self.imputed_modalities_] * bool(self.add_presence)
        return np.asarray(names, dtype=object)

    def _train(self, X, rows, part, held_out):
        """Make and train the network."""
        predictor = self._predictor

        def make_module():
            return PseudoModalityModule(
                {name: entry.varies for name, entry in predictor.inputs.items()},
                self.strategy,
                self.hidden,
                self.latent,
                noise=self.noise,
                dropout=self.dropout,
                kl_weight=self.kl_weight,
            )

        self.net_ = predictor.net = net_of(self, make_module, self._seed, n_classes=None, optimizer="adamw")
        self.net_.batch_size = resolve_batch_size(self.batch_size, len(part))
        part, same = training_order(X, rows, part, self.net_.batch_size)
        valid = predictor.batches(X, rows=rows[held_out]) if len(held_out) else None
        data = predictor.batches(X, rows=rows[part], checked=True)
        self.best_epoch_ = train_as_told(self, self.net_, data, valid, seed=self._seed, groups=same)
        self.history_ = history_frame(self.net_)
        if valid is not None:
            self.reconstruction_error_ = self.reconstruction_error(X[self.validation_rows_])

    def _validate_new(self, X):
        """What came after fit, in its order, and the tables that are used, those that are absent missing."""
        check_is_fitted(self, "imputed_modalities_")
        X = validate_modalities(self, X, reset=False, absent="leave")
        names, schema = self.imputed_modalities_, self.schema_
        check_dense(X, names, type(self).__name__)
        data, present = {}, np.zeros((len(X), len(names)), dtype=bool)
        for column, name in enumerate(names):
            if name in X:
                data[name], present[:, column] = X[name], X.is_present(name)
            else:
                data[name] = placeholder("table", schema.shapes[name], len(X))
        feature_names = {name: schema.feature_names[name] for name in names}
        feature_names |= {name: X.feature_names[name] for name in names if name in X}
        kinds = dict.fromkeys(names, "table")
        tables = ModalityDict._build(data, kinds, present, feature_names, X.index, X.groups)
        check_tables(tables)
        return X, tables

    def _filled(self, X, name, rows, standardized):
        """A table with predictions in some of its rows."""
        value = X[name] if name in X else missing_like(self._templates[name], X.index, len(X))
        numbers = self._predictor.inputs[name].restore(standardized)
        table = with_rows(value, rows, numbers)
        written = table.iloc[rows] if isinstance(table, pd.DataFrame) else table[rows]
        wrong = ~np.isfinite(np.asarray(written, dtype=np.float64)).all(axis=1)
        if wrong.any():
            raise ValueError(
                f"The predictions of {name!r} overflow in {wrong.sum()} samples (rows "
                f"{messages.shown(rows[wrong])}), of which other modalities are too far from those of fit."
            )
        return table

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False  # one works, but there is nothing to predict it from
        tags.input_tags.dict = True
        tags.transformer_tags.preserves_dtype = []
        return tags
