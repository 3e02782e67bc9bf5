"""Words of texts: what is removed, and that every word is found again in the raw text."""

import json
import string
import unicodedata

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from skmm._text import (
    Cleaning,
    Word,
    as_texts,
    is_punctuation,
    most_frequent,
    vocabulary_from_json,
    vocabulary_to_json,
)
from skmm.preprocessing import TextTokenizer

# Letters, digits and marks of several scripts, letters whose lower case has another length, emoji, white
# space of several kinds, and whatever else there is.
TEXTS = st.text(
    st.one_of(
        st.sampled_from(
            "aBİßΣςéΩǅ xX-_.,;'\"(/)$+ 12٣४²①e\u0301\u0327\u0307\u200d\ufe0f\u20e3👩🏽‍🔬🦠…“—\n\t\u00a0\u2028"
        ),
        st.characters(),
    ),
    max_size=30,
)
CLEANINGS = st.builds(
    Cleaning,
    lowercase=st.booleans(),
    remove_digits=st.booleans(),
    remove_punctuation=st.booleans(),
    join_removed=st.booleans(),
    stop_words=st.sampled_from([frozenset(), frozenset({"a", "x", "the"})]),
    stop_words_first=st.booleans(),
    min_token_length=st.integers(1, 2),
)


def is_removed(character, cleaning):
    """Whether a cleaning removes a character."""
    return (cleaning.remove_digits and character.isdigit()) or (
        cleaning.remove_punctuation and is_punctuation(character)
    )


def kept(text, cleaning):
    """A text without what is removed, combining marks of removed characters included."""
    left, follows = [], False
    for character in text:
        is_mark = unicodedata.category(character)[0] == "M"
        follows = is_removed(character, cleaning) or (follows and is_mark)
        left.append("" if follows else character)
    return left


def written(word, cleaning):
    """What a word becomes in the end."""
    return unicodedata.normalize("NFC", word.lower() if cleaning.lowercase else word)


@settings(max_examples=200, deadline=None)
@given(TEXTS, CLEANINGS)
@example("İSTANBUL: İ.", Cleaning())
@example("1\ufe0f\u20e3 x=\u0338y", Cleaning(remove_digits=True))
def test_places_are_those_of_the_readers_own_words(raw, cleaning):
    """raw[start:stop], cleaned, is the word; it starts and ends with what is kept, without white space."""
    words = cleaning.words(raw)

    stops = [0, *(word.stop for word in words)]
    for before, word in zip(stops, words, strict=False):
        own = raw[word.start : word.stop]
        left = kept(raw, cleaning)[word.start : word.stop]
        assert before <= word.start < word.stop <= len(raw)
        assert word.text == written("".join(left), cleaning)
        assert left[0]
        assert left[-1]
        assert not any(map(str.isspace, own))
        assert len(word.text) >= cleaning.min_token_length
        assert cleaning.stop_words_first or word.text not in cleaning.stop_words


@settings(max_examples=100, deadline=None)
@given(TEXTS, CLEANINGS)
def test_nothing_but_what_is_removed_is_lost(raw, cleaning):
    """Without stop words and a least length, the words hold every kept character of the text, in order."""
    options = {**vars(cleaning), "stop_words": frozenset(), "min_token_length": 1}
    cleaning = Cleaning(**options)
    left = kept(raw, cleaning)
    inside = {place for word in cleaning.words(raw) for place in range(word.start, word.stop)}

    assert {place for place, c in enumerate(left) if c and not c.isspace()} <= inside


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(string.ascii_letters + string.digits + string.punctuation, max_size=6), max_size=8))
def test_published_cleanings(chunks):
    """Both published orders of cleaning, done by deleting characters of a copy, give the same words."""
    raw, stop = " ".join(chunks), frozenset({"the", "no", "a", "of"})
    no_digits = raw.lower().strip().translate(str.maketrans("", "", string.digits))
    no_punctuation = str.maketrans("", "", string.punctuation)
    published = Cleaning(remove_digits=True, join_removed=True, stop_words=stop)

    expected = [word for word in no_digits.translate(no_punctuation).split() if word not in stop]
    assert [word.text for word in published.words(raw)] == expected

    variant = Cleaning(
        remove_digits=True, join_removed=True, stop_words=stop, stop_words_first=True, min_token_length=2
    )
    expected = " ".join(word for word in no_digits.split() if word not in stop).translate(no_punctuation)
    assert [word.text for word in variant.words(raw)] == [word for word in expected.split() if len(word) > 1]


def test_where_stop_words_are_looked_up():
    """Before punctuation is removed "the," is no stop word, and stays; after it, it is one and goes."""
    options = {"stop_words": frozenset({"the"}), "remove_digits": True}

    after = Cleaning(**options).words("the, 1the THE lung")
    before = Cleaning(**options, stop_words_first=True).words("the, 1the THE lung")
    assert after == [Word("lung", 14, 18)]
    assert before == [Word("the", 0, 3), Word("lung", 14, 18)]


