"""TextEmbedder: means of word vectors, wherever these come from, and functions of whole texts."""

import csv
import gzip
import json
import pickle
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline

from skmm import ModalityDict
from skmm.compose import ConcatModalities, ModalityTransformer
from skmm.embedding import TextEmbedder, _text_embedder

VECTORS = {"heart": [1.0, 0.0], "lung": [0.0, 2.0], "clear": [4.0, 4.0], "Rib": [8.0, 8.0]}
TEXTS = ["Heart, heart; lung!", "The lung is clear.", None, "clear"]
REPORTS = ["left lung clear", "right lung clear", "left rib broken", "right rib broken"]
SENTENCES = st.lists(
    st.lists(st.sampled_from(["heart", "lung", "clear", "new"]), min_size=1, max_size=6).map(" ".join),
    min_size=1,
    max_size=5,
)


def lengths(texts):
    """A function of texts: characters and words of each."""
    return np.array([[len(text), len(text.split())] for text in texts], dtype=float)


# --- pooling --------------------------------------------------------------------------------------------


def test_means_by_value():
    """Words count as often as they stand; unknown ones do not; a missing text is a row of NaN."""
    embedded = TextEmbedder(VECTORS).fit_transform(TEXTS)

    assert embedded.dtype == np.float32
    np.testing.assert_allclose(embedded, [[2 / 3, 2 / 3], [2, 3], [np.nan] * 2, [4, 4]], rtol=1e-6)


@settings(max_examples=30, deadline=None)
@given(SENTENCES, SENTENCES)
def test_weights_are_those_of_scikit_learn(train, test):
    """pooling="tfidf" is TfidfVectorizer, normed to sum one, times the word vectors."""
    vectors = {word: VECTORS[word] for word in ("heart", "lung", "clear")}
    embedder = TextEmbedder(vectors, pooling="tfidf").fit([*train, "heart"])
    test = [f"{text} clear" for text in test]
    reference = TfidfVectorizer(norm="l1", vocabulary=["heart", "lung", "clear"]).fit([*train, "heart"])

    np.testing.assert_allclose(embedder.idf_, reference.idf_)
    expected = reference.transform(test) @ np.array(list(vectors.values()))
    np.testing.assert_allclose(embedder.transform(test), expected, rtol=1e-5)


def test_texts_without_a_known_word_are_zeros_and_told():
    """Such texts become zeros, and one warning a call says how many and which rows."""
    embedder = TextEmbedder(VECTORS).fit(TEXTS)
    with pytest.warns(UserWarning, match=r"2 of 3 texts have no word .* become zeros \(rows 1, 3\)"):
        embedded = embedder.transform(["heart", "unheard of", None, ""])

    np.testing.assert_array_equal(embedded, [[1, 0], [0, 0], [np.nan] * 2, [0, 0]])


@settings(max_examples=30, deadline=None)
@given(SENTENCES, st.sampled_from(["mean", "tfidf"]))
def test_each_text_by_itself(texts, pooling):
    """A text alone or among others, and its words in any order, give the same vector."""
    texts = [f"{text} lung" for text in texts]
    embedder = TextEmbedder(VECTORS, pooling=pooling).fit(texts)
    together = embedder.transform(texts)

    np.testing.assert_array_equal(together, np.vstack([embedder.transform([text]) for text in texts]))
    turned = embedder.transform([" ".join(reversed(text.split())) for text in texts])
    np.testing.assert_array_equal(together, turned)


def test_what_is_a_word_is_told_by_parameters():
    """Case, digits, punctuation and stop words are treated as TextTokenizer treats them."""
    vectors = {"xray": [1.0], "x": [2.0], "ray": [4.0], "Rib": [8.0], "rib": [16.0], "t1": [32.0]}

    def embed(text, **options):
        return TextEmbedder(vectors, **options).fit([text]).transform([text]).item()

    assert embed("X-ray") == 3
    assert embed("X-ray", join_removed=True) == 1
    assert embed("X-ray", stop_words=["x"]) == 4
    assert embed("X-ray", min_token_length=2) == 4
    assert embed("Rib rib", lowercase=False) == 12
    assert embed("Rib") == 16
    assert embed("X T1", remove_digits=True) == 2
    assert embed("x rib.", remove_punctuation=False) == 2
    assert embed("rib, x", stop_words=["rib"], stop_words_first=True) == 9
    with pytest.raises(ValueError, match="'stop_words' parameter of TextEmbedder"):
        embed("x", stop_words="german")


# --- vectors that are read or given ---------------------------------------------------------------------


