"""ImageEmbedder: images -> vectors, by a pretrained net that is never changed; each image once."""

import copy
import os
import warnings
from numbers import Integral
from pathlib import Path

import numpy as np
import torch
from joblib import effective_n_jobs
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted
from tqdm.auto import tqdm

from skmm._training import Choice, Instance, Number, check_parameters, draw_seed, resolve_device
from skmm._training._parameters import COUNT, FLAG
from skmm.containers import BagArray
from skmm.containers._sources import file_stamp
from skmm.embedding._backbones import (
    NAMED,
    Kept,
    backbone_digest,
    build_named,
    build_own,
    check_backbone,
    check_size,
    input_of,
)
from skmm.embedding._cache import open_cache
from skmm.embedding._images import Preparation, as_rows
from skmm.embedding._run import EmbeddingRun
from skmm.embedding._weights import fetch_weights

_BUILT = Kept()

_RULES = {
    "layer": (Choice((None,)), Instance(str, "the name of a part of the backbone")),
    "pooling": (Choice(("average", "max", None)),),
    "normalize": (Choice(("auto", "imagenet", "zscore", None)),),
    "precision": (Choice(("float32", "float64", "bfloat16")),),
    "batch_size": (COUNT,),
    "device": (Instance(str, "the name of a device"),),
    "n_jobs": (Choice((None,)), Number(Integral)),
    "verbose": (FLAG, Number(Integral, 0)),
}


def _makes_tables(embedder):
    """Whether a table comes out: of bags whose slices are embedded one by one, bags do."""
    return not getattr(embedder, "_keeps_bags", False)


