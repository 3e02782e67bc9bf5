"""The caches of embeddings: what was put is what is got; damage is noticed, moved aside and rebuilt."""

import multiprocessing
import pickle
import sqlite3
import threading

import numpy as np
import pytest

from skmm.embedding._cache import MemoryCache, SQLiteCache, open_cache

KEYS = [bytes([number]) * 32 for number in range(5)]
VALUES = [np.arange(4, dtype=np.float32) + number for number in range(5)]


@pytest.fixture
def path(tmp_path):
    """Where a cache is to be."""
    return tmp_path / "folder" / "embeddings.sqlite"


@pytest.fixture(params=["memory", "file"])
def cache(request, path):
    """An empty cache of each kind."""
    return MemoryCache() if request.param == "memory" else SQLiteCache(path)


def same(found, expected):
    """Assert that arrays, or None, are what they should be."""
    assert [value is None for value in found] == [value is None for value in expected]
    for value, other in zip(found, expected, strict=True):
        if value is not None:
            assert value.dtype.newbyteorder("=") == other.dtype.newbyteorder("=")
            np.testing.assert_array_equal(value, other)


def test_what_was_put_is_got_in_the_order_asked_for(cache):
    """Values come back in any order, repeatedly, with None for keys that were never put."""
    cache.put(KEYS[:3], VALUES[:3])

    same(cache.get([KEYS[2], KEYS[4], KEYS[0], KEYS[2]]), [VALUES[2], None, VALUES[0], VALUES[2]])


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", ">f8"])
@pytest.mark.parametrize("shape", [(), (3,), (2, 0), (2, 3)])
def test_data_types_and_shapes_stay(cache, dtype, shape):
    """Floats of any precision and shape come back as they were."""
    value = np.random.default_rng(0).normal(size=shape).astype(dtype)

    cache.put(KEYS[:1], [value])

    same(cache.get(KEYS[:1]), [value])


def test_a_later_value_replaces_an_earlier_one(cache):
    """Putting a key twice keeps the last value."""
    cache.put(KEYS[:1], [VALUES[0]])
    cache.put(KEYS[:1], [VALUES[1]])

    same(cache.get(KEYS[:1]), [VALUES[1]])


def test_what_the_caller_does_later_changes_nothing(cache):
    """The cache holds a copy."""
    value = VALUES[0].copy()
    cache.put(KEYS[:1], [value])
    value[:] = -1

    same(cache.get(KEYS[:1]), [VALUES[0]])


def test_memory_forgets_what_was_not_used_for_longest():
    """Beyond its size a memory cache keeps the entries that were used last."""
    cache = MemoryCache(max_bytes=3 * VALUES[0].nbytes)
    cache.put(KEYS[:3], VALUES[:3])
    cache.get(KEYS[:1])
    cache.put(KEYS[3:4], VALUES[3:4])

    same(cache.get(KEYS[:4]), [VALUES[0], None, VALUES[2], VALUES[3]])


def test_more_keys_than_one_question_holds(cache):
    """Thousands of keys are asked for at once."""
    keys = [number.to_bytes(32, "big") for number in range(1200)]
    cache.put(keys, [np.float64(number) for number in range(1200)])

    assert [float(value) for value in cache.get(keys[::-1])] == list(range(1200))[::-1]


def test_a_file_outlives_the_object_and_is_pickled_by_path(path):
    """Another object of the same path, and one that was pickled, find what was put."""
    first = SQLiteCache(path)
    first.put(KEYS[:1], VALUES[:1])

    same(SQLiteCache(path).get(KEYS[:1]), VALUES[:1])
    same(pickle.loads(pickle.dumps(first)).get(KEYS[:1]), VALUES[:1])


def _put(path, number):
    """Put some values from another process."""
    SQLiteCache(path).put([KEYS[number], number.to_bytes(32, "big")], [VALUES[number], VALUES[0]])


