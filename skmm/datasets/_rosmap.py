"""ROSMAP: three omics of brain tissue, Alzheimer's disease against controls."""

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from skmm._optional import import_optional
from skmm.containers import ModalityDict

from ._home import get_data_home

_BASE_URL = (
    "https://raw.githubusercontent.com/txWang/MOGONET/32d9066b7fe289b3f7cdb496a5668834079c274c/ROSMAP/"
)

_REGISTRY = {
    "1_featname.csv": "sha256:1df5c536e47eb0d532abbb8bea6a9361bba01a913e03cd03b8ef06fb7849a660",
    "1_te.csv": "sha256:d9d9daf05915556fd13008fb6ad7d88e0c5a8a57e5a985548640d4cd1563712b",
    "1_tr.csv": "sha256:37bfcc58da320bf6c37b22617ed821dcfa96ca4abd334adf4d42c8e3375d972b",
    "2_featname.csv": "sha256:7431418fb193e02a1c1431f9446ccc227c8818a4d40c1cb72a2b640a0d8d38b7",
    "2_te.csv": "sha256:546e9d7f640e54c4c1d6540ed2c1a3adb10497635e7d6b8d4099b4930271ac76",
    "2_tr.csv": "sha256:b1d1d20f8793e5f11248218f19493d9a7be366ee5bbbaff585058401976f8a21",
    "3_featname.csv": "sha256:2b0b3451af16597ae34342a6abc99e397482fef30a61821a8e8fe7cb69276bae",
    "3_te.csv": "sha256:c0d9efd6c35e8c5768b759238c95c64674d7e1e7f76ed07fca6f168d67e676f4",
    "3_tr.csv": "sha256:fd8708bc0c41f774209f9e6a49a74c5a9acd510dd62eadc299a18d49ccd9e862",
    "labels_te.csv": "sha256:20d728c6f51f79ff5fa7719b960daf22074a0e6e1f3028869042b02ca4e3f68d",
    "labels_tr.csv": "sha256:5859aa107dbf406937938ebefbec122d01fea5d41a9bd0292199f4406749e45d",
}

_MODALITIES = {"mrna": "1", "methylation": "2", "mirna": "3"}  # in the order of the files' numbers
_SPLITS = {"train": "tr", "test": "te"}
_TARGET_NAMES = np.array(["control", "Alzheimer's disease"])

_DESCR = """ROSMAP omics, Alzheimer's disease against controls
==================================================

Brain tissue of 351 people of the Religious Orders Study and Memory and Aging Project, preselected and
prepared by the authors of MOGONET: T. Wang et al., "MOGONET integrates multi-omics data using graph
convolutional networks allowing patient classification and biomarker identification", Nature Communications
12, 3445 (2021). Files: https://github.com/txWang/MOGONET, folder ROSMAP, commit 32d9066b, checked by SHA-256.

- mrna: gene expression, 200 genes (Ensembl identifiers)
- methylation: DNA methylation, 200 sites (Illumina probe identifiers)
- mirna: micro-RNA expression, 200 micro-RNAs

Nothing is missing. The authors selected the features and scaled the values to lie between 0 and 1.
The source names no people: the sample ids here are the part and the row, such as "train-0".

Target: 0 control (169), 1 Alzheimer's disease (182).
Official split: 245 train (118 controls, 127 patients), 106 test (51 and 55), in the field ``split``. With 106
test samples, the 95 % interval of an accuracy is about 7 points to either side.

Licence: the repository is under the MIT licence; the data derive from ROSMAP (AMP-AD Knowledge Portal), whose
raw data are under controlled terms. Use them for research only. skmm does not redistribute them: they come
from the authors' repository to your disk.
"""


def _fetch(registry, folder, base_url, *, download):
    """Return the paths of the files by name; what is absent or corrupt is downloaded."""
    pooch = import_optional("pooch", extra="data", who="fetch_rosmap")
    cache = pooch.create(path=folder, base_url=base_url, registry=registry, retry_if_failed=1)
    # pooch re-raises what its downloader, requests, raises; all of that derives from OSError. A checksum that
    # does not match the downloaded file is a ValueError.
    downloader = pooch.HTTPDownloader(timeout=30)
    paths = {}
    for name, known_hash in registry.items():
        paths[name] = path = folder / name
        if path.is_file() and pooch.file_hash(path) == known_hash.removeprefix("sha256:"):
            continue
        if not download:
            state = "is corrupt" if path.exists() else "is not there"
            raise OSError(
                f"The ROSMAP file {path} {state}, and download_if_missing=False. Call fetch_rosmap with "
                "download_if_missing=True, or name the folder that has the files with data_home."
            )
        try:
            cache.fetch(name, downloader=downloader)
        except (OSError, ValueError) as error:
            raise OSError(
                f"Could not download the ROSMAP file {name} from {base_url} to {folder}: {error} Check the "
                "connection and call fetch_rosmap again (files already there are kept), or copy the "
                f"{len(registry)} files into that folder by hand."
            ) from error
    return paths


