"""TextTokenizer: from texts to tables of word ids, each of which knows its place in the raw text."""

import os
import warnings
from collections import Counter
from collections.abc import Mapping
from numbers import Integral
from typing import NamedTuple

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from skmm._text import Cleaning, as_texts, most_frequent, vocabulary_from_json, vocabulary_to_json
from skmm.containers._validation import quoted

_UNKNOWN = "<unknown>"  # in what inverse_transform gives


class Token(NamedTuple):
    """A word of the vocabulary, its id, and its place: ``raw[start:stop]`` is how the text has it."""

    text: str
    id: int
    start: int
    stop: int


def pad_ids(ids, length, *, padding, truncation):
    """Ids of each text as rows of one length: 0 where a text is shorter, cut where it is longer.

    Parameters
    ----------
    ids : list of list of int
        The ids of each text.
    length : int
        Columns of the table.
    padding, truncation : "pre" or "post"
        Whether zeros are put, and ids cut off, at the beginning or at the end.

    Returns
    -------
    ndarray of shape (n_texts, length)
    """
    table = np.zeros((len(ids), length), dtype=np.int64)
    for row, numbers in zip(table, ids, strict=True):
        kept = truncate(numbers, length, truncation)
        row[len(row) - len(kept) if padding == "pre" else 0 :][: len(kept)] = kept
    return table


def truncate(tokens, length, truncation):
    """The last ("pre") or first ("post") of a list."""
    return tokens[max(0, len(tokens) - length) :] if truncation == "pre" else tokens[:length]


def as_vocabulary(given, who):
    """What a user gives as vocabulary, as a dict of word to id 1, 2, and so on.

    Raises
    ------
    ValueError
        If words are no str or stand twice, or ids are not 1 to the number of words.
    """
    if isinstance(given, (str, os.PathLike)):
        given = vocabulary_from_json(given)
    if isinstance(given, Mapping):
        vocabulary = dict(given)
        ids = list(vocabulary.values())
        whole = all(isinstance(number, Integral) and not isinstance(number, bool) for number in ids)
        if not whole or sorted(ids) != list(range(1, len(ids) + 1)):
            raise ValueError(
                f"The 'vocabulary' parameter of {who} must give each word an id of its own, from 1 to the "
                f"number of words ({len(ids)}); 0 is padding. Got the ids {quoted(ids)} instead."
            )
        vocabulary = {word: int(number) for word, number in sorted(vocabulary.items(), key=lambda kv: kv[1])}
    elif isinstance(given, (list, tuple, np.ndarray)):
        words = list(given)
        vocabulary = {word: number for number, word in enumerate(words, 1)}
        if len(vocabulary) < len(words):
            twice = sorted(str(word) for word, count in Counter(words).items() if count > 1)
            raise ValueError(
                f"The 'vocabulary' parameter of {who} must name each word once. Got {quoted(twice)} more "
                "than once."
            )
    else:
        raise ValueError(
            f"The 'vocabulary' parameter of {who} must be None, a dict of word to id, a list of words, or "
            f"the path of a JSON file. Got {given!r} instead."
        )
    wrong = [word for word in vocabulary if not isinstance(word, str) or not word]
    if wrong or not vocabulary:
        raise ValueError(
            f"The 'vocabulary' parameter of {who} must hold one or more words, each a str that is not "
            f"empty. Got {quoted(wrong) if wrong else 'none'} instead."
        )
    return {str(word): number for word, number in vocabulary.items()}


