"""What each modality of some samples adds to a model's answer, as parts of a page."""

import numpy as np
import pandas as pd
import scipy.sparse as sp

from skmm.containers import read_rows
from skmm.inspection._html import escaped
from skmm.inspection._maps import Picture, displayable, images_of, thinned
from skmm.inspection._regions import prepare_maps, region_frame, regions_at
from skmm.inspection._report_pictures import Seen, picture_html
from skmm.inspection._report_sections import features_html
from skmm.inspection._token_html import text_html
from skmm.inspection._token_text import read_report

_PICTURED = ("image", "volume", "bag")
_N_REGIONS = 5  # of an image
_N_INSTANCES = 3  # of a bag


def modality_parts(attributions, name, trail, *, regions, n_features, key):
    """What a modality adds, as HTML, of each sample.

    Parameters
    ----------
    attributions : Attributions
        Of the samples.
    name : str
        The modality.
    trail : Trail
        What the steps before the model did.
    regions : dict
        All arguments of `find_regions`.
    n_features : int
        How many features of a table are shown.
    key : str
        A name that no other modality of the page has.

    Returns
    -------
    list of str
    """
    kind = attributions.X.kinds[name]
    if kind == "table":
        parts = _table_parts(attributions, name, n_features)
    elif kind == "text":
        parts = _text_parts(attributions, name)
    elif _is_pictured(attributions, name):
        parts = _picture_parts(attributions, name, trail, regions, key)
    else:
        parts = _bag_parts(attributions, name, n_features)
    if name in trail.made_by:
        parts = [
            _original(trail, name, row, key) + part if here else part
            for row, (part, here) in enumerate(zip(parts, attributions.X.is_present(name), strict=True))
        ]
    return [
        part if here else '<p class="missing">Missing in this sample: the model answers without it.</p>'
        for part, here in zip(parts, attributions.X.is_present(name), strict=True)
    ]


def _is_pictured(attributions, name):
    """Whether attributions have pixels."""
    values = attributions[name]
    flat = getattr(values, "values", values)
    return attributions.X.kinds[name] in _PICTURED and flat.ndim >= 3


def _row_of(value, row):
    """What a sample has in a table, as a 1-D array."""
    chosen = read_rows(value, np.array([row]))
    chosen = chosen.toarray() if sp.issparse(chosen) else chosen
    return (chosen.to_numpy() if isinstance(chosen, pd.DataFrame) else np.asarray(chosen))[0]


def _table_parts(attributions, name, n_features):
    """The strongest features of a table."""
    values, names = attributions[name], attributions.feature_names[name]
    top = float(np.abs(values).max(initial=0.0))
    here = attributions.X.is_present(name)
    return [
        features_html(names, _row_of(attributions.X[name], row), own, top, n_features) if here[row] else ""
        for row, own in enumerate(values)
    ]


def _text_parts(attributions, name):
    """Texts with coloured words, in one scale."""
    texts = attributions.X[name]
    top = max((float(np.abs(own).max(initial=0.0)) for own in attributions[name]), default=0.0)
    return [
        ""
        if text is None
        else text_html(read_report("", text, tokens, np.asarray(values, dtype=np.float64), top), signed=True)
        for text, tokens, values in zip(texts, attributions.tokens[name], attributions[name], strict=True)
    ]


def _bag_parts(attributions, name, n_features):
    """What the instances of a bag of vectors add."""
    totals = [np.asarray(bag).reshape(len(bag), -1).sum(axis=1) for bag in attributions[name]]
    top = max((float(np.abs(own).max(initial=0.0)) for own in totals), default=0.0)
    parts = []
    for own in totals:
        names = [f"instance {number + 1}" for number in range(len(own))]
        parts.append(features_html(names, None, own, top, n_features))
    return parts


def _picture_parts(attributions, name, trail, regions, key):
    """Images with their maps and regions, in pixels of the original image where these are known."""
    note = ""
    X = trail.first.get(name, attributions.X)
    try:
        maps = attributions.maps(name)
    except ValueError as error:
        X, maps = attributions.X, _own_maps(attributions, name)
        note = f'<p class="soft">As the model sees it. {escaped(error)}</p>'
    is_bag = attributions.X.kinds[name] == "bag"
    here = np.flatnonzero(attributions.X.is_present(name))
    flat = []  # (sample, what it is called, map, image)
    for row in here:
        own = list(maps[row]) if is_bag else [maps[row]]
        order = np.argsort([-np.abs(one).sum() for one in own], kind="stable")[:_N_INSTANCES]
        for place in sorted(order):
            one = own[place].sum(axis=0) if own[place].ndim == 3 else own[place]
            title = f"{name}, instance {place + 1} of {len(own)}" if is_bag else name
            flat.append((row, title, one, _image(X, name, row, place if is_bag else None, one.shape)))
    parts = {row: [] for row in range(len(attributions.X))}
    prepared = prepare_maps([one for _, _, one, _ in flat], None, **regions) if flat else []
    for number, ((row, title, _, image), one) in enumerate(zip(flat, prepared, strict=True)):
        found = region_frame([{"sample": row, **found} for found in regions_at(one, **regions)[0]])
        seen = Seen(title, image, one.relative, found[:_N_REGIONS])
        parts[row].append(picture_html(seen, f"{key}-{number}"))
    return [note + "\n".join(own) if own else "" for own in parts.values()]


def _own_maps(attributions, name):
    """Maps over images as the model sees them, channels summed."""
    values = attributions[name]
    if attributions.X.kinds[name] == "bag":
        return [np.asarray(bag).sum(axis=-1) if np.ndim(bag) > 3 else np.asarray(bag) for bag in values]
    return list(values.sum(axis=-1) if values.ndim > 3 else values)


def _image(X, name, row, place, shape):
    """The image below a map, or None where none has its size."""
    if name not in X:
        return None
    if place is None:
        picture = images_of(X, name, [row])[0]
    else:
        values = np.asarray(X[name][row][place])
        values = values.mean(axis=0) if values.ndim == 4 else values
        picture = Picture(displayable(thinned(values)), *values.shape[:2])
    fits = picture is not None and (picture.height, picture.width) == shape
    return picture if fits else None


def _original(trail, name, row, key):
    """A modality of which a step has made something else, as it was, and the step by name."""
    X, step = trail.first[name], escaped(trail.made_by[name])
    kind = X.kinds[name]
    note = (
        f'<p class="soft">{step} has made numbers of this {kind}. Below are those that the model sees; what '
        f"single places of the {kind} add is not known.</p>"
    )
    if kind == "text":
        return f'<div class="text" dir="auto" lang="">{escaped(X[name][row])}</div>{note}'
    if kind in {"image", "volume"}:
        picture = images_of(X, name, [row])[0]
        if picture is not None:
            return picture_html(Seen(name, picture, None, None), f"{key}-original-{row}") + note
    return note
