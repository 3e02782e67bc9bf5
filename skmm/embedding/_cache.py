"""Where embeddings are kept so that each image is embedded once: in memory, or in a SQLite file."""

import hashlib
import math
import os
import sqlite3
import threading
import warnings
from collections import OrderedDict
from contextlib import closing
from pathlib import Path

import numpy as np

_MEMORY_BYTES = 1 << 30  # of all embeddings kept in memory; the ones not used for longest go first
_APPLICATION = 0x736B6D6D  # "skmm": how a file says that it is one of ours
_VERSION = 1
_SECONDS = 60  # to wait for another process that writes
_AT_ONCE = 500  # keys of one question; SQLite allows 999 in old versions
_DTYPES = ("<f2", "<f4", "<f8")


class MemoryCache:
    """Embeddings in the memory of this process, by key.

    Parameters
    ----------
    max_bytes : int, default=1073741824
        What they may take; beyond it those that were not used for longest are forgotten.
    """

    def __init__(self, max_bytes=_MEMORY_BYTES):
        self.max_bytes = max_bytes
        self._values, self._bytes, self._lock = OrderedDict(), 0, threading.Lock()

    def get(self, keys):
        """Embeddings of some keys, None where there is none."""
        with self._lock:
            for key in keys:
                if key in self._values:
                    self._values.move_to_end(key)
            return [self._values.get(key) for key in keys]

    def put(self, keys, values):
        """Keep embeddings."""
        with self._lock:
            for key, value in zip(keys, values, strict=True):
                value = np.array(value)  # noqa: PLW2901 - a copy: a row of a batch would keep the batch
                value.flags.writeable = False
                self._bytes += value.nbytes - getattr(self._values.pop(key, None), "nbytes", 0)
                self._values[key] = value
            while self._bytes > self.max_bytes and self._values:
                _, oldest = self._values.popitem(last=False)
                self._bytes -= oldest.nbytes

    def clear(self):
        """Forget all."""
        with self._lock:
            self._values.clear()
            self._bytes = 0


class SQLiteCache:
    """Embeddings in a SQLite file, by key, shared by processes.

    A cache that is damaged, or a file that is no database, is moved aside and a new cache begun; an entry
    whose checksum is wrong is no entry. Trouble with the file never stops the work: it warns, and the image
    is embedded again. The database of another program, which may be in use, is not touched.

    Parameters
    ----------
    path : str or path
        The file; made, with its folder, where it does not exist.

    Raises
    ------
    OSError
        If the path is a folder, or cannot be written.
    ValueError
        If the file is the database of another program.
    """

    def __init__(self, path):
        self.path = Path(path).absolute()
        if self.path.is_dir():
            raise IsADirectoryError(
                f"cache={str(path)!r} is a folder. Name a file in it, such as "
                f"{str(self.path / 'embeddings.sqlite')!r}."
            )
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _not_writable(self.path, error) from error
        if not os.access(self.path if self.path.exists() else self.path.parent, os.W_OK):
            raise _not_writable(self.path, "permission denied")
        self._work(sqlite3.Connection.commit)  # makes the file, or moves another one aside

    def get(self, keys):
        """Embeddings of some keys, None where there is none that is whole."""
        found = {}

        def read(connection):
            for start in range(0, len(keys), _AT_ONCE):
                part = list(keys[start : start + _AT_ONCE])
                marks = ",".join("?" * len(part))
                query = f"SELECT key, dtype, shape, value, checksum FROM embeddings WHERE key IN ({marks})"  # noqa: S608 - question marks alone
                for key, *entry in connection.execute(query, part):
                    found[key] = _restore(key, *entry)

        self._work(read)
        return [found.get(key) for key in keys]

    def put(self, keys, values):
        """Keep embeddings; those of floats, which need no pickle."""
        rows = [_entry(key, np.asarray(value)) for key, value in zip(keys, values, strict=True)]

        def write(connection):
            with connection:
                connection.executemany("INSERT OR REPLACE INTO embeddings VALUES (?, ?, ?, ?, ?)", rows)

        self._work(write)

    def _work(self, task):
        """Do something with the file, which is opened for each task: so forks and threads share nothing."""
        for attempt in range(2):
            found = _identity(self.path)
            if _is_foreign(self.path):
                raise ValueError(
                    f"cache={str(self.path)!r} is a database of another program. Name another file."
                )
            try:
                with closing(sqlite3.connect(self.path, timeout=_SECONDS)) as connection:
                    _prepare(connection)
                    task(connection)
            except sqlite3.OperationalError as error:  # locked, full: the file is as it should be
                if not _is_damage(error):
                    self._warn(f"could not be used ({error}): images are embedded again")
                    return
                problem = error
            except sqlite3.DatabaseError as error:
                problem = error
            else:
                return
            if attempt == 0:
                self._move_aside(found, problem)
        self._warn(f"could not be used ({problem}): images are embedded again")

    def _move_aside(self, found, problem):
        """Rename a file that is no cache, unless another process has put a new one in its place."""
        if found is None or _identity(self.path) != found:
            return
        number = 1
        while (aside := self.path.with_name(f"{self.path.name}.damaged-{number}")).exists():
            number += 1
        self.path.rename(aside)
        journal = self.path.with_name(f"{self.path.name}-journal")
        if journal.exists():  # of a task that was cut off; it would be applied to the new file
            journal.rename(aside.with_name(f"{aside.name}-journal"))
        self._warn(f"is no cache of embeddings, or damaged ({problem}): it was moved to {str(aside)!r}")

    def _warn(self, text):
        """Tell of trouble with the file."""
        warnings.warn(f"The cache {str(self.path)!r} {text}.", RuntimeWarning, stacklevel=2)


