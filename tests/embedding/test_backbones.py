"""Backbones by name: their layers, the names of their parameters, and where they come from (MONAI)."""

import sys

import numpy as np
import pytest
import torch

from skmm import BagArray
from skmm.embedding import ImageEmbedder
from skmm.embedding._backbones import NAMED, build_named

pytestmark = [
    pytest.mark.xdist_group("monai"),  # which takes long to import
    pytest.mark.filterwarnings("ignore:.*:DeprecationWarning"),  # of what MONAI imports
]
RANDOM = "the backbone '.*' has random weights"
rng = np.random.default_rng(0)


@pytest.fixture(scope="module", autouse=True)
def monai():
    """MONAI, imported once; it changes warning filters while it is."""
    return pytest.importorskip("monai.networks.nets")


def torchvision_names(depths):
    """Names of the parameters of torchvision's ResNet of bottlenecks, written down from its source."""
    names = ["conv1.weight"]
    norm = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    names += [f"bn1.{part}" for part in norm]
    for stage, depth in enumerate(depths, start=1):
        for block in range(depth):
            place = f"layer{stage}.{block}"
            for number in (1, 2, 3):
                names.append(f"{place}.conv{number}.weight")
                names += [f"{place}.bn{number}.{part}" for part in norm]
            if block == 0:
                names.append(f"{place}.downsample.0.weight")
                names += [f"{place}.downsample.1.{part}" for part in norm]
    return {*names, "fc.weight", "fc.bias"}


def test_a_resnet_has_the_names_of_torchvision():
    """Files that torchvision publishes fit by name: shortcuts have no bias."""
    net = build_named("resnet50", weights=None, layer=None, pooling="average", seed=0).net

    assert set(net.state_dict()) == torchvision_names((3, 4, 6, 3))