def test_a_file_gives_the_vectors_and_is_read_once(tmp_path, monkeypatch):
    """Fits that share a file read it once; a file that has changed, or another limit, is read again."""
    path, reads = tmp_path / "vectors.txt", []
    read = _text_embedder.read_word_vectors
    monkeypatch.setattr(
        _text_embedder,
        "read_word_vectors",
        lambda *args, **options: reads.append(args) or read(*args, **options),
    )
    path.write_text("heart 1 0\nlung 0 2\nclear 4 4\n")
    embedder = TextEmbedder(str(path)).fit(TEXTS)
    np.testing.assert_array_equal(embedder.transform(TEXTS), TextEmbedder(VECTORS).fit_transform(TEXTS))
    assert embedder.vocabulary_ == {"heart": 0, "lung": 1, "clear": 2}
    assert embedder.coverage_ == 6 / 8

    clone(embedder).set_params(vectors=path, pooling="tfidf").fit(TEXTS)
    assert len(reads) == 1
    assert clone(embedder).set_params(max_features=2).fit(TEXTS).word_vectors_.shape == (2, 2)
    path.write_text("heart 1 0 5\n")
    assert clone(embedder).fit(TEXTS).word_vectors_.tolist() == [[1, 0, 5]]
    assert len(reads) == 3


def test_a_damaged_or_absent_file_is_named(tmp_path):
    """Errors of the file arrive with its name and line."""
    with pytest.raises(FileNotFoundError, match="no file of word vectors '.*absent.txt'"):
        TextEmbedder(tmp_path / "absent.txt").fit(TEXTS)
    path = tmp_path / "vectors.txt"
    path.write_text("heart 1 0\nlung 2\n")
    with pytest.raises(ValueError, match="vectors.txt', line 2, must be a word and 2 numbers"):
        TextEmbedder(path).fit(TEXTS)
    path.write_bytes(b"heart 1 0\n\xfc 2 3\n")
    with pytest.raises(ValueError, match="line 2, .*not in utf-8"):
        TextEmbedder(path).fit(TEXTS)
    assert TextEmbedder(path, encoding="latin-1").fit(["heart"]).vocabulary_ == {"heart": 0, "ü": 1}
    assert len(TextEmbedder(path, decode_error="replace").fit(["heart"]).vocabulary_) == 2


def test_vectors_in_memory():
    """A mapping, and gensim's KeyedVectors, give words and vectors; they are copied and may be cut."""
    table = np.array([[1.0, 0.0], [0.0, 2.0]])
    keyed = SimpleNamespace(key_to_index={"lung": 1, "heart": 0}, vectors=table)
    embedder = TextEmbedder(keyed).fit(["heart lung"])
    table[:] = 7

    assert embedder.vocabulary_ == {"lung": 0, "heart": 1}
    assert embedder.transform(["lung", "heart"]).tolist() == [[0, 2], [1, 0]]
    assert list(TextEmbedder(VECTORS, max_features=1).fit(["heart"]).vocabulary_) == ["heart"]


def test_accents_are_found_however_they_are_written():
    """Words of vectors and of texts are composed; of two that become one, the first counts."""
    embedder = TextEmbedder({"e\u0301": [1.0], "\u00e9": [2.0], "a": [3.0]}).fit(["\u00c9"])

    assert embedder.vocabulary_ == {"\u00e9": 0, "a": 2}
    assert embedder.transform(["E\u0301", "\u00e9", "a"]).ravel().tolist() == [1, 1, 3]


@pytest.mark.parametrize(
    ("vectors", "text"),
    [
        ({}, "must give words vectors of one length, of finite numbers. Got 0 words"),
        ({"a": [1.0], "b": [1.0, 2.0]}, "vectors of one length"),
        ({"a": ["x"]}, "vectors of one length"),
        ({"a": 1.0}, "vectors of one length"),
        ({"a": [np.nan]}, "of finite numbers"),
        ({3: [1.0]}, "must have words as keys. Got 3"),
        (7, "must be None, the path of a file or folder, a mapping .* or a callable. Got 7"),
    ],
)
def test_what_is_no_vectors_is_refused(vectors, text):
    """Mappings without vectors, and what is none of the forms, are errors."""
    with pytest.raises(ValueError, match=f"'vectors' parameter of TextEmbedder.*{text}"):
        TextEmbedder(vectors).fit(TEXTS)


def test_texts_in_another_language_are_refused():
    """Where no word of the texts of fit has a vector, all rows would be zeros: it is an error."""
    with pytest.raises(
        ValueError, match="knows none of the 2 words of the 1 texts .*first are 'heart', 'lung'"
    ):
        TextEmbedder(VECTORS).fit(["das Herz"])
    with pytest.raises(ValueError, match="none that is present"):
        TextEmbedder(VECTORS).fit([None])


# --- vectors that are learned ---------------------------------------------------------------------------


