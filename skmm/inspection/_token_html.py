"""A text with coloured words as HTML."""

import numpy as np

from skmm.inspection._html import bar, class_of, colour_bar, escaped, number

_STRONGEST = 15  # words of a table


def text_html(report, *, signed):
    """A text as HTML: words that tell their value, and a table of the strongest.

    Parameters
    ----------
    report : Report
        The text.
    signed : bool
        Whether values have a sign.

    Returns
    -------
    str
    """
    if not "".join(piece.text for piece in report.pieces).strip():
        return '<p class="soft">The text is empty.</p>'
    parts = []
    for text, token in report.pieces:
        if token is None:
            parts.append(escaped(text))
            continue
        told = (
            f"{text}\n{number(report.values[token], signed=signed)}, "
            f"rank {report.ranks[token]} of {len(report.values)}"
        )
        look = f"w {class_of(report.levels[token], signed=signed)}".strip()
        parts.append(f'<span class="{look}" title="{escaped(told)}">{escaped(text)}</span>')
    shown = f'<div class="text" dir="auto" lang="">{"".join(parts)}</div>'
    return f"{shown}\n{_table(report, signed=signed)}"


def _table(report, *, signed):
    """The strongest words, for those who do not see colours and for paper."""
    words = {token: text for text, token in report.pieces if token is not None}
    if not words:
        return '<p class="soft">No word of it is known to the model.</p>'
    order = np.lexsort((np.arange(len(words)), report.ranks))[:_STRONGEST]
    top = np.abs(report.values).max()
    kind = None if signed else "bs"
    rows = "".join(
        f'<tr><td class="n">{report.ranks[token]}</td><th scope="row"><bdi>{escaped(words[token])}</bdi></th>'
        f'<td class="n">{number(report.values[token], signed=signed)}</td>'
        f"<td>{bar(report.values[token], top, kind)}</td></tr>"
        for token in order
    )
    n_words = f"{len(order)} of {len(words)} words" if len(order) < len(words) else f"{len(words)} words"
    head = '<tr><th class="n">rank</th><th>word</th><th class="n">value</th><th></th></tr>'
    return (
        f"<details><summary>Table of words ({n_words})</summary>"
        f"<table><thead>{head}</thead><tbody>{rows}</tbody></table></details>"
    )


def legend_html(meaning, top, *, signed):
    """What the colours mean, and how to see more."""
    lines = " Strong words are underlined: a solid line is for, a dashed one against." if signed else ""
    return (
        f'<section class="legend">{colour_bar(top, signed=signed)}'
        f"<p>{escaped(meaning[0].upper() + meaning[1:])}.{lines} Words without a colour weigh nothing, or "
        "the model does not know them.</p>"
        '<p class="soft">Point at a word to see its value. With the keyboard: tab, then the arrow keys.</p>'
        "</section>"
    )
