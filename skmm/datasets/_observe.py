"""What a latent vector looks like as a table, an image, a volume, a bag or a text: one function a kind.

Each function takes the latent vectors ``z`` of shape (n_samples, n_classes), whose column c is high for
samples of class c, and a random state, and returns the values of the modality. Options are keyword arguments.
"""

import numpy as np
from scipy.sparse import csr_array
from sklearn.utils.extmath import softmax

from skmm.containers import BagArray

from ._utils import check_count, check_counts, round_together

SPARSE_THRESHOLD = 0.5  # the share of a standard normal above it is 0.31
_SHARPNESS = 3.0  # how fast the share of a class in a bag or a text grows with the latent value


def table_columns(n_classes, *, n_features=20, n_informative=None, **_):
    """Return the numbers of columns with a signal and of all columns."""
    check_count(n_features, "n_features")
    n_informative = min(n_features, 2 * n_classes) if n_informative is None else n_informative
    if check_count(n_informative, "n_informative") > n_features:
        raise ValueError(f"n_informative must be from 1 to n_features={n_features}, got {n_informative}.")
    return n_informative, n_features


def observe_table(z, rng, *, n_features=20, n_informative=None, sparse=False):
    """Return columns that carry one latent dimension each, in turn, followed by columns of noise."""
    n_samples, n_classes = z.shape
    n_informative, _ = table_columns(n_classes, n_features=n_features, n_informative=n_informative)
    signal = z[:, np.arange(n_informative) % n_classes]
    table = np.hstack([signal, rng.normal(size=(n_samples, n_features - n_informative))])
    return csr_array(np.maximum(table - SPARSE_THRESHOLD, 0)) if sparse else table


def _blobs(n_classes, size):
    """Return one smooth blob a class, on a circle around the centre of the images or slices."""
    *depth, height, width = size
    angle = 2 * np.pi * np.arange(n_classes) / n_classes
    centres = 0.5 + 0.3 * np.stack([np.sin(angle), np.cos(angle)], axis=1)
    centres = np.hstack([np.full((n_classes, len(depth)), 0.5), centres])
    grid = np.stack(
        np.meshgrid(*[(np.arange(n) + 0.5) / n for n in (*depth, height, width)], indexing="ij"), -1
    )
    distance = grid - centres.reshape(n_classes, *[1] * len(size), len(size))
    return np.exp(-(distance**2).sum(axis=-1) / (2 * 0.12**2))


def _render(z, rng, size):
    """Return pictures in [0, 1] whose blob at the place of class c is as bright as z[:, c] is high."""
    picture = 0.5 + 0.12 * np.tensordot(z, _blobs(z.shape[1], size), axes=1)
    return np.clip(picture + rng.normal(scale=0.05, size=picture.shape), 0, 1)


def observe_image(z, rng, *, size=(16, 16), channels=None, dtype="uint8"):
    """Return images with a bright or dark blob at the place of each class."""
    if dtype not in ("uint8", "float32"):
        raise ValueError(f'dtype must be "uint8" or "float32", got {dtype!r}.')
    if channels not in (None, 1, 3, 4):
        raise ValueError(f"channels must be None, 1, 3 or 4, got {channels!r}.")
    size = check_counts(size, ("height", "width"), "size")
    planes = [_render(z, rng, size) for _ in range(channels or 1)]
    images = planes[0] if channels is None else np.stack(planes, axis=-1)
    return np.rint(255 * images).astype(np.uint8) if dtype == "uint8" else images.astype(np.float32)


def observe_volume(z, rng, *, size=(4, 12, 12)):
    """Return volumes of one channel with a blob at the place of each class, in the middle slices."""
    size = check_counts(size, ("depth", "height", "width"), "size")
    return _render(z, rng, size).astype(np.float32)[..., np.newaxis]


def _mixture(z, rng, bounds, what):
    """Yield for each sample the class of each of its parts: the higher z[:, c], the larger the share of c."""
    low, high = check_counts(bounds, ("low", "high"), what)
    if low > high:
        raise ValueError(f"{what} must be a range (low, high) with low <= high, got {bounds}.")
    sizes = rng.randint(low, high + 1, size=len(z))
    for size, shares in zip(sizes, softmax(_SHARPNESS * z), strict=True):
        yield rng.permutation(np.repeat(np.arange(z.shape[1]), round_together(size * shares)))


def observe_bag(z, rng, *, n_instances=(3, 12), n_features=8):
    """Return bags with one type of instance a class; a high z[:, c] is a large share of type c."""
    n_classes = z.shape[1]
    if check_count(n_features, "n_features") < n_classes:
        raise ValueError(f"n_features of a bag must be at least n_classes={n_classes}, got {n_features}.")
    types = list(_mixture(z, rng, n_instances, "n_instances"))
    values = rng.normal(scale=0.3, size=(sum(map(len, types)), n_features))
    values[np.arange(len(values)), np.concatenate(types)] += 1
    return BagArray(values, np.cumsum([0, *map(len, types)]))


def observe_text(z, rng, *, n_words=(10, 30), vocabulary=50):
    """Return texts: half of the words are anybody's, half belong to topics, one a class."""
    common = [f"word{i}" for i in range(check_count(vocabulary, "vocabulary"))]
    documents = np.empty(len(z), dtype=object)
    for i, topics in enumerate(_mixture(z, rng, n_words, "n_words")):
        words = [f"topic{topic}word{rng.randint(5)}" for topic in topics]
        words += list(rng.choice(common, size=len(topics)))
        documents[i] = " ".join(rng.permutation(words))
    return documents


OBSERVE = {
    "table": observe_table,
    "image": observe_image,
    "volume": observe_volume,
    "bag": observe_bag,
    "text": observe_text,
}
