"""PNG, JPEG and TIFF files through Pillow: headers, and the pages asked for, by stated rules of colour.

The plugins of Pillow are called themselves: only these three formats are ever opened, whatever a file is
called, and images that are too large raise instead of warn.
"""

from pathlib import Path

import numpy as np

from skmm._optional import import_optional
from skmm.containers import _validation_files as messages
from skmm.containers._format import Frame, reading

_PLUGINS = {
    b"\x89PNG\r\n\x1a\n": ("PIL.PngImagePlugin", "PngImageFile"),
    b"\xff\xd8\xff": ("PIL.JpegImagePlugin", "JpegImageFile"),
    **dict.fromkeys(
        (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+"), ("PIL.TiffImagePlugin", "TiffImageFile")
    ),
}
_ORIENTATION = 274  # the tag of EXIF and TIFF; from 5 on, height and width are exchanged
# What each of Pillow's modes is read as, and the data type.
_MODES = {
    "1": ("L", np.uint8),
    "L": ("L", np.uint8),
    "LA": ("RGBA", np.uint8),
    "PA": ("RGBA", np.uint8),
    "RGB": ("RGB", np.uint8),
    "RGBX": ("RGB", np.uint8),
    "RGBA": ("RGBA", np.uint8),
    "RGBa": ("RGBA", np.uint8),
    "CMYK": ("RGB", np.uint8),
    "YCbCr": ("RGB", np.uint8),
    "I": ("I", np.int32),
    "F": ("F", np.float32),
    **dict.fromkeys(("I;16", "I;16B", "I;16L", "I;16N"), (None, np.uint16)),
}
_CHANNELS = {"RGB": (3,), "RGBA": (4,)}


def _open(file, path):
    """The file as an image of Pillow, of which only the header is read."""
    with reading(path):
        head = file.read(8)
        file.seek(0)
    plugin = next((plugin for magic, plugin in _PLUGINS.items() if head.startswith(magic)), None)
    if plugin is None:
        raise messages.unknown_format(path)
    pillow = import_optional("PIL", extra="image", who=f"Reading {path!r}")
    module = import_optional(plugin[0], extra="image", who=f"Reading {path!r}")
    with reading(path):
        # Without a name, since Pillow would map some files into memory, turned ones wrongly.
        image = getattr(module, plugin[1])(file)
    limit = import_optional(f"{pillow.__name__}.Image", extra="image").MAX_IMAGE_PIXELS
    n_pixels = image.size[0] * image.size[1]
    if limit is not None and n_pixels > limit:
        raise messages.too_many_pixels(path, n_pixels, limit)
    return image


def _mode(image):
    """The mode that an image is read as, and the data type; a palette's colours may be transparent."""
    if image.mode == "P":
        return ("RGBA" if "transparency" in image.info else "RGB"), np.uint8
    mode, dtype = _MODES.get(image.mode, (None, None))
    # Pillow before 11 reads PNG of 16 bits as whole numbers of 32.
    return mode, np.uint16 if (image.format, image.mode) == ("PNG", "I") else dtype


def _frame(image, path, number):
    """What the header of a page tells."""
    mode, dtype = _mode(image)
    if dtype is None:
        raise messages.file_unusable(
            path, f"its colours ({image.mode}) are of a sort that is not read", "Convert it to RGB."
        )
    if mode in _CHANNELS and any(";16" in str(tile[3]) for tile in image.tile):
        raise messages.file_unusable(
            path,
            "it has 16 bits a colour, of which Pillow keeps 8",
            "Convert it to grey, to 8 bits, or to .npy.",
        )
    width, height = image.size
    if image.format == "TIFF" and image.tag_v2.get(_ORIENTATION, 1) >= 5:
        height, width = image.tag_v2[256], image.tag_v2[257]  # as stored, whatever Pillow made of it
    elif image.format == "JPEG" and image.getexif().get(_ORIENTATION, 1) >= 5:
        height, width = width, height
    return Frame(path, "picture", number, (height, width, *_CHANNELS.get(mode, ())), np.dtype(dtype))


def describe_pictures(path):
    """The pages of a file: one, but of TIFF files that hold several."""
    with Path(path).open("rb") as file:
        image = _open(file, path)
        with reading(path):
            n_pages = getattr(image, "n_frames", 1)
        if n_pages > 1 and image.format != "TIFF":
            raise messages.file_unusable(path, f"it is an animation of {n_pages} images", "Split it.")
        frames = []
        for number in range(n_pages):
            with reading(path):
                image.seek(number)
            frames.append(_frame(image, path, number))
    return frames


def read_pictures(path, numbers):
    """Yield some pages of a file as arrays."""
    with Path(path).open("rb") as file:
        image = _open(file, path)
        transpose = import_optional("PIL.ImageOps", extra="image").exif_transpose
        for number in numbers:
            with reading(path):
                image.seek(int(number))
                mode, dtype = _mode(image)
                image.load()  # turns TIFF as their tag says
                page = transpose(image) if image.format == "JPEG" else image
                page = page if mode in (None, page.mode) else page.convert(mode)
                array = np.asarray(page).astype(dtype)
            yield array
