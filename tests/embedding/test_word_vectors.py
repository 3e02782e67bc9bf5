"""Files of word vectors: every format is read to the number, and what is damaged is named with its line."""

import gzip
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from skmm.embedding._word_vectors import read_word_vectors, write_word_vectors

WORDS = ["the", "heart", "œdème", "心"]
VECTORS = np.array([[0.5, -1.25, 3], [1e-3, 0, 2], [7, 8, 9.5], [-0.1, 0.2, 0.3]], dtype=np.float32)


def lines(words=WORDS, vectors=VECTORS, end=b"\n"):
    """The lines of a file without a header."""
    rows = [" ".join(map(repr, row.tolist())) for row in vectors]
    return [f"{word} {row}".encode() + end for word, row in zip(words, rows, strict=True)]


def as_binary(words=WORDS, vectors=VECTORS, end=b"\n"):
    """A file of word2vec's binary format; the original puts a line's end behind each vector, gensim none."""
    header = f"{len(words)} {vectors.shape[1]}\n".encode()
    rows = [row.astype("<f4").tobytes() for row in vectors]
    return header + b"".join(word.encode() + b" " + row + end for word, row in zip(words, rows, strict=True))


FORMS = {
    "GloVe": b"".join(lines()),
    "word2vec": b"4 3\n" + b"".join(lines()),
    "blanks at the ends of lines": b"4 3\n" + b"".join(lines(end=b" \n")),
    "Windows": b"4 3\r\n" + b"".join(lines(end=b"\r\n")),
    "tabs": b"".join(lines()).replace(b" ", b"\t"),
    "no end of the last line": b"".join(lines()).rstrip(),
    "empty lines at the end": b"".join(lines()) + b"\n\n",
    "byte order mark": b"\xef\xbb\xbf4 3\n" + b"".join(lines()),
    "byte order mark, no header": b"\xef\xbb\xbf" + b"".join(lines()),
    "binary": as_binary(),
    "binary of gensim": as_binary(end=b""),
}


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("form", FORMS)
def test_every_format_gives_the_same_numbers(tmp_path, form, packed):
    """Text with and without a header, and both binary forms, plain and compressed, are read to the number."""
    path = tmp_path / "vectors"
    path.write_bytes(gzip.compress(FORMS[form]) if packed else FORMS[form])
    read = read_word_vectors(str(path))

    assert list(read.vocabulary.items()) == [(word, row) for row, word in enumerate(WORDS)]
    assert read.vectors.dtype == np.float32
    np.testing.assert_array_equal(read.vectors, VECTORS)
    first = read_word_vectors(path, max_features=2)
    assert list(first.vocabulary) == WORDS[:2]
    np.testing.assert_array_equal(first.vectors, VECTORS[:2])


@settings(max_examples=40, deadline=None)
@given(
    vectors=arrays(
        np.float32,
        st.tuples(st.integers(1, 5), st.integers(1, 4)),
        elements=st.floats(allow_nan=False, allow_infinity=False, width=32),
    ),
    data=st.data(),
)
def test_what_is_written_is_read(tmp_path_factory, vectors, data):
    """Whatever the words and numbers, writing and reading gives them back, to the bit; so does binary."""
    word = st.text(min_size=1, max_size=4).filter(lambda word: word.split() == [word] and "\n" not in word)
    words = data.draw(st.lists(word, min_size=len(vectors), max_size=len(vectors), unique=True))
    path = tmp_path_factory.mktemp("vectors") / "words.txt"
    write_word_vectors(path, {word: row for row, word in enumerate(words)}, vectors)
    written = read_word_vectors(path, binary=False)
    path.write_bytes(as_binary(words, vectors))
    binary = read_word_vectors(path, binary=True)

    for read in (written, binary):
        assert list(read.vocabulary) == words
        np.testing.assert_array_equal(read.vectors, vectors)


