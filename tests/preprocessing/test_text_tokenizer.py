"""TextTokenizer: ids that mean the same words ever after, learned from training texts, and their places."""

import csv
import gzip
import json
import pickle
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_validate
from sklearn.pipeline import make_pipeline

from skmm import ModalityDict
from skmm.compose import ConcatModalities, ModalityTransformer
from skmm.preprocessing import TextTokenizer

REPORTS = ["Heart size normal.", "The heart is enlarged; small effusion.", None, "No EFFUSION, no nodule"]
SENTENCES = st.lists(
    st.lists(st.sampled_from(["No", "effusion,", "heart", "Herz-Größe", "İ.", "5mm", "…"]), max_size=6),
    min_size=1,
    max_size=4,
).map(lambda texts: ["  ".join(words) for words in texts])


# --- the vocabulary -------------------------------------------------------------------------------------


def test_ids_by_value():
    """Ids are ranks by frequency, ties in the order of characters; a missing and an empty text are zeros."""
    tokenizer = TextTokenizer(stop_words=["the", "is"]).fit(REPORTS)

    assert list(tokenizer.vocabulary_) == [
        "effusion", "heart", "no", "enlarged", "nodule", "normal", "size", "small",
    ]  # fmt: skip
    assert list(tokenizer.vocabulary_.values()) == list(range(1, 9))
    assert (tokenizer.max_length_, tokenizer.n_ids_, tokenizer.unknown_id_) == (4, 9, None)
    expected = [[2, 7, 6, 0], [2, 4, 8, 1], [0, 0, 0, 0], [3, 1, 3, 5], [0, 0, 0, 0]]
    ids = tokenizer.transform([*REPORTS, ""])
    assert ids.dtype == np.int64
    assert ids.tolist() == expected


@pytest.mark.parametrize(
    ("padding", "truncation", "expected"),
    [
        ("post", "pre", [[2, 3], [1, 0], [0, 0]]),
        ("post", "post", [[1, 2], [1, 0], [0, 0]]),
        ("pre", "pre", [[2, 3], [0, 1], [0, 0]]),
        ("pre", "post", [[1, 2], [0, 1], [0, 0]]),
    ],
)
def test_padding_and_truncation(padding, truncation, expected):
    """Long texts lose their beginning or end, short ones get zeros at either; tokens are those of the ids."""
    texts = ["a b c", "a", ""]
    tokenizer = TextTokenizer(2, padding=padding, truncation=truncation).fit(["a a a b b c"])

    ids = tokenizer.transform(texts)
    assert ids.tolist() == expected
    for row, tokens in zip(ids, tokenizer.tokenize(texts), strict=True):
        assert row[np.flatnonzero(row)].tolist() == [token.id for token in tokens]


def test_size_of_the_vocabulary_and_unknown_words():
    """Beyond max_features words are unknown: left out, or all with the id after the last."""
    texts = ["c c c b b a"]
    dropped = TextTokenizer(4, max_features=2).fit(texts)
    token = clone(dropped).set_params(unknown="token").fit(texts)

    assert dropped.vocabulary_ == token.vocabulary_ == {"c": 1, "b": 2}
    assert dropped.transform(["b a new c"]).tolist() == [[2, 1, 0, 0]]
    assert token.transform(["b a new c"]).tolist() == [[2, 3, 3, 1]]
    assert (dropped.n_ids_, dropped.unknown_id_) == (3, None)
    assert (token.n_ids_, token.unknown_id_) == (4, 3)
    assert token.tokenize(["x b"])[0] == [("x", 3, 0, 1), ("b", 2, 2, 3)]
    assert dropped.tokenize(["x b"])[0] == [("b", 2, 2, 3)]


def test_the_length_learned_is_that_of_the_known_words():
    """max_length=None: the longest training text by words that have an id."""
    assert TextTokenizer(max_features=1).fit(["a b c a", "a"]).max_length_ == 2
    assert TextTokenizer(max_features=1, unknown="token").fit(["a b c a", "a"]).max_length_ == 4


