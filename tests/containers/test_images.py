"""read_images: files as one lazy modality, read by headers first, with errors that name the path."""

import os
import pickle
import sys
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from PIL import Image, PngImagePlugin
from sklearn.preprocessing import FunctionTransformer

from skmm import ModalityDict
from skmm.compose import ModalityTransformer
from skmm.containers import LazyArray, _files, as_modality_dict, from_tables, map_rows, read_images

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 255, size=(6, 8), dtype=np.uint8)
COLOUR = RNG.integers(0, 255, size=(6, 8, 3), dtype=np.uint8)
DEEP = RNG.integers(0, 65535, size=(6, 8), dtype=np.uint16)


@pytest.fixture
def save(tmp_path):
    """Return a function that writes an image, or array, to a file of the folder and returns the path."""

    def write(name, image, **options):
        path = tmp_path / name
        if name.endswith(".npy"):
            np.save(path, image)
        else:
            image = image if isinstance(image, Image.Image) else Image.fromarray(image)
            image.save(path, **options)
        return path

    return write


@pytest.fixture
def decoded(monkeypatch):
    """Paths of the files of which pixels were read, in order."""
    paths = []

    def counting(reader):
        def read(path, numbers):
            paths.append(Path(path).name)
            return reader(path, numbers)

        return read

    monkeypatch.setattr(
        _files, "READERS", {name: counting(reader) for name, reader in _files.READERS.items()}
    )
    return paths


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.npy"])
@pytest.mark.parametrize(
    "image", [GREY, COLOUR, DEEP, np.dstack([COLOUR, GREY])], ids=["grey", "colour", "deep", "opacity"]
)
def test_pixels_are_those_of_the_file(name, image, save):
    """Grey, colour, opacity and 16 bits come out as they were written, neither clipped nor scaled."""
    images = read_images([save(name, image)])

    assert (images.shape, images.dtype) == ((1, *image.shape), image.dtype)
    np.testing.assert_array_equal(images[0], image)


def test_jpeg_in_grey_and_colour(save):
    """JPEG files are what Pillow decodes."""
    for image in (GREY, COLOUR):
        path = save("a.jpg", image)
        np.testing.assert_array_equal(read_images([path])[0], np.asarray(Image.open(path)))


def test_files_are_told_by_content_not_by_name(save, tmp_path):
    """A PNG called .jpg and an array called .png are read as what they are."""
    save("a.png", GREY).rename(tmp_path / "a.jpg")
    save("b.npy", GREY).rename(tmp_path / "b.png")

    np.testing.assert_array_equal(read_images(["a.jpg", "b.png"], root=tmp_path)[:], [GREY, GREY])


def test_equal_images_are_one_array_read_by_headers_only(save, decoded):
    """Images of one size are an array; nothing is decoded until asked for, then each row once."""
    paths = [save(f"{row}.png", GREY + row) for row in range(4)]
    X = ModalityDict({"xray": read_images(paths)})

    assert (X.kinds["xray"], X["xray"].shape, X["xray"].dtype) == ("image", (4, 6, 8), np.uint8)
    assert decoded == []

    np.testing.assert_array_equal(X[[3, 0, 3]]["xray"][:], [GREY + 3, GREY, GREY + 3])
    assert decoded == ["0.png", "3.png"]


def test_different_sizes_are_lazy_images_of_different_sizes(save, decoded):
    """Different sizes read as an object array with None where missing; presence needs no pixel."""
    paths = [save("0.png", GREY), None, save("2.png", GREY[:4])]
    X = ModalityDict({"xray": read_images(paths)})

    assert X.kinds["xray"] == "image"
    assert X["xray"].entry_shape == (None, None)
    assert X.is_present("xray").tolist() == [True, False, True]
    assert decoded == []

    images = X["xray"][[2, 1, 0]]
    np.testing.assert_array_equal(images[0], GREY[:4])
    assert images[1] is None
    np.testing.assert_array_equal(images[2], GREY)


def test_data_types_are_kept_where_they_differ(save):
    """8 and 16 bits do not become one array, in which 8 bits would be dark."""
    images = read_images([save("0.png", GREY), save("1.png", DEEP)])

    assert (images.entry_shape, images.entry_dtype) == ((None, None), np.uint16)
    assert [image.dtype for image in images[:]] == [np.uint8, np.uint16]


def test_missing_images_of_one_size(save):
    """Where all sizes agree, a missing image is known by its presence and read as zeros."""
    images = read_images([save("0.png", GREY), np.nan])

    assert images.shape == (2, 6, 8)
    assert images.present.tolist() == [True, False]
    assert not images[1].any()


def test_no_image_at_all():
    """A new sample without a file is missing; a fitted estimator still takes it."""
    X = ModalityDict({"xray": read_images([None])})

    assert X.present.tolist() == [[False]]