class ImageEmbedder(TransformerMixin, BaseEstimator):
    r"""Turn images, slices of scans, or volumes into vectors with a pretrained net, which stays as it is.

    The vector of an image :math:`x` is :math:`\mathrm{pool}(f((r(x) - \mu) / \sigma))`, where :math:`r`
    brings values to [0, 1] and the image to the size and channels of the net, :math:`\mu` and :math:`\sigma`
    are mean and deviation of ImageNet, :math:`f` is the net up to a layer, and the pool goes over the places
    of its feature map. Each image is embedded once: vectors are kept by pixels and all settings, so that
    folds and candidates of a search cost one pass.

    Parameters
    ----------
    backbone : str, torch.nn.Module or callable, default="resnet50"
        "resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "densenet121" (images, 3 channels),
        "medicalnet_resnet10", -18, -34, -50, -101, -152, -200 (volumes, 1 channel); these need MONAI. Or a
        net or function of one's own, from a tensor (batch, channels, [depth,] height, width) to (batch,
        n_features) or to a feature map. A module is copied and set to evaluation mode; what it takes is read
        off its first convolution, and is 3 channels where it has none.
    weights : str or path, default=None
        A file of parameters (a state dict, of which nothing is executed), or "imagenet" for those that
        torchvision publishes, which are downloaded once. None leaves a module as it is, and a named backbone
        random, with a warning.
    layer : str, default=None
        The part of the backbone whose output is taken, as in ``net.named_modules()``. None: the features
        before the classifier of a named backbone, all of any other.
    pooling : {"average", "max"} or None, default="average"
        What is made of the places of a feature map (of the tokens of a transformer); None keeps them all.
    image_size : int, tuple of int or None, default=224
        Height and width to which images are resampled linearly, antialiased; depth, height and width of
        volumes. None takes them as they are.
    normalize : {"auto", "imagenet", "zscore"} or None, default="auto"
        "imagenet" subtracts mean and divides by deviation of ImageNet's colours; "zscore" standardizes each
        image by its values above 0, whatever their range; None leaves [0, 1]. "auto": "imagenet" for named
        backbones of images, "zscore" for MedicalNet, None for a backbone of one's own.
    precision : {"float32", "float64", "bfloat16"}, default="float32"
        Precision of the computation. Vectors are float64 or float32.
    batch_size : int, default=32
        Images that the backbone sees at once.
    device : str, default="cpu"
        "cpu", "cuda" or "auto".
    cache : "memory", str, path or None, default="memory"
        Where vectors are kept: in this process, in a SQLite file that processes share, or nowhere.
    n_jobs : int, default=None
        Threads that read and prepare images while the backbone runs. None: one after the other.
    random_state : int or RandomState, default=0
        Seed of a named backbone without weights. It is fixed, so that it is one backbone in every fold.
    verbose : int, default=0
        Above 0, a progress bar over the images that are not known yet.

    Attributes
    ----------
    backbone_ : torch.nn.Module
        The net, cut and pooled, in evaluation mode: a copy, so that changing it changes no vectors.

    Raises
    ------
    ValueError
        If a parameter is not allowed, a file of weights does not fit, or images are not as documented.
    FileNotFoundError
        If there is no file of weights.
    OSError
        If weights cannot be downloaded.
    ImportError
        If a named backbone needs MONAI, or a download needs pooch, and it is not installed.

    Warns
    -----
    UserWarning
        If a named backbone has random weights; if values of uint16 look like 12 bits.

    See Also
    --------
    skmm.compose.ModalityTransformer : Embeds one modality of several.

    Notes
    -----
    Values of uint8 are divided by 255, of uint16 by 65535; floats must be within [0, 1]. Nothing is clipped:
    other values are an error, unless images are standardized one by one. Grey images are repeated to 3
    channels, colour is made grey where the net takes 1, and opacity is left out.

    A cached vector is found by what the backbone *is*: classes with all that is written in them, plain
    attributes, parameters, buffers and hooks of a module; code, defaults, closed-over values and globals of a
    function; name and version of what is a library's. What cannot be told by value is cached within one
    fitted embedder only; an attribute ``cache_token`` of the backbone, of which ``repr`` tells all, stands
    for it instead. A function runs nets as they are, so they must be in evaluation mode.

    References
    ----------
    K. He et al., "Deep residual learning for image recognition", CVPR 2016. S. Chen et al., "Med3D: transfer
    learning for 3D medical image analysis", arXiv:1904.00625 (MedicalNet).

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from skmm.embedding import ImageEmbedder
    >>> with torch.random.fork_rng():
    ...     net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU())
    >>> images = np.arange(2 * 8 * 8, dtype=np.uint8).reshape(2, 8, 8)
    >>> embedder = ImageEmbedder(net, image_size=8)
    >>> embedder.fit_transform(images).shape
    (2, 4)
    """

    _accepts_lazy = True

    def __init__(
        self,
        backbone="resnet50",
        *,
        weights=None,
        layer=None,
        pooling="average",
        image_size=224,
        normalize="auto",
        precision="float32",
        batch_size=32,
        device="cpu",
        cache="memory",
        n_jobs=None,
        random_state=0,
        verbose=0,
    ):
        self.backbone = backbone
        self.weights = weights
        self.layer = layer
        self.pooling = pooling
        self.image_size = image_size
        self.normalize = normalize
        self.precision = precision
        self.batch_size = batch_size
        self.device = device
        self.cache = cache
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X, y=None):
        """Load the backbone, check that its weights fit, and embed the first image.

        Parameters
        ----------
        X : array-like
            As for `transform`.
        y : None
            Not used.

        Returns
        -------
        self : ImageEmbedder
            Fitted.

        Examples
        --------
        See the example of the class.
        """
        check_parameters(self, _RULES)
        check_backbone(self.backbone, self.weights, self.layer, type(self).__name__)
        check_size(self.image_size, type(self).__name__)
        resolve_device(self.device)
        open_cache(self.cache)
        backbone, digest = self._build()
        n_axes, n_channels = self._takes()
        rows, offsets = as_rows(X, n_axes, type(self).__name__)
        how = Preparation(
            rows.n_axes,
            n_channels,
            self._size(rows.n_axes),
            self._normalization(),
            torch.float64 if self.precision == "float64" else torch.float32,
        )
        present = np.flatnonzero(rows.present()) if len(rows) else []
        if not len(present):
            raise ValueError(
                f"{type(self).__name__} needs an image to fit, and X holds none that is present."
            )
        self._net, self._digest, self._how = backbone, digest, how
        self._keeps_bags = offsets is not None
        vars(self).pop("_n_features_out", None)
        self._n_features_out = self._embed(rows, present[:1], quiet=True).shape[1]
        return self

    def transform(self, X):
        """Embed images.

        Parameters
        ----------
        X : array-like of images, volumes or bags
            Images (n_samples, height, width[, channels]) of 1, 3 or 4 channels, or a sequence of images of
            different sizes; for a backbone of volumes (n_samples, depth, height, width[, channels]); a
            BagArray of slices; or a lazy array of these, which is read batch by batch.

        Returns
        -------
        ndarray of shape (n_samples, n_features), or BagArray
            A vector an image or volume, NaN for a missing one. A BagArray of vectors, one a slice, for bags
            and a backbone of images. A backbone of volumes takes each bag as one volume, its slices being
            resampled along the depth.

        Examples
        --------
        See the example of the class.
        """
        check_is_fitted(self)
        rows, offsets = as_rows(X, self._how.n_axes, type(self).__name__)
        if (offsets is not None) != self._keeps_bags:
            kinds = ("bags of slices", "images") if self._keeps_bags else ("images", "bags of slices")
            raise ValueError(f"{type(self).__name__} was fitted on {kinds[0]}. Got {kinds[1]} instead.")
        present = np.flatnonzero(rows.present()) if len(rows) else np.empty(0, np.intp)
        vectors = self._embed(rows, present)
        if len(present) < len(rows):
            spread = np.full((len(rows), vectors.shape[1]), np.nan, dtype=vectors.dtype)
            spread[present] = vectors
            vectors = spread
        return vectors if offsets is None else BagArray(vectors, offsets)

    @property
    def backbone_(self):
        """The net, cut and pooled, in evaluation mode: a copy.

        Returns
        -------
        torch.nn.Module
            Vectors come from another one, which all embedders with the same backbone share.

        Examples
        --------
        See the example of the class.
        """
        check_is_fitted(self)
        # A function is the user's own.
        return (copy.deepcopy if isinstance(self._net.net, torch.nn.Module) else copy.copy)(self._net)

    def __sklearn_is_fitted__(self):
        """Whether there is a net."""
        return hasattr(self, "_net")

    @available_if(_makes_tables)
    def get_feature_names_out(self, input_features=None):
        """Names of the columns: ``imageembedder0`` and so on.

        Parameters
        ----------
        input_features : None
            Not used.

        Returns
        -------
        ndarray of str of shape (n_features,)
            The names.

        Examples
        --------
        See the example of the class.
        """
        check_is_fitted(self)
        prefix = type(self).__name__.lower()
        return np.array([f"{prefix}{column}" for column in range(self._n_features_out)], dtype=object)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        return tags

    def _build(self):
        """The backbone with its weights, and the digest of what it is."""
        weights = self.weights
        if isinstance(weights, str) and weights == "imagenet":
            weights = fetch_weights(self.backbone if isinstance(self.backbone, str) else repr(self.backbone))
        if not isinstance(self.backbone, str):
            embedding = build_own(self.backbone, weights=weights, layer=self.layer, pooling=self.pooling)
            return embedding, backbone_digest(embedding)
        if weights is None:
            warnings.warn(
                f"{type(self).__name__}: the backbone {self.backbone!r} has random weights, so its vectors "
                "tell little. Give the file of pretrained weights, or weights='imagenet'.",
                UserWarning,
                stacklevel=3,
            )
        stamp = seed = draw_seed(self.random_state)
        if weights is not None:
            weights = Path(weights).expanduser()
            stamp = (os.path.realpath(weights), file_stamp(weights))

        def make():
            embedding = build_named(
                self.backbone, weights=weights, layer=self.layer, pooling=self.pooling, seed=seed
            )
            return embedding, backbone_digest(embedding)

        return _BUILT.get((self.backbone, stamp, self.layer, self.pooling), make)

    def _takes(self):
        """Axes (None for any) and channels of what the backbone takes."""
        if isinstance(self.backbone, str):
            return NAMED[self.backbone].n_axes, NAMED[self.backbone].n_channels
        return input_of(self.backbone)

    def _normalization(self):
        """How images are normalized."""
        if self.normalize != "auto":
            return self.normalize
        return NAMED[self.backbone].normalize if isinstance(self.backbone, str) else None

    def _size(self, n_axes):
        """The size to which images are brought, one number an axis."""
        size = self.image_size
        if size is None or isinstance(size, tuple):
            if size is not None and len(size) != n_axes:
                raise ValueError(
                    f"image_size must have {n_axes} numbers for this backbone. Got {size!r} instead."
                )
            return size
        return (int(size),) * n_axes

    def _embed(self, rows, which, *, quiet=False):
        """Vectors of some rows, each distinct image embedded once."""
        run = EmbeddingRun(
            self._net,
            self._digest,
            self._how,
            precision=self.precision,
            device=resolve_device(self.device),
            batch_size=self.batch_size,
            n_threads=effective_n_jobs(self.n_jobs),
            cache=open_cache(self.cache),
            n_features=getattr(self, "_n_features_out", None),
            who=type(self).__name__,
        )
        with tqdm(total=len(which), desc="images", disable=quiet or not self.verbose, leave=False) as bar:
            vectors = run(rows, which, bar.update)
        if run.prepare.warning() is not None and not quiet:
            warnings.warn(run.prepare.warning(), UserWarning, stacklevel=4)
        return vectors