# --- what the published pipeline did wrong ----------------------------------------------------------------


def test_ids_mean_the_same_words_at_prediction():
    """New texts are read with the vocabulary of training; a tokenizer fitted on them gives ids of its own."""
    train, test = ["heart heart heart size size lung"], ["lung lung lung size size heart"]
    tokenizer = TextTokenizer().fit(train)
    before = dict(tokenizer.vocabulary_)

    assert tokenizer.inverse_transform(tokenizer.transform(test)).tolist() == test
    assert tokenizer.vocabulary_ == before
    assert TextTokenizer().fit(test).transform(test).tolist() != tokenizer.transform(test).tolist()
    assert tokenizer.transform(test).tolist() == [[3, 3, 3, 2, 2, 1]]


def test_vocabularies_never_hold_words_of_test_texts():
    """Under cross_validate each fold's vocabulary, counts and length are those of its training texts."""
    y = np.array(["ill", "well"] * 6)
    texts = [f"{label} own{row} {'very ' * row}" for row, label in enumerate(y)]
    X = ModalityDict({"report": [*texts[:-1], None], "age": np.arange(12.0).reshape(-1, 1)})
    model = make_pipeline(
        ModalityTransformer({"report": TextTokenizer()}),
        ConcatModalities(),
        LogisticRegression(max_iter=5000),
    )
    folds = cross_validate(model, X, y, cv=3, return_estimator=True, return_indices=True, error_score="raise")

    for fitted, train in zip(folds["estimator"], folds["indices"]["train"], strict=True):
        tokenizer = fitted[0].transformers_["report"]
        counts = Counter(word for row in train if row < 11 for word in texts[row].split())
        assert set(tokenizer.vocabulary_) == set(counts)
        assert [counts[word] for word in tokenizer.vocabulary_] == sorted(counts.values(), reverse=True)
        assert tokenizer.max_length_ == max(len(texts[row].split()) for row in train if row < 11)


@settings(max_examples=50, deadline=None)
@given(SENTENCES, SENTENCES, st.integers(1, 5), st.sampled_from(["drop", "token"]), st.booleans())
def test_ids_line_up_with_the_words_of_the_reader(train, test, length, unknown, join):
    """Each id that is no padding has a token, whose place in the raw text holds the word of that id."""
    tokenizer = TextTokenizer(length, unknown=unknown, join_removed=join, stop_words=["no"])
    tokenizer.fit([*train, "lung"])
    words = {number: word for word, number in tokenizer.vocabulary_.items()}

    for raw, row, tokens in zip(test, tokenizer.transform(test), tokenizer.tokenize(test), strict=True):
        assert row[row > 0].tolist() == [token.id for token in tokens]
        for token in tokens:
            own = TextTokenizer(join_removed=join).fit([raw[token.start : token.stop]])
            assert list(own.vocabulary_) == [token.text]
            assert words.get(token.id, token.text) == token.text


def test_raw_words_are_not_shifted_by_what_was_removed():
    """Scores of ids fall on the reader's words, not on the first words of the text."""
    raw = "1. The HEART -- is not   Enlarged."
    tokenizer = TextTokenizer(stop_words="english", remove_digits=True).fit([raw])

    assert [raw[token.start : token.stop] for token in tokenizer.tokenize([raw])[0]] == ["HEART", "Enlarged"]
    assert tokenizer.inverse_transform(tokenizer.transform([raw])).tolist() == ["heart enlarged"]


# --- a vocabulary of one's own, and JSON ----------------------------------------------------------------


