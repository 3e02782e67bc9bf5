"""ImageEmbedder with tiny nets: each image once, whatever holds it, and a backbone that never changes."""

import copy
import os
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.utils import get_tags

from skmm import BagArray, ModalityDict
from skmm.compose import ConcatModalities, ModalityTransformer
from skmm.containers import LazyArray
from skmm.containers._sources import RowSource
from skmm.embedding import ImageEmbedder, clear_memory_cache
from skmm.embedding._backbones import freeze


class Counter:
    """A backbone that counts the images it sees: mean and deviation of each channel."""

    cache_token = "means and deviations"

    def __init__(self):
        self.seen = 0

    def __call__(self, batch):
        """Statistics of each image."""
        self.seen += len(batch)
        flat = batch.flatten(2)
        return torch.cat([flat.mean(2), flat.std(2)], dim=1)

    def __deepcopy__(self, memo):
        """Clones count together."""
        return self


class Pictures(RowSource):
    """Images that count how often each is read, with or without keys."""

    def __init__(self, images, *, keys=True):
        self.images, self.reads, self.has_keys = images, 0, keys
        self.shape, self.dtype, self.location = images.shape, images.dtype, "memory"

    def read(self, rows):
        """Read some rows."""
        self.reads += len(rows)
        return self.images[rows]

    def row_keys(self, rows):
        """A key a row, or None."""
        return [("picture", int(row)) for row in rows] if self.has_keys else None


@pytest.fixture(autouse=True)
def forget():
    """Each test begins without embeddings in memory."""
    clear_memory_cache()


@pytest.fixture
def images():
    """Twelve grey images of bytes, all different."""
    return np.random.default_rng(0).integers(256, size=(12, 9, 9), dtype=np.uint8)


def make_net(n_axes=2, channels=3):
    """A small convolutional net, in training mode as torch makes it."""
    conv = {2: torch.nn.Conv2d, 3: torch.nn.Conv3d}[n_axes]
    norm = {2: torch.nn.BatchNorm2d, 3: torch.nn.BatchNorm3d}[n_axes]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return torch.nn.Sequential(conv(channels, 4, 3), norm(4), torch.nn.ReLU(), conv(4, 5, 1))


def embed(backbone, X, **params):
    """Embeddings without a cache, of images of 8 x 8."""
    params = {"image_size": 8, "cache": None, **params}
    return ImageEmbedder(backbone, **params).fit(X).transform(X)