def test_vectors_are_learned_without_labels():
    """Words of one kind of text come to lie together; rare words get no vector."""
    embedder = TextEmbedder(n_components=4).fit([*REPORTS, "seen once"])
    vectors = dict(zip(embedder.vocabulary_, embedder.word_vectors_, strict=True))

    def likeness(first, second):
        first, second = vectors[first], vectors[second]
        return first @ second / np.linalg.norm(first) / np.linalg.norm(second)

    assert list(vectors) == ["broken", "clear", "left", "lung", "rib", "right"]
    assert likeness("left", "right") > likeness("left", "lung")
    assert embedder.coverage_ == 12 / 14
    assert embedder.transform(REPORTS).shape == (4, 4)
    assert len(TextEmbedder(n_components=2, max_features=3).fit(REPORTS).vocabulary_) == 3
    assert len(TextEmbedder(n_components=2, min_count=1).fit([*REPORTS, "seen once"]).vocabulary_) == 8


def test_what_is_learned_is_kept_in_a_file(tmp_path):
    """Vectors written by one embedder give another the same; so does a frozen one; words write to JSON."""
    first = TextEmbedder(n_components=4, pooling="tfidf").fit(REPORTS)
    first.to_word2vec(tmp_path / "vectors.txt")
    first.to_json(tmp_path / "words.json")
    second = TextEmbedder(tmp_path / "vectors.txt", pooling="tfidf").fit(REPORTS)

    np.testing.assert_array_equal(second.transform(REPORTS), first.transform(REPORTS))
    assert json.loads((tmp_path / "words.json").read_text()) == json.loads(second.to_json())
    frozen = clone(FrozenEstimator(first)).fit(["other words"], None)
    np.testing.assert_array_equal(frozen.transform(REPORTS), first.transform(REPORTS))


def test_fewer_words_than_numbers_warn():
    """There are at most as many numbers in a vector as words, which is told."""
    with pytest.warns(UserWarning, match="vectors have 6 numbers, fewer than n_components=100"):
        assert TextEmbedder().fit(REPORTS).transform(REPORTS).shape == (4, 6)


@pytest.mark.parametrize("texts", [["one", "one", "two", "two"], ["a b c"], [""]])
def test_nothing_to_learn_is_refused(texts):
    """Words that never stand together, or only once, tell nothing."""
    with pytest.raises(ValueError, match="learns vectors from words that stand together. Of the . texts"):
        TextEmbedder(n_components=2).fit(texts)


def test_seeds_fix_what_is_learned(monkeypatch):
    """The same seed gives the same vectors, also of large vocabularies."""
    monkeypatch.setattr("skmm.embedding._learned_words._SMALL", 1)
    first, second = (TextEmbedder(n_components=2, random_state=3).fit(REPORTS).word_vectors_ for _ in "ab")

    np.testing.assert_array_equal(first, second)


def test_words_of_test_texts_are_never_learned():
    """Under cross_validate the words and weights of each fold are those of its training texts."""
    y = np.array(["ill", "well"] * 6)
    texts = [f"{label} own{row} own{row} {label} seen" for row, label in enumerate(y)]
    X = ModalityDict({"report": [*texts[:-1], None], "age": np.arange(12.0).reshape(-1, 1)})
    model = make_pipeline(
        ModalityTransformer({"report": TextEmbedder(n_components=3, pooling="tfidf")}),
        ConcatModalities(),
        LogisticRegression(max_iter=5000),
    )
    folds = cross_validate(model, X, y, cv=3, return_estimator=True, return_indices=True, error_score="raise")

    for fitted, train in zip(folds["estimator"], folds["indices"]["train"], strict=True):
        embedder = fitted[0].transformers_["report"]
        expected = {word for row in train if row < 11 for word in texts[row].split()}
        assert set(embedder.vocabulary_) == expected


# --- functions ------------------------------------------------------------------------------------------


def test_any_function_of_texts():
    """A callable is handed a list of the present texts; what it returns is checked and spread."""
    seen = []
    embedder = TextEmbedder(lambda texts: seen.append(texts) or lengths(texts)).fit(["ab c", None])
    embedded = embedder.transform([None, "a", ""])

    assert seen == [["ab c"], ["a", ""]]
    assert embedded.dtype == np.float64
    np.testing.assert_array_equal(embedded, [[np.nan] * 2, [1, 1], [0, 0]])
    assert embedder.transform([None]).shape == (1, 2)
    assert not hasattr(embedder, "vocabulary_")
    for method in (embedder.to_json, lambda: embedder.to_word2vec("never")):
        with pytest.raises(ValueError, match="has no words here"):
            method()


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (lambda texts: np.zeros(len(texts)), r"an array of shape \(1, n_features\).* Got shape \(1,\)"),
        (lambda texts: np.zeros((2, 2)), r"Got shape \(2, 2\)"),
        (lambda texts: [["a"] for _ in texts], "Got shape .* of <U1"),
        (
            lambda texts: np.full((len(texts), 2), np.inf),
            "finite numbers. Got NaN or infinity for the texts 0",
        ),
    ],
)
def test_what_a_function_returns_is_checked(function, text):
    """Anything but finite numbers, a vector a text, is an error that says what came."""
    with pytest.raises(
        ValueError, match=f"The callable that TextEmbedder was given as vectors must .*{text}"
    ):
        TextEmbedder(function).fit(["a"])