@pytest.mark.parametrize("given_as", ["dict", "list", "path", "list in a file", "array"])
def test_a_given_vocabulary_is_used(tmp_path, given_as):
    """Ids, words in order and JSON files name the same vocabulary, which fit does not change."""
    path, vocabulary = tmp_path / "words.json", {"heart": 2, "zebra": 1}
    path.write_text(json.dumps(["zebra", "heart"] if given_as == "list in a file" else vocabulary))
    words = ["zebra", "heart"]
    value = {"dict": vocabulary, "list": words, "array": np.array(words)}.get(given_as, str(path))
    tokenizer = TextTokenizer(vocabulary=value).fit(REPORTS)

    assert list(tokenizer.vocabulary_.items()) == [("zebra", 1), ("heart", 2)]
    assert all(type(word) is str for word in tokenizer.vocabulary_)
    assert TextTokenizer(3, vocabulary=value).fit(REPORTS).transform(["heart zebra lung"]).tolist() == [
        [2, 1, 0]
    ]
    assert vocabulary == {"heart": 2, "zebra": 1}


def test_json_brings_a_vocabulary_back(tmp_path):
    """What to_json writes, a tokenizer takes, and gives the same ids."""
    first = TextTokenizer(unknown="token").fit(REPORTS)
    assert first.to_json(tmp_path / "words.json") is None
    assert json.loads(first.to_json()) == first.vocabulary_

    second = TextTokenizer(first.max_length_, unknown="token", vocabulary=tmp_path / "words.json")
    np.testing.assert_array_equal(second.fit(["other words"]).transform(REPORTS), first.transform(REPORTS))


@pytest.mark.parametrize(
    ("vocabulary", "text"),
    [
        ({"a": 0, "b": 1}, r"an id of its own, from 1 to the number of words \(2\).*0, 1"),
        ({"a": 1, "b": 1}, "an id of its own"),
        ({"a": 1, "b": 3}, "an id of its own"),
        ({"a": 1.0}, "an id of its own"),
        ({"a": True}, "an id of its own"),
        (["a", "b", "a"], "must name each word once. Got 'a' more"),
        (["a", 3], "each a str that is not empty. Got 3"),
        ([""], "each a str that is not empty. Got ''"),
        ([], "one or more words.* Got none"),
        (3, "must be None, a dict of word to id, a list of words, or the path"),
    ],
)
def test_a_wrong_vocabulary_is_refused(vocabulary, text):
    """Ids that are no 1 to n, words twice and what is no vocabulary are errors."""
    with pytest.raises(ValueError, match=f"'vocabulary' parameter of TextTokenizer .*{text}"):
        TextTokenizer(vocabulary=vocabulary).fit(REPORTS)


def test_words_that_can_never_be_found_warn():
    """Upper case, punctuation and stop words of a given vocabulary are named."""
    with pytest.warns(UserWarning, match=r"3 of the 4 words .*'X-ray', 'the', 'A'.*are never found"):
        TextTokenizer(vocabulary=["X-ray", "the", "A", "lung"], stop_words=["the"]).fit(REPORTS)
    TextTokenizer(vocabulary=["X-ray"], lowercase=False, remove_punctuation=False).fit(REPORTS)


# --- an estimator ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"max_length": 0}, "'max_length' parameter of TextTokenizer must be None or an int in the range"),
        ({"max_features": 2.5}, "'max_features' parameter"),
        ({"unknown": "ignore"}, "'unknown' parameter .* 'drop' or 'token'"),
        ({"padding": "left"}, "'padding' parameter"),
        ({"truncation": None}, "'truncation' parameter"),
        ({"lowercase": 1}, "'lowercase' parameter"),
        ({"min_token_length": 0}, "'min_token_length' parameter"),
        (
            {"stop_words": "german"},
            "'stop_words' parameter .* None, 'english' or a list of str. Got 'german'",
        ),
        ({"stop_words": [1]}, "'stop_words' parameter"),
        ({"max_features": 2, "vocabulary": ["a"]}, "max_features or vocabulary"),
    ],
)
def test_wrong_parameters_are_named(options, text):
    """Each parameter is checked in fit."""
    with pytest.raises(ValueError, match=text):
        TextTokenizer(**options).fit(REPORTS)


