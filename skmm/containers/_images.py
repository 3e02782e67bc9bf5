"""read_images: image files as one lazy modality."""

import os

import pandas as pd

from skmm.containers import _validation_files as messages
from skmm.containers._files import FilesSource, describe_files, resolve_paths
from skmm.containers._lazy import LazyArray
from skmm.containers._npy import MAGIC, describe_npy_image
from skmm.containers._pictures import describe_pictures


def read_images(paths, *, root=None, on_error="raise", channels=None):
    """Make a lazy image modality of image files; only their headers are read before the pixels are asked for.

    PNG, JPEG and TIFF (with Pillow, ``pip install "skmm[image]"``) and .npy files are told by content, not by
    name, and may be mixed. Images of one size and data type are an array (n_samples, height, width[,
    channels]); others are images of different sizes. Rows may be read in any order, batch by batch, and from
    several processes: a pickle carries paths only.

    Parameters
    ----------
    paths : sequence of str or Path, or Series
        A file a sample; None or NaN where the image is missing. With ids, the result goes into
        :func:`from_tables` as a pair, ``(df.index, read_images(df["path"]))``.
    root : str or Path, default=None
        Folder to which relative paths belong; the working directory when None.
    on_error : {"raise", "missing"}, default="raise"
        What to do with files that are not there or cannot be read. "raise" names them, all that are not
        there at once; a file whose header is whole but whose body is damaged raises when it is read.
        "missing" makes them missing, with one warning that counts and names them; to be sure, each file is
        decoded once here.
    channels : {None, 3}, default=None
        With 3, every image has three channels: grey ones are repeated, opacity is left out. When None,
        channels are those of the files; where files differ, all get as many as any has, grey ones repeated
        and opacity full.

    Returns
    -------
    LazyArray
        The images, channels last, with a mask of those that are present.

    Raises
    ------
    FileNotFoundError
        If files are not there.
    OSError
        If a file is damaged.
    ValueError
        If a file is of another format or sort, such as a TIFF of several pages.
    TypeError
        If `paths` is no sequence of paths.

    Notes
    -----
    Images of 8 bits are uint8, of 16 bits uint16 (nothing is clipped or scaled), TIFF may be int32 or float32
    too. Images of one bit are 0 and 255. Palettes and CMYK become RGB (no colour profile is applied); grey
    with opacity becomes RGBA. Colour with 16 bits a channel raises, since Pillow keeps 8 of them. The
    orientation that EXIF tells of JPEG and TIFF files is applied, so that height and width are as seen.
    Images of more pixels than ``PIL.Image.MAX_IMAGE_PIXELS`` raise. Of files whose images differ in data
    type, each keeps its own. Pickled objects in .npy files are refused, never loaded.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np, pandas as pd
    >>> from skmm.containers import from_tables, read_images
    >>> folder = tempfile.TemporaryDirectory()
    >>> np.save(os.path.join(folder.name, "ann.npy"), np.full((4, 6), 7, dtype=np.uint8))
    >>> np.save(os.path.join(folder.name, "bob.npy"), np.full((5, 5), 9, dtype=np.uint8))
    >>> df = pd.DataFrame(
    ...     {"age": [40, 50, 60], "file": ["ann.npy", "bob.npy", None]}, index=["ann", "bob", "eve"]
    ... )
    >>> xray = read_images(df["file"], root=folder.name)
    >>> X = from_tables({"clinical": df[["age"]], "xray": (df.index, xray)})
    >>> X
    ModalityDict: 3 samples, 2 modalities, with sample ids
      clinical  table  1 columns                    all present
      xray      image  different sizes uint8, lazy  33% missing
    >>> X["xray"][1].shape
    (5, 5)
    >>> folder.cleanup()
    """
    if channels not in (None, 3):
        raise messages.bad_channels(channels)
    if isinstance(paths, pd.Series):
        paths = paths.tolist()
    if isinstance(paths, (str, bytes, dict, os.PathLike, pd.DataFrame)) or not hasattr(paths, "__iter__"):
        raise messages.not_paths(paths)
    paths = resolve_paths(list(paths), root, "paths")
    found = describe_files(paths, describe_image, on_error)
    frames = [None if frames is None else frames[0] for frames in found]
    return LazyArray(FilesSource(frames, channels=channels))


def describe_image(path):
    """The one image of a file."""
    if os.path.isdir(path):  # noqa: PTH112 - a str
        raise messages.file_unusable(path, "it is a folder", "Read folders of slices with read_series.")
    with open(path, "rb") as file:  # noqa: PTH123 - a str
        head = file.read(len(MAGIC))
    if head == MAGIC:
        return describe_npy_image(path)
    frames = describe_pictures(path)
    if len(frames) > 1:
        raise messages.file_unusable(
            path, f"it has {len(frames)} pages", "Read it with read_series, which makes a bag of them."
        )
    return frames
