"""ModalitySampler: any sampler of imbalanced-learn on a ModalityDict."""

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, clone

from skmm._optional import import_optional
from skmm._training import Choice, check_parameters, draw_seed, encode_labels
from skmm.containers import (
    KINDS,
    ModalityDict,
    check_numeric,
    is_bare_table,
    read_rows,
    stack_rows,
    take_rows,
    validate_modalities,
)
from skmm.containers import _validation as messages
from skmm.containers._presence import warn_without_modality
from skmm.sampling._parents import Parents, code_columns, code_scale, find_parents, join_groups
from skmm.sampling._tables import join_columns, numeric_block, presence_columns, rows_between, spreads_of

INSTEAD = "use a sampler that chooses samples, such as RandomOverSampler"


def ignores_values(sampler):
    """Whether a sampler looks at labels only: imbalanced-learn's two random ones."""
    over = import_optional("imblearn.over_sampling", extra="imbalance", who="ModalitySampler")
    under = import_optional("imblearn.under_sampling", extra="imbalance", who="ModalitySampler")
    if isinstance(sampler, over.RandomOverSampler):
        return sampler.shrinkage is None
    return isinstance(sampler, under.RandomUnderSampler)


def makes_samples(sampler):
    """Whether a sampler, or a step of a pipeline of samplers, makes new samples."""
    if hasattr(sampler, "steps"):
        return any(makes_samples(step) for _, step in sampler.steps)
    return getattr(sampler, "_sampling_type", None) == "over-sampling" and not ignores_values(sampler)


def vanished(before, after):
    """Classes of which no sample is left."""
    return np.setdiff1d(before, after).tolist()


def number_strategy(strategy, classes):
    """A sampling strategy in which classes are numbers: samplers then work for labels of any type."""
    if callable(strategy):
        return lambda codes: number_strategy(strategy(classes[codes]), classes)
    if not isinstance(strategy, (dict, list, tuple, np.ndarray)):
        return strategy
    unknown = [label for label in strategy if label not in classes]
    if unknown:
        raise ValueError(
            f"sampling_strategy names the classes {unknown}, but y has {classes.tolist()}. Remove or rename "
            "them."
        )
    codes = {label: int(np.searchsorted(classes, label)) for label in strategy}
    if isinstance(strategy, dict):
        return {codes[label]: number for label, number in strategy.items()}
    return list(codes.values())


def inner_parameters(sampler, classes):
    """Parameters to set on a sampler and its parts: classes as numbers, and seeds where there are none.

    Without a seed they would draw from NumPy's global state, and change it.
    """
    params = {}
    for name, value in sampler.get_params().items():
        last = name.rpartition("__")[2]
        if last == "sampling_strategy":
            params[name] = number_strategy(value, classes)
        elif last == "random_state" and value is None:
            params[name] = draw_seed(None)
    return params


