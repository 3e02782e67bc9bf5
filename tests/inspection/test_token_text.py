"""Raw texts in pieces and lines: nothing is lost, nothing is moved."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skmm.inspection._token_text import (
    Piece,
    check_tokens,
    check_values_of_tokens,
    drawable,
    pieces_of,
    ranks_of,
    word_frame,
    wrap,
)
from skmm.preprocessing import TextTokenizer

TEXTS = st.text(
    alphabet=st.sampled_from("ab Heart-x,.5$\n\r\t\v\u2028\xa0éж心\x00<&"), min_size=1, max_size=60
)


def tokens_of(text, **options):
    """Tokens of a text, by a tokenizer that knows its words."""
    try:
        return TextTokenizer(**options).fit([text]).tokenize([text])[0]
    except ValueError:  # a text without a word
        return []


@given(text=TEXTS, join=st.booleans(), stop=st.sampled_from([None, ["heart", "a"]]))
def test_pieces_are_the_text(text, join, stop):
    """Pieces together are the raw text, and those with a token are the raw text at its place."""
    tokens = tokens_of(text, join_removed=join, stop_words=stop)

    pieces = pieces_of(text, tokens)

    assert "".join(piece.text for piece in pieces) == text
    found = [(piece.token, piece.text) for piece in pieces if piece.token is not None]
    assert found == [(number, text[token.start : token.stop]) for number, token in enumerate(tokens)]


@given(text=TEXTS, width=st.integers(1, 12))
def test_lines_keep_all_letters_in_their_order_and_are_no_wider(text, width):
    """Wrapping loses blanks only; pieces keep their tokens, follow one another, and end within the line."""
    pieces = pieces_of(text, tokens_of(text))

    lines = wrap(pieces, width, len)

    def letters(parts):
        return [(letter, token) for piece, token, *_ in parts for letter in piece if not letter.isspace()]

    assert letters(placed for line in lines for placed in line) == letters(pieces)
    for line in lines:
        ends = [0.0, *(placed.stop for placed in line)]
        assert all(placed.start >= end for placed, end in zip(line, ends[:-1], strict=True))
        assert ends[-1] <= width
    assert not lines or (lines[0] and lines[-1])


def test_lines_end_at_blanks_and_where_the_text_has_an_end():
    """Tokens with a hyphen between them stay together; empty lines are one; a long word is broken."""
    text = "\nright-sided effusion,\n\n\n seen\r\nabcdefghijklmn"
    pieces = pieces_of(text, tokens_of(text))

    lines = wrap(pieces, 12, len)

    assert ["".join(placed.text for placed in line) for line in lines] == [
        "right-sided", "effusion,", "", "seen", "abcdefghijkl", "mn",
    ]  # fmt: skip
    assert [placed.token for placed in lines[0]] == [0, None, 1]
    assert [(placed.start, placed.stop) for placed in lines[0]] == [(0, 5), (5, 6), (6, 11)]


def test_blanks_between_words_are_one():
    """Between two words of a line is the width of one blank, whatever the text has there."""
    lines = wrap([Piece("a \t  b", None)], 10, len)

    assert [(placed.text, placed.start) for placed in lines[0]] == [("a", 0), ("b", 2)]


def test_what_cannot_be_drawn_is_replaced():
    """Control characters and halves of characters become a replacement character, ends of lines new lines."""
    assert drawable("a\x00b\x1b\ud800") == "a\ufffdb\ufffd\ufffd"
    assert drawable("a\r\nb\fc\u2028d\te") == "a\nb\nc\nd\te"
    assert drawable("心 é\n") == "心 é\n"


def test_ranks_and_words_are_those_of_the_raw_text():
    """The table has raw words, and ranks by strength, the same for equals."""
    text = "The HEART, enlarged 2x."
    tokens = tokens_of(text, stop_words=["the"])

    frame = word_frame([None, text], [None, tokens], {1: np.array([0.2, -0.7, 0.2])}, [1])

    assert frame.to_dict("list") == {
        "sample": [1, 1, 1],
        "token": [0, 1, 2],
        "word": ["HEART", "enlarged", "2x"],
        "start": [4, 11, 20],
        "stop": [9, 19, 22],
        "attribution": [0.2, -0.7, 0.2],
        "rank": [2, 1, 2],
    }
    assert ranks_of(np.zeros(0)).tolist() == []
    assert word_frame([], [], {}, []).columns.tolist() == frame.columns.tolist()


@pytest.mark.parametrize(
    ("places", "message"),
    [
        ([(0, 3), (2, 5)], "Token 1 has the place 2 to 5; the one before ends at 3"),
        ([(3, 5), (0, 2)], "Token 1 has the place 0 to 2; the one before ends at 5"),
        ([(0, 3), (4, 11)], "raw text of 10 characters"),
        ([(2, 2)], "Token 0 has the place 2 to 2"),
        ([(-1, 2)], "Token 0 has the place -1 to 2"),
    ],
)
def test_tokens_without_a_place_of_their_own_are_refused(places, message):
    """Tokens of another text are not drawn anywhere: the message names the sample and the token."""
    tokens = [SimpleNamespace(start=start, stop=stop) for start, stop in places]

    with pytest.raises(ValueError, match=f"tokens of sample 7 must .*{re.escape(message)}"):
        check_tokens("ten signs!", tokens, 7)
    with pytest.raises(ValueError, match="tokens of sample 7 must have a start and a stop.*Token 0 is 'ten'"):
        check_tokens("ten signs!", ["ten"], 7)


@pytest.mark.parametrize(
    ("values", "lowest", "message"),
    [
        ([0.1], None, r"one number for each of its 2 tokens. Got an array of shape \(1,\)"),
        ([[0.1, 0.2]], None, r"Got an array of shape \(1, 2\)"),
        (["a", "b"], None, "dtype <U1"),
        ([0.1, np.nan], None, "finite. 1 are NaN or infinite, the first of token 1"),
        ([0.1, -0.2], 0, 'at least 0, .* Got -0.2 for token 1. .*token_score="signed"'),
    ],
)
def test_wrong_values_are_refused(values, lowest, message):
    """There is one finite number a token, and none below zero where they are squares."""
    with pytest.raises(ValueError, match=f"The attributions of sample 3 must be .*{message}"):
        check_values_of_tokens(values, [None, None], 3, lowest=lowest)
