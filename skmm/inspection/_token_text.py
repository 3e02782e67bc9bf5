"""Raw texts in pieces: words with a value, what stands between them, and the lines that they fill."""

import re
import unicodedata
from typing import NamedTuple

import numpy as np
import pandas as pd

from skmm.inspection._token_colours import levels_of

_REPLACED = "\N{REPLACEMENT CHARACTER}"
_NEWLINE = "\r\n|[\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029]"
_PARTS = re.compile(rf"(?P<newline>{_NEWLINE})|(?P<blank>[^\S\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029]+)|\S+")
_KEPT = "\n\t"

COLUMNS = ("sample", "token", "word", "start", "stop", "attribution", "rank")


class Piece(NamedTuple):
    """A part of a raw text, and which token it is; None where it is between tokens."""

    text: str
    token: int | None


class Report(NamedTuple):
    """A text as it is shown: title, pieces, and of each token its value, its rank and its step of colour."""

    title: str
    pieces: list
    values: np.ndarray
    ranks: np.ndarray
    levels: np.ndarray


class Placed(NamedTuple):
    """A piece of a line, and where it begins and ends."""

    text: str
    token: int | None
    start: float
    stop: float


def drawable(text):
    """A text that can be drawn and written: one kind of new line, no control characters, no half ones."""
    if text.isprintable():
        return text
    return "".join(
        _REPLACED if unicodedata.category(character) in {"Cc", "Cs"} and character not in _KEPT else character
        for character in re.sub(_NEWLINE, "\n", text)
    )


def _where(name, row):
    """The tokens or attributions of a sample, for messages."""
    return f"The {name} of sample {row}"


def check_tokens(text, tokens, row):
    """Raise if tokens have no place in their raw text, or share it.

    Parameters
    ----------
    text : str
        The raw text.
    tokens : list of Token
        In the order of the text.
    row : int
        The sample, for messages.

    Raises
    ------
    ValueError
        Naming the sample and the token.
    """
    end = 0
    for position, token in enumerate(tokens):
        start, stop = (getattr(token, name, None) for name in ("start", "stop"))
        if start is None or stop is None:
            raise ValueError(
                f"{_where('tokens', row)} must have a start and a stop, as TextTokenizer.tokenize gives "
                f"them. Token {position} is {token!r}."
            )
        if not end <= start < stop <= len(text):
            raise ValueError(
                f"{_where('tokens', row)} must stand in its raw text of {len(text)} characters, one after "
                f"the other. Token {position} has the place {start} to {stop}; the one before ends at {end}. "
                "Hand over the texts that were tokenized, as they were."
            )
        end = stop


def check_values_of_tokens(values, tokens, row, *, lowest=None):
    """The values of the tokens of a sample as floats.

    Parameters
    ----------
    values : array-like of shape (n_tokens,)
        A number a token.
    tokens : list of Token
        What they are of.
    row : int
        The sample, for messages.
    lowest : float, default=None
        The lowest value that is allowed.

    Returns
    -------
    ndarray of shape (n_tokens,)

    Raises
    ------
    ValueError
        If there is not one finite number a token, or one is too low.
    """
    where = _where("attributions", row)
    array = np.asarray(values)
    if array.shape != (len(tokens),) or (array.size and array.dtype.kind not in "biuf"):
        raise ValueError(
            f"{where} must be one number for each of its {len(tokens)} tokens. Got an array of shape "
            f"{array.shape} and dtype {array.dtype}."
        )
    array = array.astype(np.float64)
    bad = ~np.isfinite(array)
    if bad.any():
        raise ValueError(
            f"{where} must be finite. {bad.sum()} are NaN or infinite, the first of token {bad.argmax()}."
        )
    if lowest is not None and array.size and array.min() < lowest:
        raise ValueError(
            f"{where} must be at least {lowest}, as they are squares. Got {array.min():.3g} for token "
            f'{array.argmin()}. For attributions with a sign: token_score="signed".'
        )
    return array