class TextTokenizer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Turn texts into a table of word ids, and tell where in the raw text each word stands.

    A text is cut into words: digits and punctuation are removed if asked, words are made lower case, stop
    words and words that are too short are left out. Word w has the id r(w), its rank by frequency in the
    texts of ``fit``: 1 is the most frequent, words of equal frequency are in the order of their characters,
    and 0 is padding. Words that ``fit`` has not seen are unknown ever after, whatever is transformed.

    Parameters
    ----------
    max_length : int or None, default=None
        Columns of the table: words that are kept of a text. None: those of the longest text of ``fit``.
    max_features : int or None, default=None
        Size of the vocabulary: the most frequent words are kept. None keeps all. (The ``num_words`` of Keras
        counts the padding too: 15000 there is 14999 here.)
    unknown : {"drop", "token"}, default="drop"
        Whether unknown words are left out, or all have one id, that after the last of the vocabulary. A model
        learns what this id means where training texts have unknown words, as they have with max_features.
    vocabulary : dict, list of str, path or None, default=None
        A vocabulary to use in place of one that is learned: ids from 1 by word, words in the order of their
        ids, or a JSON file of either, as `to_json` writes it.
    lowercase : bool, default=True
        Whether words are made lower case.
    remove_digits : bool, default=False
        Whether digits of any script are removed.
    remove_punctuation : bool, default=True
        Whether punctuation of any script, and the symbols of ASCII, are removed.
    join_removed : bool, default=False
        Whether what is left is one word where no white space stood: "x-ray" becomes "xray". False: a removed
        character ends a word, and "x-ray" becomes "x" and "ray".
    stop_words : {"english"}, list of str or None, default=None
        Words that are left out, as they are after cleaning. "english" is scikit-learn's list.
    stop_words_first : bool, default=False
        Whether stop words are left out before punctuation is removed, so that "the," is none.
    min_token_length : int, default=1
        Characters that a word has at least.
    padding : {"post", "pre"}, default="post"
        Whether zeros are put at the end or at the beginning of a row.
    truncation : {"pre", "post"}, default="pre"
        Whether a text that is too long loses words at its beginning or at its end.

    Attributes
    ----------
    vocabulary_ : dict of str -> int
        Id of each word, in the order of ids.
    max_length_ : int
        Columns of the table.
    unknown_id_ : int or None
        Id of all unknown words; None where they are dropped.
    n_ids_ : int
        Number of ids, with that of padding and of unknown words: rows of a table of embeddings.

    Raises
    ------
    ValueError
        If a parameter is not allowed, X is no sequence of str, or the texts of ``fit`` hold no word.
    FileNotFoundError
        If there is no vocabulary file.

    Warns
    -----
    UserWarning
        If words of a given vocabulary can never be found, as upper case where all is made lower case.

    See Also
    --------
    skmm.embedding.TextEmbedder : From texts to vectors.
    sklearn.feature_extraction.text.TfidfVectorizer : From texts to counts of words, in no order.

    Notes
    -----
    Words are composed (Unicode's NFC), so that a word is one word however its accents are written. Combining
    marks of a removed character are removed with it. Of a word within which characters were removed
    (``join_removed=True``), ``raw[start:stop]`` has them.

    Two published cleanings of radiology reports are ``remove_digits=True, join_removed=True`` with
    ``stop_words`` a list, and the same with ``stop_words_first=True, min_token_length=2``; tables of 140
    columns, 14999 words. They break ties of frequency by first appearance.

    An empty text and a missing one are rows of zeros. ModalityTransformer hands over the present texts only,
    and missing ones stay missing.

    Examples
    --------
    >>> from skmm.preprocessing import TextTokenizer
    >>> reports = ["Heart size normal.", "Small effusion; heart enlarged", None]
    >>> tokenizer = TextTokenizer().fit(reports)
    >>> tokenizer.vocabulary_
    {'heart': 1, 'effusion': 2, 'enlarged': 3, 'normal': 4, 'size': 5, 'small': 6}
    >>> new = ["HEART: no effusion"]
    >>> tokenizer.transform(new)
    array([[1, 2, 0, 0]])
    >>> [new[0][token.start : token.stop] for token in tokenizer.tokenize(new)[0]]
    ['HEART', 'effusion']
    """

    def __init__(
        self,
        max_length=None,
        *,
        max_features=None,
        unknown="drop",
        vocabulary=None,
        lowercase=True,
        remove_digits=False,
        remove_punctuation=True,
        join_removed=False,
        stop_words=None,
        stop_words_first=False,
        min_token_length=1,
        padding="post",
        truncation="pre",
    ):
        self.max_length = max_length
        self.max_features = max_features
        self.unknown = unknown
        self.vocabulary = vocabulary
        self.lowercase = lowercase
        self.remove_digits = remove_digits
        self.remove_punctuation = remove_punctuation
        self.join_removed = join_removed
        self.stop_words = stop_words
        self.stop_words_first = stop_words_first
        self.min_token_length = min_token_length
        self.padding = padding
        self.truncation = truncation

    def fit(self, X, y=None):
        """Learn the vocabulary.

        Parameters
        ----------
        X : sequence of str
            Training texts; None where one is missing.
        y : None
            Not used.

        Returns
        -------
        self : TextTokenizer
            Fitted.

        Raises
        ------
        ValueError
            If a parameter is not allowed, X is no sequence of str, or it holds no word.
        """
        del y
        self._check()
        cleaning = Cleaning.of(self)
        who = type(self).__name__
        documents = [cleaning.words(text) for text in as_texts(X, who) if text is not None]
        if self.vocabulary is None:
            words = most_frequent(
                [[word.text for word in words] for words in documents], max_features=self.max_features
            )
            vocabulary = {word: number for number, word in enumerate(words, 1)}
        else:
            vocabulary = as_vocabulary(self.vocabulary, who)
            _warn_of_lost_words(vocabulary, cleaning, who)
        if not vocabulary:
            raise ValueError(
                f"{who} needs texts with words to fit. Got {len(documents)} texts that are present, and no "
                "word in them is left: check stop_words and min_token_length."
            )
        self._cleaning, self.vocabulary_ = cleaning, vocabulary
        self.unknown_id_ = len(vocabulary) + 1 if self.unknown == "token" else None
        self.n_ids_ = len(vocabulary) + 1 + (self.unknown == "token")
        longest = max(map(len, map(self._known, documents)), default=0)
        self.max_length_ = self._n_features_out = int(self.max_length or max(1, longest))
        return self

    def transform(self, X):
        """Give the ids of the words of each text.

        Parameters
        ----------
        X : sequence of str
            Texts; None where one is missing.

        Returns
        -------
        ndarray of int of shape (n_samples, max_length)
            Ids in the order of the text; 0 is padding. A text that is missing or has no known word is a row
            of zeros.

        Raises
        ------
        ValueError
            If X is no sequence of str.
        """
        check_is_fitted(self)
        ids = [[token.id for token in tokens] for tokens in self._tokens(X)]
        return pad_ids(ids, self.max_length_, padding=self.padding, truncation=self.truncation)

    def tokenize(self, X):
        """Give the words behind the ids that `transform` gives, and their places in the raw texts.

        Parameters
        ----------
        X : sequence of str
            Texts; None where one is missing.

        Returns
        -------
        list of list of Token
            For each text its tokens (text, id, start, stop), one for each id that is not padding in its row
            of `transform`, in this order: their columns are ``numpy.flatnonzero(row)``. Words that are
            dropped or cut off have none.

        Raises
        ------
        ValueError
            If X is no sequence of str.

        Examples
        --------
        >>> from skmm.preprocessing import TextTokenizer
        >>> raw = "The heart is NOT enlarged."
        >>> TextTokenizer(stop_words="english").fit([raw]).tokenize([raw])[0]
        [Token(text='heart', id=2, start=4, stop=9), Token(text='enlarged', id=1, start=17, stop=25)]
        """
        check_is_fitted(self)
        return [truncate(tokens, self.max_length_, self.truncation) for tokens in self._tokens(X)]

    def inverse_transform(self, X):
        """Give the words of rows of ids, joined by blanks.

        Parameters
        ----------
        X : array-like of int of shape (n_samples, n_columns)
            Ids, as `transform` gives them.

        Returns
        -------
        ndarray of str of shape (n_samples,)
            Texts of known words; "<unknown>" stands for an unknown one.

        Raises
        ------
        ValueError
            If X is no table of ids.

        Examples
        --------
        >>> from skmm.preprocessing import TextTokenizer
        >>> tokenizer = TextTokenizer().fit(["Heart size normal.", "heart enlarged"])
        >>> tokenizer.inverse_transform(tokenizer.transform(["Normal HEART"])).tolist()
        ['normal heart']
        """
        check_is_fitted(self)
        ids = np.asarray(X)
        words = ["", *self.vocabulary_, *([] if self.unknown_id_ is None else [_UNKNOWN])]
        if ids.ndim != 2 or ids.dtype.kind not in "iuf" or not np.isin(ids, np.arange(len(words))).all():
            raise ValueError(
                f"{type(self).__name__}.inverse_transform takes a table of ids from 0 to {len(words) - 1}. "
                f"Got an array of shape {ids.shape} and type {ids.dtype} instead, or with other numbers."
            )
        texts = [" ".join(words[int(number)] for number in row if number) for row in ids]
        return np.array(texts, dtype=object)

    def to_json(self, path=None):
        """Write the vocabulary as JSON, an object of word to id.

        Parameters
        ----------
        path : str or path, default=None
            The file, which is overwritten. None: as a str.

        Returns
        -------
        str or None
            The JSON where there is no path.

        Examples
        --------
        >>> from skmm.preprocessing import TextTokenizer
        >>> print(TextTokenizer().fit(["no no effusion"]).to_json())
        {
        "no": 1,
        "effusion": 2
        }
        """
        check_is_fitted(self)
        return vocabulary_to_json(self.vocabulary_, path)

    def _check(self):
        """Raise for parameters that are not allowed."""
        from skmm._training import Choice, Number, check_parameters

        ends = (Choice(("pre", "post")),)
        count = (Choice((None,)), Number(Integral, 1))
        rules = {
            "max_length": count,
            "max_features": count,
            "unknown": (Choice(("drop", "token")),),
            "padding": ends,
            "truncation": ends,
        }
        check_parameters(self, rules)
        if self.max_features is not None and self.vocabulary is not None:
            raise ValueError(
                f"{type(self).__name__} takes max_features or vocabulary: a given vocabulary is not cut. Got "
                "both."
            )

    def _tokens(self, X):
        """All tokens of each text that have an id."""
        texts = as_texts(X, type(self).__name__)
        return [[] if text is None else self._known(self._cleaning.words(text)) for text in texts]

    def _known(self, words):
        """Words that have an id, as tokens."""
        ids = ((self.vocabulary_.get(word.text, self.unknown_id_), word) for word in words)
        return [Token(word.text, number, word.start, word.stop) for number, word in ids if number is not None]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        return tags


def _warn_of_lost_words(vocabulary, cleaning, who):
    """Warn of words that no text can hold once it is cleaned."""
    lost = [word for word in vocabulary if [found.text for found in cleaning.words(word)] != [word]]
    if lost:
        warnings.warn(
            f"{who}: {len(lost)} of the {len(vocabulary)} words of the given vocabulary ({quoted(lost)}) are "
            "never found: cleaned as texts are, they become other words or none. Check the parameters.",
            UserWarning,
            stacklevel=3,
        )
