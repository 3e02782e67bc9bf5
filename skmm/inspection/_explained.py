"""What is explained of a fusion classifier: its network as a function of tensors, batch after batch."""

import copy

import numpy as np
import torch

from skmm._training import ModalityBatches
from skmm.containers import BagArray
from skmm.inspection._gradients import absolute_sums
from skmm.nn import Bag, FusionOutput

_VALUES = 1 << 25  # that the network keeps for its gradient at a time
_AT_ONCE = 8192  # samples, at most
_KEPT = 4  # values that are kept for each of a table, and for each output of an affine map


def answer(model, output, codes):
    """What is explained of the output of a classifier's network: for each sample the score of one column.

    NOTE[DIFF] The published procedure explains a probability, which hardly changes where it is near 0 or 1.

    Parameters
    ----------
    model : BaseFusionClassifier
        The classifier.
    output : FusionOutput, tuple or Tensor
        Of its network.
    codes : Tensor of int64 of shape (batch,)
        Column of each sample: of a class, or of a label where samples may have several.

    Returns
    -------
    Tensor of shape (batch,)
        Logits.
    """
    output = FusionOutput(*output) if isinstance(output, tuple) else FusionOutput(output)
    return model._explained(output).gather(1, codes[:, None])[:, 0]


class Part:
    """Some samples: tensors whose first axis is the batch, where lines to them start, and a function of both.

    Called with tensors of the modalities that are explained and the numbers of their samples, it gives what
    is explained of the network's answer.
    """

    def __init__(self, network, positions):
        batch, _ = network.data[positions]
        self.model, self.module = network.model, network.module
        self.present, self.order = batch.present, list(batch.inputs)
        self.names, self.codes = network.names, network.codes[positions]
        self.ids = {name: batch.inputs[name] for name in self.order if network.kinds[name] == "text"}
        values = network.module.embed_tokens(batch.inputs) if self.ids else batch.inputs
        self.lengths = {k: value.offsets.diff() for k, value in values.items() if isinstance(value, Bag)}
        padded = {k: pad_bag(value) if k in self.lengths else value for k, value in values.items()}
        self.fixed = {k: value for k, value in padded.items() if k not in self.names}
        self.inputs = tuple(padded[k].detach() for k in self.names)
        self.baselines = tuple(
            self._start(k, value, network.start(k, positions, value))
            for k, value in zip(self.names, self.inputs, strict=True)
        )
        self.rows = torch.arange(len(positions), device=self.present.device)

    def _start(self, name, value, start):
        """Where lines start: nowhere else where a modality, an instance or a token is missing."""
        if name in self.lengths:
            real = real_instances(value, self.lengths[name])
        elif name in self.ids:
            real = self.ids[name] != 0
        else:
            real = self.present[:, self.order.index(name)]
        real = real.reshape(*real.shape, *[1] * (value.ndim - real.ndim))
        return torch.where(real, start, value)

    def size_of(self, attributions):
        """Sums of the absolute attributions, (k,), of which a word has one, whatever its vector."""
        parts = zip(self.names, attributions, strict=True)
        return absolute_sums([value.sum(dim=2) if name in self.ids else value for name, value in parts])

    def change(self):
        """By how much what is explained is above that of the baselines, (batch,)."""
        with torch.no_grad():
            return self(*self.inputs, self.rows) - self(*self.baselines, self.rows)

    def __call__(self, *tensors):
        """What is explained, of samples whose numbers come last."""
        *moved, rows = tensors
        moved = dict(zip(self.names, moved, strict=True))
        inputs = {}
        for name in self.order:
            value = moved[name] if name in moved else self.fixed[name][rows]
            lengths = self.lengths.get(name)
            inputs[name] = value if lengths is None else flat_bag(value, lengths[rows])
        return answer(self.model, self.module(inputs, self.present[rows]), self.codes[rows])


def real_instances(padded, lengths):
    """Which of the instances of padded bags are real, (batch, n_instances)."""
    return torch.arange(padded.shape[1], device=padded.device) < lengths[:, None]


def pad_bag(bag):
    """Bags filled up with zeros to the largest, (batch, n_instances, ...); one instance at least."""
    lengths = bag.offsets.diff()
    padded = bag.values.new_zeros(len(lengths), max(1, int(lengths.max())), *bag.values.shape[1:])
    padded[real_instances(padded, lengths)] = bag.values
    return padded


def flat_bag(padded, lengths):
    """Padded bags as they were."""
    offsets = torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])
    if int(offsets[-1]) == padded.shape[0] * padded.shape[1]:
        return Bag(padded.flatten(0, 1), offsets)
    return Bag(padded[real_instances(padded, lengths)], offsets)


