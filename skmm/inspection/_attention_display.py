"""Where attention networks look, as a plot: tokens of tables, patches of images, instances of bags."""

import numpy as np
import pandas as pd

from skmm.containers import BagArray, as_modality_dict
from skmm.inspection._maps import draw_maps, map_block
from skmm.inspection._models import seen_by_model
from skmm.inspection._panels import figure_of, panel_blocks, plain_title, say, short
from skmm.inspection._ranking import draw_ranking, ranking, ranking_block
from skmm.inspection._samples import chosen_modalities, present_rows, sample_title, samples_to_show
from skmm.model_selection._plotting import COLORS, REFERENCE, tidy

_EVEN = "attention (dashed: all alike)"
_MULTIPLE = "attention, 1: all alike"
_BAG_COLUMNS = 4
_N_NUMBERED = 3  # instances of a bag whose numbers are written


def _is_bag(weights):
    """Whether weights are one array a sample."""
    return (
        isinstance(weights, (BagArray, list, tuple))
        or getattr(getattr(weights, "dtype", None), "kind", None) == "O"
    )


def _kind(weights, kind, name):
    """What weights are of: what X says, or what their form tells."""
    if _is_bag(weights):
        return "bag"
    n_axes = np.ndim(weights)
    if kind == "volume" and n_axes == 3:
        return "image"  # of one slice, or summed
    if kind in {"table", "image", "volume"}:
        return kind
    if kind is None and n_axes in {2, 3}:
        return {2: "table", 3: "image"}[n_axes]
    raise ValueError(
        f"The weights of modality {name!r} have shape {np.shape(weights)}, which has no plot. Expected "
        "(n_samples, n_tokens), (n_samples, rows, columns), or a list of arrays, one a sample; others, as "
        "those of volumes, with an X that holds the modality."
    )


def _averaged(weights, kind, name):
    """Weights of tokens alone: the mean over layers, heads and queries, which come between.

    Those of a volume are summed over its depth.
    """
    if kind == "bag":
        arrays = [np.asarray(w, dtype=np.float64) for w in weights]
        return [array.sum(axis=tuple(range(1, array.ndim))) for array in arrays]
    weights = np.asarray(weights, dtype=np.float64)
    n_axes = {"table": 2, "image": 3, "volume": 4}[kind]
    if weights.ndim < n_axes:
        raise ValueError(
            f"The weights of modality {name!r}, {kind}s, must have at least {n_axes} axes. "
            f"Got shape {weights.shape}."
        )
    weights = weights.mean(axis=tuple(range(1, weights.ndim - n_axes + 1)))
    return weights.sum(axis=1) if kind == "volume" else weights


