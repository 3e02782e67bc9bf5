"""Word vectors from a user's own texts: counts of neighbours, their mutual information, and its factors."""

import numpy as np
import scipy.sparse as sp
from sklearn.utils.extmath import randomized_svd, svd_flip

_SMALL = 400  # words of a matrix that is factorized exactly
_SMOOTHING = 0.75
_N_ITER = 7


def neighbour_counts(documents, n_words, window):
    """How often each word stands near each other one.

    Parameters
    ----------
    documents : list of ndarray of int
        The words of each text, from 0 to ``n_words - 1``.
    n_words : int
        Size of the vocabulary.
    window : int
        Two words are near when at most so many places apart, in one text.

    Returns
    -------
    csr_array of shape (n_words, n_words)
        Symmetric.
    """
    words = np.concatenate(documents)
    owners = np.repeat(np.arange(len(documents)), [len(document) for document in documents])
    counts = sp.csr_array((n_words, n_words))
    for distance in range(1, window + 1):
        same = owners[:-distance] == owners[distance:]
        first, second = words[:-distance][same], words[distance:][same]
        counts += sp.coo_array((np.ones(len(first)), (first, second)), shape=counts.shape).tocsr()
    return counts + counts.T


def mutual_information(counts, smoothing=_SMOOTHING):
    r"""Positive pointwise mutual information of words and their neighbours.

    :math:`\max(0, \log \frac{\#(w, c)\, \sum_{c'} \#(c')^\alpha}{\#(w)\, \#(c)^\alpha})`.

    Parameters
    ----------
    counts : csr_array of shape (n_words, n_words)
        From `neighbour_counts`.
    smoothing : float, default=0.75
        The exponent alpha of the counts of neighbours; below 1, rare ones tell less.

    Returns
    -------
    csr_array of shape (n_words, n_words)
    """
    pairs = counts.tocoo()
    words, neighbours = counts.sum(axis=1), counts.sum(axis=0) ** smoothing
    rows, columns = pairs.coords
    ratio = pairs.data * neighbours.sum() / (words[rows] * neighbours[columns])
    information = np.maximum(np.log(ratio), 0)
    matrix = sp.coo_array((information, (rows, columns)), shape=counts.shape).tocsr()
    matrix.eliminate_zeros()
    return matrix


def factorize(matrix, n_components, seed):
    r"""Rows of :math:`U_d \sqrt{\Sigma_d}`, of a truncated singular value decomposition.

    Parameters
    ----------
    matrix : csr_array of shape (n_words, n_words)
        The matrix.
    n_components : int
        The number d of singular values that are kept, n_words at most.
    seed : int
        Of the randomized decomposition of a large matrix.

    Returns
    -------
    ndarray of float32 of shape (n_words, n_components)
    """
    if matrix.shape[0] <= max(_SMALL, n_components):
        left, values, right = np.linalg.svd(matrix.toarray())
        left, _ = svd_flip(left, right)
        left, values = left[:, :n_components], values[:n_components]
    else:
        left, values, _ = randomized_svd(matrix, n_components, n_iter=_N_ITER, random_state=seed)
    return (left * np.sqrt(values)).astype(np.float32)


def learn_vectors(documents, n_words, *, window, n_components, seed):
    """Vectors of words from texts.

    Parameters
    ----------
    documents : list of ndarray of int
        The words of each text, from 0 to ``n_words - 1``.
    n_words : int
        Size of the vocabulary.
    window : int
        As for `neighbour_counts`.
    n_components : int
        Numbers of a vector, ``n_words`` at most.
    seed : int
        As for `factorize`.

    Returns
    -------
    ndarray of float32 of shape (n_words, n_components)
    """
    return factorize(mutual_information(neighbour_counts(documents, n_words, window)), n_components, seed)
