"""Word vectors in files, as word2vec and GloVe write them: read without running anything, and written."""

import codecs
import gzip
import io
import math
import zlib
from array import array
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np

from skmm.containers._validation import quoted, shown

_BUFFER = 1 << 16
_LONGEST_LINE = 1 << 22
_LONGEST_WORD = 1 << 12
_GZIP = b"\x1f\x8b"


class WordVectors(NamedTuple):
    """Words by row, and a float32 table (n_words, n_numbers) of their vectors."""

    vocabulary: dict
    vectors: np.ndarray


def read_word_vectors(path, *, max_features=None, encoding="utf-8", decode_error="strict", binary=None):
    """Read word vectors in the text format of GloVe and word2vec, with or without a header, or in its binary.

    Parameters
    ----------
    path : str or path
        The file, which may be compressed by gzip.
    max_features : int, default=None
        How many words are read at most; published files begin with the most frequent.
    encoding : str, default="utf-8"
        Of the words.
    decode_error : {"strict", "ignore", "replace"}, default="strict"
        What is done about a word that is not in this encoding; if not "strict", of words that become the
        same the first is kept.
    binary : bool, default=None
        Whether the file is binary; None tells by its content.

    Returns
    -------
    WordVectors
        In the order of the file.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is something else, damaged or cut off, or holds a word twice: names the line.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"There is no file of word vectors {str(path)!r}.")
    try:
        codecs.lookup(encoding)
    except LookupError as error:
        raise ValueError(f"encoding must be one that Python knows. Got {encoding!r} instead.") from error
    with path.open("rb", buffering=_BUFFER) as file:
        packed = file.peek(2)[:2] == _GZIP
        content = io.BufferedReader(gzip.GzipFile(fileobj=file), _BUFFER) if packed else file
        reader = _Reader(content, path, max_features, encoding, decode_error)
        try:
            return reader.read(binary, None if packed else path.stat().st_size)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise reader.error(f"is damaged or cut off ({error}). Copy or download it again.") from error


def write_word_vectors(path, vocabulary, vectors):
    """Write word vectors in word2vec's text format, from which `read_word_vectors` gets the same numbers.

    Raises
    ------
    ValueError
        If a word is empty, or has white space at an end or a line's end in it: names it.
    """
    wrong = [word for word in vocabulary if not word or word.strip(" \t\r\n\v\f") != word or "\n" in word]
    if wrong:
        raise ValueError(
            f"Words with line ends or white space around them cannot be written: {quoted(wrong)}."
        )
    form = " ".join(["%.9g"] * vectors.shape[1])
    with Path(path).expanduser().open("w", encoding="utf-8", newline="\n") as file:
        file.write(f"{len(vocabulary)} {vectors.shape[1]}\n")
        for word, row in vocabulary.items():
            file.write(f"{word} {form % tuple(vectors[row].tolist())}\n")


def as_word_vectors(given, who):
    """Vectors that a user has in memory, as WordVectors.

    Raises
    ------
    ValueError
        If words are no str, or vectors are not finite numbers of one length.
    """
    if isinstance(given, Mapping):
        words, table = list(given), list(given.values())
    else:  # gensim's KeyedVectors
        words, table = list(given.key_to_index), given.vectors[list(given.key_to_index.values())]
    try:
        table = np.array(table, dtype=np.float32)
    except (TypeError, ValueError):
        table = np.empty(0)
    if table.ndim != 2 or not table.size or not np.isfinite(table).all():
        raise ValueError(
            f"The 'vectors' parameter of {who}, given as a mapping, must give words vectors of one length, "
            f"of finite numbers. Got {len(words)} words instead, whose vectors are not."
        )
    wrong = [word for word in words if not isinstance(word, str)]
    if wrong:
        raise ValueError(f"The 'vectors' parameter of {who} must have words as keys. Got {shown(wrong)}.")
    return WordVectors({word: row for row, word in enumerate(words)}, table)


class _Reader:
    """One pass over a file; it knows where it is."""

    def __init__(self, file, path, max_features, encoding, decode_error):
        self.file, self.path = file, path
        self.limit = math.inf if max_features is None else max_features
        self.encoding, self.decode_error = encoding, decode_error
        self.vocabulary, self.places = {}, []  # the line, or in a binary file the number, of each word
        self.n_read = 0  # words, those that are left out too

    def error(self, text, **where):
        """An error that names the file, and the line or word."""
        place = "".join(f", {what} {number}," for what, number in where.items())
        return ValueError(f"The file of word vectors {str(self.path)!r}{place} {text}")

    def read(self, binary, n_bytes):
        """The words and vectors."""
        first = self.file.readline(_LONGEST_LINE).removeprefix(codecs.BOM_UTF8)
        self._refuse(first)
        n_words, width = _header(first)
        if n_words == 0 or width == 0:
            raise self.error(f"announces {n_words} words of {width} numbers.", line=1)
        if n_words is None and binary:
            raise self.error("must give the number of words and of numbers a word.", line=1)
        if n_words is not None and (self._is_binary(width) if binary is None else binary):
            values = self._binary(n_words, width, None if n_bytes is None else n_bytes - len(first))
            vectors = np.frombuffer(values, dtype="<f4").astype(np.float32, copy=False)
            place = "word"
        else:
            width = width or self._width(first)
            values = self._text(None if n_words is not None else first, n_words, width)
            vectors, place = np.frombuffer(values, dtype=np.float32), "line"
        vectors = vectors.reshape(-1, width)
        vectors.flags.writeable = False  # estimators share them
        for start in range(0, len(vectors), 1 << 14):
            bad = np.flatnonzero(~np.isfinite(vectors[start : start + (1 << 14)]).all(axis=1))
            if len(bad):
                number = self.places[start + bad[0]]
                raise self.error("holds NaN, infinity, or a number too large for float32.", **{place: number})
        return WordVectors(self.vocabulary, vectors)

    def _refuse(self, first):
        """Raise for files that are something else."""
        if not first.strip():
            raise self.error("is empty, or begins with an empty line.")
        if first[:1] == b"\x80":
            raise self.error(
                "is a pickle, which could run code when it is read, so it was not read. Write the vectors "
                "with gensim's save_word2vec_format."
            )
        if b"\0" in first or len(first) == _LONGEST_LINE:
            raise self.error(
                "is no text, and has no header of word2vec's binary format: it is something else."
            )

    def _is_binary(self, width):
        """Whether numbers of 4 bytes follow the header."""
        ahead = self.file.peek(4 * width + _LONGEST_WORD).lstrip(b"\n")
        numbers = ahead.partition(b" ")[2][: 4 * width]
        line = numbers.partition(b"\n")[0]
        return any(byte < 9 or 13 < byte < 32 for byte in numbers) or any(byte > 126 for byte in line)

    # --- text ---------------------------------------------------------------------------------------------

    def _width(self, line):
        """How many numbers end the first line of a file without a header."""
        fields = line.split()
        width = 0
        while width < len(fields) - 1 and _is_number(fields[-1 - width]):
            width += 1
        if not width:
            raise self.error(
                "must be a word and its numbers, or the number of words and of numbers a word. Got "
                f"{_shown(line)} instead.",
                line=1,
            )
        return width

    def _text(self, first, n_words, width):
        """Numbers of all lines, one after the other; ``first`` is a line that was read already, or None."""
        values, number, empty = array("f"), 0 if first else 1, None
        for line in chain([first] if first else [], iter(lambda: self.file.readline(_LONGEST_LINE), b"")):
            if len(self.vocabulary) >= self.limit:
                return values
            number += 1
            parts = line.rsplit(None, width)
            if not parts:
                empty = empty or number
                continue
            if empty:
                raise self.error("is empty.", line=empty)
            if n_words is not None and self.n_read == n_words:
                raise self.error(f"is one too many: line 1 announces {n_words} words.", line=number)
            numbers = self._numbers(line, parts, width, number)
            if self._add(parts[0], line=number):
                values.extend(numbers)
        if n_words is not None and self.n_read < n_words:
            raise self.error(
                f"is cut off: line 1 announces {n_words} words, and there are {self.n_read}.", line=number
            )
        return values

    def _numbers(self, line, parts, width, number):
        """The numbers of a line."""
        extra = parts[0].split()[1:]  # some words of published files have blanks in them
        n_numbers = len(parts) - 1 if not extra else len(line.split()) - 1
        if n_numbers < width or (extra and all(map(_is_number, extra))):
            raise self.error(
                f"must be a word and {width} numbers. Got {n_numbers} instead: {_shown(line)}.", line=number
            )
        try:
            return list(map(float, parts[1:]))
        except ValueError:
            wrong = next(part for part in parts[1:] if not _is_number(part))
            raise self.error(
                f"must be a word and {width} numbers. {_shown(wrong)} is no number.", line=number
            ) from None

    # --- binary -------------------------------------------------------------------------------------------

    def _binary(self, n_words, width, n_bytes):
        """Bytes of all vectors, one after the other."""
        if n_bytes is not None and n_bytes < n_words * (4 * width + 2) - 1:
            raise self.error(
                f"is cut off: line 1 announces {n_words} words of {width} numbers, for which it is too short."
            )
        values = bytearray()
        for number in range(1, n_words + 1):
            if len(self.vocabulary) >= self.limit:
                return values
            word = self._word(number)
            vector = self.file.read(4 * width)
            if word is None or len(vector) < 4 * width:
                raise self.error(f"is cut off: line 1 announces {n_words} words.", word=number)
            if self._add(word, word=number):
                values += vector
        if self.file.read(_BUFFER).strip():
            raise self.error(f"goes on after the {n_words} words of {width} numbers that line 1 announces.")
        return values

    def _word(self, number):
        """The bytes up to the next blank, or None at the end of the file."""
        word = b""
        while True:
            ahead = self.file.peek(1)
            end = ahead.find(b" ")
            word += self.file.read(end + 1 if end >= 0 else len(ahead))
            if len(word) > _LONGEST_WORD:
                raise self.error("has no end: the file is damaged, or its header is wrong.", word=number)
            if end >= 0:
                return word[:-1].lstrip(b"\n")
            if not ahead:
                return None

    # --- both ---------------------------------------------------------------------------------------------

    def _add(self, word, /, **where):
        """Add a word, if it is a new one."""
        self.n_read += 1
        try:
            word = word.decode(self.encoding, self.decode_error)
        except UnicodeDecodeError:
            raise self.error(
                f"has the word {_shown(word)}, which is not in {self.encoding}. Give the encoding of the "
                "file, or decode_error='replace'.",
                **where,
            ) from None
        ((what, place),) = where.items()
        if word not in self.vocabulary:
            self.vocabulary[word] = len(self.vocabulary)
            self.places.append(place)
            return True
        if self.decode_error != "strict":  # other bytes may have become the same word
            return False
        first = self.places[self.vocabulary[word]]
        raise self.error(f"has the word {word!r} again, which {what} {first} has: keep one of them.", **where)


def _header(line):
    """The numbers of words and of numbers a word that a first line announces, or None twice."""
    fields = line.split()
    if len(fields) == 2 and all(field.isdigit() for field in fields):
        return tuple(map(int, fields))
    return None, None


def _is_number(field):
    """Whether bytes are a number."""
    try:
        float(field)
    except ValueError:
        return False
    return True


def _shown(content):
    """The beginning of bytes, for a message."""
    text = content[:40].decode("utf-8", "backslashreplace").strip()
    return repr(text + "..." if len(content) > 40 else text)
