"""RandomForestImputer: holes in columns of numbers and categories, predicted from the other columns."""

import warnings
from numbers import Integral, Real

import numpy as np
import pandas as pd
import scipy.sparse as sp
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.utils.validation import check_is_fitted, validate_data

from skmm._training import Choice, Instance, Number, check_parameters, draw_seed
from skmm._training._parameters import COUNT, FLAG
from skmm.impute._mixed_columns import ColumnCode, fill_holes, holes_of, is_categorical, split_columns

FEW = 20  # rows that a tree draws at least, where there are as many: a share of few would be too few


def sweep_order(holes):
    """Columns that have holes, those with the fewest first (in order of position where they tie)."""
    counts = holes.sum(axis=0)
    return [int(column) for column in np.argsort(counts, kind="stable") if counts[column]]


def change_between(new, old, holes, categorical):
    """How far two imputations differ, for columns of numbers and for columns of categories.

    Parameters
    ----------
    new, old : ndarray of shape (n_samples, n_features)
        Two imputations of one matrix of codes.
    holes : ndarray of bool of shape (n_samples, n_features)
        Where values were imputed.
    categorical : ndarray of bool of shape (n_features,)
        Columns of categories.

    Returns
    -------
    numeric, category : float
        Sum of squared differences over the sum of squares of the new matrix, and share of imputed
        categories that differ; NaN where no column of the sort has holes.
    """
    changes = [np.nan, np.nan]
    numbers, names = holes & ~categorical, holes & categorical
    if numbers.any():
        difference = np.square(new[numbers] - old[numbers], dtype=np.float64).sum()
        total = np.square(new[:, ~categorical], dtype=np.float64).sum()
        changes[0] = difference / total if total > 0 else 0.0
    if names.any():
        changes[1] = np.mean(new[names] != old[names])
    return tuple(float(change) for change in changes)


def has_grown(changes, before):
    """Whether the differences grew in every sort of column that has holes: MissForest's criterion."""
    return all(now > then for now, then in zip(changes, before, strict=True) if not np.isnan(now))


def is_stable(changes, tol):
    """Whether no difference is above a tolerance."""
    return not any(change > tol for change in changes)  # NaN: no such column


def rows_per_tree(max_samples, n_samples):
    """How many rows a tree draws: a share of them, but 20 or all where there are few."""
    if max_samples is None:
        return n_samples
    if isinstance(max_samples, Integral):
        return min(int(max_samples), n_samples)
    return max(round(max_samples * n_samples), min(n_samples, FEW))