def _not_writable(path, error):
    """A place where no cache can be kept."""
    return OSError(f"The cache {str(path)!r} cannot be written ({error}). Name another file.")


def _identity(path):
    """What tells one file of a name from another."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _is_foreign(path):
    """Whether a file is a database of SQLite that does not say in its head that it is one of ours."""
    try:
        with path.open("rb") as file:
            head = file.read(100)
    except OSError:
        return False
    application = int.from_bytes(head[68:72], "big")
    return head.startswith(b"SQLite format 3\0") and application != _APPLICATION


def _is_damage(error):
    """Whether an operational error says that a file holds other tables than ours, or is no database."""
    return any(words in str(error) for words in ("no such table", "no such column", "malformed", "has no"))


def _prepare(connection):
    """Make the table in a new file; raise for a cache of another version."""
    application, version = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")
    )
    if (application, version) == (_APPLICATION, _VERSION):
        connection.execute("PRAGMA synchronous = OFF")  # what a crash of the machine loses is embedded again
        return
    if version:
        raise sqlite3.DatabaseError("a cache of another version")
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS embeddings "
            "(key BLOB PRIMARY KEY, dtype TEXT, shape TEXT, value BLOB, checksum BLOB)"
        )
        connection.execute(f"PRAGMA application_id = {_APPLICATION}")
        connection.execute(f"PRAGMA user_version = {_VERSION}")


def _checksum(*parts):
    """Digest of an entry."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(part)
    return digest.digest()


def _entry(key, value):
    """What is written of one embedding."""
    dtype = value.dtype.newbyteorder("<").str
    if dtype not in _DTYPES:
        raise ValueError(f"A cache keeps embeddings of floats. Got an array of dtype {value.dtype} instead.")
    content = np.ascontiguousarray(value, dtype).tobytes()
    shape = ",".join(map(str, value.shape))
    return key, dtype, shape, content, _checksum(key, dtype.encode(), shape.encode(), content)


def _restore(key, dtype, shape, content, checksum):
    """The embedding of an entry, or None where it is not what was written."""
    try:
        if dtype not in _DTYPES or _checksum(key, dtype.encode(), shape.encode(), content) != checksum:
            return None
        shape = tuple(int(size) for size in shape.split(",") if size)
    except (AttributeError, TypeError, ValueError):  # of another type than was written
        return None
    if len(content) != math.prod(shape) * np.dtype(dtype).itemsize:
        return None
    return np.frombuffer(content, dtype).astype(np.dtype(dtype).newbyteorder("=")).reshape(shape)


_MEMORY = MemoryCache()


def open_cache(cache):
    """The cache that a parameter asks for.

    Parameters
    ----------
    cache : None, "memory", str, path, MemoryCache or SQLiteCache
        None for none; "memory" for the one of this process; a path for a SQLite file.

    Returns
    -------
    MemoryCache, SQLiteCache or None
        With ``get(keys)``, a list of arrays or None, and ``put(keys, values)``.
    """
    if cache is None or isinstance(cache, (MemoryCache, SQLiteCache)):
        return cache
    if isinstance(cache, str) and cache == "memory":
        return _MEMORY
    if isinstance(cache, (str, os.PathLike)):
        return SQLiteCache(cache)
    raise ValueError(f"cache must be None, 'memory' or the path of a file. Got {cache!r} instead.")


def clear_memory_cache():
    """Forget the embeddings that are kept in the memory of this process.

    Examples
    --------
    >>> from skmm.embedding import clear_memory_cache
    >>> clear_memory_cache()
    """
    _MEMORY.clear()
