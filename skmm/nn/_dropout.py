"""Dropout from a generator of one's own: reproducible, and a fraction of the cost of torch's."""

import torch
from torch import nn

_FULL_RANGE = torch.iinfo(torch.int64).min  # random_(this, None) draws all 64 bits
_SELU_FLOOR = -1.7580993408473766  # -scale * alpha of torch.nn.SELU


class NoiseSource:
    """Random bytes and numbers from a generator, the same for rows that are declared equal.

    Parameters
    ----------
    generator : torch.Generator, default=None
        Where they come from; None for torch's global one.
    groups : Tensor of int64 of shape (batch,), default=None
        Number of the noise row that each sample gets; samples with the same number share it. Counted from 0,
        without gaps. Tensors whose first axis has another length get noise of their own.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import NoiseSource
    >>> noise = NoiseSource(torch.Generator().manual_seed(0), groups=torch.tensor([0, 1, 0]))
    >>> first, second, third = noise.bytes((3, 16))
    >>> torch.equal(first, third), torch.equal(first, second)
    (True, False)
    """

    def __init__(self, generator=None, groups=None):
        self.generator = generator
        self.groups = groups
        self._n_groups = None if groups is None else int(groups.max()) + 1

    def _draw(self, shape, draw):
        """``draw(shape)``, repeated for samples of one group."""
        if self.groups is None or shape[0] != len(self.groups):
            return draw(shape)
        return draw((self._n_groups, *shape[1:])).index_select(0, self.groups)

    def bytes(self, shape, device=None):
        """Uniform random bytes.

        Parameters
        ----------
        shape : tuple of int
            Shape of the result; the first axis is the batch.
        device : torch.device, default=None
            Where to make them: the generator's device.

        Returns
        -------
        Tensor of uint8 of shape ``shape``
            The bytes.
        """

        def draw(size):
            count = torch.Size(size).numel()
            # Eight bytes a number: a byte each would cost eight times as much.
            words = torch.empty((count + 7) // 8, dtype=torch.int64, device=device)
            words.random_(_FULL_RANGE, None, generator=self.generator)
            return words.view(torch.uint8)[:count].view(size)

        return self._draw(tuple(shape), draw)

    def uniform(self, shape, device=None):
        """Uniform random numbers in [0, 1).

        Parameters
        ----------
        shape : tuple of int
            Shape of the result; the first axis is the batch.
        device : torch.device, default=None
            Where to make them: the generator's device.

        Returns
        -------
        Tensor of float32 of shape ``shape``
            The numbers.
        """
        return self._draw(
            tuple(shape), lambda size: torch.rand(size, generator=self.generator, device=device)
        )

    def normal(self, shape, device=None):
        """Random numbers of a normal distribution of mean 0 and variance 1.

        Parameters
        ----------
        shape : tuple of int
            Shape of the result; the first axis is the batch.
        device : torch.device, default=None
            Where to make them: the generator's device.

        Returns
        -------
        Tensor of float32 of shape ``shape``
            The numbers.
        """
        return self._draw(
            tuple(shape), lambda size: torch.randn(size, generator=self.generator, device=device)
        )


class NoisyModule(nn.Module):
    """Base of modules that draw random numbers in training.

    Attributes
    ----------
    noise : NoiseSource
        Where they come from; torch's global generator unless set. It is never pickled or copied.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import NoisyModule
    >>> class Jitter(NoisyModule):
    ...     def forward(self, x):
    ...         return x + self.noise.uniform(x.shape, x.device) if self.training else x
    >>> Jitter().eval()(torch.ones(2))
    tensor([1., 1.])
    """

    def __init__(self):
        super().__init__()
        self.noise = NoiseSource()

    def __getstate__(self):
        return {**self.__dict__, "noise": NoiseSource()}


class Dropout(NoisyModule):
    """Set a share p of the entries to zero in training, and scale the others by 1 / (1 - p).

    The mask compares random bytes with a threshold, so the share kept is k / 256 for a whole k; the scale is
    exactly 256 / k, which keeps the mean. A share between 0 and 1 / 256 drops 1 / 256.

    Parameters
    ----------
    p : float
        Share of entries to drop, in [0, 1).

    Attributes
    ----------
    noise : NoiseSource
        Where masks come from; torch's global generator unless set. It is never pickled or copied.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import Dropout, NoiseSource
    >>> dropout = Dropout(0.5)
    >>> dropout.noise = NoiseSource(torch.Generator().manual_seed(0))
    >>> sorted(set(dropout(torch.ones(4, 4)).flatten().tolist()))
    [0.0, 2.0]
    >>> dropout.eval()(torch.ones(2))
    tensor([1., 1.])
    """

    def __init__(self, p):
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError(f"p must be in [0, 1). Got {p!r} instead.")
        self.p = p

    def forward(self, x):
        """Drop entries in training; return ``x`` itself otherwise.

        Parameters
        ----------
        x : Tensor of shape (batch, ...)
            Any floats.

        Returns
        -------
        Tensor of the shape of ``x``
            With entries dropped.
        """
        if not self.training or self.p == 0:
            return x
        keep = self._keep()
        mask = (self.noise.bytes(x.shape, x.device) < keep).to(x.dtype).mul_(256 / keep)
        return x * mask

    def _keep(self):
        """The number of the 256 byte values that keep an entry."""
        return min(max(round((1 - self.p) * 256), 1), 255)

    def extra_repr(self):
        """The parameters, for the repr of a module."""
        return f"p={self.p}"


class AlphaDropout(Dropout):
    """Set a share p of the entries to the least value of a SELU, and keep mean 0 and variance 1.

    Dropped entries become alpha' = -1.758; all are then mapped by a x + b, so that entries of mean 0 and
    variance 1 keep both (Klambauer et al. 2017, Self-normalizing neural networks).

    Parameters
    ----------
    p : float
        Share of entries to drop, in [0, 1).

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import AlphaDropout, NoiseSource
    >>> dropout = AlphaDropout(0.5)
    >>> dropout.noise = NoiseSource(torch.Generator().manual_seed(0))
    >>> dropped = dropout(torch.randn(100_000, generator=torch.Generator().manual_seed(0)))
    >>> abs(dropped.mean().item()) < 0.01, abs(dropped.std().item() - 1) < 0.01
    (True, True)
    """

    def forward(self, x):
        """Drop entries in training; return ``x`` itself otherwise.

        Parameters
        ----------
        x : Tensor of shape (batch, ...)
            Floats, ideally of mean 0 and variance 1.

        Returns
        -------
        Tensor of the shape of ``x``
            With entries dropped.
        """
        if not self.training or self.p == 0:
            return x
        share = self._keep() / 256
        scale = (share + _SELU_FLOOR**2 * share * (1 - share)) ** -0.5
        mask = (self.noise.bytes(x.shape, x.device) < self._keep()).to(x.dtype)
        dropped = mask * (x - _SELU_FLOOR) + _SELU_FLOOR
        return dropped * scale - scale * (1 - share) * _SELU_FLOOR