class AttentionDisplay:
    """Where a network with attention looks: tokens of tables, patches of images, instances of bags.

    Of a table, the tokens (groups of features, or features) with the highest mean weight over the samples
    that have it, with the standard deviation. Of images, maps of single samples over the brightness of the
    image, as multiples of the weight that each patch would have if all had the same; of volumes likewise, the
    weights summed and the voxels averaged over the depth. Of bags, the weight of each instance in single
    samples; the numbers are those of the three heaviest that count more than others on average. A dashed line
    is the weight where all tokens or instances count alike.

    Use :meth:`from_estimator` or :meth:`from_predictions` to make one.

    Parameters
    ----------
    attention : dict of str -> DataFrame, ndarray, BagArray or list of ndarray
        Weights by modality, which sum to 1 in a sample: (n_samples, n_tokens) for tables, (n_samples, rows,
        columns) of patches for images, with the depth before the rows for volumes, one array a sample
        (n_instances,) for bags. Axes of layers, heads and queries may come after the first, if X says the
        kinds; they are averaged over. Bags of images have axes of patches after the instances; they are
        summed.
    X : mapping of str -> array, or ModalityDict, default=None
        The same samples: which of them have a modality, kinds, and images. Without it, samples with zeros
        throughout are taken to lack the modality.
    y : array-like of shape (n_samples,), default=None
        Labels, as titles; samples of all classes are then shown in turn.
    token_names : dict of str -> list of str, default=None
        Names of the tokens of tables; default: the columns of a DataFrame.
    patch_size : int, default=None
        Pixels of a patch in height and width; None where the patches cover the image exactly.

    Attributes
    ----------
    summary_ : dict of str -> DataFrame
        Of each table drawn: "mean", "std" (ddof=1; NaN for one sample) and "n" of every token, the highest
        mean first.
    rows_ : dict of str -> ndarray of int
        Of each modality of images, volumes or bags drawn: the rows of the samples shown.
    axes_ : list of matplotlib Axes
        Tables first, one panel each; then the other modalities, one panel a sample; with
        ``originals=True`` the images before their maps, with ``mean=True`` the mean map last.
    figure_ : matplotlib Figure
        What holds them.

    Examples
    --------
    >>> import numpy as np
    >>> from skmm.inspection import AttentionDisplay
    >>> display = AttentionDisplay.from_predictions(
    ...     {"rna": np.array([[0.25, 0.75], [0.5, 0.5]])}, token_names={"rna": ["kinases", "receptors"]}
    ... )
    >>> display.summary_["rna"]["mean"].to_dict()
    {'receptors': 0.625, 'kinases': 0.375}
    """

    def __init__(self, attention, X=None, *, y=None, token_names=None, patch_size=None):
        self.attention = attention
        self.X = X
        self.y = y
        self.token_names = token_names
        self.patch_size = patch_size

    @classmethod
    def from_estimator(cls, estimator, X, y=None, *, ax=None, **options):
        """Ask a fitted model where it looks, and plot it.

        Parameters
        ----------
        estimator : estimator
            Fitted, with the method ``attention_weights``, such as HEALNetClassifier and MCATClassifier; or a
            Pipeline or a search that ends in one. The earlier steps of a Pipeline are applied.
        X : mapping of str -> array, ModalityDict, or array-like of shape (n_samples, n_features)
            Samples.
        y : array-like of shape (n_samples,), default=None
            Labels, as titles; samples of all classes are then shown in turn.
        ax : matplotlib Axes or array of them, default=None
            Where to draw, one Axes a panel; default: a new figure.
        **options : dict
            Further arguments of :meth:`plot`.

        Returns
        -------
        AttentionDisplay
            With ``attention``, ``summary_``, ``axes_`` and ``figure_``.

        Examples
        --------
        See the class.
        """
        model, X, _ = seen_by_model(estimator, X, ["attention_weights"], cls.__name__)
        attention = model.attention_weights(X)
        names = dict(getattr(model, "token_names_", {}))
        display = cls(attention, X, y=y, token_names=names, patch_size=getattr(model, "patch_size", None))
        return display.plot(ax=ax, **options)

    @classmethod
    def from_predictions(
        cls, attention, X=None, y=None, *, token_names=None, patch_size=None, ax=None, **options
    ):
        """Plot where a model has looked, as it has told before.

        Parameters
        ----------
        attention : dict of str -> DataFrame, ndarray, BagArray or list of ndarray
            Weights by modality.
        X : mapping of str -> array, or ModalityDict, default=None
            The same samples as the model saw them; without it, samples with zeros throughout are taken to
            lack the modality.
        y : array-like of shape (n_samples,), default=None
            Labels, as titles; samples of all classes are then shown in turn.
        token_names : dict of str -> list of str, default=None
            Names of the tokens of tables; default: the columns of a DataFrame.
        patch_size : int, default=None
            Pixels of a patch in height and width; None where the patches cover the image exactly.
        ax : matplotlib Axes or array of them, default=None
            Where to draw, one Axes a panel; default: a new figure.
        **options : dict
            Further arguments of :meth:`plot`.

        Returns
        -------
        AttentionDisplay
            With ``summary_``, ``axes_`` and ``figure_``.

        Examples
        --------
        See the class.
        """
        display = cls(attention, X, y=y, token_names=token_names, patch_size=patch_size)
        return display.plot(ax=ax, **options)

    def plot(
        self,
        *,
        modalities=None,
        n_tokens=10,
        samples=4,
        mean=False,
        originals=False,
        limits=None,
        alpha=0.6,
        ax=None,
    ):
        """Draw the weights.

        Parameters
        ----------
        modalities : str or list of str, default=None
            What to show; default: all.
        n_tokens : int, default=10
            Number of tokens of a table.
        samples : int or list of int, default=4
            How many samples' maps and bags, or the rows of which.
        mean : bool, default=False
            Whether to show the mean map of images as well.
        originals : bool, default=False
            Whether to show the images alone as well, above their maps.
        limits : tuple of float, default=None
            Lowest and highest value of the colours, as multiples of even attention; default: the range of the
            maps shown, but at least 0.1 apart, so that flat maps look flat.
        alpha : float, default=0.6
            How much of a map covers its image, in (0, 1].
        ax : matplotlib Axes or array of them, default=None
            Where to draw, one Axes a panel; default: a new figure.

        Returns
        -------
        AttentionDisplay
            Itself.

        Raises
        ------
        ValueError
            If a modality or a sample is unknown, or shapes do not go together.

        Examples
        --------
        See the class.
        """
        names = chosen_modalities(modalities, self.attention)
        if not isinstance(n_tokens, (int, np.integer)) or n_tokens < 1:
            raise ValueError(f"n_tokens must be an int of at least 1. Got {n_tokens!r}.")
        X = None if self.X is None else as_modality_dict(self.X)
        labels = None if self.y is None else np.asarray(self.y)
        kinds, values, present = {}, {}, {}
        for name in names:
            known = None if X is None or name not in X else X.kinds[name]
            kinds[name] = _kind(self.attention[name], known, name)
            values[name] = _averaged(self.attention[name], kinds[name], name)
            present[name] = np.array([bool(np.any(weights)) for weights in values[name]])
            if X is not None:
                present[name] &= present_rows(X, name, len(values[name]))
        tables = [name for name in names if kinds[name] == "table"]
        others = [name for name in names if kinds[name] != "table"]
        self.summary_ = {
            name: ranking(values[name], present[name], self._token_names(name)) for name in tables
        }
        self.rows_ = {name: samples_to_show(samples, present[name], labels) for name in others}
        blocks = [ranking_block(self.summary_.values(), n_tokens, 0)] if tables else []
        for name in others:
            rows = self.rows_[name]
            is_bag = kinds[name] == "bag"
            blocks.append(
                _bag_block(len(rows))
                if is_bag
                else map_block(values[name], rows, mean=mean, originals=originals)
            )
        panels = panel_blocks(ax, blocks, type(self).__name__)
        self.axes_ = [panel for block in panels for panel in block]
        self.figure_ = figure_of(self.axes_[0])
        for name, panel in zip(tables, self.axes_, strict=False):
            summary = self.summary_[name]
            draw_ranking(
                panel, name, summary, n_tokens, 0, label=_EVEN,
                what=None if self._token_names(name) is not None else "tokens by position",
                reference=1 / len(summary),
            )  # fmt: skip
        for name, block in zip(others, panels[bool(tables) :], strict=True):
            rows = self.rows_[name]
            titles = [sample_title(X, row, labels) for row in rows]
            if kinds[name] == "bag":
                _draw_bags(block, name, [values[name][row] for row in rows], titles)
                continue
            relative = values[name] * values[name][0].size
            draw_maps(
                block, name, relative, X, rows, titles, present=present[name], mean=mean, label=_MULTIPLE,
                originals=originals, limits=limits, alpha=alpha, patch_size=self.patch_size,
            )  # fmt: skip
        return self

    def _token_names(self, name):
        """Names of a table's tokens, or None."""
        given = self.token_names or {}
        if name in given:
            return list(given[name])
        weights = self.attention[name]
        return list(weights.columns) if isinstance(weights, pd.DataFrame) else None


