"""A run of a backbone over images: each distinct one is embedded once, what is known is not read again."""

from collections import deque
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from skmm.embedding._backbones import Kept, Runner, backbone_digest
from skmm.embedding._functions import check_mode
from skmm.embedding._identity import array_digest, digest_of
from skmm.embedding._images import Preparer

# Changes with whatever code of this folder changes what comes out for the same image.
_RECIPE = b"skmm embedding 2"
_RUNNERS = Kept()


class EmbeddingRun:
    """What embeds rows of images, in batches, with what a fitted embedder is.

    Parameters
    ----------
    net : Embedding
        The backbone, cut and pooled.
    digest : bytes
        What it is.
    how : Preparation
        How images become what it takes.
    precision : str
        Of the computation.
    device : str
        Where it runs.
    batch_size : int
        Images at once.
    n_threads : int
        Threads that read and prepare.
    cache : object or None
        What keeps vectors; with ``get`` and ``put``.
    n_features : int or None
        Length of a vector, where it is known already.
    who : str
        For messages.
    """

    def __init__(self, net, digest, how, *, precision, device, batch_size, n_threads, cache, n_features, who):
        self.net, self.digest, self.how = net, digest, how
        self.precision, self.device = precision, device
        self.batch_size, self.n_threads = batch_size, n_threads
        self.cache, self.n_features, self.who = cache, n_features, who
        self.prepare = Preparer(how, who)

    def __call__(self, rows, which, progress):
        """Vectors of some rows, (n_rows, n_features).

        Parameters
        ----------
        rows : Rows
            Images or volumes.
        which : ndarray of int of shape (n_rows,)
            Rows that are there.
        progress : callable
            Is told the number of images that are done.
        """
        place, found = {}, []
        owner = np.empty(len(which), dtype=np.intp)
        for start, stop, keys, images in self._keyed(rows, which):
            new = {}
            for position, key in zip(range(start, stop), keys, strict=True):
                if key not in place:
                    place[key] = len(found)
                    found.append(None)
                    new[key] = position
                owner[position] = place[key]
            for key, vector in self._known(list(new)):
                found[place[key]] = vector
                del new[key]
            progress(stop - start - len(new))
            read = (
                (lambda positions: rows.read(which[positions]))
                if images is None
                else (lambda positions, first=start, held=images: [held[p - first] for p in positions])
            )
            for part, vectors in self._new(list(new.items()), which, read):
                for (key, _), vector in zip(part, vectors, strict=True):
                    found[place[key]] = vector
                if self.cache is not None:
                    self.cache.put([key for key, _ in part], list(vectors))
                progress(len(part))
        if not found:
            dtype = np.float64 if self.precision == "float64" else np.float32
            return np.empty((0, self.n_features), dtype=dtype)
        return np.stack(found)[owner]

    def _known(self, keys):
        """Pairs of a key and its vector for those of the keys that the cache holds."""
        if self.cache is None:
            return []
        vectors = zip(keys, self.cache.get(keys), strict=True)
        return [(key, vector) for key, vector in vectors if vector is not None]

    def _settings(self):
        """What vectors depend on besides images."""
        digest = self.digest
        if not isinstance(self.net.net, torch.nn.Module):
            # A function, or what it uses, is the user's, and may have changed since it was fitted.
            check_mode(self.net.net, self.who)
            digest = digest if self.cache is None else backbone_digest(self.net, otherwise=digest)
        return digest_of(_RECIPE, digest, repr((self.how, self.precision)).encode())

    def _keyed(self, rows, which):
        """Yield spans of rows: start, stop, keys, and the images where they had to be read for the keys."""
        settings = self._settings()
        keys = rows.keys(which)
        if keys is not None:
            yield 0, len(which), [digest_of(settings, repr(key).encode()) for key in keys], None
            return
        step = self.batch_size if rows.is_lazy else max(1, len(which))
        for start in range(0, len(which), step):
            stop = min(start + step, len(which))
            images = rows.read(which[start:stop])
            digests = [digest_of(settings, array_digest(np.asarray(image))) for image in images]
            yield start, stop, digests, images

    def _new(self, items, which, read):
        """Yield batches of (key, position) and their vectors; threads prepare what comes next."""
        runner = self._runner()
        parts = [items[start : start + self.batch_size] for start in range(0, len(items), self.batch_size)]

        def prepared(part):
            positions = np.array([position for _, position in part])
            images = zip(read(positions), which[positions], strict=True)
            return [self.prepare(np.asarray(image), int(row)) for image, row in images]

        if self.n_threads == 1 or len(parts) < 2:
            for part in parts:
                yield part, self._forward(runner, prepared(part))
            return
        with ThreadPoolExecutor(self.n_threads) as pool:
            waiting = deque()
            for number in range(len(parts) + self.n_threads):
                if number < len(parts):
                    waiting.append(pool.submit(prepared, parts[number]))
                if number >= self.n_threads:
                    part = parts[number - self.n_threads]
                    yield part, self._forward(runner, waiting.popleft().result())

    def _runner(self):
        """The backbone where it runs; one graph for all embedders with the same one."""
        if not isinstance(self.net.net, torch.nn.Module):
            return Runner(self.net, self.device, self.precision)
        key = (self.digest, self.device, self.precision)
        return _RUNNERS.get(key, lambda: Runner(self.net, self.device, self.precision))

    def _forward(self, runner, tensors):
        """Vectors of tensors, those of one shape at once."""
        by_shape = {}
        for position, tensor in enumerate(tensors):
            by_shape.setdefault(tensor.shape, []).append(position)
        vectors = [None] * len(tensors)
        for positions in by_shape.values():
            try:
                out = runner(torch.stack([tensors[position] for position in positions]))
            except RuntimeError as error:
                shape = tuple(tensors[positions[0]].shape)
                reason = str(error).strip().rpartition("\n")[2]  # of a graph, below its traceback
                raise ValueError(
                    f"The backbone cannot take images of shape {shape} (channels, then the axes). Change "
                    f"image_size. ({reason})"
                ) from error
            if not np.isfinite(out).all():
                raise ValueError(
                    "The backbone gave NaN or infinities. Check its weights, or take precision='float64'."
                )
            for position, vector in zip(positions, out, strict=True):
                vectors[position] = vector
        lengths = {len(vector) for vector in vectors}
        if len(lengths) > 1 or (self.n_features is not None and lengths != {self.n_features}):
            raise ValueError(
                "The backbone gave vectors of different lengths for images of different sizes. Give "
                "image_size, or a pooling."
            )
        return np.stack(vectors)
