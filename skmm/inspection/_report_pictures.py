"""Images with attributions and regions as pictures inside a page: PNG in SVG, in pixels of the image."""

import base64
from io import BytesIO
from typing import NamedTuple

import numpy as np

from skmm._optional import import_optional
from skmm.inspection._html import aligned, escaped, percent
from skmm.inspection._region_drawing import place_of_number, strongest

_SIDE = 512  # pixels a side that are written, so that a page stays small
_COARSE = 200  # pixels a side, of images whose pixels are to be seen
_OPAQUE = 0.8  # of the strongest pixels
_FOR, _AGAINST = (178, 24, 43), (33, 102, 172)  # the colours of words, at their strongest but one
_LETTER = 0.055  # height of a number, in sides of the image


class Seen(NamedTuple):
    """An image, the map over it in parts of the strongest, and the regions of the map."""

    title: str
    image: object
    relative: np.ndarray | None
    regions: object


def _png(pixels):
    """The address of a picture that is inside the page.

    Parameters
    ----------
    pixels : ndarray of uint8 of shape (height, width) or (height, width, 3 or 4)
        What it shows.

    Returns
    -------
    str
    """
    image = import_optional("PIL.Image", extra="explain")
    picture = image.fromarray(np.ascontiguousarray(pixels))
    picture.thumbnail((_SIDE, _SIDE))  # smooth, and never larger than it was
    buffer = BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def heat(relative):
    """A map in red and blue, the stronger the less can be seen through it.

    Parameters
    ----------
    relative : ndarray of shape (height, width)
        Attributions in parts of the strongest; beyond it they are as strong as it.

    Returns
    -------
    ndarray of uint8 of shape (rows, columns, 4)
        Red, green, blue and opacity.
    """
    drawn = strongest(relative, _SIDE)
    colours = np.where(drawn[..., None] >= 0, np.array(_FOR), np.array(_AGAINST))
    cover = np.rint(255 * _OPAQUE * np.minimum(np.abs(drawn), 1))
    return np.concatenate([colours, cover[..., None]], axis=2).astype(np.uint8)


def _region(region, regions, shape, taken):
    """The circle of a region and its number."""
    kind = "f" if region.attribution >= 0 else "a"
    place, (right, down) = place_of_number(region, regions, shape, "circle", taken)
    taken.append(place)
    size = _LETTER * max(shape)
    height, width = shape
    circle = f'cx="{region.column + 0.5:.2f}" cy="{region.row + 0.5:.2f}" r="{region.radius:.2f}"'
    x = np.clip(place[0] + 0.5, size, width - size)  # a circle may be larger than the image
    y = np.clip(place[1] + 0.5 + 0.35 * size * (1 + down), size, height - size / 2)
    at = f'x="{x:.2f}" y="{y:.2f}"'
    anchor = "start" if right > 0 else "end"
    return (
        f'<circle class="case" {circle}/><circle class="c{kind}" {circle}/>'
        f'<text class="t{kind}" {at} font-size="{size:.2f}" text-anchor="{anchor}">{region.region + 1}</text>'
    )


def _svg(height, width, inner, said):
    """A picture in pixels of the image, and what it shows in words."""
    return (
        f'<svg class="picture" viewBox="0 0 {width} {height}" role="img" aria-label="{escaped(said)}">'
        f"{inner}</svg>"
    )


def _layer(pixels, height, width, name=""):
    """Pixels that fill a picture."""
    known = f' id="{name}"' if name else ""
    coarse = ' class="coarse"' if max(pixels.shape[:2]) < _COARSE else ""
    size = f'width="{width}" height="{height}" preserveAspectRatio="none"'
    return f'<image{known}{coarse} href="{_png(pixels)}" {size}/>'


def _told(regions):
    """Regions in words."""
    return "; ".join(
        f"region {region.region + 1} {'for' if region.attribution >= 0 else 'against'}, "
        f"{percent(region.score)} of the map"
        for region in regions.itertuples()
    )


def picture_html(seen, key):
    """An image alone, and beside it the same with its map and its regions, which are numbered.

    Parameters
    ----------
    seen : Seen
        What is shown; without a map the image alone.
    key : str
        A name for the image that no other of the page has.

    Returns
    -------
    str
        HTML.
    """
    image, relative, title = seen.image, seen.relative, escaped(seen.title)
    height, width = relative.shape if image is None else (image.height, image.width)
    figures = []
    if image is not None:
        pixels = np.rint(255 * image.pixels).astype(np.uint8)
        alone = _svg(height, width, _layer(pixels, height, width, key), seen.title)
        figures.append(f"<figure>{alone}<figcaption>{title}</figcaption></figure>")
    if relative is None:
        return f'<div class="pictures">{"".join(figures)}</div>'
    below = "" if image is None else f'<use href="#{key}"/>'
    taken = []
    circles = "".join(
        _region(region, seen.regions, (height, width), taken) for region in seen.regions.itertuples()
    )
    inner = f"{below}{_layer(heat(relative), height, width)}{circles}"
    said = f"{seen.title} with attributions: {_told(seen.regions) or 'no region'}"
    marked = _svg(height, width, inner, said)
    figures.append(f"<figure>{marked}<figcaption>{title}: what it adds, and regions</figcaption></figure>")
    return f'<div class="pictures">{"".join(figures)}{_region_table(seen.regions)}</div>'


def _region_table(regions):
    """What regions hold."""
    if not len(regions):
        return '<p class="soft">No region is strong enough.</p>'
    top = regions["attribution"].abs().max()
    rows = "".join(
        f'<tr><th scope="row" class="n">{region.region + 1}</th>'
        f"<td>{'for' if region.attribution >= 0 else 'against'}</td>"
        f'<td class="n">{percent(region.score)}</td>'
        f'<td class="n">{aligned(region.attribution, top)}</td></tr>'
        for region in regions.itertuples()
    )
    return (
        '<table><thead><tr><th class="n">region</th><th>speaks</th><th class="n">of the map</th>'
        f'<th class="n">adds</th></tr></thead><tbody>{rows}</tbody></table>'
    )
