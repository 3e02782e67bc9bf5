"""From the words of a text to its vector: which are known, what each weighs, and their weighted mean."""

import unicodedata

import numpy as np
import scipy.sparse as sp


def composed(vocabulary):
    """A vocabulary with its words composed, as those of texts are; of words that become one, the first."""
    words = {}
    for word, row in vocabulary.items():
        words.setdefault(unicodedata.normalize("NFC", word), row)
    return words


def known_words(documents, vocabulary):
    """Rows of the words of each text that are in a vocabulary, in their order.

    Parameters
    ----------
    documents : list of list of str
        Words of each text.
    vocabulary : dict of str -> int
        Row of each word.

    Returns
    -------
    list of ndarray of int
    """
    return [
        np.array([vocabulary[word] for word in words if word in vocabulary], dtype=np.intp)
        for words in documents
    ]


def inverse_frequencies(documents, n_words):
    """Weights ln((1 + n) / (1 + df)) + 1 of words, as scikit-learn's TfidfTransformer has them.

    Parameters
    ----------
    documents : list of ndarray of int
        Words of each of n texts, from 0 to ``n_words - 1``; df is in how many of them a word stands.
    n_words : int
        Size of the vocabulary.

    Returns
    -------
    ndarray of shape (n_words,)
    """
    seen = np.concatenate([np.unique(document) for document in documents])
    frequencies = np.bincount(seen, minlength=n_words)
    return np.log((1 + len(documents)) / (1 + frequencies)) + 1


def pool_words(documents, vectors, weights=None):
    """Weighted means of the vectors of the words of each text.

    Parameters
    ----------
    documents : list of ndarray of int
        Words of each text, as rows of ``vectors``.
    vectors : ndarray of shape (n_words, n_features)
        Their vectors.
    weights : ndarray of shape (n_words,), default=None
        Weight of each occurrence of a word; None for 1.

    Returns
    -------
    ndarray of float32 of shape (n_texts, n_features)
        Zeros for a text without words.
    """
    words, column = np.unique(np.concatenate([*documents, np.empty(0, np.intp)]), return_inverse=True)
    starts = np.concatenate([[0], np.cumsum([len(document) for document in documents], dtype=np.intp)])
    counts = sp.csr_array((np.ones(len(column)), column, starts), shape=(len(documents), len(words)))
    counts.sum_duplicates()
    if weights is not None:
        counts.data *= weights[words][counts.indices]
    totals = counts.sum(axis=1)
    sums = counts @ vectors[words].astype(np.float64)
    return (sums / np.where(totals == 0, 1, totals)[:, np.newaxis]).astype(np.float32)