def test_words_of_published_files(tmp_path):
    """Words with blanks, numbers as words, and what Unicode takes for a line's end are words like others."""
    words = [". . .", "at a@b.org", "0.5", "\x85", "\u2028", "\u00a0"]
    path = tmp_path / "vectors.txt"
    path.write_bytes(b"the 1 2\n" + "".join(f"{word} 3 4\n" for word in words).encode())

    assert list(read_word_vectors(path).vocabulary) == ["the", *words]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "is empty"),
        (b"\nthe 1 2\n", "begins with an empty line"),
        (b"the cat\n", "line 1, must be a word and its numbers, or .* Got 'the cat' instead"),
        (b"4 3\nthe 1 2 3\n", "line 2, is cut off: line 1 announces 4 words, and there are 1"),
        (b"1 3\nthe 1 2 3\na 1 2 3\n", "line 3, is one too many: line 1 announces 1 words"),
        (b"1 3\nthe 1 2\n", "line 2, must be a word and 3 numbers. Got 2 instead: 'the 1 2'"),
        (b"the 1 2 3\na 1 2 3 4\n", "line 2, must be a word and 3 numbers. Got 4 instead"),
        (b"the 1 2 3\na 1 2", "line 2, must be a word and 3 numbers. Got 2 instead"),
        (b"the 1 2\na 1 x2\n", "line 2, must be a word and 2 numbers. 'x2' is no number"),
        (b"the 1 2\n\na 1 2\n", "line 2, is empty"),
        (b"the 1 2\na 1 nan\n", "line 2, holds NaN, infinity"),
        (b"2 2\nthe 1 2\na 1e39 2\n", "line 3, holds NaN, infinity, or a number too large for float32"),
        (b"the 1 2\na 1 2\nthe 3 4\n", "line 3, has the word 'the' again, which line 1 has"),
        (b"the 1 2\n\xff 1 2\n", r"line 2, has the word .*xff.*, which is not in utf-8. Give the encoding"),
        (b"0 3\n", "line 1, announces 0 words of 3 numbers"),
        (pickle.dumps({"the": [1]}), "is a pickle, which could run code"),
        (b"\xba\x16\x4f\x2f\x0c\0\0\0", "it is something else"),
        (as_binary()[:-3], "word 4, is cut off: line 1 announces 4 words"),
        (as_binary()[:-20], "is cut off: line 1 announces 4 words of 3 numbers"),
        (as_binary() + b"more", "goes on after the 4 words of 3 numbers"),
        (as_binary(["a", "b", "a", "c"]), "word 3, has the word 'a' again, which word 1 has"),
        (as_binary(vectors=np.where(VECTORS == 8, np.inf, VECTORS)), "word 3, holds NaN"),
        (as_binary().replace(b"heart", b"hear\xff"), "word 2, has the word"),
        (as_binary().replace(b"4 3\n", b"3 4\n"), "word|goes on"),
        (as_binary(["a"], VECTORS[:1]).replace(b"1 3", b"2 3") + b"x" * 9000, "word 2, has no end"),
        (gzip.compress(b"".join(lines()))[:-12], "is damaged or cut off"),
        (gzip.compress(as_binary())[:-12], "is damaged or cut off"),
        (gzip.compress(as_binary()[:-4]), "word 4, is cut off"),
        (gzip.compress(as_binary()[:-14]), "word 4, is cut off"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)
def test_damaged_files_are_named(tmp_path, content, text):
    """What is wrong is an error that names the file and the line, or in a binary file the word."""
    path = tmp_path / "vectors.txt"
    path.write_bytes(content)

    with pytest.raises(ValueError, match=f"The file of word vectors '.*vectors.txt'.*({text})"):
        read_word_vectors(path)


def test_a_binary_file_has_a_header(tmp_path):
    """A file that is said to be binary announces how many words and numbers it has."""
    path = tmp_path / "vectors.bin"
    path.write_bytes(b"".join(lines()))
    with pytest.raises(ValueError, match="line 1, must give the number of words and of numbers a word"):
        read_word_vectors(path, binary=True)


def test_words_in_other_encodings(tmp_path):
    """Words in another encoding are read with it; of those that become the same the first is kept."""
    path = tmp_path / "vectors.txt"
    path.write_bytes("œ 1\nü 2\n".encode("cp1252"))
    assert list(read_word_vectors(path, encoding="cp1252").vocabulary) == ["œ", "ü"]

    path.write_bytes(b"3 1\n\xff 1\n\xfe 2\na 3\n")
    read = read_word_vectors(path, decode_error="replace")
    assert list(read.vocabulary) == ["\ufffd", "a"]
    assert read.vectors.tolist() == [[1], [3]]
    with pytest.raises(ValueError, match="encoding must be one that Python knows. Got 'klingon'"):
        read_word_vectors(path, encoding="klingon")


@pytest.mark.parametrize("word", ["", "a\nb", " a", "a\r"])
def test_words_that_a_file_cannot_hold(tmp_path, word):
    """Words that would be read as others are not written."""
    with pytest.raises(ValueError, match="cannot be written: "):
        write_word_vectors(tmp_path / "vectors.txt", {word: 0}, VECTORS)
    assert not (tmp_path / "vectors.txt").exists()


def test_no_file(tmp_path):
    """A path without a file is named."""
    with pytest.raises(FileNotFoundError, match="no file of word vectors '.*absent.txt'"):
        read_word_vectors(tmp_path / "absent.txt")
