"""The download of ROSMAP from a server on this machine: tiny files always, the real ones where they are."""

import functools
import hashlib
import os
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skmm.datasets import _rosmap, fetch_rosmap


class Handler(SimpleHTTPRequestHandler):
    """Serve a folder silently and write down what was asked for."""

    def do_GET(self):
        """Note the name of the file and send it."""
        self.server.requested.append(Path(self.path).name)
        super().do_GET()

    def log_message(self, *_):
        """Print nothing."""


@pytest.fixture
def serve():
    """Return a function that serves a folder and returns its address and the list of requests."""
    servers = []

    def start(folder):
        server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder)))
        server.requested = []
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}", server.requested

    yield start
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """Write eleven tiny files, make their checksums the known ones, and return their folder."""
    folder = tmp_path / "source"
    folder.mkdir()
    for number, name in enumerate(["gene", "site", "mirna"], start=1):
        rows = [f"{number}.{i}e-01,0.25" for i in range(5)]
        (folder / f"{number}_tr.csv").write_text("\n".join(rows[:3]) + "\n")
        (folder / f"{number}_te.csv").write_text("\n".join(rows[3:]) + "\n")
        (folder / f"{number}_featname.csv").write_text(f"{name}-a\n{name}-b\n")
    (folder / "labels_tr.csv").write_text("0.000e+00\n1.000e+00\n1.000e+00\n")
    (folder / "labels_te.csv").write_text("1.000e+00\n0.000e+00\n")
    hashes = {
        path.name: f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}" for path in folder.iterdir()
    }
    assert set(hashes) == set(_rosmap._REGISTRY)
    monkeypatch.setattr(_rosmap, "_REGISTRY", hashes)
    return folder


NOWHERE = "http://127.0.0.1:9"  # the discard port: nobody listens


def test_values_names_and_split(tiny, serve, tmp_path):
    """The first call downloads all files once and puts them together, training samples first."""
    url, requested = serve(tiny)
    rosmap = fetch_rosmap(data_home=tmp_path / "home", base_url=url)

    assert sorted(requested) == sorted(_rosmap._REGISTRY)
    assert rosmap.data.modalities == ("mrna", "methylation", "mirna")
    assert_array_equal(
        rosmap.data["methylation"], [[0.2, 0.25], [0.21, 0.25], [0.22, 0.25], [0.23, 0.25], [0.24, 0.25]]
    )
    assert_array_equal(rosmap.target, [0, 1, 1, 1, 0])
    assert_array_equal(rosmap.split, ["train", "train", "train", "test", "test"])
    assert list(rosmap.data.index) == ["train-0", "train-1", "train-2", "test-0", "test-1"]
    assert list(rosmap.data.feature_names["mirna"]) == rosmap.feature_names["mirna"] == ["mirna-a", "mirna-b"]
    assert list(rosmap.target_names) == ["control", "Alzheimer's disease"]
    assert rosmap.data.present.all()


@pytest.mark.parametrize(("subset", "rows"), [("train", slice(0, 3)), ("test", slice(3, 5))])
def test_subsets(tiny, serve, tmp_path, subset, rows):
    """A part of the split is the same rows, ids and labels as in the whole."""
    url, _ = serve(tiny)
    whole, target = fetch_rosmap(data_home=tmp_path, base_url=url, return_X_y=True)
    part = fetch_rosmap(data_home=tmp_path, base_url=NOWHERE, subset=subset)

    assert part.data == whole[rows]
    assert list(part.data.index) == list(whole.index[rows])
    assert_array_equal(part.target, target[rows])
    assert set(part.split) == {subset}


def test_cached_files_need_no_server(tiny, serve, tmp_path, monkeypatch):
    """Once there, the files are read from SKMM_DATA without a connection, and downloads may be forbidden."""
    monkeypatch.setenv("SKMM_DATA", str(tmp_path / "cache"))
    url, _ = serve(tiny)
    first = fetch_rosmap(base_url=url)
    assert (tmp_path / "cache" / "rosmap" / "1_tr.csv").is_file()

    for arguments in ({"base_url": NOWHERE}, {"download_if_missing": False}):
        again = fetch_rosmap(**arguments)
        assert again.data == first.data
        assert_array_equal(again.target, first.target)


