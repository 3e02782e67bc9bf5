"""Colours of words by their weight, in steps, for light and for dark pages."""

import numpy as np

from skmm._optional import import_optional

STEPS = 20  # colours of one sign
_SIGNED, _SQUARED = "RdBu_r", "Purples"  # squares speak neither for nor against
_DARK = "#17191D"  # of a dark page
_BRIGHT = {"for": "#FF7A66", "against": "#5AA9FF", "strong": "#B79CFF"}  # at the full weight on a dark page


def levels_of(values, top):
    """Steps of values, from -STEPS to STEPS; 0 is no colour.

    Parameters
    ----------
    values : ndarray
        Values.
    top : float
        The value of the last step; 0 where all values are 0.

    Returns
    -------
    ndarray of int
    """
    parts = np.asarray(values, dtype=np.float64) / (top or 1.0)
    return np.clip(np.rint(STEPS * parts), -STEPS, STEPS).astype(int)


def colour_scale(top, *, signed):
    """What matplotlib draws colours and their bar with: white at 0, symmetric where there are signs."""
    colors = import_optional("matplotlib.colors", extra="explain")
    cm = import_optional("matplotlib.cm", extra="explain")
    top = top or 1.0
    low = -top if signed else 0.0
    return cm.ScalarMappable(colors.Normalize(low, top), cmap=_SIGNED if signed else _SQUARED)


def _channels(colour):
    """Red, green and blue of a colour, from 0 to 1."""
    colors = import_optional("matplotlib.colors", extra="explain")
    return np.array(colors.to_rgb(colour))


def ink_on(colour):
    """Black or white: what is easier to read on a colour, by WCAG's contrast."""
    channels = _channels(colour)
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    luminance = linear @ np.array([0.2126, 0.7152, 0.0722])
    return "#000000" if (luminance + 0.05) / 0.05 >= 1.05 / (luminance + 0.05) else "#FFFFFF"


def light_colours(*, signed):
    """Colours by step on a white page, as hexadecimal numbers.

    Parameters
    ----------
    signed : bool
        Whether values have a sign.

    Returns
    -------
    dict of int -> str
        Of all steps but 0.
    """
    colors = import_optional("matplotlib.colors", extra="explain")
    scale = colour_scale(STEPS, signed=signed)
    lowest = -STEPS if signed else 1
    return {step: colors.to_hex(scale.to_rgba(step)) for step in range(lowest, STEPS + 1) if step}


def dark_colours(*, signed):
    """The same for a dark page: from its own colour to bright ones."""
    colors = import_optional("matplotlib.colors", extra="explain")
    page = _channels(_DARK)
    found = {}
    for step in light_colours(signed=signed):
        name = ("for" if step > 0 else "against") if signed else "strong"
        share = abs(step) / STEPS
        found[step] = colors.to_hex(page + share * (_channels(_BRIGHT[name]) - page))
    return found