def pieces_of(text, tokens):
    """A raw text in its order: tokens, and what stands between them.

    Parameters
    ----------
    text : str
        The raw text.
    tokens : list of Token
        In the order of the text.

    Returns
    -------
    list of Piece
        Which together are the text.
    """
    pieces, end = [], 0
    for position, token in enumerate(tokens):
        if token.start > end:
            pieces.append(Piece(text[end : token.start], None))
        pieces.append(Piece(text[token.start : token.stop], position))
        end = token.stop
    if end < len(text):
        pieces.append(Piece(text[end:], None))
    return pieces


def read_report(title, text, tokens, values, top):
    """A text as it is shown.

    Parameters
    ----------
    title : str
        What stands above it.
    text : str
        The raw text.
    tokens : list of Token
        In the order of the text.
    values : ndarray of shape (n_tokens,)
        Their attributions.
    top : float
        The value that has the full colour.

    Returns
    -------
    Report
    """
    return Report(title, pieces_of(text, tokens), values, ranks_of(values), levels_of(values, top))


def ranks_of(values):
    """Ranks of values by strength: 1 for the strongest, the same for equals."""
    return pd.Series(np.abs(values)).rank(ascending=False, method="min").to_numpy().astype(int)


def word_frame(texts, tokens, values, rows):
    """The tokens of some samples as a table: the words as the raw texts have them, and their ranks.

    Parameters
    ----------
    texts : list of str
        Raw texts of all samples.
    tokens : list of list of Token
        Their tokens.
    values : mapping of int -> ndarray
        The attributions of rows.
    rows : list of int
        The samples to take.

    Returns
    -------
    DataFrame
        With the columns of ``COLUMNS``; "rank" is 1 for the strongest of a sample, and the same for equals.
    """
    parts = []
    for row in rows:
        own = tokens[row]
        places = [(token.start, token.stop) for token in own]
        parts.append(
            pd.DataFrame(
                {
                    "sample": [row] * len(own),
                    "token": range(len(own)),
                    "word": [texts[row][start:stop] for start, stop in places],
                    "start": [start for start, _ in places],
                    "stop": [stop for _, stop in places],
                    "attribution": values[row],
                    "rank": ranks_of(values[row]),
                },
                columns=list(COLUMNS),
            )
        )
    filled = [part for part in parts if len(part)] or parts
    return pd.concat(filled, ignore_index=True) if parts else pd.DataFrame(columns=list(COLUMNS))


def _words(pieces):
    """Yield what cannot be broken, as lists of pieces; None for the end of a line, blanks as empty lists."""
    word = []
    for piece in pieces:
        for match in _PARTS.finditer(piece.text):
            if match.lastgroup is None:
                word.append(Piece(match[0], piece.token))
                continue
            if word:
                yield word
                word = []
            yield None if match.lastgroup == "newline" else []
    if word:
        yield word


def _broken(word, width, measure):
    """A word in parts that fit into a line of their own, as lists of pieces."""
    part, used = [], 0.0
    for text, token in word:
        for character in text:
            step = measure(character)
            if part and used + step > width:
                yield part
                part, used = [], 0.0
            if part and part[-1].token == token:
                part[-1] = Piece(part[-1].text + character, token)
            else:
                part.append(Piece(character, token))
            used += step
    yield part


def wrap(pieces, width, measure):
    """Break a text into lines; blanks are one blank, and empty lines one empty line.

    Parameters
    ----------
    pieces : list of Piece
        The text.
    width : float
        Of a line.
    measure : callable
        From a str to its width.

    Returns
    -------
    list of list of Placed
        The lines. What is longer than a line is broken anywhere.
    """
    lines, line, at, gap = [], [], 0.0, 0.0
    blank = measure(" ")

    def end():
        nonlocal line, at, gap
        if line or (lines and lines[-1]):
            lines.append(line)
        line, at, gap = [], 0.0, 0.0

    def put(part):
        nonlocal at, gap
        at += gap if line else 0.0
        gap = 0.0
        for text, token in part:
            size = measure(text)
            line.append(Placed(text, token, at, at + size))
            at += size

    for word in _words(pieces):
        if word is None:
            end()
        elif not word:
            gap = blank
        else:
            size = sum(measure(text) for text, _ in word)
            if line and at + gap + size > width:
                end()
            parts = [word] if size <= width else list(_broken(word, width, measure))
            for part in parts[:-1]:
                put(part)
                end()
            put(parts[-1])
    end()
    while lines and not lines[-1]:
        lines.pop()
    return lines