def _bag_block(n_bags):
    """Panels of bags, and their inches."""
    n_panels = max(n_bags, 1)
    columns = min(n_panels, _BAG_COLUMNS)
    return [n_panels], columns, 2.9 * columns + 0.4, 2.3 * -(-n_panels // columns) + 0.2


def _draw_bags(axes, name, bags, titles):
    """Weights of the instances of some bags; each in a scale of its own, as they differ in size."""
    if not bags:
        say(axes[0], f"{short(name)}: no sample has it")
        return
    for panel, weights, title in zip(axes, bags, titles, strict=True):
        places = np.arange(len(weights))
        heavy = np.argsort(-weights, kind="stable")[:_N_NUMBERED]
        heavy = heavy[weights[heavy] > 1 / len(weights)]
        panel.bar(
            places, weights, width=0.8 if len(weights) < 50 else 1.0,
            color=[COLORS[1] if place in heavy else COLORS[0] for place in places],
        )  # fmt: skip
        near, up = 0.1 * len(weights), 2
        for last, place in zip([-np.inf, *np.sort(heavy)], np.sort(heavy), strict=False):
            up = 2 if place - last > near else up + 9  # numbers of neighbours stand in steps
            panel.annotate(
                str(place), (place, weights[place]), xytext=(0, up), textcoords="offset points", ha="center",
                fontsize="x-small",
            )  # fmt: skip
        panel.axhline(1 / len(weights), **REFERENCE)
        panel.set_ylim(0, 1.3 * weights.max())
        panel.set_xlim(-0.6, len(weights) - 0.4)
        panel.locator_params(axis="x", integer=True, nbins=6)
        plain_title(panel, title)
        panel.set_xlabel(f"instance ({short(name)})")
        tidy(panel, grid="y")
    axes[0].set_ylabel(_EVEN)
