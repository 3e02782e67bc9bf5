"""Files of weights: read without running anything, fitted by name, downloaded once and checked."""

import functools
import hashlib
import os
import pickle
import re
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch

from skmm.embedding import ImageEmbedder, _weights
from skmm.embedding._weights import fetch_weights, fit_weights, read_weights


def make_net(width=4, seed=0):
    """A small net with a classifier at its end."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = torch.nn.Sequential()
        net.add_module("conv1", torch.nn.Conv2d(3, width, 3))
        net.add_module("bn1", torch.nn.BatchNorm2d(width))
        net.add_module("fc", torch.nn.Linear(width, 2))
    return net


def same(first, second, names=("conv1.weight", "bn1.weight", "bn1.running_var")):
    """Whether two state dicts hold the same values."""
    return all(torch.equal(first[name], second[name]) for name in names)


@pytest.fixture
def path(tmp_path):
    """Where a file of weights is written."""
    return tmp_path / "weights.pth"


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"state_dict": state, "epoch": 3},
        lambda state: {"model": {f"module.{name}": value for name, value in state.items()}},
        lambda state: {"state_dict": {f"module.backbone.{name}": value for name, value in state.items()}},
        lambda state: {
            **{f"encoder.{name}": value for name, value in state.items()},
            "fc.weight": torch.ones(2),
        },
        lambda state: {name: value for name, value in state.items() if not name.startswith("fc.")},
        lambda state: {name: value for name, value in state.items() if "num_batches" not in name},
        lambda state: {**state, "fc.weight": torch.zeros(1000, 4), "fc.bias": torch.zeros(1000)},
    ],
    ids=["plain", "wrapped", "module", "backbone", "part", "headless", "old", "other classes"],
)
def test_the_usual_forms_are_understood(path, wrap):
    """Wrappers, prefixes, absent or other classifiers: all other parameters arrive as they were written."""
    state = make_net(seed=1).state_dict()
    torch.save(wrap(state), path)
    net = make_net()
    fit_weights(net, read_weights(path), path)

    assert same(net.state_dict(), state)


def test_halved_precision_is_widened(path):
    """Weights of float16 become those of the net's type."""
    torch.save({name: value.half() for name, value in make_net(seed=1).state_dict().items()}, path)
    net = make_net()
    fit_weights(net, read_weights(path), path)

    assert net.conv1.weight.dtype == torch.float32
    assert (net.conv1.weight - make_net(seed=1).conv1.weight).abs().max() < 1e-3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda state: state.pop("conv1.weight"),
            "1 parameters of the net are not in the file: conv1.weight",
        ),
        (
            lambda state: state.update({"layer9.weight": torch.ones(1)}),
            "1 of the file are not in the net: layer9.weight",
        ),
        (
            lambda state: state.update(make_net(5).state_dict()),
            r"conv1.weight (5, 3, 3, 3) instead of (4, 3, 3, 3)",
        ),
        (lambda state: state["bn1.bias"].fill_(float("nan")), "holds NaN or infinities in bn1.bias"),
    ],
    ids=["missing", "unknown", "shapes", "nan"],
)
def test_what_does_not_fit_is_an_error_that_lists_the_names(path, change, message):
    """Missing, unknown, wrongly shaped or broken parameters are named, and the net stays as it was."""
    state = {name: value.clone() for name, value in make_net(seed=1).state_dict().items()}
    change(state)
    torch.save(state, path)
    net = make_net()
    before = {name: value.clone() for name, value in net.state_dict().items()}

    with pytest.raises(ValueError, match=re.escape(message)):
        fit_weights(net, read_weights(path), path)
    assert same(net.state_dict(), before)


def test_a_volume_net_does_not_take_image_weights(path):
    """Weights of another architecture, in which no name or shape fits, never leave a random net behind."""
    torch.save({"state_dict": {"module.layer1.0.conv1.weight": torch.ones(2, 2)}}, path)

    with pytest.raises(
        ValueError, match="does not fit the backbone. 8 parameters of the net are not in the file"
    ):
        ImageEmbedder(make_net(), weights=str(path), image_size=8).fit(torch.zeros(2, 8, 8))


def test_parts_of_a_larger_model_that_are_left_out_are_told(path):
    """Where the net is one part of a checkpoint, a warning names the others, but not a classifier."""
    state = {f"encoder.{name}": value for name, value in make_net(seed=1).state_dict().items()}
    others = {"decoder.weight": torch.ones(1), "decoder.bias": torch.ones(1), "head.weight": torch.ones(1)}
    torch.save({**state, **others}, path)
    net = make_net()

    with pytest.warns(UserWarning, match=r"the part 'encoder\.' .* other 2 .* decoder.weight, decoder"):
        fit_weights(net, read_weights(path), path)
    assert same(net.state_dict(), make_net(seed=1).state_dict())


@pytest.mark.parametrize("dtype", [torch.int32, torch.bool])
def test_integers_are_no_parameters(path, dtype):
    """Truncated parameters are refused by name, those that are integers in the net are not."""
    state = make_net(seed=1).state_dict()
    torch.save({**state, "conv1.weight": state["conv1.weight"].to(dtype)}, path)

    with pytest.raises(ValueError, match=r"must hold floating-point numbers .* Got conv1.weight \(\w+\)"):
        fit_weights(make_net(), read_weights(path), path)


class Bomb:
    """An object whose unpickling makes a folder, by a function of a kind."""

    def __init__(self, path, function):
        self.path, self.function = path, function

    def __reduce__(self):
        """What a reader of pickles would run."""
        if self.function is os.system:
            return os.system, (f"mkdir '{self.path}'",)
        return self.function, (str(self.path),)


