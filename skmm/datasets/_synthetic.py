"""Synthetic classification data in several modalities, with all that makes real ones hard."""

import inspect
from collections.abc import Mapping
from numbers import Integral

import numpy as np
from sklearn.utils import Bunch

from skmm.containers import ModalityDict

from ._missing import drop_modalities
from ._observe import OBSERVE, table_columns
from ._utils import check_count, check_rate, random_generator, round_together

_DISTANCE = 2.0  # between two classes in the latent space, in units of the noise at informativeness 0.5
_COMMON_OPTIONS = ("kind", "informativeness", "missing")

_DESCR = """Synthetic classification data in several modalities
===================================================

Made by skmm.datasets.make_multimodal_classification, whose documentation gives the model.
"""


def _check_modalities(modalities):
    """Return the specification of each modality as a dict of options."""
    if isinstance(modalities, Integral) and not isinstance(modalities, bool) and modalities >= 1:
        modalities = {f"table{i}": {} for i in range(modalities)}
    if not isinstance(modalities, Mapping) or not modalities:
        raise ValueError(
            f"`modalities` must be a positive integer or a dict of at least one, got {modalities!r}."
        )
    specs = {}
    for name, given in modalities.items():
        spec = {"kind": given} if isinstance(given, str) else given
        if not isinstance(spec, Mapping):
            raise ValueError(f"Modality {name!r}: expected a kind or a dict of options, got {given!r}.")
        spec = dict(spec)
        kind = spec.setdefault("kind", "table")
        if kind not in OBSERVE:
            raise ValueError(f"Modality {name!r}: the kind must be one of {list(OBSERVE)}, got {kind!r}.")
        known = [*_COMMON_OPTIONS, *list(inspect.signature(OBSERVE[kind]).parameters)[2:]]
        unknown = [option for option in spec if option not in known]
        if unknown:
            raise ValueError(
                f"Modality {name!r}: unknown options {unknown} of a {kind}. Choose among {known}."
            )
        specs[name] = spec
    return specs


def _check_counts(n_samples, n_classes, n_groups, weights):
    """Return the share of each class, after a look at the numbers that must fit together."""
    counts = {"n_samples": n_samples, "n_classes": n_classes, "n_groups": 1 if n_groups is None else n_groups}
    for name, value in counts.items():
        check_count(value, f"`{name}`")
    n_units = n_samples if n_groups is None else n_groups
    if n_classes < 2:
        raise ValueError(f"`n_classes` must be at least 2, got {n_classes}.")
    if n_groups is not None and n_groups > n_samples:
        raise ValueError(f"`n_groups` must not exceed n_samples={n_samples}, got {n_groups}.")
    weights = np.full(n_classes, 1 / n_classes) if weights is None else np.asarray(weights, dtype=float)
    if weights.shape != (n_classes,) or (weights < 0).any() or not np.isclose(weights.sum(), 1):
        raise ValueError(
            f"`weights` must be {n_classes} shares, one a class, that sum to 1, got {weights.tolist()}."
        )
    if round_together(n_units * weights).min() == 0:
        units = "samples" if n_groups is None else "groups"
        raise ValueError(
            f"{n_units} {units} are too few: with weights {weights.tolist()} a class would be empty."
        )
    return weights


def _draw_labels(n_samples, n_groups, weights, rng):
    """Return labels, and groups or None; all samples of a group have the label of the group."""
    if n_groups is None:
        return rng.permutation(np.repeat(np.arange(len(weights)), round_together(n_samples * weights))), None
    group_labels, _ = _draw_labels(n_groups, None, weights, rng)
    groups = rng.permutation(np.arange(n_samples) % n_groups)
    return group_labels[groups], groups


def _noise(n_samples, n_classes, groups, group_effect, rng):
    """Return standard normal noise, of which a share of the variance is common to the samples of a group."""
    own = rng.normal(size=(n_samples, n_classes))
    if groups is None:
        return own
    common = rng.normal(size=(groups.max() + 1, n_classes))[groups]
    return np.sqrt(group_effect) * common + np.sqrt(1 - group_effect) * own


