"""Words of texts for all that turns texts into numbers: what is removed, and where each word stands."""

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from numbers import Integral
from pathlib import Path
from typing import NamedTuple

from skmm.containers import ModalityDict

_ASCII = 128
_PLANES = (range(0x20000), range(0xE0100, 0xE01F0))  # beyond them is no digit, punctuation or combining mark
_ASCII_PUNCTUATION = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
_TEXT = "text"  # the name of the one modality


class Word(NamedTuple):
    """A word as it is counted, and where it stands: ``raw[start:stop]`` is how the text has it."""

    text: str
    start: int
    stop: int


# --- texts ------------------------------------------------------------------------------------------------


def as_texts(X, who):
    """Texts as a 1-D object array of str, None where one is missing.

    Parameters
    ----------
    X : sequence of str
        None, NaN or pd.NA where a text is missing.
    who : str
        The estimator that takes them.

    Returns
    -------
    ndarray of shape (n_samples,)

    Raises
    ------
    ValueError
        If X is something else, or an entry is neither missing nor a str.
    """
    if isinstance(X, str):
        got = "one str instead: put it into a list"
    elif isinstance(X, Mapping):
        got = "a mapping instead: in a dict of modalities, ModalityTransformer applies it to one of them"
    elif len(getattr(X, "shape", ())) > 1:
        got = f"a table of shape {X.shape} instead: give the one column of texts"
    else:
        try:
            return ModalityDict({_TEXT: X}, kinds={_TEXT: "text"})[_TEXT]
        except (TypeError, ValueError) as error:
            got = f"something else: {error}"
    raise ValueError(
        f"{who} takes the texts of one modality, a sequence of str with None where missing. Got {got}"
        f"{'' if got.endswith('.') else '.'}"
    )


# --- words ------------------------------------------------------------------------------------------------


def is_punctuation(character):
    """Whether a character is punctuation: ASCII's, with its symbols, and Unicode's categories P."""
    return character in _ASCII_PUNCTUATION or unicodedata.category(character)[0] == "P"


@lru_cache(maxsize=16)
def _pattern(*, digits, punctuation, ascii_only):
    """A pattern whose first group is a run of kept characters; it also steps over what is removed."""

    def every(belongs):
        """All characters for which a function is true, escaped."""
        numbers = range(_ASCII) if ascii_only else (number for plane in _PLANES for number in plane)
        return "".join(re.escape(chr(number)) for number in numbers if belongs(chr(number)))

    removed = every(lambda c: (digits and c.isdigit()) or (punctuation and is_punctuation(c)))
    if not removed:
        return re.compile(r"(\S+)")
    # A combining mark is part of the character before it and goes with it.
    marks = every(lambda c: unicodedata.category(c)[0] == "M")
    step = f"[{removed}][{marks}]*" if marks else f"[{removed}]"
    return re.compile(rf"{step}|([^\s{removed}]+)")


_WORDS = re.compile(r"\S+")


def cut(text, start, stop, *, digits, punctuation, join):
    """Words between two places of a text, without characters that are removed.

    Parameters
    ----------
    text : str
        The raw text.
    start, stop : int
        The places.
    digits, punctuation : bool
        What is removed.
    join : bool
        Whether what is left of characters without white space between them is one word.

    Yields
    ------
    Word
        From its first to behind its last kept character.
    """
    pattern = _pattern(digits=digits, punctuation=punctuation, ascii_only=text.isascii())
    if not join:
        for match in pattern.finditer(text, start, stop):
            if match[1]:
                yield Word(match[1], *match.span(1))
        return
    for word in _WORDS.finditer(text, start, stop):
        kept = [match.span(1) for match in pattern.finditer(text, *word.span()) if match[1]]
        if kept:
            yield Word("".join(text[a:b] for a, b in kept), kept[0][0], kept[-1][1])


