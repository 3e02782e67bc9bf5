"""Keys of rows by content: a fit on all rows at once depends neither on their order nor on repetition."""

import hashlib
import zlib

import numpy as np
import scipy.sparse as sp

from skmm.containers import check_numeric, read_rows

_CHUNK = 1 << 20  # values hashed at once
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def _mix(bits):
    """A well-stirred 64-bit number for each one (the finalizer of splitmix64)."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


def _hash_values(values, columns, salt):
    """Hashes of values at columns; zero for zero, so that a sparse table has the keys of the dense one."""
    values = np.asarray(values, dtype=np.float64) + 0.0  # -0.0 becomes 0.0
    bits = np.ascontiguousarray(values).view(np.uint64)
    hashes = _mix(bits ^ _mix(columns.astype(np.uint64) * _GOLDEN + salt))
    return np.where(bits == 0, np.uint64(0), hashes)


def _table_keys(table, salt):
    """One key a row: the sum, modulo 2**64, of the hashes of its values."""
    keys = np.empty(table.shape[0], dtype=np.uint64)
    if sp.issparse(table):
        csr = sp.csr_array(table, copy=True)
        csr.sum_duplicates()
        hashes = _hash_values(csr.data, csr.indices, salt)
        totals = np.concatenate([np.zeros(1, np.uint64), np.cumsum(hashes, dtype=np.uint64)])
        return totals[csr.indptr[1:]] - totals[csr.indptr[:-1]]
    columns = np.arange(table.shape[1])
    step = max(1, _CHUNK // max(1, table.shape[1]))
    for start in range(0, len(table), step):
        rows = slice(start, start + step)
        keys[rows] = _hash_values(table[rows], columns, salt).sum(axis=1, dtype=np.uint64)
    return keys


def _byte_keys(contents, n_rows, salt):
    """One key an image, volume or text: a hash of its bytes."""
    keys = np.empty(n_rows, dtype=np.uint64)
    for row, content in enumerate(contents):
        digest = hashlib.blake2b(content, digest_size=8).digest()
        keys[row] = np.frombuffer(digest, dtype=np.uint64)[0] ^ salt
    return _mix(keys)


def _keys(X, name, rows, salt):
    """One key for each of some rows of a modality in which it is present."""
    value = read_rows(X[name], rows)
    if X.kinds[name] == "table":
        return _table_keys(check_numeric(value, name), salt)
    if X.kinds[name] == "text":
        return _byte_keys((text.encode("utf-8", "surrogatepass") for text in value), len(value), salt)
    return _byte_keys((np.ascontiguousarray(image).data for image in value), len(value), salt)


def content_order(X, rows):
    """Order of rows by content, and which of them are equal.

    Parameters
    ----------
    X : ModalityDict
        The data; all but bags are looked at. A sample that has none of them is told apart by
        its position.
    rows : ndarray of int of shape (n_rows,)
        Rows of ``X`` to order.

    Returns
    -------
    order : ndarray of int of shape (n_rows,)
        Positions in ``rows``, by key: ``rows[order]`` is the same sequence of contents however ``rows`` was
        ordered.
    groups : ndarray of int of shape (n_rows,) or None
        For each position of ``rows[order]`` the number of its content, from 0; None where no two are equal.
    """
    keys = np.zeros(len(rows), dtype=np.uint64)
    has_content = np.zeros(len(rows), dtype=bool)
    for name, kind in X.kinds.items():
        if kind not in ("table", "image", "volume", "text"):
            continue
        present = X.is_present(name)[rows]
        salt = np.uint64(zlib.crc32(name.encode())) << np.uint64(32)
        with np.errstate(over="ignore"):
            keys[present] += _keys(X, name, rows[present], salt) + _mix(salt + _GOLDEN)
        has_content |= present
    if not has_content.all():
        keys[~has_content] = np.flatnonzero(~has_content).astype(np.uint64)
    order = np.argsort(keys, kind="stable")
    unique, groups = np.unique(keys[order], return_inverse=True)
    return order, groups if len(unique) < len(rows) else None


def training_order(X, rows, part, batch_size):
    """Positions to train on, and which are equal: by content in a single batch, as given otherwise.

    Parameters
    ----------
    X : ModalityDict
        The data.
    rows : ndarray of int of shape (n_rows,)
        Rows of ``X``.
    part : ndarray of int
        Positions in ``rows`` to train on.
    batch_size : int
        Largest number of samples of a step.

    Returns
    -------
    order : ndarray of int
        The positions, in the order to train in.
    groups : ndarray of int or None
        As `content_order` gives them; None in several batches.
    """
    if len(part) > batch_size:
        return part, None
    order, same = content_order(X, rows[part])
    return part[order], same