def test_mixed_channels_become_those_of_the_richest(save):
    """Grey beside colour is repeated; colour beside opacity is opaque."""
    opaque = np.dstack([COLOUR, np.full_like(GREY, 255)])
    grey, colour, opacity = save("0.png", GREY), save("1.png", COLOUR), save("2.png", opaque)

    np.testing.assert_array_equal(read_images([grey, colour])[0], np.dstack([GREY] * 3))
    np.testing.assert_array_equal(
        read_images([grey, colour, opacity])[:], [np.dstack([GREY] * 3 + [opaque[:, :, 3]]), opaque, opaque]
    )


def test_three_channels_on_demand(save):
    """channels=3 repeats grey and leaves opacity out, so that new files fit those of fit."""
    paths = [save("0.png", GREY), save("1.png", np.dstack([COLOUR, GREY]))]

    np.testing.assert_array_equal(read_images(paths[:1], channels=3)[0], np.dstack([GREY] * 3))
    np.testing.assert_array_equal(read_images(paths[1:], channels=3)[0], COLOUR)


def test_one_bit_palettes_and_print_colours(save):
    """One bit is 0 and 255; palettes are RGB, RGBA where transparent; CMYK is RGB; grey with opacity RGBA."""
    bits = Image.fromarray(GREY > 128)
    palette = Image.fromarray(COLOUR).quantize(8)
    expected = {
        "bits.png": (bits, np.where(GREY > 128, 255, 0)),
        "palette.png": (palette, np.asarray(palette.convert("RGB"))),
        "la.png": (Image.fromarray(np.dstack([GREY, GREY]), "LA"), np.dstack([GREY] * 4)),
    }
    for name, (image, array) in expected.items():
        np.testing.assert_array_equal(read_images([save(name, image)])[0], array)

    path = save("transparent.png", palette, transparency=0)
    np.testing.assert_array_equal(read_images([path])[0], np.asarray(Image.open(path).convert("RGBA")))

    path = save("cmyk.jpg", Image.fromarray(COLOUR).convert("CMYK"))
    assert read_images([path]).shape == (1, 6, 8, 3)
    np.testing.assert_array_equal(read_images([path])[0], np.asarray(Image.open(path).convert("RGB")))


@pytest.mark.parametrize("mode", ["I", "F"])
def test_deeper_tiff(mode, save):
    """TIFF of 32 bits is int32 or float32."""
    image = np.asarray(Image.fromarray(GREY).convert(mode)) * 1000

    np.testing.assert_array_equal(read_images([save("a.tif", image)])[0], image)


@pytest.mark.parametrize("order", [">u2", ">f4"])
def test_byte_order_is_native(order, save):
    """Big-endian arrays come out in the order of this machine."""
    images = read_images([save("a.npy", GREY.astype(order))])

    assert images[:].dtype == np.dtype(order).newbyteorder("=")
    np.testing.assert_array_equal(images[0], GREY)


@pytest.mark.parametrize("name", ["a.jpg", "a.tif"])
def test_orientation_is_applied(name, save):
    """A picture taken with a turned camera is upright, in its shape too, without decoding."""
    exif = Image.Exif()
    exif[274] = 6
    path = save(name, GREY, exif=exif, **({"quality": 100} if name == "a.jpg" else {}))
    images = read_images([path])

    assert images.shape == (1, 8, 6)
    np.testing.assert_allclose(images[0].astype(int), np.rot90(GREY, -1), atol=8)


def test_several_pages_and_animations_are_refused(save):
    """A TIFF of several pages is a stack for read_series; an animation is none."""
    pages = [Image.fromarray(GREY)] * 3
    path = save("a.tif", pages[0], save_all=True, append_images=pages[1:])
    with pytest.raises(
        ValueError, match=r"a\.tif' cannot be used: it has 3 pages\. Read it with read_series"
    ):
        read_images([path])

    path = save("a.png", pages[0], save_all=True, append_images=[Image.fromarray(GREY[::-1])])
    with pytest.raises(ValueError, match="an animation of 2 images"):
        read_images([path])


def test_colour_of_16_bits_is_refused(tmp_path):
    """Pillow would keep the upper 8 bits without a word."""
    data = RNG.integers(0, 65535, size=(4, 4, 3)).astype(">u2")
    cv2 = pytest.importorskip("cv2")
    for name in ("a.png", "a.tif"):
        cv2.imwrite(str(tmp_path / name), data.astype(np.uint16))
        with pytest.raises(ValueError, match="16 bits a colour, of which Pillow keeps 8"):
            read_images([tmp_path / name])


def test_too_many_pixels_are_refused(save, monkeypatch):
    """A file that would unpack to more pixels than Pillow takes for safe raises when its header is read."""
    path = save("a.png", GREY)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40)

    with pytest.raises(ValueError, match="it has 48 pixels, more than the 40 .* raise PIL.Image.MAX_IMAGE"):
        read_images([path])