class RandomForestImputer(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    r"""Impute numbers and categories by a random forest for each column that has holes (MissForest).

    Holes are first filled with the column's mean or its most frequent category. Then, column by column,
    those with the fewest holes first, a forest learns the column from all others where it is observed, and
    predicts it where it is not; a regression forest for numbers, a classification forest for categories. A
    sweep over the columns is repeated until the imputed values are stable: until, for the first time, both

    .. math:: \Delta_N = \frac{\sum_{j \in N} (X^{new}_j - X^{old}_j)^2}{\sum_{j \in N} (X^{new}_j)^2}
       \quad \text{and} \quad
       \Delta_F = \frac{\sum_{j \in F} \sum_i 1[X^{new}_{ij} \ne X^{old}_{ij}]}{\#NA}

    grow (N are the columns of numbers, standardised, F those of categories, :math:`\#NA` the holes in F;
    one of them alone where the other has no holes), in which case the sweep before counts; or until neither
    is above `tol`; or for `max_iter` sweeps.

    Parameters
    ----------
    n_estimators : int, default=30
        Trees in each forest.
    max_iter : int, default=10
        Sweeps at most.
    tol : float, default=1e-3
        Imputed values are stable when neither difference is above it.
    max_features : {"sqrt", "log2"}, int or float, default="sqrt"
        Columns that each split may choose from, as in scikit-learn's forests.
    max_samples : int, float or None, default=None
        Rows, or share of rows (20 at least, where there are as many), that each tree draws with
        replacement; None draws as many as there are.
    min_samples_leaf : int or float, default=5
        Rows in a leaf at least.
    categorical_features : array-like of str, int or bool, default=None
        Columns of categories besides those of strings, booleans and pandas' categories: grades and codes
        that are written as numbers. Names, positions, or a mask.
    keep_empty_features : bool, default=False
        Whether columns that have no value in ``fit`` stay, filled with 0 ("missing_value" where the column
        is not of numbers), as in scikit-learn's SimpleImputer. Otherwise they are left out, with a warning.
    add_indicator : bool, default=False
        Whether to add a column for each column that has holes in ``fit``: 1 (True in a DataFrame) where the
        value was missing.
    n_jobs : int, default=None
        Trees to grow at a time.
    random_state : int, RandomState instance or None, default=None
        Seeds the forests.
    verbose : int, default=0
        With 1, a line a sweep.

    Attributes
    ----------
    forests_ : dict of int -> RandomForestRegressor or RandomForestClassifier
        The fitted forest of each column that has holes (and some values) in ``fit``, by position. They know
        categories as numbers.
    categories_ : dict of int -> ndarray
        Categories of each column of categories, the most frequent first, by position.
    initial_fill_ : list
        Mean or most frequent category of each column; None where it has no value.
    n_iter_ : int
        Sweeps that count; 1 where there is nothing to sweep over.
    changes_ : list of (float, float)
        :math:`(\Delta_N, \Delta_F)` of each sweep that was made; NaN where no such column has holes.
    n_features_in_ : int
        Number of columns in ``fit``.
    feature_names_in_ : ndarray of str of shape (n_features,)
        Their names, where all are strings.

    Raises
    ------
    ValueError
        If a parameter is out of range, numbers are infinite, a column of numbers in ``fit`` holds
        something else later, or no column has any value.
    TypeError
        If the table is sparse, or holds anything but numbers, strings and booleans.

    See Also
    --------
    sklearn.impute.SimpleImputer : Means and most frequent values.
    skmm.compose.ModalityTransformer : Applies it to the tables among modalities.

    Notes
    -----
    It fills holes in rows that are otherwise there. A modality that a sample lacks altogether stays missing
    in a ModalityTransformer: a forest would have nothing to learn from.

    ``transform`` starts from the means and most frequent categories of ``fit`` and makes `n_iter_` sweeps
    with the forests as they are, so that a row's imputation does not depend on the rows beside it;
    ``fit_transform`` gives what ``fit`` and ``transform`` give one after the other. A hole in a column that
    had none in ``fit`` is filled with its mean or most frequent category: no forest knows the column. A
    category that ``fit`` has not seen stays as it is, counts as one more category for the forests of the
    other columns, and is never imputed.

    In a DataFrame columns keep their data types; imputed numbers are rounded where the type holds whole
    numbers only. Labels are never looked at.

    References
    ----------
    Stekhoven, D. J., Buehlmann, P. (2012). MissForest: non-parametric missing value imputation for
    mixed-type data. Bioinformatics 28, 112-118. Their ntree is `n_estimators`, mtry `max_features`, and
    gamma the stopping criterion.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from skmm.impute import RandomForestImputer
    >>> weight = np.arange(40.0, 100.0)
    >>> X = pd.DataFrame({"weight": weight, "size": np.where(weight > 70, "large", "small")})
    >>> X.loc[3, "size"] = None
    >>> X.loc[50, "weight"] = np.nan
    >>> imputer = RandomForestImputer(random_state=0)
    >>> filled = imputer.fit_transform(X)
    >>> filled.loc[3, "size"]
    'small'
    >>> bool(filled.loc[50, "weight"] > 70)
    True
    >>> [type(forest).__name__ for forest in imputer.forests_.values()]
    ['RandomForestRegressor', 'RandomForestClassifier']
    """

    def __init__(
        self,
        n_estimators=30,
        *,
        max_iter=10,
        tol=1e-3,
        max_features="sqrt",
        max_samples=None,
        min_samples_leaf=5,
        categorical_features=None,
        keep_empty_features=False,
        add_indicator=False,
        n_jobs=None,
        random_state=None,
        verbose=0,
    ):
        self.n_estimators = n_estimators
        self.max_iter = max_iter
        self.tol = tol
        self.max_features = max_features
        self.max_samples = max_samples
        self.min_samples_leaf = min_samples_leaf
        self.categorical_features = categorical_features
        self.keep_empty_features = keep_empty_features
        self.add_indicator = add_indicator
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X, y=None):
        """Fit a forest for each column that has holes.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_features)
            Numbers, strings and booleans; None, NaN or NA where a value is missing.
        y : None
            Not used.

        Returns
        -------
        self : RandomForestImputer
            Fitted.

        Examples
        --------
        See the example of the class.
        """
        self._check_parameters()
        X = self._validate(X, reset=True)
        columns, holes = self._split(X)
        self._codes = self._learn_codes(columns)
        self.categories_ = {
            position: code.categories.to_numpy()
            for position, code in enumerate(self._codes)
            if code.categorical and code.observed
        }
        self.initial_fill_ = [code.initial_value for code in self._codes]
        self._indicated = np.flatnonzero(holes.any(axis=0))
        used = np.flatnonzero([code.observed for code in self._codes])
        if not len(used) and not self.keep_empty_features:
            raise ValueError("No column of X has any value: there is nothing to learn from. Leave X out.")
        self._warn_of_empty()
        matrix = self._encode(columns, holes)
        targets = [column for column in sweep_order(holes) if self._codes[column].observed]
        self._used = used
        self.forests_, self.n_iter_, self.changes_ = {}, 1, []
        if targets and len(used) > 1:
            self._sweep(matrix, holes, targets)
        return self

    def transform(self, X):
        """Fill the holes.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_features)
            The columns of ``fit``.

        Returns
        -------
        DataFrame or ndarray of shape (n_samples, n_features_out)
            A DataFrame where one came; its columns keep their data types.

        Examples
        --------
        See the example of the class.
        """
        check_is_fitted(self)
        X = self._validate(X, reset=False)
        columns, holes = self._split(X)
        codes = self._impute(columns, holes)
        filled, kept = [], self._kept()
        for position in kept:
            code, column, here = self._codes[position], columns[position], holes[:, position]
            if here.any():
                values = code.decode(codes[here, position]) if code.observed else code.constant(column)
                column = fill_holes(column, here, values)
            filled.append(column)
        return self._assemble(X, filled, kept, holes)

    def get_feature_names_out(self, input_features=None):
        """Names of the columns that come out.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the columns that go in; those of ``fit`` when None.

        Returns
        -------
        ndarray of str of shape (n_features_out,)
            Without columns that had no value in ``fit``, unless they are kept; with ``add_indicator``,
            ``missingindicator_age`` and so on at the end.

        Examples
        --------
        See the example of the class.
        """
        check_is_fitted(self)
        names = super().get_feature_names_out(input_features)
        indicators = [f"missingindicator_{names[position]}" for position in self._indicated]
        return np.asarray([*names[self._kept()], *(indicators if self.add_indicator else [])], dtype=object)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    # --- steps ------------------------------------------------------------------------------------

    def _check_parameters(self):
        """Refuse parameters out of range."""
        share = Number(Real, 0, 1, closed="right")
        check_parameters(
            self,
            {
                "n_estimators": (COUNT,),
                "max_iter": (COUNT,),
                "tol": (Number(Real, 0),),
                "max_features": (Choice(("sqrt", "log2")), COUNT, share),
                "max_samples": (COUNT, share, Choice((None,))),
                "min_samples_leaf": (COUNT, Number(Real, 0, 1, closed="neither")),
                "keep_empty_features": (FLAG,),
                "add_indicator": (FLAG,),
                "n_jobs": (Instance(Integral, "an int"), Choice((None,))),
                "verbose": (Number(Integral, 0), FLAG),
            },
        )

    def _validate(self, X, *, reset):
        """A DataFrame or a 2-D array, checked; lists of strings and numbers keep their types."""
        if isinstance(X, pd.DataFrame):
            validate_data(self, X, reset=reset, skip_check_array=True)
            if not X.shape[0] or not X.shape[1]:
                raise ValueError(
                    f"Found array with {X.shape[0]} sample(s) and {X.shape[1]} feature(s) while a minimum "
                    f"of 1 is required by {type(self).__name__}."
                )
            return X
        if sp.issparse(X):
            raise TypeError(
                f"Sparse data was passed, but dense data is required: {type(self).__name__} fills values "
                "that are missing, and what a sparse matrix does not store is 0. Use X.toarray()."
            )
        if isinstance(X, (list, tuple)) and np.ndim(X) == 2 and np.asarray(X).dtype.kind in "US":
            X = np.array(X, dtype=object)  # NumPy would make strings of its numbers
        return validate_data(self, X, reset=reset, dtype=None, ensure_all_finite="allow-nan")

    def _split(self, X):
        """Columns, and the mask of their holes."""
        columns = split_columns(X)
        return columns, np.column_stack([holes_of(column) for column in columns])

    def _labels(self):
        """Name or position of each column, for messages."""
        return list(getattr(self, "feature_names_in_", range(self.n_features_in_)))

    def _declared(self):
        """Mask of the columns that are declared to be of categories."""
        mask = np.zeros(self.n_features_in_, dtype=bool)
        declared = self.categorical_features
        if declared is None:
            return mask
        declared = np.atleast_1d(np.asarray(declared))
        if declared.dtype == bool and declared.shape == mask.shape:
            return declared
        labels = self._labels()
        for entry in declared.tolist() if declared.dtype != bool else [declared]:
            if isinstance(entry, str) and entry in labels:
                mask[labels.index(entry)] = True
            elif isinstance(entry, int) and -len(mask) <= entry < len(mask):
                mask[entry] = True
            else:
                raise ValueError(
                    "categorical_features must hold names or positions of columns, or be a mask of "
                    f"{len(mask)} booleans. Got {entry!r}, and the columns are {labels}."
                )
        return mask

    def _learn_codes(self, columns):
        """The code of each column."""
        declared, who = self._declared(), type(self).__name__
        return [
            ColumnCode.learn(column, label, categorical=is_categorical(column, label, who) or bool(forced))
            for column, label, forced in zip(columns, self._labels(), declared, strict=True)
        ]

    def _warn_of_empty(self):
        """Say which columns have no value and are left out."""
        empty = [code.label for code in self._codes if not code.observed]
        if empty and not self.keep_empty_features:
            warnings.warn(
                f"Columns {empty} have no value in fit: they are left out. keep_empty_features=True keeps "
                "them.",
                stacklevel=3,
            )

    def _kept(self):
        """Positions of the columns that come out."""
        if self.keep_empty_features:
            return np.arange(self.n_features_in_)
        return self._used

    def _encode(self, columns, holes):
        """The table as a matrix of numbers for the trees."""
        matrix = np.zeros(holes.shape, dtype=np.float32)
        for position, (code, column) in enumerate(zip(self._codes, columns, strict=True)):
            if code.observed:
                matrix[:, position] = code.encode(column, holes[:, position])
        return matrix

    def _others(self, column):
        """Columns from which a column is predicted."""
        return self._used[self._used != column]

    def _forest(self, column, n_samples, seed):
        """The unfitted forest of a column."""
        cls = RandomForestClassifier if self._codes[column].categorical else RandomForestRegressor
        return cls(
            n_estimators=self.n_estimators,
            max_features=self.max_features,
            max_samples=rows_per_tree(self.max_samples, n_samples),
            min_samples_leaf=self.min_samples_leaf,
            n_jobs=self.n_jobs,
            random_state=seed,
        )

    def _sweep(self, matrix, holes, targets):
        """Fit the forests, sweep after sweep, until what they impute is stable."""
        categorical = np.array([code.categorical for code in self._codes])
        # One seed a column for all sweeps: what changes is then due to the values, not to other draws.
        rng = np.random.RandomState(draw_seed(self.random_state))
        seeds = rng.randint(np.iinfo(np.int32).max, size=len(self._codes))
        for sweep in range(1, self.max_iter + 1):
            old, forests = matrix.copy(), {}
            for column in targets:
                here, others = holes[:, column], self._others(column)
                forest = self._forest(column, np.count_nonzero(~here), int(seeds[column]))
                forest.fit(matrix[np.ix_(~here, others)], matrix[~here, column])
                matrix[here, column] = forest.predict(matrix[np.ix_(here, others)])
                forests[column] = forest
            self.changes_.append(change_between(matrix, old, holes, categorical))
            if self.verbose:
                numeric, names = self.changes_[-1]
                print(  # noqa: T201 - asked for
                    f"[RandomForestImputer] sweep {sweep}: numbers changed by {numeric:.2g}, categories by "
                    f"{names:.2g}"
                )
            if sweep > 1 and has_grown(self.changes_[-1], self.changes_[-2]):
                return  # the sweep before counts
            self.forests_, self.n_iter_ = forests, sweep
            # NOTE[DIFF]: the paper waits for differences that grow. Values that hardly change need no more.
            if is_stable(self.changes_[-1], self.tol):
                return

    def _impute(self, columns, holes):
        """Codes of the table, with those that the forests predict in its holes."""
        matrix = self._encode(columns, holes)
        rows = np.flatnonzero(holes[:, list(self.forests_)].any(axis=1))
        part, part_holes = matrix[rows], holes[rows]
        for _ in range(self.n_iter_):
            for column, forest in self.forests_.items():
                here = part_holes[:, column]
                if here.any():
                    part[here, column] = forest.predict(part[np.ix_(here, self._others(column))])
        matrix[rows] = part
        return matrix

    def _assemble(self, X, filled, kept, holes):
        """The table of the filled columns, in the form in which ``X`` came."""
        indicators = holes[:, self._indicated] if self.add_indicator else holes[:, :0]
        if isinstance(X, pd.DataFrame):
            out = X.iloc[:, kept].copy()
            for position, column in enumerate(filled):
                out.isetitem(position, column)
            for number, position in enumerate(self._indicated if self.add_indicator else ()):
                out[f"missingindicator_{self._labels()[position]}"] = indicators[:, number]
            return out
        out = np.column_stack(filled) if filled else np.empty((len(X), 0))
        return np.hstack([out, indicators.astype(X.dtype)]) if self.add_indicator else out