def test_values(images):
    """A vector is the pooled output of the net in evaluation mode, on images scaled to [0, 1]."""
    net = make_net().eval()
    batch = torch.from_numpy(images / 255.0).float()[:, None].expand(-1, 3, -1, -1)
    with torch.no_grad():
        expected = net(batch)

    mean, largest, all_places = (
        embed(net, images, image_size=9, pooling=p) for p in ("average", "max", None)
    )
    np.testing.assert_allclose(mean, expected.mean((2, 3)), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(largest, expected.amax((2, 3)), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(all_places, expected.flatten(1), rtol=1e-4, atol=1e-6)


def test_a_layer_is_where_the_net_ends(images):
    """The output of a named part is taken, and nothing after it is run; a name that is none is an error."""
    net = make_net()
    cut = copy.deepcopy(net)[:3]
    net[3].register_forward_pre_hook(lambda *_: pytest.fail("went on"))

    np.testing.assert_allclose(embed(net, images, layer="2"), embed(cut, images), rtol=1e-5, atol=1e-6)
    with pytest.raises(
        ValueError, match="layer must name a part of the backbone, such as '0', '1', '2', '3'"
    ):
        ImageEmbedder(make_net(), layer="layer4").fit(images)


def test_the_backbone_never_changes(images):
    """A net in training mode is copied and used in evaluation mode: no statistics drift, no gradients."""
    net = make_net()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    embedder = ImageEmbedder(net, image_size=8, cache=None).fit(images)
    first = embedder.transform(images)
    embedder.transform(images[:3])

    np.testing.assert_array_equal(embedder.transform(images), first)
    for state in (net.state_dict(), embedder.backbone_.net.state_dict()):
        assert all(torch.equal(value, before[name]) for name, value in state.items())
    assert net.training
    assert all(parameter.requires_grad for parameter in net.parameters())
    assert not any(module.training for module in embedder.backbone_.modules())
    assert not any(parameter.requires_grad for parameter in embedder.backbone_.parameters())


@pytest.mark.parametrize("backbone", [make_net(), Counter()], ids=["net", "function"])
def test_alone_or_in_company(images, backbone):
    """An image has one vector, alone, in any batch, in any order, with any number of threads."""
    embedder = ImageEmbedder(backbone, image_size=8, cache=None).fit(images)
    together = embedder.transform(images)
    alone = np.concatenate([embedder.transform(images[row : row + 1]) for row in range(len(images))])
    threads = embed(backbone, images, batch_size=5, n_jobs=2)

    np.testing.assert_allclose(alone, together, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(threads, together, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(embedder.transform(images[::-1]), together[::-1], rtol=1e-5, atol=1e-6)


def test_forms_of_images_agree(images, tmp_path):
    """Arrays, lists, channels, memory maps, and scaled floats have the same vectors."""
    net = make_net()
    expected = embed(net, images)
    np.save(tmp_path / "images.npy", images)
    read_only = images.copy()
    read_only.flags.writeable = False
    forms = [
        read_only,
        list(images),
        images[..., None],
        np.repeat(images[..., None], 3, axis=3),
        np.load(tmp_path / "images.npy", mmap_mode="r"),
        LazyArray(Pictures(images, keys=False)),
        torch.from_numpy(images),
        images / 255.0,
        images.astype(np.uint16) * 257,
    ]

    for form in forms:
        np.testing.assert_allclose(embed(net, form), expected, rtol=1e-4, atol=1e-5)


def test_images_of_different_sizes():
    """Images of any sizes in a list are brought to one; taken as they are, each size is run by itself."""
    rng = np.random.default_rng(0)
    mixed = [rng.random((8 + row % 3, 9)) for row in range(6)]
    net = make_net()

    for size in (8, None):
        together = embed(net, mixed, image_size=size)
        alone = np.concatenate([embed(net, image[None], image_size=size) for image in mixed])
        np.testing.assert_allclose(together, alone, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="vectors of different lengths for images of different sizes"):
        embed(net, mixed, image_size=None, pooling=None)


def test_missing_images_have_no_vector(images):
    """None, and floats that are all NaN, come out as NaN; the others are as without them."""
    net = make_net()
    floats = images / 255.0
    floats[[0, 3]] = np.nan
    entries = [None if row in (0, 3) else image for row, image in enumerate(images / 255.0)]
    expected = embed(net, images / 255.0)

    for form in (floats, entries):
        found = embed(net, form)
        assert np.flatnonzero(np.isnan(found).all(axis=1)).tolist() == [0, 3]
        keep = ~np.isin(np.arange(12), [0, 3])
        np.testing.assert_allclose(found[keep], expected[keep], rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="holds none that is present"):
        embed(net, [None, None])


def test_bags_stay_bags_for_a_net_of_images(images):
    """Each slice is embedded, empty bags stay empty, and a bag's vectors are those of its slices."""
    net = make_net()
    bags = embed(net, BagArray(images, [0, 3, 3, 12]))

    assert bags.lengths.tolist() == [3, 0, 9]
    np.testing.assert_allclose(bags.values, embed(net, images), rtol=1e-5, atol=1e-6)


def test_bags_are_volumes_for_a_net_of_volumes(images):
    """One vector a bag, equal to that of the volume; depth is resampled; an empty bag has none."""
    net = make_net(3, 1)
    bags = embed(net, BagArray(images, [0, 4, 4, 12]), image_size=(6, 8, 8))
    volume = embed(net, images[None, :4], image_size=(6, 8, 8))
    five = embed(net, images[None, :4, :, :, None], image_size=(6, 8, 8))

    assert bags.shape == (3, 5)
    assert np.isnan(bags[1]).all()
    np.testing.assert_allclose(bags[:1], volume, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(five, volume)
    with pytest.raises(ValueError, match="image_size must have 3 numbers"):
        embed(net, images[None], image_size=(8, 8))


def test_fitted_on_bags_or_on_images(images):
    """What was fitted on images does not take bags, whose output would be another."""
    bags = BagArray(images, [0, 12])
    with pytest.raises(ValueError, match="was fitted on images. Got bags of slices instead"):
        ImageEmbedder(make_net(), image_size=8).fit(images).transform(bags)


@pytest.mark.parametrize("precision", ["float32", "float64", "bfloat16"])
def test_precision(images, precision):
    """Vectors are of the precision asked for, bfloat16 as float32, and agree to its rounding."""
    vectors = embed(make_net(), images, precision=precision)

    assert vectors.dtype == (np.float64 if precision == "float64" else np.float32)
    atol = 0.05 if precision == "bfloat16" else 1e-5
    np.testing.assert_allclose(vectors, embed(make_net(), images, precision="float64"), atol=atol)


def test_each_image_is_embedded_once(images):
    """Folds, candidates, clones and repeated images cost one pass in all, counted in images."""
    counter = Counter()
    X, y = np.concatenate([images, images[:3]]), np.arange(15) % 2
    model = make_pipeline(ImageEmbedder(counter, image_size=8), LogisticRegression())
    search = GridSearchCV(model, {"logisticregression__C": [0.1, 1.0]}, cv=3, error_score="raise")
    cross_validate(search, X, y, cv=3, error_score="raise")

    assert counter.seen == len(images)


def test_another_setting_is_another_embedding(images):
    """Vectors of one setting never serve another; what does not change the vectors does not matter."""
    counter = Counter()
    base = {"image_size": 8}
    for params in (base, {**base, "batch_size": 2, "n_jobs": 2, "verbose": 0}):
        ImageEmbedder(counter, **params).fit_transform(images)
    assert counter.seen == 12

    for number, change in enumerate(
        ({"image_size": 7}, {"pooling": "max"}, {"normalize": "zscore"}, {"precision": "float64"})
    ):
        ImageEmbedder(counter, **{**base, **change}).fit_transform(images)
        assert counter.seen == 12 * (number + 2)


def test_nothing_is_kept_without_a_cache(images):
    """Without a cache each call embeds again, but each distinct image once a call."""
    counter = Counter()
    embedder = ImageEmbedder(counter, image_size=8, cache=None).fit(images)
    assert counter.seen == 1
    embedder.transform(np.concatenate([images, images]))
    assert counter.seen == 13


def test_files_are_read_once(images):
    """Images that are known by file, place and steps are not read again, not even to look them up."""
    counter, source = Counter(), Pictures(images)
    lazy = LazyArray(source)
    embedder = ImageEmbedder(counter, image_size=8, batch_size=5).fit(lazy)
    first = embedder.transform(lazy)
    assert (source.reads, counter.seen) == (12, 12)

    again = clone(embedder).fit(lazy).transform(lazy.select([3, 1, 3]))
    assert (source.reads, counter.seen) == (12, 12)
    np.testing.assert_array_equal(again, first[[3, 1, 3]])


def test_memory_is_that_of_a_batch(images):
    """Lazy images are read in batches, with and without keys."""
    largest = []

    class Watched(Pictures):
        def read(self, rows):
            largest.append(len(rows))
            return super().read(rows)

    for keys in (True, False):
        embed(Counter(), LazyArray(Watched(images, keys=keys)), batch_size=5, n_jobs=2)

    assert max(largest) == 5


def test_a_file_is_a_cache_for_other_processes(images, tmp_path):
    """A SQLite file keeps vectors when memory is gone; a changed image file is embedded anew."""
    path, cache = tmp_path / "images.npy", tmp_path / "cache.sqlite"
    np.save(path, images)
    counter = Counter()
    params = {"image_size": 8, "cache": str(cache)}
    first = ImageEmbedder(counter, **params).fit_transform(np.load(path, mmap_mode="r"))
    clear_memory_cache()
    second = ImageEmbedder(counter, **params).fit_transform(np.load(path, mmap_mode="r"))

    np.testing.assert_array_equal(second, first)
    assert counter.seen == 12

    np.save(path, images[::-1])
    os.utime(path, ns=(1, 1))
    changed = ImageEmbedder(counter, **params).fit_transform(np.load(path, mmap_mode="r"))
    np.testing.assert_allclose(changed, first[::-1], rtol=1e-5)


def test_what_cannot_be_told_is_kept_to_itself(images):
    """A backbone with something inside that cannot be told by value shares no vectors with others."""
    nets = [make_net(), make_net()]
    for net, bias in zip(nets, (0.0, 1.0), strict=True):
        net.eval().handle = iter(())
        net[3].bias.data.fill_(bias)
    first, second = (
        ImageEmbedder(lambda batch, net=net: net(batch), image_size=8).fit_transform(images) for net in nets
    )

    assert (np.abs(first - second) > 0.5).all()


def test_pickle_and_clone(images):
    """A fitted embedder goes into a pickle with its weights; a clone fits to the same vectors."""
    embedder = ImageEmbedder(make_net(), image_size=8, cache=None).fit(images)
    expected = embedder.transform(images)
    restored = pickle.loads(pickle.dumps(embedder))

    np.testing.assert_allclose(restored.transform(images), expected, rtol=1e-6)
    np.testing.assert_allclose(clone(embedder).fit(images).transform(images), expected, rtol=1e-6)
    with pytest.raises(NotFittedError):
        clone(embedder).transform(images)


def test_tables_have_names(images):
    """Vectors of images honour set_output, locally and globally; bags of vectors keep out of it."""
    embedder = ImageEmbedder(make_net(), image_size=8).set_output(transform="pandas")
    table = embedder.fit_transform(images)

    assert list(table.columns) == [f"imageembedder{column}" for column in range(5)]
    with config_context(transform_output="pandas"):
        bags = ImageEmbedder(make_net(), image_size=8).fit_transform(BagArray(images, [0, 12]))
        assert isinstance(bags, BagArray)


def test_a_table_with_sample_ids(images):
    """In a container embeddings keep the ids of their samples, and absent images stay absent."""
    ids = [f"patient-{row}" for row in range(12)]
    X = ModalityDict({"xray": images}, index=ids, present={"xray": np.arange(12) != 4})
    embed_xray = ModalityTransformer({"xray": ImageEmbedder(make_net(), image_size=8)})
    concat = ConcatModalities(missing=np.nan).set_output(transform="pandas")
    table = make_pipeline(embed_xray, concat).fit_transform(X)

    assert isinstance(table, pd.DataFrame)
    assert table.index.tolist() == ids
    assert table.columns[0] == "xray__imageembedder0"
    assert table.index[table.isna().all(axis=1)].tolist() == ["patient-4"]


def test_a_container_hands_over_lazy_images(images):
    """In a ModalityTransformer lazy images are not read as a whole."""
    source = Pictures(images)
    X = ModalityDict({"xray": LazyArray(source)})
    transformer = ModalityTransformer({"xray": ImageEmbedder(Counter(), image_size=8)}).fit(X)

    np.testing.assert_allclose(transformer.transform(X)["xray"], embed(Counter(), images), rtol=1e-5)
    assert source.reads == 12


def test_twelve_bits_warn(images):
    """Images of uint16 that all look like 12 bits are embedded, with a warning that names the remedy."""
    embedder = ImageEmbedder(Counter(), image_size=8).fit(images)
    with pytest.warns(UserWarning, match="12 bits or fewer.*GrayscaleNormalizer"):
        embedder.transform(images.astype(np.uint16))


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"backbone": "resnet51"}, "must be one of resnet18, .*Got 'resnet51' instead"),
        ({"backbone": 3}, "must be a name, a torch module or a callable. Got 3"),
        ({"backbone": torch.nn.Linear}, "must be a name"),
        ({"backbone": len, "weights": "a.pth"}, "weights and layer need a named backbone"),
        ({"weights": 3}, "'weights' parameter of ImageEmbedder must be the path"),
        ({"image_size": 0}, "'image_size' parameter of ImageEmbedder must be an int"),
        ({"image_size": (8, 8, 8)}, "image_size must have 2 numbers"),
        ({"image_size": 2}, "The backbone cannot take images of shape .*Change image_size"),
        ({"pooling": "median"}, "'pooling' parameter of ImageEmbedder must be 'average' or 'max' or None"),
        ({"normalize": "unit"}, "'normalize' parameter"),
        ({"precision": "float16"}, "'precision' parameter"),
        ({"batch_size": 0}, "'batch_size' parameter"),
        ({"n_jobs": 1.5}, "'n_jobs' parameter"),
        ({"cache": 3}, "cache must be None, 'memory' or the path"),
        ({"device": "abacus"}, "device='abacus' is not a device"),
        ({"weights": "imagenet"}, "weights='imagenet' is known for"),
    ],
)
def test_parameters_are_checked(images, params, message):
    """Each wrong parameter is named in fit, with what it may be."""
    with pytest.raises(ValueError, match=message):
        ImageEmbedder(**{"backbone": make_net(), "image_size": 8, **params}).fit(images)


@pytest.mark.parametrize(
    ("backbone", "message"),
    [
        (lambda batch: batch.sum(), "must turn a batch of shape .* Got \\(\\) instead"),
        (lambda batch: (batch, batch), "Got tuple instead"),
        (lambda batch: batch.flatten(1)[:1], "Got \\(1, 192\\) instead"),
        (lambda batch: batch.mean((2, 3)) / 0, "gave NaN or infinities"),
    ],
)
def test_outputs_are_checked(images, backbone, message):
    """A backbone must give one finite vector or feature map an image."""
    with pytest.raises(ValueError, match=message):
        ImageEmbedder(backbone, image_size=8, cache=None).fit(images[:1] + 1).transform(images)


def test_tokens_are_averaged(images):
    """Of the tokens of a transformer, (batch, token, width), the mean over the tokens is taken."""
    tokens = embed(lambda batch: batch.flatten(2).transpose(1, 2), images)

    np.testing.assert_allclose(tokens, embed(lambda batch: batch, images), rtol=1e-5)


SIZES = ((2, 3, 8, 8), (5, 3, 12, 8))  # of an example, and of a batch


class Branching(torch.nn.Module):
    """A net that does different things with different images, which no graph can hold."""

    def forward(self, batch):
        """The sign depends on the first pixel."""
        return batch.mean((2, 3)) * (1 if batch[0, 0, 0, 0] > 0.5 else -1)


def test_only_what_can_be_frozen_is():
    """A net becomes a graph that agrees with it at any batch size; one that branches stays as it is."""
    net = make_net().eval().requires_grad_(False)
    example, batch = (torch.from_numpy(np.random.default_rng(0).random(size, np.float32)) for size in SIZES)
    freeze(net, example)  # torch may import packages that add filters
    filters = list(warnings.filters)
    graph = freeze(net, example)
    assert warnings.filters == filters

    assert isinstance(graph, torch.jit.ScriptModule)
    np.testing.assert_allclose(graph(batch), net(batch), rtol=1e-4, atol=1e-5)
    branching = Branching()
    assert freeze(branching, example) is branching


def test_a_bar_shows_what_is_not_known_yet(images, capsys):
    """Verbose shows a bar over the images, and nothing is printed otherwise."""
    embedder = ImageEmbedder(Counter(), image_size=8, verbose=1).fit(images)
    assert capsys.readouterr().err == ""
    embedder.transform(images)
    assert "images" in capsys.readouterr().err


def test_no_tables_are_taken():
    """The tags say that scikit-learn's checks of tables do not apply."""
    tags = get_tags(ImageEmbedder())

    assert not tags.input_tags.two_d_array
    assert tags.input_tags.three_d_array
