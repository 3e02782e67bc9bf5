"""How informative features are to a model, as a plot: names for tables, heat maps for images."""

import numpy as np

from skmm.containers import as_modality_dict
from skmm.inspection._maps import draw_maps, map_block
from skmm.inspection._models import seen_by_model
from skmm.inspection._panels import figure_of, panel_blocks
from skmm.inspection._ranking import draw_ranking, ranking, ranking_block
from skmm.inspection._samples import chosen_modalities, present_rows, sample_title, samples_to_show

_LABEL = "informativeness"


class FeatureInformativenessDisplay:
    """How informative the features of each modality are: ranked names for tables, heat maps for images.

    Of a table, the features with the highest and with the lowest mean over the samples that have it, with
    the standard deviation. Of images, the maps of single samples over the brightness of the image, in colours
    that mean the same in all of them; with ``mean=True`` also the mean map over the samples that have one.

    Use :meth:`from_estimator` or :meth:`from_predictions` to make one.

    Parameters
    ----------
    informativeness : dict of str -> ndarray of shape (n_samples, n_features) or (n_samples, height, width)
        By modality, as ``feature_informativeness`` of a model gives it.
    X : mapping of str -> array, or ModalityDict, default=None
        The same samples: which of them have a modality, names of features, and images. Without it, samples
        with zeros throughout are taken to lack the modality.
    y : array-like of shape (n_samples,), default=None
        Labels, as titles of the maps; samples of all classes are then shown in turn.
    feature_names : dict of str -> list of str, default=None
        Names for tables, in place of those of ``X``.

    Attributes
    ----------
    summary_ : dict of str -> DataFrame
        Of each table drawn: "mean", "std" (ddof=1; NaN for one sample) and "n" of every feature, the highest
        mean first.
    rows_ : dict of str -> ndarray of int
        Of each image modality drawn: the rows of the samples shown.
    axes_ : list of matplotlib Axes
        Tables first, one panel each; then those of the image modalities: with ``originals=True`` the images,
        and the maps, the mean map last.
    figure_ : matplotlib Figure
        What holds them.

    Examples
    --------
    >>> import numpy as np
    >>> from skmm.inspection import FeatureInformativenessDisplay
    >>> display = FeatureInformativenessDisplay.from_predictions(
    ...     {"rna": np.array([[0.2, 0.9], [0.4, 0.7]])}, feature_names={"rna": ["GAPDH", "TP53"]}
    ... )
    >>> display.summary_["rna"]["mean"].to_dict()
    {'TP53': 0.8, 'GAPDH': 0.30000000000000004}
    >>> [label.get_text() for label in display.axes_[0].get_yticklabels()]
    ['TP53', 'GAPDH']
    """

    def __init__(self, informativeness, X=None, *, y=None, feature_names=None):
        self.informativeness = informativeness
        self.X = X
        self.y = y
        self.feature_names = feature_names
        self._unnamed = frozenset()

    @classmethod
    def from_estimator(cls, estimator, X, y=None, *, feature_names=None, ax=None, **options):
        """Ask a fitted model how informative features are, and plot it.

        All samples go through the model, and so do their images; hand over a part of many images.

        Parameters
        ----------
        estimator : estimator
            Fitted, with the method ``feature_informativeness``, such as MMDynamicsClassifier and
            ImageMMDynamics; or a Pipeline or a search that ends in one. The earlier steps of a Pipeline are
            applied, and the features are those that come out of them, by name where the steps tell names.
        X : mapping of str -> array, ModalityDict, or array-like of shape (n_samples, n_features)
            Samples.
        y : array-like of shape (n_samples,), default=None
            Labels, as titles of the maps; samples of all classes are then shown in turn.
        feature_names : dict of str -> list of str, default=None
            Names for tables, in place of those of ``X``.
        ax : matplotlib Axes or array of them, default=None
            Where to draw, one Axes a panel; default: a new figure.
        **options : dict
            Further arguments of :meth:`plot`.

        Returns
        -------
        FeatureInformativenessDisplay
            With ``informativeness``, ``summary_``, ``axes_`` and ``figure_``.

        Examples
        --------
        >>> from skmm.datasets import load_digits_views
        >>> from skmm.fusion import MMDynamicsClassifier
        >>> from skmm.inspection import FeatureInformativenessDisplay
        >>> X, y = load_digits_views(return_X_y=True)
        >>> X = X[["profile", "gradient"]][:200]
        >>> model = MMDynamicsClassifier(16, max_epochs=2, random_state=0).fit(X, y[:200])
        >>> display = FeatureInformativenessDisplay.from_estimator(model, X, n_features=3)
        >>> [len(axes.get_yticklabels()) for axes in display.axes_]
        [6, 6]
        """
        seen = seen_by_model(estimator, X, ["feature_informativeness"], cls.__name__)
        display = cls(seen.model.feature_informativeness(seen.X), seen.X, y=y, feature_names=feature_names)
        display._unnamed = seen.unnamed
        return display.plot(ax=ax, **options)

    @classmethod
    def from_predictions(cls, informativeness, X=None, y=None, *, feature_names=None, ax=None, **options):
        """Plot how informative features are, as a model has told before.

        Parameters
        ----------
        informativeness : dict of str -> ndarray
            By modality, (n_samples, n_features) or (n_samples, height, width).
        X : mapping of str -> array, or ModalityDict, default=None
            The same samples as the model saw them; without it, samples with zeros throughout are taken to
            lack the modality.
        y : array-like of shape (n_samples,), default=None
            Labels, as titles of the maps; samples of all classes are then shown in turn.
        feature_names : dict of str -> list of str, default=None
            Names for tables, in place of those of ``X``.
        ax : matplotlib Axes or array of them, default=None
            Where to draw, one Axes a panel; default: a new figure.
        **options : dict
            Further arguments of :meth:`plot`.

        Returns
        -------
        FeatureInformativenessDisplay
            With ``summary_``, ``axes_`` and ``figure_``.

        Examples
        --------
        See the class.
        """
        return cls(informativeness, X, y=y, feature_names=feature_names).plot(ax=ax, **options)

    def plot(
        self,
        *,
        modalities=None,
        n_features=10,
        samples=4,
        mean=False,
        originals=False,
        limits=None,
        alpha=0.6,
        ax=None,
    ):
        """Draw the features and the maps.

        Parameters
        ----------
        modalities : str or list of str, default=None
            What to show; default: all.
        n_features : int, default=10
            Number of highest and of lowest features of a table.
        samples : int or list of int, default=4
            How many samples' maps, or the rows of which.
        mean : bool, default=False
            Whether to show the mean map as well.
        originals : bool, default=False
            Whether to show the images alone as well, above their maps.
        limits : tuple of float, default=None
            Lowest and highest value of the colours; default: the range of the maps shown, but at least 0.1
            apart, so that flat maps look flat.
        alpha : float, default=0.6
            How much of a map covers its image, in (0, 1].
        ax : matplotlib Axes or array of them, default=None
            Where to draw, one Axes a panel; default: a new figure.

        Returns
        -------
        FeatureInformativenessDisplay
            Itself.

        Raises
        ------
        ValueError
            If a modality or a sample is unknown, or shapes do not go together.

        Examples
        --------
        See the class.
        """
        names = chosen_modalities(modalities, self.informativeness)
        if not isinstance(n_features, (int, np.integer)) or n_features < 1:
            raise ValueError(f"n_features must be an int of at least 1. Got {n_features!r}.")
        X = None if self.X is None else as_modality_dict(self.X)
        values = {name: np.asarray(self.informativeness[name]) for name in names}
        present = {name: _present(X, name, value) for name, value in values.items()}
        tables = [name for name in names if values[name].ndim == 2]
        images = [name for name in names if values[name].ndim > 2]
        labels = None if self.y is None else np.asarray(self.y)
        self.summary_ = {name: ranking(values[name], present[name], self._names(X, name)) for name in tables}
        self.rows_ = {name: samples_to_show(samples, present[name], labels) for name in images}
        blocks = [ranking_block(self.summary_.values(), n_features, n_features)] if tables else []
        blocks += [
            map_block(values[name], self.rows_[name], mean=mean, originals=originals) for name in images
        ]
        panels = panel_blocks(ax, blocks, type(self).__name__)
        self.axes_ = [panel for block in panels for panel in block]
        self.figure_ = figure_of(self.axes_[0])
        for name, panel in zip(tables, self.axes_, strict=False):
            what = self._what(X, name)
            draw_ranking(panel, name, self.summary_[name], n_features, n_features, label=_LABEL, what=what)
        for name, block in zip(images, panels[bool(tables) :], strict=True):
            rows = self.rows_[name]
            titles = [sample_title(X, row, labels) for row in rows]
            draw_maps(
                block, name, values[name], X, rows, titles, present=present[name], mean=mean, label=_LABEL,
                originals=originals, limits=limits, alpha=alpha,
            )  # fmt: skip
        return self

    def _names(self, X, name):
        """Names of a table's columns, or None."""
        given = self.feature_names or {}
        unknown = [other for other in given if other not in self.informativeness]
        if unknown:
            raise ValueError(f"feature_names must be of {list(self.informativeness)}. Got {unknown}.")
        return given[name] if name in given else None if X is None else X.feature_names[name]

    def _what(self, X, name):
        """What is at the left, where it is no names."""
        if self._names(X, name) is not None:
            return None
        return (
            "features by position:\nthe steps before tell no names"
            if name in self._unnamed
            else "features by position"
        )


def _present(X, name, values):
    """Which samples have a modality."""
    if values.ndim not in (2, 3):
        raise ValueError(
            f"The informativeness of {name!r} must have shape (n_samples, n_features) or (n_samples, height, "
            f"width). Got {values.shape}."
        )
    if X is None:
        return values.reshape(len(values), -1).any(axis=1)
    return present_rows(X, name, len(values))