def test_processes_and_threads_write_at_once(path):
    """What several processes, and several threads, put at the same time is all there."""
    fork = multiprocessing.get_context("fork")  # a new interpreter would import for seconds
    workers = [fork.Process(target=_put, args=(path, number)) for number in range(3)]
    workers += [threading.Thread(target=_put, args=(path, number)) for number in (3, 4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    same(SQLiteCache(path).get(KEYS), VALUES)


@pytest.mark.parametrize("content", [b"id,age\nann,40\n", b"\0" * 100])
def test_a_file_that_is_no_cache_is_moved_aside(path, content):
    """Something else under the name of the cache is kept, under another name, and a new cache begun."""
    path.parent.mkdir()
    path.write_bytes(content)

    with pytest.warns(RuntimeWarning, match="moved to"):
        cache = SQLiteCache(path)
    cache.put(KEYS[:1], VALUES[:1])

    same(cache.get(KEYS[:1]), VALUES[:1])
    assert path.with_name("embeddings.sqlite.damaged-1").read_bytes() == content


def test_the_database_of_another_program_is_not_touched(path):
    """A SQLite file of somebody else is refused, also while it is in use: nothing that it holds is lost."""
    path.parent.mkdir()
    other = sqlite3.connect(path)
    other.execute("PRAGMA journal_mode = WAL")
    with other:
        other.execute("CREATE TABLE patients (name TEXT)")
        other.execute("INSERT INTO patients VALUES ('ann')")

    with pytest.raises(ValueError, match="database of another program. Name another file"):
        SQLiteCache(path)

    with other:
        other.execute("INSERT INTO patients VALUES ('bob')")
    other.close()
    other = sqlite3.connect(path)
    assert other.execute("SELECT name FROM patients").fetchall() == [("ann",), ("bob",)]
    other.close()


def test_a_cache_of_another_version_is_rebuilt(path):
    """What another version of the package wrote is moved aside, not trusted."""
    SQLiteCache(path).put(KEYS[:1], VALUES[:1])
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()

    with pytest.warns(RuntimeWarning, match="another version"):
        cache = SQLiteCache(path)

    same(cache.get(KEYS[:1]), [None])


def test_a_truncated_file_is_rebuilt(path):
    """A cache of which half is gone answers nothing wrong, and can be written again."""
    cache = SQLiteCache(path)
    keys = [number.to_bytes(32, "big") for number in range(300)]
    cache.put(keys, [np.full(64, float(number)) for number in range(300)])
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    with pytest.warns(RuntimeWarning, match="damaged"):
        found = cache.get(keys)
    cache.put(KEYS[:1], VALUES[:1])

    assert all(value is None or (value == number).all() for number, value in enumerate(found))
    same(cache.get(KEYS[:1]), VALUES[:1])


@pytest.mark.parametrize(
    "change",
    [
        "value = zeroblob(16)",
        "dtype = '|O'",
        "dtype = '<f8'",
        "shape = '2'",
        "shape = 'x'",
        "checksum = NULL",
        "value = 'text'",
    ],
)
def test_an_entry_that_was_tampered_with_is_no_entry(path, change):
    """An entry whose content, type or shape differs from its checksum is not trusted, and is replaced."""
    cache = SQLiteCache(path)
    cache.put(KEYS[:2], VALUES[:2])
    with sqlite3.connect(path) as connection:
        connection.execute(f"UPDATE embeddings SET {change} WHERE key = ?", KEYS[:1])
    connection.close()

    same(cache.get(KEYS[:2]), [None, VALUES[1]])

    cache.put(KEYS[:1], VALUES[:1])
    same(cache.get(KEYS[:1]), VALUES[:1])


def test_a_cache_under_lock_does_not_stop_the_work(path, monkeypatch):
    """Where another process holds the file for too long, a warning says so and nothing is found."""
    cache = SQLiteCache(path)
    monkeypatch.setattr("skmm.embedding._cache._SECONDS", 0.05)
    holder = sqlite3.connect(path)
    holder.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.warns(RuntimeWarning, match="locked.*embedded again"):
            assert cache.get(KEYS[:1]) == [None]
    finally:
        holder.close()


def test_only_floats_are_kept(path):
    """Objects, which would need a pickle, are refused."""
    with pytest.raises(ValueError, match="floats. Got an array of dtype object"):
        SQLiteCache(path).put(KEYS[:1], [np.array([None])])


def test_what_the_parameter_may_be(path, tmp_path):
    """None, "memory", a path or a cache; a folder and anything else is an error that says what to do."""
    memory = open_cache("memory")

    assert open_cache(None) is None
    assert open_cache(memory) is memory
    assert open_cache("memory") is memory
    assert open_cache(str(path)).path == path
    with pytest.raises(IsADirectoryError, match="Name a file in it"):
        open_cache(tmp_path)
    with pytest.raises(ValueError, match="cache must be None, 'memory' or the path"):
        open_cache(3)
    with pytest.raises(OSError, match="cannot be written"):
        open_cache("/proc/nowhere/embeddings.sqlite")
