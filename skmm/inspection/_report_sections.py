"""Sections of a page that explains samples: the answer, what modalities add to it, whether it adds up."""

import numpy as np

from skmm.inspection._html import aligned, bar, colour_bar, escaped, number, percent

_CLASSES = 5  # with the highest probabilities
_TOO_MUCH = 0.01  # of a completeness error

_SIGNS = (
    "<strong>Red speaks for</strong> the class that is named, <strong>blue against</strong> it. Red lines "
    "are solid, blue ones dashed."
)
_NUMBERS = (
    "Numbers say how much a part adds to the model's score of the class (the logit), compared with a "
    "neutral sample. Bars, and colours of words, have one scale in all samples of this page."
)
_IMAGES = (
    "In each image the strongest pixel has the full colour, also where the model sees little. Circles are "
    "regions of strong pixels, the first the strongest."
)
_TEXTS = (
    "Words without a colour weigh nothing, or the model does not know them. Point at a word to see its "
    "value; with the keyboard: tab, then the arrow keys."
)
_LIMITS = (
    "This is <strong>what the model went by, no proof of a cause</strong> and no finding: a region or a word "
    "can weigh much and mean nothing to medicine."
)


def rows_html(head, rows, caption=""):
    """A table whose first column names its rows.

    Parameters
    ----------
    head : sequence of str
        Names of columns; those of numbers begin with "#".
    rows : list of list of str
        HTML, the cells of each row.
    caption : str, default=""
        What the table is.

    Returns
    -------
    str
    """
    right = [' class="n"' if name.startswith("#") else "" for name in head]
    names = [escaped(name.lstrip("#")) for name in head]
    top = "".join(f"<th{look}>{name}</th>" for look, name in zip(right, names, strict=True))
    body = "".join(
        f'<tr><th scope="row">{row[0]}</th>'
        + "".join(f"<td{look}>{cell}</td>" for look, cell in zip(right[1:], row[1:], strict=True))
        + "</tr>"
        for row in rows
    )
    said = f"<caption>{escaped(caption)}</caption>" if caption else ""
    return f"<table>{said}<thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def answer_html(classes, proba, predicted, label=None, *, is_labelled=False):
    """What the model says of a sample, and whether it is right.

    Parameters
    ----------
    classes : sequence
        All classes.
    proba : ndarray of shape (n_classes,)
        Their probabilities.
    predicted : object
        The class that is predicted.
    label : object, default=None
        The true class.
    is_labelled : bool, default=False
        Whether there is one.

    Returns
    -------
    str
    """
    order = np.argsort(-proba, kind="stable")
    said = f"Predicted: <strong><bdi>{escaped(predicted)}</bdi></strong>"
    if is_labelled:
        verdict = "right" if label == predicted else "wrong"
        said += f'. True label: <bdi>{escaped(label)}</bdi> (<strong class="{verdict}">{verdict}</strong>)'
    rows = [
        [f"<bdi>{escaped(classes[k])}</bdi>", percent(proba[k]), bar(proba[k], 1.0, "bn")]
        for k in order[:_CLASSES]
    ]
    rest = proba[order[_CLASSES:]].sum()
    if len(order) > _CLASSES:
        rows.append([f"{len(order) - _CLASSES} other classes", percent(rest), bar(rest, 1.0, "bn")])
    return f"<p>{said}.</p>{rows_html(['class', '#probability', ''], rows)}"


def labels_html(names, proba, predicted, true=None):
    """What the model says of each of several labels: the most probable, those it gives, and the true ones.

    Parameters
    ----------
    names : sequence of str
        Of the labels.
    proba : ndarray of shape (n_labels,)
        Their probabilities.
    predicted : ndarray of shape (n_labels,)
        1 for each that is predicted.
    true : ndarray of shape (n_labels,), default=None
        1 for each that is true.

    Returns
    -------
    str
    """
    order = np.argsort(-proba, kind="stable")
    is_known = true is not None
    shown = [k for place, k in enumerate(order) if place < _CLASSES or predicted[k] or (is_known and true[k])]
    rows = []
    for k in shown:
        row = [f"<bdi>{escaped(names[k])}</bdi>", percent(proba[k]), bar(proba[k], 1.0, "bn")]
        row.append("yes" if predicted[k] else "no")
        if is_known:
            verdict = "right" if bool(true[k]) == bool(predicted[k]) else "wrong"
            row.append(f'{"yes" if true[k] else "no"} (<strong class="{verdict}">{verdict}</strong>)')
        rows.append(row)
    head = ["label", "#probability", "", "predicted", *(["true"] if is_known else [])]
    return rows_html(head, rows)