def _latent(y, informativeness, redundancy, draw_noise, n_classes):
    """Return the latent vectors of each modality.

    The noise of modality m is a Brownian motion at time s_m^2: what modalities have in common is one motion
    for all. So the noisier of two fully redundant modalities is the other one plus more noise, and adds
    nothing.
    """
    codes = np.eye(n_classes)[y] * _DISTANCE / np.sqrt(2)  # two codes are _DISTANCE apart
    level = {name: (1 - a) / a for name, a in informativeness.items() if a > 0}
    shared, time, latent = np.zeros_like(codes), 0.0, {}
    for name in sorted(level, key=level.get):
        shared = shared + np.sqrt(level[name] ** 2 - time) * draw_noise()
        time = level[name] ** 2
        noise = np.sqrt(redundancy) * shared + np.sqrt(1 - redundancy) * level[name] * draw_noise()
        latent[name] = informativeness[name] * (codes + noise)
    # Without any information there is nothing to share: noise of its own, that tells nothing about the
    # others.
    return {name: latent[name] if a > 0 else draw_noise() for name, a in informativeness.items()}


def _flip(y, flip_y, n_classes, rng):
    """Return labels of which a share is drawn anew."""
    y = y.copy()
    rows = rng.permutation(len(y))[: round(flip_y * len(y))]
    y[rows] = rng.randint(n_classes, size=len(rows))
    return y


def _observe(spec, z, rng):
    """Return the values and the feature names (None but for tables) of one modality."""
    options = {option: value for option, value in spec.items() if option not in _COMMON_OPTIONS}
    values = OBSERVE[spec["kind"]](z, rng, **options)
    if spec["kind"] != "table":
        return values, None
    n_informative, n_features = table_columns(z.shape[1], **options)
    signal = [f"signal_{i}" for i in range(n_informative)]
    return values, signal + [f"noise_{i}" for i in range(n_features - n_informative)]