def test_pickled_arrays_are_refused_and_never_loaded(tmp_path):
    """A .npy of objects, and a plain pickle, run no code."""

    class Bomb:
        """Would make a file when it is unpickled."""

        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)

    bomb = np.empty((1, 1), dtype=object)
    bomb[0, 0] = Bomb()
    np.save(tmp_path / "a.npy", bomb, allow_pickle=True)
    (tmp_path / "b.npy").write_bytes(pickle.dumps(Bomb()))

    with pytest.raises(ValueError, match="holds pickled Python objects, which are never loaded"):
        read_images([tmp_path / "a.npy"])
    with pytest.raises(ValueError, match=r"b\.npy' cannot be used: it is no PNG, JPEG, TIFF or \.npy file"):
        read_images([tmp_path / "b.npy"])
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 3, 4, 5)), r"shape \(2, 3, 4, 5\) is no image"),
        (np.zeros((0, 3)), r"shape \(0, 3\) is empty"),
        (np.array([["a"]]), "no real numbers"),
    ],
)
def test_arrays_that_are_no_images(array, message, save):
    """Stacks, empty arrays and strings are told from images by the header."""
    with pytest.raises(ValueError, match=message):
        read_images([save("a.npy", array)])


def test_all_files_that_are_gone_are_named(save, tmp_path):
    """One error counts the files that are not there, and shows the first of them."""
    paths = ["0.png", *(f"gone{number}.png" for number in range(7))]
    save("0.png", GREY)

    with pytest.raises(
        FileNotFoundError, match=r"Of 8 files .* 7 are not there: .*gone0.*gone4.* and 2 more"
    ):
        read_images(paths, root=tmp_path)


def test_folders_and_other_files(save, tmp_path):
    """A folder leads to read_series; another format is named."""
    (tmp_path / "a.png").write_text("no image")
    with pytest.raises(ValueError, match="it is a folder. Read folders of slices with read_series"):
        read_images([tmp_path])
    with pytest.raises(ValueError, match=r"a\.png' cannot be used: it is no PNG"):
        read_images([tmp_path / "a.png"])


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif", "a.npy"])
def test_truncated_files(name, save):
    """A file that is cut off raises with its path, at once where the header tells, else when it is read."""
    path = save(name, RNG.integers(0, 255, size=(64, 64), dtype=np.uint8))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    with pytest.raises(OSError, match=rf"{name}' cannot be read"):
        read_images([path])[0]
    path.write_bytes(path.read_bytes()[:9])
    with pytest.raises(OSError, match=rf"{name}' cannot be read"):
        read_images([path])


def test_what_cannot_be_read_may_be_missing(save, tmp_path):
    """With on_error="missing" damaged bodies are found too; one warning counts and names the files."""
    good, cut = save("0.png", GREY), save("1.png", RNG.integers(0, 255, size=(64, 64), dtype=np.uint8))
    cut.write_bytes(cut.read_bytes()[:900])

    with pytest.warns(
        UserWarning, match=r"^2 of 3 files .*1\.png' \(.*\), '.*gone\.png' \(not there\)"
    ) as seen:
        images = read_images([good, cut, tmp_path / "gone.png", None], on_error="missing")

    assert len(seen) == 1
    assert Path(seen[0].filename).name == "test_images.py"
    assert images.present.tolist() == [True, False, False, False]
    assert images.shape == (4, 6, 8)


def test_a_file_that_changes_or_goes(save):
    """A file that is another one when it is read raises, and one that is gone says so."""
    path = save("a.png", GREY)
    images = read_images([path])
    save("a.png", GREY[:3])
    with pytest.raises(ValueError, match=r"a\.png' held an array of shape \(6, 8\).*but now shape \(3, 8\)"):
        images[0]
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"is gone: .*a\.png"):
        images[0]


def test_keys_tell_files_and_their_versions_without_pixels(save, decoded):
    """Keys are equal for equal files, differ between files, versions and channels, and read no pixel."""
    paths = [save("0.png", GREY), save("1.png", GREY), None]
    images = read_images(paths)
    keys = images.row_keys([1, 0, 2])

    assert keys == read_images(paths[::-1]).row_keys([1, 2, 0])
    assert len({*keys, *read_images(paths, channels=3).row_keys([0, 1])}) == 5

    os.utime(paths[0], ns=(1, 1))
    assert images.row_keys(0) != [keys[1]]
    assert map_rows(images, np.negative, token="negative").row_keys(1) == [(keys[0], "negative")]
    paths[0].unlink()
    assert images.row_keys(0) is None
    assert decoded == []