def totals_html(totals, top, target, present, confidence=None):
    """What each modality adds to the answer; missing ones are named.

    Parameters
    ----------
    totals : Series
        By modality.
    top : float
        The longest bar.
    target : object
        The class that is explained.
    present : sequence of bool
        Which of them there are.
    confidence : Series, default=None
        The model's own confidence in modalities.

    Returns
    -------
    str
    """
    rows = []
    for (name, value), is_present in zip(totals.items(), present, strict=True):
        trust = (
            [] if confidence is None else ["" if not is_present else percent(confidence.get(name, np.nan))]
        )
        if is_present:
            rows.append([f"<bdi>{escaped(name)}</bdi>", aligned(value, top), bar(value, top, None), *trust])
        else:
            rows.append([f"<bdi>{escaped(name)}</bdi>", "missing", "", *trust])
    head = ["modality", "#adds", "", *([] if confidence is None else ["#model's confidence"])]
    heading = f"<h3>What each modality adds to the score of <bdi>{escaped(target)}</bdi></h3>"
    return heading + rows_html(head, rows)


def features_html(names, values, attributions, top, n_features):
    """The strongest features of a table, by name.

    Parameters
    ----------
    names : sequence of str
        Of all features.
    values : ndarray of shape (n_features,), or None
        What the sample has.
    attributions : ndarray of shape (n_features,)
        What they add.
    top : float
        The longest bar.
    n_features : int
        How many to show.

    Returns
    -------
    str
    """
    order = np.argsort(-np.abs(attributions), kind="stable")
    shown = [k for k in order[:n_features] if attributions[k]]
    if not shown:
        return '<p class="soft">No feature of it adds anything.</p>'
    rows = [
        [
            f"<bdi>{escaped(names[k])}</bdi>",
            "" if values is None else _value(values[k]),
            aligned(attributions[k], top),
            bar(attributions[k], top, None),
        ]
        for k in shown
    ]
    rest = np.delete(attributions, shown)
    if rest.any():
        total = rest.sum()
        rows.append([f"{len(rest)} others together", "", aligned(total, top), bar(total, top, None)])
    if values is None:  # what the parts of a bag have is no number
        return rows_html(["", "#adds", ""], [[name, *rest] for name, _, *rest in rows])
    return rows_html(["feature", "#value", "#adds", ""], rows)


def _value(value):
    """What a sample has, for readers."""
    is_number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    return number(value, signed=False) if is_number else escaped(value)


def completeness_html(error, difference, total, target):
    """How far the attributions add up, in plain words, with a warning where they do not.

    Parameters
    ----------
    error : float or None
        The completeness error; None where the method promises no sum.
    difference : float
        By how much the score of the class is above that of the baseline.
    total : float
        The sum of all attributions.
    target : object
        The class that is explained.

    Returns
    -------
    str
    """
    if error is None:
        return (
            '<p class="soft sums">This method does not promise that its numbers add up: compare them with '
            "one another, not with the score.</p>"
        )
    said = (
        f"All parts of this sample together add {number(total)}; the model's score of "
        f"<bdi>{escaped(target)}</bdi> is {number(abs(difference), signed=False)} "
        f"{'above' if difference >= 0 else 'below'} that of a neutral sample. The error is {_error(error)}."
    )
    if error <= _TOO_MUCH:
        return f'<p class="soft sums">{said}</p>'
    return (
        f'<p class="warning" role="note"><strong>Read with care.</strong> {said} Beyond 1 % the numbers '
        "of a sample are not exact.</p>"
    )


def _error(error):
    """A completeness error."""
    return "below 0.1 %" if error < 0.001 else f"{100 * error:.1f} %"


def guide_html(*, with_images, with_texts):
    """How to read the page."""
    points = [
        _SIGNS,
        _NUMBERS,
        *([_IMAGES] if with_images else []),
        *([_TEXTS] if with_texts else []),
        _LIMITS,
    ]
    listed = "".join(f"<li>{point}</li>" for point in points if point)
    ends = '<div class="ends words"><span>against</span><span>for</span></div>'
    return (
        f'<section class="legend"><h2>How to read this page</h2>{colour_bar(1.0, signed=True)}{ends}'
        f"<ul>{listed}</ul></section>"
    )
