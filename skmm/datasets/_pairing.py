"""Items of another data set as a modality: drawn at random within class, never shared between groups."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from sklearn.utils import column_or_1d

from skmm.containers import ModalityDict, as_modality_dict

from ._utils import random_generator

_NONE_YET = 1e-9  # stands for no item, so that a group without one comes before all others


def _labels(values, n_expected, what):
    """Return labels as a 1-D array, one for each sample or item, none missing."""
    values = column_or_1d(values)
    if len(values) != n_expected:
        raise ValueError(f"{what} must have {n_expected} entries, got {len(values)}.")
    if pd.isna(values).any():
        raise ValueError(f"{what} must have no holes, but {pd.isna(values).sum()} entries are missing.")
    types = sorted({type(value).__name__ for value in values}) if values.dtype == object else []
    if "str" in types and len(types) > 1:
        raise ValueError(f"{what} must be of one type, got {', '.join(types)}.")
    return values


def _wanted(y, item_classes, classes):
    """Return which item class each sample wants, as a number; -1 where there is none."""
    if not isinstance(classes, (Mapping, type(None))):
        raise ValueError(f"`classes` must be a dict of sample class to item class, got {classes!r}.")
    classes, numbers = dict(classes or {}), {label: i for i, label in enumerate(item_classes.tolist())}
    unknown = sorted({str(label) for label in classes.values() if label not in numbers})
    if unknown:
        raise ValueError(
            f"`classes` names item classes that no item has: {unknown}. Choose among {list(numbers)}."
        )
    labels, inverse = np.unique(y, return_inverse=True)
    return np.array([numbers.get(classes.get(label, label), -1) for label in labels.tolist()], int)[inverse]


def _check_unmatched(y, wanted, item_classes, unmatched):
    """Raise for samples whose class has no items, unless they may go without; some must have."""
    if unmatched not in ("raise", "missing"):
        raise ValueError(f'`unmatched` must be "raise" or "missing", got {unmatched!r}.')
    bare = wanted < 0
    if bare.all() or (bare.any() and unmatched == "raise"):
        raise ValueError(
            f"No item has the class of {bare.sum()} of {len(y)} samples: "
            f"{np.unique(y[bare]).tolist()}; items are of the classes {item_classes.tolist()}. "
            "Say in `classes` which item class theirs is, leave them out"
            + ("." if bare.all() else ', or set unmatched="missing": then missingness tells the class.')
        )


def _divide(units, need, rng):
    """Give each unit of items to one group, in proportion to what the groups need.

    Units, those of the rarest classes first, go one by one to the group that has fewest of the unit's classes
    for what it needs. So each group gets an item of a class before any gets a second beyond its share, and as
    many as it needs where there are enough.

    Parameters
    ----------
    units : ndarray of int of shape (n_units, n_classes)
        Items of each class in a unit.
    need : ndarray of int of shape (n_groups, n_classes)
        Samples that want an item of a class.
    rng : RandomState
        Shuffles the units.

    Returns
    -------
    ndarray of int of shape (n_units,)
        Number of the group.
    """
    owner = np.zeros(len(units), dtype=int)
    given = np.zeros(need.shape)
    urgency = need / _NONE_YET
    rarity = np.where(units > 0, (units > 0).sum(axis=0), len(units)).min(axis=1)
    order = rng.permutation(len(units))
    for unit in order[np.argsort(rarity[order], kind="stable")]:
        group = owner[unit] = np.argmax(urgency @ units[unit])
        given[group] += units[unit]
        urgency[group] = need[group] / np.maximum(given[group], _NONE_YET)
    return owner


def _count(first, second, shape):
    """Return how often each pair of numbers occurs; pairs with a negative number are left out."""
    kept = (first >= 0) & (second >= 0)
    pairs = np.ravel_multi_index((first[kept], second[kept]), shape)
    return np.bincount(pairs, minlength=np.prod(shape)).reshape(shape)


def _check_supply(supply, need, item_classes, groups, *, replace):
    """Raise unless each group has the items that it needs; ``supply`` and ``need`` are (groups, classes)."""
    short = (supply < 1) & (need > 0) if replace else supply < need
    if not short.any():
        return
    lacks = []
    for k in np.flatnonzero(short.any(axis=0)):
        g, n_groups = np.argmax(short[:, k]), np.count_nonzero(need[:, k])
        where = f" in {n_groups} groups; group {groups[g]!r} has {supply[g, k]} for {need[g, k]}"
        lacks.append(
            f"{item_classes.tolist()[k]!r} ({supply[:, k].sum()} items for {need[:, k].sum()} samples"
            f"{where if len(groups) > 1 else ''})"
        )
    advice = (
        "Each group needs at least one of its own: use more items or fewer groups."
        if replace
        else "Use more items, or set replace=True to use some again within their group."
    )
    raise ValueError(f"There are not enough items of {', '.join(lacks)}. {advice}")


def draw_within_class(wanted, item_class, groups, units, *, item_classes, replace, rng):
    """Draw an item of the wanted class for each sample; no unit of items serves two groups.

    Parameters
    ----------
    wanted : ndarray of int of shape (n_samples,)
        Number of the item class that a sample wants; -1 for none.
    item_class : ndarray of int of shape (n_items,)
        Number of each item's class; -1 for an item that cannot be used.
    groups : ndarray of shape (n_samples,)
        Groups of the samples.
    units : ndarray of int of shape (n_items,)
        Number of the unit that an item belongs to.
    item_classes : ndarray of shape (n_classes,)
        Names of the item classes.
    replace : bool
        Whether items may be used again within their group once all are used.
    rng : RandomState
        Of the draw.

    Returns
    -------
    ndarray of int of shape (n_samples,)
        Rows of items; -1 for none.
    """
    names, group = np.unique(groups, return_inverse=True)
    need = _count(group, wanted, (len(names), len(item_classes)))
    counts = _count(units, item_class, (units.max() + 1, len(item_classes)))
    owner = _divide(counts, need, rng)[units]
    supply = _count(owner, item_class, need.shape)
    _check_supply(supply, need, item_classes, names.tolist(), replace=replace)
    rows = np.full(len(wanted), -1)
    for g, k in zip(*np.nonzero(need), strict=True):
        items = np.flatnonzero((owner == g) & (item_class == k))
        rounds = [rng.permutation(items) for _ in range(-(-need[g, k] // len(items)))]
        rows[(group == g) & (wanted == k)] = np.concatenate(rounds)[: need[g, k]]
    return rows


def _with_modality(X, pool, rows, groups):
    """Return X with the rows of the only modality of ``pool`` as one modality more; row -1 is missing."""
    (name,) = pool.modalities
    values = pool[np.maximum(rows, 0)][name]
    if isinstance(values, pd.DataFrame):  # labelled by item so far
        values = values.set_axis(pd.RangeIndex(len(X)) if X.index is None else X.index)
    names = {**X.feature_names, **pool.feature_names}
    return ModalityDict(
        {**X, name: values},
        kinds={**X.kinds, **pool.kinds},
        present={**dict(zip(X.modalities, X.present.T, strict=True)), name: rows >= 0},
        feature_names={name: own for name, own in names.items() if own is not None},
        index=X.index,
        groups=groups,
    )


def pair_within_class(
    X,
    y,
    items,
    items_y,
    *,
    name,
    kind=None,
    classes=None,
    groups=None,
    items_groups=None,
    replace=False,
    unmatched="raise",
    return_rows=False,
    random_state=None,
):
    """Give samples a modality from another data set, drawn at random within class.

    Sample i of class :math:`y_i` gets one of the items whose class is :math:`k(y_i)`, with :math:`k` given by
    `classes`, whatever else is known of the two. No item serves two groups, so folds that keep the groups
    whole never have an item on both sides.

    **Such a pairing is artificial.** Within a class the new modality is independent of all others: an item
    tells about its sample the class, and nothing else. It tells the class to a model in training and in test
    alike, as well as the item's own class can be told, so results show how a model joins modalities, never
    what two measurements of one sample would have in common. Say so wherever such a result is shown.

    Parameters
    ----------
    X : ModalityDict or mapping of str to array
        The samples, never changed.
    y : array-like of shape (n_samples,)
        Their classes.
    items : array, LazyArray, BagArray, DataFrame or sequence of shape (n_items, ...)
        What the samples get: any modality. Items that are missing in it are not used.
    items_y : array-like of shape (n_items,)
        Classes of the items.
    name : str
        Name of the new modality.
    kind : {"table", "image", "volume", "bag", "text"}, default=None
        Its kind, where the shape of the items leaves it in doubt.
    classes : dict of sample class to item class, default=None
        Several classes may have the same items. Classes that are not in it, all when None, get items of a
        class that is named like theirs.
    groups : array-like of shape (n_samples,), default=None
        Groups of the samples, such as donors; default: ``X.groups``. Without groups all samples are one.
    items_groups : array-like of shape (n_items,), default=None
        Groups of the items, such as the patients whom they come from: all items of one go to the same group
        of samples. When None, each item is on its own.
    replace : bool, default=False
        Whether a group may use items again when it has more samples than items. All of its items are used
        once before one is used again.
    unmatched : {"raise", "missing"}, default="raise"
        Samples whose class has no items: refuse them, or let them lack the modality. Then being missing tells
        the class, and a model that sees presence learns that.
    return_rows : bool, default=False
        Whether to return the row of each sample's item, too.
    random_state : int, RandomState instance or None, default=None
        Seed of the draw.

    Returns
    -------
    X_paired : ModalityDict
        `X` with one modality more, and with `groups`. Values are those of `X`, lazy items stay lazy; kinds,
        presence, feature names and sample ids are kept.
    rows : ndarray of int of shape (n_samples,)
        With ``return_rows=True``: rows of `items`; -1 where a sample has none.

    Raises
    ------
    ValueError
        If a class has no items, or a group none of its own, or, with ``replace=False``, fewer than it needs;
        if `X` has a modality of that name; if lengths differ or labels have holes.

    Notes
    -----
    Items of a class are divided in proportion to the samples of the groups that want them; which items a
    group gets does not depend on the order of the samples. With `items_groups` the division goes group by
    group, the rarest classes first: it may fail where another would do, and says so.

    With ``replace=True`` an item can be on both sides of a split *within* a group, such as that of early
    stopping.

    Examples
    --------
    >>> import numpy as np
    >>> from skmm import ModalityDict
    >>> from skmm.datasets import pair_within_class
    >>> X = ModalityDict({"protein": np.arange(8.0).reshape(4, 2)}, groups=["ann", "ann", "bob", "bob"])
    >>> y = ["B", "T", "T", "monocyte"]
    >>> images = np.zeros((4, 16, 16, 3), dtype=np.uint8)
    >>> classes = {"B": "lymphocyte", "T": "lymphocyte"}
    >>> X_paired, rows = pair_within_class(
    ...     X, y, images, ["monocyte", "lymphocyte", "lymphocyte", "lymphocyte"],
    ...     name="image", classes=classes, return_rows=True, random_state=0,
    ... )
    >>> X_paired
    ModalityDict: 4 samples, 2 modalities, with groups
      protein  table  2 float64          all present
      image    image  16 x 16 x 3 uint8  all present
    >>> int(rows[3])
    0
    """
    X = as_modality_dict(X)
    if name in X:
        raise ValueError(f"X has a modality {name!r} already. Choose another name.")
    pool = ModalityDict({name: items}, kinds=None if kind is None else {name: kind})
    y = _labels(y, len(X), "`y`")
    items_y = _labels(items_y, len(pool), "`items_y`")
    groups = X.groups if groups is None else _labels(groups, len(X), "`groups`")
    usable = pool.is_present(name)
    item_classes, item_class = np.unique(items_y[usable], return_inverse=True)
    wanted = _wanted(y, item_classes, classes)
    _check_unmatched(y, wanted, item_classes, unmatched)
    units = np.arange(len(pool))
    if items_groups is not None:
        units = np.unique(_labels(items_groups, len(pool), "`items_groups`"), return_inverse=True)[1]
    numbers = np.full(len(pool), -1)
    numbers[usable] = item_class
    rows = draw_within_class(
        wanted,
        numbers,
        np.zeros(len(X)) if groups is None else groups,
        units,
        item_classes=item_classes,
        replace=replace,
        rng=random_generator(random_state),
    )
    X_paired = _with_modality(X, pool, rows, groups)
    return (X_paired, rows) if return_rows else X_paired