def test_pickles_and_hashes_carry_paths(save, tmp_path):
    """A pickle holds no pixel; hashes are equal for equal files and change with them."""
    paths = [save(f"{row}.png", RNG.integers(0, 255, (200, 300), dtype=np.uint8)) for row in range(3)]
    images = read_images(paths)
    X = ModalityDict({"xray": images})

    assert len(pickle.dumps(X)) < 4000
    assert joblib.hash(X) == joblib.hash(ModalityDict({"xray": read_images(paths)}))
    assert joblib.hash(pickle.loads(pickle.dumps(X))) == joblib.hash(X)
    assert pickle.loads(pickle.dumps(X)) == X

    before = joblib.hash(X)
    os.utime(paths[0], ns=(1, 1))
    assert joblib.hash(X) != before


def test_joined_with_a_table_by_id(save, tmp_path):
    """A column of file names, the ids beside it, goes through from_tables in one line."""
    save("0.png", GREY)
    save("1.png", GREY[:3])
    df = pd.DataFrame({"age": [1.0, 2.0, 3.0], "file": ["1.png", None, "0.png"]}, index=["c", "a", "b"])
    images = (df.index, read_images(df["file"], root=tmp_path))
    X = from_tables({"note": {"a": "x", "d": "y"}, "clinical": df[["age"]], "xray": images})

    assert X.index.tolist() == ["a", "d", "c", "b"]
    assert X.is_present("xray").tolist() == [False, False, True, True]
    np.testing.assert_array_equal(X.loc["b"]["xray"][0], GREY)


def _halve(images):
    """Every second row, of images of one size or of an array of them."""
    return images[:, ::2]


class Halve(FunctionTransformer):
    """Every second row of each image, lazily."""

    _accepts_lazy = True

    def transform(self, X):
        """Map the rows."""
        return map_rows(X, _halve, token="halve")


def test_everything_of_a_container(save, tmp_path):
    """Handles, ModalityTransformer, save and load keep images of different sizes lazy and equal."""
    paths = [save("0.png", GREY), None, save("2.png", GREY[:4]), save("3.png", DEEP)]
    X = ModalityDict({"xray": read_images(paths), "age": np.arange(8.0).reshape(4, 2)}, groups=[1, 1, 2, 2])

    assert as_modality_dict(np.asarray(X)[[3, 1]]) == X[[3, 1]]
    assert X[[0, 1]] != X[[2, 1]]

    halved = ModalityTransformer({"xray": Halve()}).fit_transform(X)
    assert isinstance(halved["xray"], LazyArray)
    assert halved.is_present("xray").tolist() == [True, False, True, True]
    np.testing.assert_array_equal(halved["xray"][2], GREY[:4:2])

    X.save(tmp_path / "out")
    loaded = ModalityDict.load(tmp_path / "out")
    for path in tmp_path.glob("*.png"):
        path.unlink()
    assert isinstance(loaded["xray"], LazyArray)
    assert loaded.present.tolist() == X.present.tolist()
    assert loaded["xray"][3].dtype == np.uint16
    np.testing.assert_array_equal(loaded["xray"][2], GREY[:4])
    assert len(set(loaded["xray"].row_keys([0, 2, 3]))) == 3
    assert pickle.loads(pickle.dumps(loaded[::-1])) == loaded[::-1]


def test_wrong_arguments():
    """Options and paths that are none are named."""
    with pytest.raises(TypeError, match="paths must be a sequence of file names.*Got str"):
        read_images("a.png")
    with pytest.raises(TypeError, match=r"paths must hold file names.*Got 3 at row 1"):
        read_images([None, 3])
    with pytest.raises(TypeError, match=r"Got '' at row 0"):
        read_images([""])
    with pytest.raises(ValueError, match="on_error must be one of 'raise', 'missing'. Got 'skip'"):
        read_images([], on_error="skip")
    with pytest.raises(ValueError, match="channels must be None .* or 3"):
        read_images([], channels=2)


def test_arrays_need_no_pillow(save, monkeypatch):
    """Without Pillow .npy files are read; others say what to install."""
    array, picture = save("a.npy", GREY), save("a.png", GREY)
    monkeypatch.setitem(sys.modules, "PIL", None)
    for name in [name for name in sys.modules if name.startswith("PIL.")]:
        monkeypatch.delitem(sys.modules, name)

    np.testing.assert_array_equal(read_images([array])[0], GREY)
    with pytest.raises(ImportError, match=r"a\.png' needs the package \"PIL\".*skmm\[image\]"):
        read_images([picture], on_error="missing")


def test_text_chunks_do_not_matter(save):
    """What else a PNG says is left alone."""
    info = PngImagePlugin.PngInfo()
    info.add_text("note", "x" * 100)

    np.testing.assert_array_equal(read_images([save("a.png", GREY, pnginfo=info)])[0], GREY)