def test_a_corrupt_cached_file_is_downloaded_again(tiny, serve, tmp_path):
    """A file that was cut off on the disk is fetched anew, and only that one; offline it is an error."""
    url, requested = serve(tiny)
    first = fetch_rosmap(data_home=tmp_path, base_url=url)
    broken = tmp_path / "rosmap" / "2_tr.csv"
    broken.write_text("0.1,0.2\n")
    requested.clear()

    with pytest.raises(OSError, match=r"2_tr\.csv is corrupt, and download_if_missing=False"):
        fetch_rosmap(data_home=tmp_path, download_if_missing=False)
    again = fetch_rosmap(data_home=tmp_path, base_url=url)
    assert requested == ["2_tr.csv"]
    assert again.data == first.data


def test_a_corrupt_download_is_refused(tiny, serve, tmp_path):
    """Wrong bytes from the server never reach the cache; a later call with a good server completes it."""
    good = (tiny / "3_te.csv").read_bytes()
    (tiny / "3_te.csv").write_bytes(good + b"0.5,0.5\n")
    url, _ = serve(tiny)

    with pytest.raises(OSError, match=r"(?s)Could not download the ROSMAP file 3_te\.csv from http.*SHA256"):
        fetch_rosmap(data_home=tmp_path, base_url=url)
    assert not (tmp_path / "rosmap" / "3_te.csv").exists()
    (tiny / "3_te.csv").write_bytes(good)
    assert len(fetch_rosmap(data_home=tmp_path, base_url=url).target) == 5


def test_a_file_that_the_server_lacks(tiny, serve, tmp_path):
    """The error names the file and the address; nothing is left that looks like data."""
    (tiny / "labels_te.csv").unlink()
    url, _ = serve(tiny)

    with pytest.raises(OSError, match=r"Could not download the ROSMAP file labels_te\.csv from http.*404"):
        fetch_rosmap(data_home=tmp_path, base_url=url)
    assert not (tmp_path / "rosmap" / "labels_te.csv").exists()


@pytest.mark.usefixtures("tiny")
def test_offline_without_a_cache(tmp_path):
    """Without a connection the error says what could not be had, from where, and what to do."""
    with pytest.raises(
        OSError, match=r"(?s)Could not download the ROSMAP file \S+ from .*Check the connection"
    ):
        fetch_rosmap(data_home=tmp_path, base_url=NOWHERE)
    with pytest.raises(OSError, match="is not there, and download_if_missing=False"):
        fetch_rosmap(data_home=tmp_path, download_if_missing=False)


def test_the_subset_is_checked_before_any_download(tmp_path):
    """A typing error costs no download."""
    with pytest.raises(ValueError, match='"all", "train" or "test", got \'valid\''):
        fetch_rosmap(data_home=tmp_path, subset="valid", base_url=NOWHERE)


def test_pooch_is_asked_for_by_name(tmp_path, monkeypatch):
    """Without pooch the error names the extra."""
    monkeypatch.setitem(sys.modules, "pooch", None)

    with pytest.raises(ImportError, match=r'fetch_rosmap needs the package "pooch".*skmm\[data\]'):
        fetch_rosmap(data_home=tmp_path)


def test_the_address_is_pinned():
    """The files come from one commit over an encrypted connection, each with a SHA-256."""
    assert _rosmap._BASE_URL.startswith("https://raw.githubusercontent.com/txWang/MOGONET/32d9066b")
    assert len(_rosmap._REGISTRY) == 11
    assert all(value.startswith("sha256:") and len(value) == 71 for value in _rosmap._REGISTRY.values())


@pytest.mark.skipif(
    "SKMM_TEST_DATA" not in os.environ, reason="SKMM_TEST_DATA does not name the folder of real data"
)
def test_the_real_files(serve, tmp_path):
    """The files of the paper pass the built-in checksums and are what the description says."""
    source = Path(os.environ["SKMM_TEST_DATA"]) / "rosmap_mogonet"
    url, requested = serve(source / "raw")
    rosmap = fetch_rosmap(data_home=tmp_path, base_url=url)
    expected = np.load(source / "rosmap.npz", allow_pickle=True)

    assert len(requested) == 11
    train, test = rosmap.split == "train", rosmap.split == "test"
    assert_array_equal(np.bincount(rosmap.target[train]), [118, 127])
    assert_array_equal(np.bincount(rosmap.target[test]), [51, 55])
    assert_array_equal(rosmap.target, np.r_[expected["y_train"], expected["y_test"]])
    for name, key in (("mrna", "mrna"), ("methylation", "meth"), ("mirna", "mirna")):
        values = rosmap.data[name]
        assert values.shape == (351, 200)
        assert (values.min(), values.max()) == (0, 1)
        assert list(rosmap.feature_names[name]) == list(expected[f"feat_{key}"])
        assert_array_equal(values[train].astype(np.float32), expected[f"{key}_train"])
        assert_array_equal(values[test].astype(np.float32), expected[f"{key}_test"])