@pytest.mark.parametrize("X", [[None, None], [], ["...", ""], ["the"]])
def test_texts_without_words_are_refused(X):
    """Fit needs a word, and says what it got."""
    with pytest.raises(ValueError, match="needs texts with words to fit. Got . texts that are present"):
        TextTokenizer(stop_words="english").fit(X)


@pytest.mark.parametrize("ids", [[[5]], [[-1]], [[0.5]], [1], [["a"]], [[np.nan]]])
def test_inverse_transform_takes_ids(ids):
    """Numbers that are no ids, and other shapes, are refused; the unknown id has a sign of its own."""
    tokenizer = TextTokenizer(unknown="token", vocabulary=["a", "b"]).fit(["a"])
    assert tokenizer.inverse_transform([[3, 1, 0], [0, 0, 0]]).tolist() == ["<unknown> a", ""]

    with pytest.raises(ValueError, match="takes a table of ids from 0 to 3"):
        tokenizer.inverse_transform(ids)


def test_an_ordinary_estimator():
    """It clones, pickles, says when it is not fitted, leaves texts alone, and treats each text by itself."""
    X = np.array(REPORTS, dtype=object)
    X.flags.writeable = False
    tokenizer = TextTokenizer(3, stop_words=["the"])
    with pytest.raises(NotFittedError):
        tokenizer.transform(X)
    with pytest.raises(NotFittedError):
        tokenizer.tokenize(X)
    together = tokenizer.fit_transform(X)

    assert X.tolist() == REPORTS
    np.testing.assert_array_equal(clone(tokenizer).fit(X).transform(X), together)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(tokenizer)).transform(X), together)
    np.testing.assert_array_equal(np.vstack([tokenizer.transform([text]) for text in X]), together)
    assert tokenizer.transform([]).shape == (0, 3)
    assert tokenizer.get_params()["stop_words"] == ["the"]


def test_tables_have_names_and_honour_set_output():
    """Columns are texttokenizer0 and so on; as DataFrame, alone and in a ModalityTransformer."""
    texts = pd.Series(REPORTS, index=list("wxyz"))
    out = TextTokenizer(2).set_output(transform="pandas").fit_transform(texts)

    assert list(out.columns) == ["texttokenizer0", "texttokenizer1"]
    np.testing.assert_array_equal(out, TextTokenizer(2).fit_transform(texts))
    with config_context(transform_output="pandas"):
        inside = ModalityTransformer({"note": TextTokenizer(2)}).fit_transform({"note": texts})
    assert inside["note"].index.tolist() == list("wxyz")


def test_a_missing_report_stays_missing():
    """In a ModalityTransformer a missing text is a missing row, not one of zeros; an empty text is zeros."""
    prepare = ModalityTransformer({"note": TextTokenizer()}).fit({"note": REPORTS})
    out = prepare.transform({"note": [*REPORTS, ""]})

    assert out.kinds["note"] == "table"
    assert out.is_present("note").tolist() == [True, True, False, True, True]
    assert np.asarray(out["note"])[4].tolist() == [0] * 6
    assert prepare.get_feature_names_out()[0] == "note__texttokenizer0"


def test_real_reports(real_data):
    """Of thousands of radiology reports every token is found in the raw text, and few words make up most."""
    with gzip.open(real_data / "iu_openi_text_chexnet" / "reports.csv.gz", "rt", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))[:1000]
    column = next(name for name in rows[0] if "finding" in name.lower())
    texts = [row[column] or None for row in rows]
    tokenizer = TextTokenizer(140, max_features=500).fit(texts)
    tokens = tokenizer.tokenize(texts)

    assert len(tokenizer.vocabulary_) == 500
    for text, found in zip(texts, tokens, strict=True):
        assert all(text[token.start : token.stop].lower() == token.text for token in found)
    whole = TextTokenizer().fit(texts).tokenize(texts)
    assert sum(map(len, tokens)) > 0.9 * sum(map(len, whole))
