"""What an explanation gives: attributions of several modalities, and all that is needed to read them."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from skmm.containers import BagArray
from skmm.inspection._samples import chosen_modalities

_MAPPED = ("image", "volume", "bag")


class Attributions(Mapping):
    r"""Attributions of a model's answer to its input, by modality.

    A mapping of modality -> values, as :func:`attribute` makes it. Values have the form in which the modality
    enters the model:

    - table: ndarray (n_samples, n_features);
    - image: ndarray (n_samples, height, width[, channels]); volume: (n_samples, depth, height, width,
      channels);
    - bag: :class:`~skmm.BagArray` of attributions of each instance;
    - text: object array with an array (n_tokens,) a sample, one number for each of ``tokens``.

    They are zero where a sample lacks the modality; there a bag has no instance and a text no token.

    Parameters
    ----------
    values : dict of str -> ndarray or BagArray
        Attributions by modality.
    X : ModalityDict
        The samples as the model sees them.
    target : ndarray of shape (n_samples,)
        The label whose logit is explained, by sample.
    difference : ndarray of shape (n_samples,)
        By how much the logit of the sample is above that of its baseline.
    completeness_error : ndarray of shape (n_samples,) or None
        How far sums of attributions are from that; None for methods that promise no sum.
    tokens : dict of str -> list of list of Token, default=None
        The words of each text and their places in it.
    feature_names : dict of str -> ndarray of object, default=None
        Names of the columns of each table.
    method : str, default="integrated_gradients"
        How they were computed.
    origins : dict, default=None
        What :func:`attribute` knows of the original images, for `maps`.

    Attributes
    ----------
    target : ndarray of shape (n_samples,)
        The label whose logit is explained, by sample.
    difference : ndarray of shape (n_samples,)
        By how much the logit of the sample is above that of its baseline.
    completeness_error : ndarray of shape (n_samples,) or None
        :math:`|\sum a - d| / \max(|d|, 0.1 \sum |a|)`, with the attributions :math:`a` and the
        ``difference`` :math:`d` of the sample. None for methods that promise no sum.
    present : ndarray of bool of shape (n_samples, n_modalities)
        Which modalities the samples have, in the order of this mapping.
    feature_names : dict of str -> ndarray of object
        Names of the columns of each table.
    tokens : dict of str -> list of list of Token
        The words of each text and their places in it, see :meth:`skmm.preprocessing.TextTokenizer.tokenize`.
    X : ModalityDict
        The samples as the model sees them.
    index : pandas.Index or None
        Sample ids.
    method : str
        How they were computed.

    See Also
    --------
    attribute : Makes them.

    Examples
    --------
    >>> from skmm.datasets import load_digits_views
    >>> from skmm.fusion import MMStaticClassifier
    >>> from skmm.inspection import attribute
    >>> X, y = load_digits_views(return_X_y=True)
    >>> X = X[["profile", "gradient"]]
    >>> model = MMStaticClassifier(16, max_epochs=5, random_state=0).fit(X[:500], y[:500])
    >>> attributions = attribute(model, X[500:510])
    >>> attributions
    Attributions of 10 samples by integrated_gradients
      gradient  table  (10, 16)
      profile   table  (10, 16)
    >>> bool((abs(attributions.totals.sum(axis=1) - attributions.difference) < 0.1).all())
    True
    """

    def __init__(
        self,
        values,
        X,
        *,
        target,
        difference,
        completeness_error,
        tokens=None,
        feature_names=None,
        method="integrated_gradients",
        origins=None,
    ):
        self._values = dict(values)
        self.X = X
        self.target = target
        self.difference = difference
        self.completeness_error = completeness_error
        self.tokens = tokens or {}
        self.feature_names = feature_names or {}
        self.method = method
        self._origins = origins or {}

    @property
    def present(self):
        """Which modalities the samples have, (n_samples, n_modalities)."""
        return np.column_stack([self.X.is_present(name) for name in self])

    @property
    def index(self):
        """Sample ids, or None."""
        return self.X.index

    @property
    def totals(self):
        """Sum of the attributions of each modality, a DataFrame (n_samples, n_modalities)."""
        return pd.DataFrame(
            {name: _total(values) for name, values in self._values.items()}, index=self.X.index
        )

    def to_frame(self, name):
        """Attributions of a table by the names of its columns.

        Parameters
        ----------
        name : str
            The table.

        Returns
        -------
        DataFrame of shape (n_samples, n_features)
            With sample ids as index.

        Raises
        ------
        ValueError
            If there is no such table.

        Examples
        --------
        >>> import numpy as np
        >>> from skmm import ModalityDict
        >>> from skmm.inspection import Attributions
        >>> X = ModalityDict({"rna": np.ones((2, 2))}, feature_names={"rna": ["GAPDH", "TP53"]})
        >>> zeros = np.zeros(2)
        >>> found = Attributions(
        ...     {"rna": np.array([[1.0, 0.0], [0.5, -0.5]])}, X, target=zeros, difference=zeros,
        ...     completeness_error=zeros, feature_names=X.feature_names,
        ... )
        >>> found.to_frame("rna")["TP53"].tolist()
        [0.0, -0.5]
        """
        chosen_modalities(name, list(self))
        if self.X.kinds[name] != "table":
            raise ValueError(f"to_frame takes a table. Modality {name!r} is of kind {self.X.kinds[name]}.")
        return pd.DataFrame(self[name], index=self.X.index, columns=self.feature_names[name])

    def maps(self, name):
        """Attributions of images as maps over the original images, channels summed.

        Where a step of the pipeline has resized the images, the attribution of each pixel that the model sees
        is shared by the original pixels of which it was made, by their weights in it: a map has the size of
        its original image, and the same sum as before. Steps of this package are known. Any other that keeps
        the size of images is taken to leave pixels in place, which a warning says: behind one that flips or
        shifts images, maps are flipped or shifted too.

        Parameters
        ----------
        name : str
            Modality of images, of volumes, or of bags of either.

        Returns
        -------
        list of ndarray of shape (height, width)
            One a sample, for :func:`find_regions`; NaN throughout where a sample lacks the modality. Of a
            volume (depth, height, width), of a bag (n_instances, height, width).

        Raises
        ------
        ValueError
            If the modality has no pixels, or a step before the model has moved them in a way that is not
            known: names the step.

        Warns
        -----
        UserWarning
            If a step that is not known is taken to leave pixels in place: names the step.

        Examples
        --------
        >>> import numpy as np
        >>> from skmm.fusion import ImageMMDynamics
        >>> from skmm.inspection import attribute
        >>> rng = np.random.default_rng(0)
        >>> X = {"scan": rng.uniform(size=(8, 16, 20)), "age": rng.normal(size=(8, 1))}
        >>> model = ImageMMDynamics(4, max_epochs=1, random_state=0).fit(X, [0, 1] * 4)
        >>> maps = attribute(model, X).maps("scan")
        >>> len(maps), maps[0].shape
        (8, (16, 20))
        """
        chosen_modalities(name, list(self))
        origin = self._origins.get(name)
        if origin is not None:
            origin.check(name)
        values = self._values[name]
        is_bag = isinstance(values, BagArray)
        flat = values.values if is_bag else values
        if self.X.kinds[name] not in _MAPPED or flat.ndim < 3:
            raise ValueError(f"Modality {name!r} has no pixels: it is a {self.X.kinds[name]}.")
        joined = flat.sum(axis=-1) if flat.ndim > 3 else flat
        if is_bag:
            maps = list(BagArray(joined, values.offsets))
        else:
            here = self.X.is_present(name)
            maps = [
                one if seen else np.full_like(one, np.nan) for one, seen in zip(joined, here, strict=True)
            ]
        return maps if origin is None else origin.back(maps)

    def __getitem__(self, name):
        """Values of a modality."""
        if name not in self._values:
            raise KeyError(f"Modality {name!r} is not among {list(self._values)}, which were explained.")
        return self._values[name]

    def __iter__(self):
        """Names of modalities."""
        return iter(self._values)

    def __len__(self):
        """Number of modalities."""
        return len(self._values)

    def __repr__(self):
        """Modalities, kinds and shapes."""
        width = max(map(len, self._values))
        kinds = {name: self.X.kinds[name] for name in self._values}
        wide = max(map(len, kinds.values()))
        lines = [f"Attributions of {len(self.X)} samples by {self.method}"]
        lines += [
            f"  {name:<{width}}  {kinds[name]:<{wide}}  {_form(values)}"
            for name, values in self._values.items()
        ]
        return "\n".join(lines)


def _total(values):
    """Sum of the attributions of each sample."""
    if isinstance(values, np.ndarray) and values.dtype != object:
        return values.reshape(len(values), -1).sum(axis=1)
    return np.array([np.sum(entry) for entry in values], dtype=np.float64)


def _form(values):
    """Shape of values, in words."""
    if isinstance(values, BagArray):
        lengths = values.lengths
        return f"{lengths.min()} to {lengths.max()} instances of shape {values.instance_shape}"
    if values.dtype == object:
        counts = [len(entry) for entry in values]
        return f"{min(counts)} to {max(counts)} tokens"
    return str(values.shape)