def make_multimodal_classification(
    n_samples=300,
    *,
    modalities=2,
    n_classes=2,
    informativeness=0.5,
    redundancy=0.0,
    missing=0.0,
    mechanism="mcar",
    n_groups=None,
    group_effect=0.5,
    weights=None,
    flip_y=0.0,
    random_state=None,
    return_X_y=True,
):
    r"""Make a classification problem in several modalities of any kind.

    Sample :math:`i` of class :math:`y_i` has in modality :math:`m` the latent vector

    .. math:: z_{im} = a_m \Big(\delta\, e_{y_i} + \sigma_m \big(\sqrt{r}\,\epsilon_i^{(m)} +
              \sqrt{1 - r}\,\eta_{im}\big)\Big), \qquad \sigma_m = \frac{1 - a_m}{a_m}

    with the informativeness :math:`a_m`, the redundancy :math:`r`, the unit vector :math:`e_c` of class
    :math:`c`, :math:`\delta = \sqrt 2` (so that classes are 2 apart), noise :math:`\eta_{im}` of its own and
    noise :math:`\epsilon_i^{(m)}` that is common to the modalities: the noisier of two modalities has that of
    the other and some more. All noise is standard normal. At :math:`a = 0.5`, two classes overlap as two
    normal distributions two standard deviations apart (best accuracy 0.84 from one modality); at 0 there is
    no signal, at 1 no noise.

    The latent vector is seen, with simple means that a simple model can undo, as

    - table: columns "signal_0", ... hold one latent dimension each, in turn, the columns "noise_0", ...
      nothing; a sparse table (CSR) holds :math:`\max(x - 0.5, 0)`, about 31 % of it nonzero;
    - image, volume: a blob a class, on a circle, whose brightness is the latent value;
    - bag: a type of instance a class; the higher the latent value, the larger the share of that type;
    - text: words of one topic a class, in such shares, mixed with as many words of no topic.

    Parameters
    ----------
    n_samples : int, default=300
        Number of samples.
    modalities : int or dict of str to str or dict, default=2
        The modalities: a number of dense tables "table0", "table1", ..., or for each name a kind ("table",
        "image", "volume", "bag", "text") or a dict of options: ``kind`` (default "table"),
        ``informativeness`` and ``missing`` in place of the common ones, and those of the kind: table:
        ``n_features`` (20), ``n_informative`` (twice the number of classes), ``sparse`` (False); image:
        ``size`` ((16, 16)), ``channels`` (None, 1, 3 or 4), ``dtype`` ("uint8" or "float32"); volume:
        ``size`` ((4, 12, 12)); bag: ``n_instances`` ((3, 12), the smallest and the largest number),
        ``n_features`` (8); text: ``n_words`` ((10, 30), the smallest and the largest number of topic words),
        ``vocabulary`` (50, number of other words).
    n_classes : int, default=2
        Number of classes.
    informativeness : float, default=0.5
        :math:`a`, how well a modality alone tells the class: 0 is chance, 1 is separable.
    redundancy : float, default=0.0
        :math:`r`, the share of the noise variance that modalities have in common. 0: their errors are
        independent, given the class, so that together they tell most. 1: together they tell what the best of
        them tells.
    missing : float, default=0.0
        Share of the samples that lack a modality, see `drop_modalities`. Each sample keeps one at least.
    mechanism : {"mcar", "label"}, default="mcar"
        Who lacks it: everybody alike, or the more often the higher the label.
    n_groups : int, default=None
        Number of groups (patients) of about equal size. All samples of a group are of one class. None: no
        groups.
    group_effect : float, default=0.5
        Share of the noise variance that the samples of a group have in common. It makes folds that split
        groups look better than they are. Without `n_groups` it has no effect.
    weights : array-like of shape (n_classes,), default=None
        Share of each class, of the groups where there are any. None: equal shares.
    flip_y : float, default=0.0
        Share of the samples whose label is drawn anew, at random.
    random_state : int, RandomState instance or None, default=None
        Seed of everything.
    return_X_y : bool, default=True
        Return ``(X, y)`` only.

    Returns
    -------
    X, y : tuple if ``return_X_y=True``
        ModalityDict, whose ``groups`` are the patients, and ndarray of shape (n_samples,) with labels 0, 1,
        ...
    problem : :class:`~sklearn.utils.Bunch` if ``return_X_y=False``
        With ``data`` and ``target`` (the same two), ``target_names``, ``feature_names`` (dict of the tables'
        names to lists), ``latent`` (dict of str to ndarray of shape (n_samples, n_classes)), ``clean_target``
        (the labels before `flip_y`) and ``DESCR``.

    Raises
    ------
    ValueError
        If a number is out of its range, an option or a kind is unknown, a class would be empty, or `missing`
        cannot be met while each sample keeps a modality.

    Examples
    --------
    >>> from skmm.datasets import make_multimodal_classification
    >>> X, y = make_multimodal_classification(
    ...     100, modalities={"rna": {"sparse": True, "informativeness": 0.8}, "scan": "image"},
    ...     missing=0.2, n_groups=20, random_state=0,
    ... )
    >>> X.kinds
    {'rna': 'table', 'scan': 'image'}
    >>> X.present.sum(axis=0)
    array([80, 80])
    """
    specs = _check_modalities(modalities)
    weights = _check_counts(n_samples, n_classes, n_groups, weights)
    for name, value in {"redundancy": redundancy, "group_effect": group_effect, "flip_y": flip_y}.items():
        check_rate(value, f"`{name}`")
    levels = {
        name: check_rate(spec.get("informativeness", informativeness), f"The informativeness of {name!r}")
        for name, spec in specs.items()
    }
    rates = {
        name: check_rate(spec.get("missing", missing), f"`missing` of {name!r}")
        for name, spec in specs.items()
    }

    rng = random_generator(random_state)
    y, groups = _draw_labels(n_samples, n_groups, weights, rng)

    def draw_noise():
        """Draw noise for all samples."""
        return _noise(n_samples, n_classes, groups, group_effect, rng)

    latent = _latent(y, levels, redundancy, draw_noise, n_classes)
    observed = {name: _observe(spec, latent[name], rng) for name, spec in specs.items()}
    feature_names = {name: names for name, (_, names) in observed.items() if names is not None}
    X = ModalityDict(
        {name: values for name, (values, _) in observed.items()},
        kinds={name: spec["kind"] for name, spec in specs.items()},
        feature_names=feature_names,
        groups=groups,
    )
    target = _flip(y, flip_y, n_classes, rng)
    X = drop_modalities(X, rates, y=target, mechanism=mechanism, random_state=rng)
    if return_X_y:
        return X, target
    return Bunch(
        data=X,
        target=target,
        target_names=np.array([f"class_{label}" for label in range(n_classes)]),
        feature_names=feature_names,
        latent=latent,
        clean_target=y,
        DESCR=_DESCR,
    )