def test_a_function_keeps_its_width():
    """A width that is not that of fit is an error; weights of words have no meaning here."""
    embedder = TextEmbedder(lambda texts: np.ones((len(texts), len(texts)))).fit(["a"])
    with pytest.raises(ValueError, match=r"shape \(2, 1\), a vector a text. Got shape \(2, 2\)"):
        embedder.transform(["a", "b"])
    with pytest.raises(ValueError, match="pooling='tfidf'.* weights words"):
        TextEmbedder(lengths, pooling="tfidf").fit(["a"])


# --- an estimator ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"pooling": "max"}, "'pooling' parameter of TextEmbedder must be 'mean' or 'tfidf'"),
        ({"max_features": 0}, "'max_features' parameter"),
        ({"n_components": 1.5}, "'n_components' parameter"),
        ({"window": 0}, "'window' parameter"),
        ({"min_count": None}, "'min_count' parameter"),
        ({"encoding": None}, "'encoding' parameter"),
        ({"decode_error": "skip"}, "'decode_error' parameter"),
        ({"lowercase": None}, "'lowercase' parameter"),
        ({"batch_size": 0}, "'batch_size' parameter"),
        ({"device": 0}, "'device' parameter"),
    ],
)
def test_wrong_parameters_are_named(options, text):
    """Each parameter is checked in fit."""
    with pytest.raises(ValueError, match=text):
        TextEmbedder(VECTORS, **options).fit(TEXTS)


def test_an_ordinary_estimator():
    """It clones, pickles, says when it is not fitted, leaves what it is given alone, and fits again."""
    X = np.array(TEXTS, dtype=object)
    X.flags.writeable = False
    vectors = {word: np.array(vector) for word, vector in VECTORS.items()}
    for vector in vectors.values():
        vector.flags.writeable = False
    embedder = TextEmbedder(vectors, pooling="tfidf")
    with pytest.raises(NotFittedError):
        embedder.transform(X)
    with pytest.raises(NotFittedError):
        embedder.to_json()
    together = embedder.fit_transform(X)

    assert X.tolist() == TEXTS
    np.testing.assert_array_equal(clone(embedder).fit_transform(X), together)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(embedder)).transform(X), together)
    assert embedder.transform([]).shape == (0, 2)
    embedder.set_params(vectors=lengths, pooling="mean").fit(X)
    assert not hasattr(embedder, "idf_")
    assert embedder.transform(["ab"]).tolist() == [[2, 1]]
    with pytest.raises(ValueError, match="TextEmbedder takes the texts of one modality"):
        embedder.fit("one text")


def test_tables_have_names_and_honour_set_output():
    """Columns are textembedder0 and so on, as DataFrame, alone and with other modalities."""
    texts = pd.Series(TEXTS, index=list("wxyz"))
    out = TextEmbedder(VECTORS).set_output(transform="pandas").fit_transform(texts)
    assert list(out.columns) == ["textembedder0", "textembedder1"]

    X = ModalityDict({"note": texts, "age": np.arange(4.0).reshape(-1, 1)}, index=list("wxyz"))
    with config_context(transform_output="pandas"):
        inside = ModalityTransformer({"note": TextEmbedder(VECTORS)}).fit_transform(X)
    assert inside.is_present("note").tolist() == [True, True, False, True]
    np.testing.assert_array_equal(inside["note"].loc[["w", "z"]], out.iloc[[0, 3]])
    assert inside["note"].columns.tolist() == out.columns.tolist()


def test_real_reports(real_data):
    """Vectors learned from a few hundred radiology reports tell normal from abnormal ones."""
    with gzip.open(real_data / "iu_openi_text_chexnet" / "reports.csv.gz", "rt", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["findings"]][:500]
    texts, y = [row["findings"] for row in rows], [row["Problems"].lower() == "normal" for row in rows]
    model = make_pipeline(TextEmbedder(n_components=50, pooling="tfidf"), LogisticRegression(max_iter=1000))

    assert cross_val_score(model, texts, y, cv=3, scoring="roc_auc").mean() > 0.85