@dataclass(frozen=True)
class Cleaning:
    """What of a text is a word, as the parameters of an estimator say."""

    lowercase: bool = True
    remove_digits: bool = False
    remove_punctuation: bool = True
    join_removed: bool = False
    stop_words: frozenset = frozenset()
    stop_words_first: bool = False
    min_token_length: int = 1

    @classmethod
    def of(cls, estimator):
        """The cleaning that the parameters of an estimator ask for, which are checked.

        Raises
        ------
        ValueError
            Naming the parameter, what is allowed and what came.
        """
        from skmm._training import Choice, Number, check_parameters

        flag = (Choice((True, False)),)
        flags = ("lowercase", "remove_digits", "remove_punctuation", "join_removed", "stop_words_first")
        check_parameters(
            estimator, {**dict.fromkeys(flags, flag), "min_token_length": (Number(Integral, 1),)}
        )
        return cls(
            stop_words=_stop_words(estimator.stop_words, type(estimator).__name__),
            min_token_length=int(estimator.min_token_length),
            **{name: bool(getattr(estimator, name)) for name in flags},
        )

    def words(self, text):
        """The words of a text.

        Parameters
        ----------
        text : str
            The raw text.

        Returns
        -------
        list of Word
            In the order of the text.
        """
        join, digits, punctuation = self.join_removed, self.remove_digits, self.remove_punctuation
        first = self.stop_words_first and punctuation
        found = []
        for word in cut(text, 0, len(text), digits=digits, punctuation=punctuation and not first, join=join):
            if self._fold(word.text) in self.stop_words:
                continue
            if first:
                found.extend(cut(text, word.start, word.stop, digits=digits, punctuation=True, join=join))
            else:
                found.append(word)
        folded = ((self._fold(word.text), word) for word in found)
        return [
            Word(text, word.start, word.stop) for text, word in folded if len(text) >= self.min_token_length
        ]

    def _fold(self, word):
        """A word in the one form in which it is counted: composed, and in lower case if asked."""
        # Word by word, after it is cut out: lower case and composition change lengths, places stay raw.
        return unicodedata.normalize("NFC", word.lower() if self.lowercase else word)


def _stop_words(stop_words, who):
    """The words that are left out."""
    if stop_words is None:
        return frozenset()
    if isinstance(stop_words, str) and stop_words == "english":
        from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

        return frozenset(ENGLISH_STOP_WORDS)
    if isinstance(stop_words, (list, tuple, set, frozenset)) and all(
        isinstance(word, str) for word in stop_words
    ):
        return frozenset(unicodedata.normalize("NFC", word) for word in stop_words)
    raise ValueError(
        f"The 'stop_words' parameter of {who} must be None, 'english' or a list of str. "
        f"Got {stop_words!r} instead."
    )


# --- vocabularies -----------------------------------------------------------------------------------------


def most_frequent(documents, *, max_features=None, min_count=1):
    """Words by falling frequency, those of equal frequency in the order of their characters.

    Parameters
    ----------
    documents : iterable of list of str
        Words of each text.
    max_features : int, default=None
        How many words at most.
    min_count : int, default=1
        How often a word has to be seen.

    Returns
    -------
    list of str
    """
    counts = Counter(word for words in documents for word in words)
    ranked = sorted(counts, key=lambda word: (-counts[word], word))
    return [word for word in ranked[:max_features] if counts[word] >= min_count]


def vocabulary_to_json(vocabulary, path=None):
    """Write a vocabulary as a JSON object of word to number, in UTF-8, to a file or as a str."""
    text = json.dumps({word: int(number) for word, number in vocabulary.items()}, indent=0)
    if path is None:
        return text
    Path(path).expanduser().write_text(text, encoding="utf-8")
    return None


def vocabulary_from_json(path):
    """Read what `vocabulary_to_json` wrote, or a JSON list of words; an error names the file."""
    path = Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"There is no vocabulary file {str(path)!r}.")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"The vocabulary file {str(path)!r} is no JSON in UTF-8: {error}.") from error
    if not isinstance(content, (dict, list)):
        raise ValueError(
            f"The vocabulary file {str(path)!r} must hold an object of word to id, or a list of words. "
            f"Got {type(content).__name__} instead."
        )
    return content