class ModalitySampler(BaseEstimator):
    r"""Apply a sampler of imbalanced-learn to samples of several modalities.

    Samplers that **choose** samples (RandomOverSampler, RandomUnderSampler, TomekLinks, NearMiss,
    EditedNearestNeighbours and others) take all modalities of a sample along: tables, images, bags, texts;
    what is lazy stays lazy, what is missing stays missing.

    Samplers that **make** samples (SMOTE, BorderlineSMOTE, SVMSMOTE, KMeansSMOTE, ADASYN, and SMOTETomek and
    SMOTEENN, which clean up afterwards) put a new sample between two others, i and k,

    .. math:: x^{(m)} = (1 - t)\, x_i^{(m)} + t\, x_k^{(m)}

    with the same step t in each modality m. All modalities must be tables of numbers, dense or sparse. The
    new sample has the modalities that **both** parents have, so a value is never interpolated with one that
    is not there; where they have none in common it is a copy of the nearer parent.

    Parameters
    ----------
    sampler : sampler of imbalanced-learn, or an imblearn Pipeline of samplers
        What is applied; ``sampler__k_neighbors`` and ``sampler__random_state`` are parameters of its own.
    distance_on : list of str, default=None
        Modalities, tables of numbers, in which a sampler measures distances; all such tables when None.
        Whatever they are, a sampler that makes samples makes all modalities of them.
    group_rule : {"join", "drop"}, default="join"
        What becomes of groups where samples are made between samples of different groups: these groups are
        made one (under the name of the first), so that a split by groups in a later step never has a sample
        on one side and what was made of it on the other; or the result has no groups.

    Attributes
    ----------
    sampler_ : sampler
        The fitted sampler; it knows the samples as one matrix, and classes as numbers.
    sample_indices_ : ndarray of int of shape (n_samples_new,)
        The row of X that each sample is, or, for one that was made, is nearest to.
    parents_ : ndarray of int of shape (n_samples_new, 2)
        Rows between which a sample was made, the nearer first; twice the same for one that was there.
    steps_ : ndarray of shape (n_samples_new,)
        How far from the first parent to the second it lies; 0 for one that was there, negative where the
        sampler extrapolates (SVMSMOTE).
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    modalities_ : tuple of str
        Names of the modalities.
    n_features_in_ : int
        Number of features, where there is one table.
    feature_names_in_ : ndarray of str
        Their names, where it has names.

    Raises
    ------
    ValueError
        If a sampler should make samples of images, volumes, bags, texts, or columns that are not numeric, or
        makes them of more or less than two parents; if a class has too few samples for the neighbours that
        the sampler looks for, or would vanish; if rows hold NaN where distances are measured.
    TypeError
        If `sampler` has no ``fit_resample``.
    ImportError
        If imbalanced-learn is not installed.

    See Also
    --------
    skmm.multiclass.ClassWeightClassifier : Weighs classes instead, and throws nothing away.

    Notes
    -----
    It belongs in the Pipeline of imbalanced-learn (``imblearn.pipeline``), which applies samplers in ``fit``
    only: samples are chosen or made of the training part of each fold, never of what is judged.

    Distances are between the values as they are: scale tables first, in a ModalityTransformer. A missing
    table stands at its mean, and samples that lack the same modalities are nearer to each other than to any
    other sample; so new samples are made, where there are enough, between samples that have the same
    modalities. Rows with no modality at all are left out by samplers that make samples, with a warning.

    A new sample has the sample id of the nearer parent. Whole numbers are rounded, booleans are those of the
    nearer parent. Without groups, a random split in a later step (early stopping) can part a new sample from
    its parents; give each sample a group to have it otherwise.

    Sample weights do not pass through: a sampler takes none.

    References
    ----------
    Chawla, N. V., Bowyer, K. W., Hall, L. O., Kegelmeyer, W. P. (2002). SMOTE: synthetic minority
    over-sampling technique. Journal of Artificial Intelligence Research 16, 321-357.

    Examples
    --------
    >>> import numpy as np
    >>> from imblearn.over_sampling import SMOTE, RandomOverSampler
    >>> from skmm import ModalityDict
    >>> from skmm.sampling import ModalitySampler
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat(["mild", "severe"], [8, 3])
    >>> scans = {"rna": rng.normal(size=(11, 4)), "mri": rng.normal(size=(11, 6, 6))}
    >>> X, labels = ModalitySampler(RandomOverSampler(random_state=0)).fit_resample(scans, y)
    >>> X
    ModalityDict: 16 samples, 2 modalities
      rna  table  4 float64      all present
      mri  image  6 x 6 float64  all present
    >>> np.unique(labels, return_counts=True)[1]
    array([8, 8])
    >>> sampler = ModalitySampler(SMOTE(k_neighbors=2, random_state=0))
    >>> X, labels = sampler.fit_resample(ModalityDict(scans)[["rna"]], y)
    >>> sampler.parents_[11:].min() >= 8  # new samples are made of severe ones
    np.True_
    """

    _estimator_type = "sampler"

    def __init__(self, sampler, *, distance_on=None, group_rule="join"):
        self.sampler = sampler
        self.distance_on = distance_on
        self.group_rule = group_rule

    def fit(self, X, y):
        """Check the data; use :meth:`fit_resample` to have them resampled.

        Parameters
        ----------
        X : mapping of str -> array, ModalityDict or one table
            Modalities of the samples.
        y : array-like of shape (n_samples,)
            Class labels.

        Returns
        -------
        self : ModalitySampler
            With what it saw of the data.

        Examples
        --------
        See the example of the class.
        """
        self._check(X, y)
        return self

    def fit_resample(self, X, y):
        """Choose samples, or make new ones.

        Parameters
        ----------
        X : mapping of str -> array, ModalityDict or one table
            Modalities of the samples.
        y : array-like of shape (n_samples,)
            Class labels.

        Returns
        -------
        X_new : ModalityDict
            The samples, those that were made among them; a table where ``X`` is one.
        y_new : ndarray or Series of shape (n_samples_new,)
            Their labels.

        Examples
        --------
        See the example of the class.
        """
        data, codes = self._check(X, y)
        self.sampler_ = clone(self.sampler)
        self.sampler_.set_params(**inner_parameters(self.sampler_, self.classes_))
        make = makes_samples(self.sampler_)
        parents, labels = self._make(data, codes) if make else self._choose(data, codes)
        lost = vanished(codes, labels)
        if lost:
            raise ValueError(
                f"{type(self.sampler_).__name__} left no sample of the classes "
                f"{self.classes_[lost].tolist()}. A model could never predict them: sample less strictly "
                f"(sampling_strategy), or {INSTEAD}."
            )
        self.sample_indices_ = parents.nearer
        self.parents_ = np.column_stack([parents.nearer, parents.other])
        self.steps_ = parents.step
        out = self._combine(data, parents) if make else data[parents.nearer]
        labels = self.classes_[labels]
        if isinstance(y, pd.Series):
            labels = pd.Series(labels, name=y.name, index=y.index[parents.nearer]).astype(y.dtype)
        return (out["x"] if is_bare_table(X) else out), labels

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.estimator_type = "sampler"
        tags.target_tags.required = True
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = tags.input_tags.string = tags.input_tags.categorical = True
        tags.input_tags.dict = True
        return tags

    # --- steps ------------------------------------------------------------------------------------

    def _check(self, X, y):
        """The data as a ModalityDict, and labels as numbers."""
        if not hasattr(self.sampler, "fit_resample"):
            raise TypeError(
                "The 'sampler' parameter of ModalitySampler must be a sampler of imbalanced-learn, with a "
                f"method fit_resample. Got {self.sampler!r} instead."
            )
        check_parameters(self, {"group_rule": (Choice(("join", "drop")),)})
        data = validate_modalities(self, X, reset=True, accept=KINDS)
        self.classes_, codes = encode_labels(self, data, y)
        if isinstance(self.distance_on, str):
            raise ValueError(
                "The 'distance_on' parameter of ModalitySampler must be a list of names of modalities. Got "
                f"{self.distance_on!r} instead: did you mean [{self.distance_on!r}]?"
            )
        unknown = [name for name in self.distance_on or () if name not in data]
        if unknown:
            raise messages.unknown_names("distance_on", unknown, list(data))
        return data, codes

    def _choose(self, X, codes):
        """Rows that a sampler chooses."""
        if ignores_values(self.sampler_):
            view = np.arange(len(X), dtype=np.float64)[:, np.newaxis]
        else:
            view = self._view(X)
        _, labels = self._run(view, codes)
        rows = getattr(self.sampler_, "sample_indices_", None)
        if hasattr(self.sampler_, "steps"):
            rows = self._rows_of_steps()
        if rows is None or len(rows) != len(labels):
            raise ValueError(
                f"{type(self.sampler_).__name__} does not choose samples (it sets no sample_indices_), but "
                f"makes some that are not between two others: {INSTEAD} or RandomUnderSampler, or SMOTE."
            )
        return Parents(rows, rows, np.zeros(len(rows))), labels

    def _rows_of_steps(self):
        """Rows that the steps of a pipeline chose, one after the other."""
        rows = None
        for _, step in self.sampler_.steps:
            chosen = getattr(step, "sample_indices_", None)
            if chosen is None:
                return None
            rows = chosen if rows is None else rows[chosen]
        return rows

    def _make(self, X, codes):
        """Parents of the samples that a sampler keeps and makes."""
        self._check_tables(X)
        known = X.present.any(axis=1)
        warn_without_modality(known, "ModalitySampler leaves them out")
        if not known.any():
            raise messages.nothing_present(type(self).__name__)
        rows = np.flatnonzero(known)
        view = self._view(X[rows])
        scale = code_scale(spreads_of(view))
        told, labels = self._run(join_columns([view, code_columns(len(rows), scale)]), codes[rows])
        told = told[:, -3:]
        parents = find_parents(told.toarray() if hasattr(told, "toarray") else told, len(rows), scale)
        if parents is None:
            raise ValueError(
                f"{type(self.sampler_).__name__} makes samples that are not on a line between two others, so "
                "ModalitySampler cannot tell what belongs to them: use SMOTE or one of its kin, or "
                f"{INSTEAD}."
            )
        return Parents(rows[parents.nearer], rows[parents.other], parents.step), labels

    def _check_tables(self, X):
        """Refuse what nothing lies between."""
        who = type(self.sampler_).__name__
        for name, kind in X.kinds.items():
            if kind != "table":
                raise ValueError(
                    f"{who} makes new samples between others, which only tables of numbers allow. Modality "
                    f"{name!r} is of kind {kind!r}: embed or encode it before, in a ModalityTransformer, or "
                    f"{INSTEAD}."
                )
            try:
                check_numeric(read_rows(X[name], slice(0, None)), name)
            except ValueError as error:
                raise ValueError(
                    f"{who} makes new samples between others, which columns that are not numeric do not "
                    f"allow. {error} Or {INSTEAD}."
                ) from error
        nominal = [name for name in self.sampler_.get_params() if name.endswith("categorical_features")]
        if nominal:
            raise ValueError(
                f"{who} makes categories by vote, from more than two samples: encode columns of categories "
                f"as numbers and use SMOTE, or {INSTEAD}."
            )

    def _view(self, X):
        """The tables in which distances are measured as one matrix."""
        names = self.distance_on
        if names is None:
            names = [name for name in X if X.kinds[name] == "table" and _is_numeric(X[name], name)]
        wrong = [name for name in names if X.kinds[name] != "table"]
        if wrong or not names:
            what = f"distance_on names {messages.quoted(wrong)}, of no table" if wrong else "X holds none"
            raise ValueError(
                f"{type(self.sampler_).__name__} measures distances, in tables of numbers, but {what}. Embed "
                f"or encode the modalities before, in a ModalityTransformer, or {INSTEAD} or "
                "RandomUnderSampler."
            )
        blocks = [numeric_block(X, name) for name in names]
        presence = presence_columns(X, names, blocks)
        return join_columns([*blocks, presence] if presence.shape[1] else blocks)

    def _run(self, view, codes):
        """What the sampler returns for a matrix and numbers of classes; says so if a class is too small."""
        try:
            return self.sampler_.fit_resample(view, codes)
        except ValueError as error:
            if "n_neighbors" not in str(error):
                raise
            counts = dict(zip(self.classes_.tolist(), np.bincount(codes).tolist(), strict=True))
            smallest = min(counts, key=counts.get)
            raise ValueError(
                f"{type(self.sampler_).__name__} looks for more neighbours than there are: class "
                f"{smallest!r} has {counts[smallest]} samples (all classes: {counts}). Set "
                f"k_neighbors (or n_neighbors, m_neighbors) to {max(counts[smallest] - 1, 0)} or less, take "
                f"fewer folds, or {INSTEAD}. It said: {error}"
            ) from error

    def _combine(self, X, parents):
        """The samples that were kept and those that were made, in the order of the sampler."""
        shared = X.present[parents.nearer] & X.present[parents.other]
        alone = ~shared.any(axis=1)
        shared[alone] = X.present[parents.nearer[alone]]
        step = np.where(alone, 0.0, parents.step)
        other = np.where(alone, parents.nearer, parents.other)
        parents = Parents(parents.nearer, other, step)
        made = np.flatnonzero(step != 0)
        place = parents.nearer.copy()
        place[made] = len(X) + np.arange(len(made))
        index = None if X.index is None else X.index[parents.nearer]
        between = Parents(*(part[made] for part in parents))
        data = {}
        for column, name in enumerate(X.modalities):
            data[name] = take_rows(_extended(X[name], between, shared[made, column]), place)
            if isinstance(data[name], pd.DataFrame) and index is not None:
                data[name].index = index
        groups = None
        if X.groups is not None and self.group_rule == "join":
            groups = join_groups(X.groups, parents)
        return ModalityDict._build(data, X.kinds, shared, X.feature_names, index, groups)


def _extended(value, parents, present):
    """A table with the rows that were made at its end; as it is where there are none."""
    if not len(parents.step):
        return value
    value = read_rows(value, slice(None))
    return stack_rows([value, rows_between(value, parents, present)])


def _is_numeric(value, name):
    """Whether a table holds numbers only."""
    try:
        check_numeric(read_rows(value, slice(0, 1)), name)
    except ValueError:
        return False
    return True