def torchvision_features(state, batch, depths):
    """Pooled features of torchvision's ResNet, computed from its parameters as its source does it."""

    def convolved(x, name, norm, stride=1):
        weight = state[f"{name}.weight"]
        x = torch.conv2d(x, weight, stride=stride, padding=weight.shape[2] // 2)
        parts = (state[f"{norm}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
        return torch.nn.functional.batch_norm(x, *parts)

    x = torch.relu(convolved(batch, "conv1", "bn1", 2))
    x = torch.nn.functional.max_pool2d(x, 3, 2, 1)
    for stage, depth in enumerate(depths, start=1):
        for block in range(depth):
            place, stride = f"layer{stage}.{block}", 2 if stage > 1 and block == 0 else 1
            n_convolutions = 3 if f"{place}.conv3.weight" in state else 2
            strided = 2 if n_convolutions == 3 else 1  # the one of 3 x 3 in bottlenecks, else the first
            out = x
            for number in range(1, n_convolutions + 1):
                step = stride if number == strided else 1
                out = convolved(out, f"{place}.conv{number}", f"{place}.bn{number}", step)
                out = torch.relu(out) if number < n_convolutions else out
            if f"{place}.downsample.0.weight" in state:
                x = convolved(x, f"{place}.downsample.0", f"{place}.downsample.1", stride)
            x = torch.relu(out + x)
    return x.mean((2, 3))


@pytest.mark.parametrize(("name", "depths"), [("resnet18", (2, 2, 2, 2)), ("resnet50", (3, 4, 6, 3))])
def test_a_resnet_computes_what_that_of_torchvision_does(name, depths):
    """Strides are torchvision's too: with others the weights would fit, and the features mean nothing."""
    embedding = build_named(name, weights=None, layer=None, pooling="average", seed=0)
    batch = torch.from_numpy(rng.random((2, 3, 64, 64)))
    state = {key: value.double() for key, value in embedding.net.state_dict().items()}
    with torch.no_grad():
        found = embedding.double()(batch)

    np.testing.assert_allclose(found, torchvision_features(state, batch, depths), rtol=1e-10, atol=1e-12)


def test_features_before_the_classifier():
    """By default the pooled features are taken, which the classifier of the net would see."""
    embedding = build_named("resnet18", weights=None, layer=None, pooling="average", seed=0)
    seen = []
    embedding.net.fc.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    batch = torch.from_numpy(rng.random((2, 3, 64, 64), np.float32))
    with torch.no_grad():
        vectors = embedding(batch)
        embedding.net.layer4._forward_hooks.clear()
        embedding.net(batch)

    assert vectors.shape == (2, 512)
    np.testing.assert_allclose(vectors, seen[0], rtol=1e-4, atol=1e-5)


def test_a_densenet_takes_the_files_of_torchvision(tmp_path):
    """Under torchvision's names the parameters give the vectors that they give under MONAI's."""
    source = build_named("densenet121", weights=None, layer=None, pooling="average", seed=1)
    names = {
        name: name.replace(".layers.", ".").replace("class_layers.out", "classifier")
        for name in source.net.state_dict()
    }
    torch.save(
        {names[name]: value for name, value in source.net.state_dict().items()}, tmp_path / "dense.pth"
    )
    loaded = build_named("densenet121", weights=tmp_path / "dense.pth", layer=None, pooling="average", seed=2)
    batch = torch.from_numpy(rng.random((1, 3, 32, 32), np.float32))

    with torch.no_grad():
        np.testing.assert_allclose(loaded(batch), source(batch), rtol=1e-4, atol=1e-5)
    assert loaded(batch).shape == (1, 1024)


@pytest.mark.parametrize("name", ["medicalnet_resnet10", "medicalnet_resnet18"])
def test_medicalnet_takes_volumes_of_one_channel(name, tmp_path):
    """Nested files with the prefix "module." fit a net of volumes, and give one vector a bag."""
    source = build_named(name, weights=None, layer=None, pooling="average", seed=1).net
    state = {
        f"module.{key}": value for key, value in source.state_dict().items() if not key.startswith("fc.")
    }
    torch.save({"state_dict": state}, tmp_path / "med.pth")
    scans = BagArray(rng.integers(4000, size=(9, 16, 16), dtype=np.uint16), [0, 4, 9])
    vectors = ImageEmbedder(name, weights=tmp_path / "med.pth", image_size=(8, 16, 16)).fit_transform(scans)

    assert vectors.shape == (2, 512)
    assert ("layer2.0.downsample.0.weight" in source.state_dict()) == (name == "medicalnet_resnet10")


def test_weights_of_volumes_do_not_fit_a_net_of_images(tmp_path):
    """A file of MedicalNet in a net of images is an error, not a random net."""
    source = build_named("medicalnet_resnet18", weights=None, layer=None, pooling="average", seed=1).net
    state = {f"module.{key}": value for key, value in source.state_dict().items()}
    torch.save({"state_dict": state}, tmp_path / "med.pth")

    with pytest.raises(ValueError, match=r"have other shapes: .*conv1.weight \(64, 1, 7, 7, 7\) instead of"):
        ImageEmbedder("resnet18", weights=tmp_path / "med.pth").fit(np.zeros((1, 8, 8)))


def test_a_random_backbone_is_told_and_is_the_same_everywhere():
    """Without weights there is a warning, and the net is the same in every fit unless seeded otherwise."""
    images = rng.integers(256, size=(3, 40, 40), dtype=np.uint8)
    vectors = []
    for seed in (0, 0, 1):
        embedder = ImageEmbedder("resnet18", image_size=32, random_state=seed, cache=None)
        state = torch.get_rng_state()
        with pytest.warns(UserWarning, match=RANDOM):
            vectors.append(embedder.fit(images).transform(images))
        assert torch.equal(torch.get_rng_state(), state)

    np.testing.assert_array_equal(vectors[0], vectors[1])
    assert (vectors[0] != vectors[2]).mean() > 0.5
    assert isinstance(embedder.backbone_, torch.nn.Module)


def test_changing_what_an_embedder_shows_changes_no_vectors():
    """The net of a fitted embedder is a copy: changed, it reaches neither other embedders nor any vectors."""
    images = rng.integers(256, size=(2, 40, 40), dtype=np.uint8)

    def fitted():
        with pytest.warns(UserWarning, match=RANDOM):
            return ImageEmbedder("resnet18", image_size=32, cache=None, layer="layer1").fit(images)

    first = fitted()
    with torch.no_grad():
        for parameter in first.backbone_.parameters():
            parameter.mul_(3)
    vectors = first.transform(images)
    with torch.no_grad():
        for parameter in first.backbone_.parameters():
            parameter.mul_(3)
    second = fitted()

    np.testing.assert_array_equal(first.transform(images), vectors)
    np.testing.assert_array_equal(second.transform(images), vectors)
    assert second.backbone_ is not first.backbone_


def test_without_monai(monkeypatch):
    """A named backbone says what to install; a net of one's own needs nothing."""
    monkeypatch.setitem(sys.modules, "monai.networks.nets", None)

    with (
        pytest.raises(ImportError, match=r"The backbone 'resnet34' needs .*skmm\[image\]"),
        pytest.warns(UserWarning, match=RANDOM),
    ):
        ImageEmbedder("resnet34", layer="layer1").fit(np.zeros((1, 8, 8)))


def test_every_name_is_known_to_monai(monai):
    """All names stand for a maker of MONAI."""
    assert all(hasattr(monai, named.maker) for named in NAMED.values())