def _read_table(path):
    """Return the numbers of a CSV file without a header."""
    return pd.read_csv(path, header=None, float_precision="round_trip").to_numpy(dtype=np.float64)


def _read_names(path):
    """Return the lines of a file."""
    return path.read_text(encoding="utf-8").split()


def fetch_rosmap(*, data_home=None, return_X_y=False, download_if_missing=True, subset="all", base_url=None):
    """Load the ROSMAP omics of the MOGONET paper (binary classification), and download them the first time.

    Three tables, "mrna", "methylation" and "mirna", of 200 features each; 351 samples, of which the official
    split gives 245 to training and 106 to the test; nothing is missing. About 5 MB. The eleven files are
    checked by SHA-256 each time; a file that is corrupt is downloaded again, and no connection is made when
    all are there. Needs pooch: ``pip install "skmm[data]"``.

    Parameters
    ----------
    data_home : str or path-like, default=None
        Folder of downloaded data sets, see `get_data_home`; the files lie in its folder ``rosmap``.
    return_X_y : bool, default=False
        Return ``(data, target)`` only.
    download_if_missing : bool, default=True
        False: raise an error instead of downloading.
    subset : {"all", "train", "test"}, default="all"
        Part of the official split; "all" has the training samples first.
    base_url : str, default=None
        Where to download from, for a mirror. None: the authors' repository.

    Returns
    -------
    rosmap : :class:`~sklearn.utils.Bunch`
        With ``data`` (ModalityDict with sample ids and feature names), ``target`` (ndarray of shape
        (n_samples,), 0 control, 1 Alzheimer's disease), ``target_names``, ``feature_names`` (dict of str to
        list), ``split`` (ndarray of shape (n_samples,), "train" or "test") and ``DESCR``.
    (data, target) : tuple if ``return_X_y=True``
        The first two of them.

    Raises
    ------
    ImportError
        If pooch is not installed.
    OSError
        If a file is neither there nor can be downloaded, or does not have the expected checksum.
    ValueError
        If `subset` is unknown.

    References
    ----------
    T. Wang et al., "MOGONET integrates multi-omics data using graph convolutional networks allowing patient
    classification and biomarker identification", Nature Communications 12, 3445 (2021).

    Examples
    --------
    The official split::

        rosmap = fetch_rosmap()
        train, test = rosmap.split == "train", rosmap.split == "test"
        model.fit(rosmap.data[train], rosmap.target[train])

    Without a download, files that are not there are an error:

    >>> import tempfile
    >>> from skmm.datasets import fetch_rosmap
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fetch_rosmap(data_home=folder, download_if_missing=False)
    Traceback (most recent call last):
    ...
    OSError: The ROSMAP file ...1_featname.csv is not there, and download_if_missing=False. ...
    """
    if subset not in ("all", *_SPLITS):
        raise ValueError(f'`subset` must be "all", "train" or "test", got {subset!r}.')
    folder = get_data_home(data_home) / "rosmap"
    base_url = _BASE_URL if base_url is None else base_url
    paths = _fetch(_REGISTRY, folder, base_url, download=download_if_missing)

    parts = list(_SPLITS) if subset == "all" else [subset]
    labels = {part: _read_table(paths[f"labels_{_SPLITS[part]}.csv"])[:, 0].astype(int) for part in parts}
    feature_names = {name: _read_names(paths[f"{file}_featname.csv"]) for name, file in _MODALITIES.items()}
    data = ModalityDict(
        {
            name: np.concatenate([_read_table(paths[f"{file}_{_SPLITS[part]}.csv"]) for part in parts])
            for name, file in _MODALITIES.items()
        },
        feature_names=feature_names,
        index=[f"{part}-{row}" for part in parts for row in range(len(labels[part]))],
    )
    target = np.concatenate(list(labels.values()))
    if return_X_y:
        return data, target
    return Bunch(
        data=data,
        target=target,
        target_names=_TARGET_NAMES,
        feature_names=feature_names,
        split=np.repeat(parts, [len(labels[part]) for part in parts]),
        DESCR=_DESCR,
    )