@pytest.mark.parametrize("function", [os.system, os.mkdir, Bomb], ids=["system", "blocked", "class"])
@pytest.mark.parametrize("write", ["zip", "legacy", 0, 2])
def test_code_in_a_file_is_not_run(path, tmp_path, write, function):
    """A file that would run code when read is refused as such, in each form, and nothing of it is run."""
    content = {"state_dict": make_net().state_dict(), "extra": Bomb(tmp_path / "ran", function)}
    if isinstance(write, int):
        path.write_bytes(pickle.dumps(content["extra"], protocol=write))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=write == "zip")

    with pytest.raises(ValueError, match=r"holds more than tensors: reading it would run code"):
        read_weights(path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("protocol", [3, 4, 5])
@pytest.mark.parametrize("bomb", [True, False])
def test_a_bare_pickle_is_called_one(path, tmp_path, protocol, bomb):
    """Pickles that torch cannot look into are said to be pickles, which could run code, and are not read."""
    content = Bomb(tmp_path / "ran", os.system) if bomb else {"epoch": 3}
    path.write_bytes(pickle.dumps(content, protocol=protocol))

    with pytest.raises(ValueError, match="is a pickle, which could run code|would run code, so it was not"):
        read_weights(path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("kind", ["truncated", "legacy", "empty", "text", "tensor", "deep", "nothing"])
def test_broken_files(path, kind):
    """Cut off, empty or foreign files, and files without a state dict, say what they must hold."""
    torch.save(make_net().state_dict(), path)
    whole = path.read_bytes()
    if kind == "truncated":
        path.write_bytes(whole[: len(whole) // 2])
    elif kind == "legacy":
        torch.save(make_net().state_dict(), path, _use_new_zipfile_serialization=False)
        path.write_bytes(path.read_bytes()[:-9])
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "text":
        path.write_text("version https://git-lfs.github.com/spec/v1\n")
    else:
        torch.save({"tensor": torch.ones(2), "deep": {"state": {"a": 1}}, "nothing": {}}[kind], path)
    expected = (
        "must hold a state dict" if kind in {"tensor", "deep", "nothing"} else "is damaged, cut off, or"
    )

    with pytest.raises(ValueError, match=expected):
        read_weights(path)


def test_no_such_file(path):
    """A path that leads nowhere is named."""
    with pytest.raises(FileNotFoundError, match="There is no file of weights .*weights.pth"):
        ImageEmbedder(make_net(), weights=path).fit(torch.zeros(1, 8, 8))


def test_densenets_of_torchvision_get_other_names():
    """Old and new names of torchvision's DenseNet become MONAI's."""
    names = [
        "features.denseblock1.denselayer2.norm.1.weight",
        "features.denseblock1.denselayer2.conv2.weight",
    ]
    renamed = _weights._torchvision_names(dict.fromkeys([*names, "classifier.bias", "features.norm0.bias"]))

    assert list(renamed) == [
        "features.denseblock1.denselayer2.layers.norm1.weight",
        "features.denseblock1.denselayer2.layers.conv2.weight",
        "class_layers.out.bias",
        "features.norm0.bias",
    ]


class Quiet(SimpleHTTPRequestHandler):
    """Serve a folder silently and write down what was asked for."""

    def do_GET(self):
        """Note the name and send the file."""
        self.server.requested.append(self.path)
        super().do_GET()

    def log_message(self, *_):
        """Print nothing."""


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A server of weights on this machine: its folder, what was asked for, and a home for downloads."""
    folder = tmp_path / "server"
    folder.mkdir()
    torch.save(make_net().state_dict(), folder / "file")
    digest = hashlib.sha256((folder / "file").read_bytes()).hexdigest()
    name = f"resnet18-{digest[:8]}.pth"
    (folder / "file").rename(folder / name)
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    server.requested = []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setattr(_weights, "_BASE_URL", f"http://127.0.0.1:{server.server_port}/")
    monkeypatch.setattr(_weights, "PUBLISHED", {"resnet18": name})
    monkeypatch.setenv("SKMM_DATA", str(tmp_path / "home"))
    yield folder / name, server.requested
    server.shutdown()
    thread.join()
    server.server_close()


def test_weights_are_downloaded_once(server):
    """The first use downloads the file; later ones check what is there, and mend what is corrupt."""
    original, requested = server
    path = fetch_weights("resnet18")
    assert path.read_bytes() == original.read_bytes()
    fetch_weights("resnet18")
    assert len(requested) == 1

    path.write_bytes(b"corrupt")
    assert fetch_weights("resnet18").read_bytes() == original.read_bytes()
    assert len(requested) == 2


def test_what_is_not_the_published_file_is_refused(server):
    """A file whose hash does not begin as its name says is not used, and not kept."""
    original, _ = server
    original.write_bytes(b"something else")

    with pytest.raises(OSError, match="is not the published file"):
        fetch_weights("resnet18")
    assert not list(Path(original.parents[1] / "home").rglob("*.pth"))


def test_no_connection(monkeypatch, tmp_path):
    """Without a server the message names the address and what else can be done."""
    monkeypatch.setattr(_weights, "_BASE_URL", "http://127.0.0.1:9/")
    monkeypatch.setenv("SKMM_DATA", str(tmp_path))

    with pytest.raises(OSError, match="Could not download http://127.0.0.1:9/resnet50-0676ba61.pth"):
        fetch_weights("resnet50")


def test_unknown_weights_name_those_that_are_published():
    """Weights by name are those of ImageNet, for backbones of images."""
    with pytest.raises(ValueError, match="weights='imagenet' is known for resnet18, .*medicalnet_resnet10"):
        fetch_weights("medicalnet_resnet10")