def test_stop_words_are_found_however_they_are_written():
    """Stop words are composed as words are; the English ones are scikit-learn's."""

    def cleaning(stop_words):
        return Cleaning.of(TextTokenizer(stop_words=stop_words))

    assert cleaning(["e\u0301"]).words("\u00c9 a") == [Word("a", 2, 3)]
    assert cleaning("english").words("The heart is not here") == [Word("heart", 4, 9)]


@pytest.mark.parametrize(
    ("options", "raw", "expected"),
    [
        ({}, "X-ray: T12, 5mm.", [("x", 0, 1), ("ray", 2, 5), ("t12", 7, 10), ("5mm", 12, 15)]),
        ({"join_removed": True}, "(X-ray)", [("xray", 1, 6)]),
        ({"remove_punctuation": False}, "(X-ray) \n", [("(x-ray)", 0, 7)]),
        ({"remove_digits": True}, "L5S1 ٣mm²", [("l", 0, 1), ("s", 2, 3), ("mm", 6, 8)]),
        ({"remove_digits": True, "join_removed": True}, "L5S1", [("ls", 0, 3)]),
        ({"lowercase": False}, "No no", [("No", 0, 2), ("no", 3, 5)]),
        ({"min_token_length": 2}, "a la ß", [("la", 2, 4)]),
        ({}, "İİ after", [("i\u0307i\u0307", 0, 2), ("after", 3, 8)]),
        ({}, "Cafe\u0301 caf\u00e9", [("caf\u00e9", 0, 5), ("caf\u00e9", 6, 10)]),
        ({}, "ΟΔΟΣ, “quoted”…", [("οδος", 0, 4), ("quoted", 7, 13)]),
        ({}, "fine 👩🏽‍🔬!", [("fine", 0, 4), ("👩🏽‍🔬", 5, 9)]),
        ({"remove_digits": True}, "1\ufe0f\u20e3 one", [("one", 4, 7)]),
        ({}, " . -- \u00a0", []),
        ({}, "", []),
    ],
)
def test_words_by_value(options, raw, expected):
    """Words and places of small texts, written out."""
    assert Cleaning(**options).words(raw) == expected


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(max_codepoint=127), max_size=20), CLEANINGS)
def test_ascii_has_no_rules_of_its_own(raw, cleaning):
    """The words of a text of ASCII are the same when a letter of another script follows."""
    assert cleaning.words(raw) == cleaning.words(f"{raw} éé")[:-1]


@pytest.mark.parametrize(
    "X",
    [
        ["a", None],
        ("a", np.nan),
        np.array(["a", None], dtype=object),
        pd.Series(["a", pd.NA], dtype="string", index=[7, 3]),
    ],
    ids=["list", "tuple", "array", "Series"],
)
def test_texts_in_every_form(X):
    """Sequences of str with any mark of what is missing become an array of str and None."""
    texts = as_texts(X, "Test")

    assert texts.tolist() == ["a", None]
    assert as_texts(np.array(["a", "b"]), "Test").tolist() == ["a", "b"]


@pytest.mark.parametrize(
    ("X", "got"),
    [
        ("one text", "one str instead: put it into a list"),
        ({"note": ["a"]}, "a mapping instead: in a dict of modalities, ModalityTransformer"),
        (pd.DataFrame({"note": ["a"]}), r"a table of shape \(1, 1\) instead: give the one column"),
        (["a", 3], "something else: .* Got int at row 1"),
        ([b"a"], "Got bytes at row 0"),
        ([1.0, 2.0], "something else"),
        (None, "Got NoneType instead"),
    ],
)
def test_what_is_no_texts_is_refused(X, got):
    """Anything but a sequence of str raises, and says what came and where."""
    with pytest.raises(ValueError, match=f"Test takes the texts of one modality.*{got}"):
        as_texts(X, "Test")


def test_the_most_frequent_words():
    """Words come by frequency, equal ones by their characters, whatever the order of the texts."""
    documents = [text.split() for text in ("b a c b", "c d", "e")]

    assert most_frequent(documents) == most_frequent(documents[::-1]) == ["b", "c", "a", "d", "e"]
    assert most_frequent(documents, max_features=3) == ["b", "c", "a"]
    assert most_frequent(documents, min_count=2) == ["b", "c"]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(st.characters(), min_size=1, max_size=5), max_size=5, unique=True))
def test_vocabularies_survive_json(words):
    """Whatever the words, lone surrogates included, JSON gives them back, in their order."""
    vocabulary = {word: number for number, word in enumerate(words, 1)}

    assert list(json.loads(vocabulary_to_json(vocabulary)).items()) == list(vocabulary.items())


def test_vocabulary_files(tmp_path):
    """Files are written and read; one that is absent, damaged or something else is named."""
    path = tmp_path / "words.json"
    vocabulary_to_json({"œdème": np.int64(1)}, path)
    assert vocabulary_from_json(str(path)) == {"œdème": 1}

    with pytest.raises(FileNotFoundError, match="no vocabulary file '.*absent.json'"):
        vocabulary_from_json(tmp_path / "absent.json")
    for content, text in (
        (b'{"a": 1', "is no JSON in UTF-8"),
        (b'"\xff"', "is no JSON in UTF-8"),
        (b"3", "Got int"),
    ):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=f"words.json.*{text}"):
            vocabulary_from_json(path)