class Network:
    """A copy of a classifier's network, in evaluation mode, and samples for it.

    Parameters
    ----------
    model : BaseFusionClassifier
        Fitted.
    X : ModalityDict
        Validated samples.
    codes : ndarray of int of shape (n_samples,)
        Column of the network's answer that is explained, by sample.
    names : sequence of str
        The modalities that are explained, in the order of the network's.
    starts : dict of str -> ndarray
        Baselines in the units of X, of one sample or of all, or of an instance; zero as the network sees it
        for the others.
    precision : {"float64", "float32"}, default="float64"
        Arithmetic of the copy.
    """

    def __init__(self, model, X, codes, names, starts, precision="float64"):
        self.X, self.kinds, self.shapes = X, X.kinds, model.schema_.shapes
        self.model, self.names, self.starts, self.inputs = model, tuple(names), starts, model._inputs
        module = copy.deepcopy(model.net_.module_).to(getattr(torch, precision))
        self.module = module.eval().requires_grad_(False)
        device = next(self.module.parameters()).device
        self.codes = torch.from_numpy(np.asarray(codes, dtype=np.int64)).to(device)
        self.data = ModalityBatches(X, model._inputs, dtype=np.dtype(precision), device=device)
        self.widths = {}
        if "text" in self.kinds.values():  # ids become vectors, of which the network alone knows the length
            vectors = self.module.embed_tokens(self.data[[0]][0].inputs)
            self.widths = {k: x.shape[2] for k, x in vectors.items() if self.kinds[k] == "text"}

    def part(self, rows):
        """Some samples, by number."""
        return Part(self, rows)

    def parts(self, rows, batch_size):
        """Numbers of samples that are explained together, and how many go through the network at a time."""
        sizes = sum(self._sizes(name) for name in self.inputs)[rows]
        if len(rows):
            sizes = self._kept(rows[sizes.argmax()]) * sizes / sizes.max()
        rows, sizes = (part[np.argsort(sizes, kind="stable")] for part in (rows, sizes))
        while len(rows):
            at_once = np.minimum(_AT_ONCE, np.maximum(_VALUES // sizes, 1)).astype(int)
            at_once = at_once if batch_size == "auto" else np.full_like(at_once, batch_size)
            # Sizes grow, and so the number that fits falls: the last sample is the one that tells.
            stop = max(1, int(np.sum(np.arange(1, len(rows) + 1) <= at_once)))
            yield np.sort(rows[:stop]), int(at_once[stop - 1])
            rows, sizes = rows[stop:], sizes[stop:]

    def _kept(self, row):
        """How many values the network keeps for the gradient of a sample."""
        if set(self.kinds.values()) == {"table"}:
            layers = (part for part in self.module.modules() if isinstance(part, torch.nn.Linear))
            columns = sum(int(np.prod(entry.shape)) for entry in self.inputs.values())
            return _KEPT * (columns + sum(layer.out_features for layer in layers))
        own = {parameter.data_ptr() for parameter in self.module.parameters()}
        kept = {}

        def note(tensor):
            """A tensor that is kept; parameters are there anyway, and several may share their values."""
            if tensor.data_ptr() not in own:
                kept[tensor.data_ptr()] = tensor.numel()
            return tensor

        part = self.part(np.array([row]))
        part.present = torch.ones_like(part.present)  # a network may leave out what this sample lacks
        with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            part(*(value.clone().requires_grad_() for value in part.inputs), part.rows)
        return max(1, sum(kept.values()))

    def _sizes(self, name):
        """Numbers of values that each sample has."""
        size = int(np.prod(self.inputs[name].shape)) * self.widths.get(name, 1)
        if self.kinds[name] == "bag":
            return size * np.maximum(self.X[name].lengths, 1)
        return np.full(len(self.X), size)

    def start(self, name, positions, value):
        """Baselines of some samples as the network sees them, of the shape of their tensor."""
        if name not in self.starts:
            return torch.zeros_like(value)
        start, shape = self.starts[name], self.shapes[name]
        start = start[positions] if start.ndim > len(shape) else start[None]
        return self._seen(name, start).to(value).expand_as(value)

    def _seen(self, name, start):
        """Values in the units of X, as an input brings them to the network."""
        X, entry = self.X[name], self.inputs[name]

        def bring(values):
            """Of an instance in a bag of its own."""
            is_bag = self.kinds[name] == "bag"
            values = BagArray(values, [0, len(values)]) if is_bag else values
            seen = entry(values, np.ones(len(values), dtype=bool), np.float64)
            return seen[0] if is_bag else seen

        dtype = getattr(X, "dtype", np.dtype(float))
        if start.ndim < 3 or dtype.kind not in "iu":
            return torch.from_numpy(bring(start))
        # What a pixel comes to depends on its type, and is linear in between.
        low = np.floor(start)
        share = np.moveaxis((start - low).reshape(len(start), *entry.shape[1:], -1), -1, 1)
        top = np.iinfo(dtype).max
        low, high = (bring(np.minimum(part, top).astype(dtype)) for part in (low, low + 1))
        return torch.from_numpy(low + share * (high - low))
