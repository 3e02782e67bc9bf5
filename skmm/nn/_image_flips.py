"""Random flips of images."""

import torch

from skmm.nn._dropout import NoisyModule

_AXES = {"horizontal": (3,), "vertical": (2,), "both": (3, 2)}


class RandomFlips(NoisyModule):
    """Mirror each image with probability 1/2 in training; leave it as it is otherwise.

    Parameters
    ----------
    direction : {"horizontal", "vertical", "both"}, default="both"
        Horizontal exchanges left and right, vertical top and bottom; "both" draws for each of them.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import NoiseSource, RandomFlips
    >>> flips = RandomFlips("horizontal")
    >>> flips.noise = NoiseSource(torch.Generator().manual_seed(0))
    >>> image = torch.tensor([[[[1.0, 2.0]]]])
    >>> sorted({tuple(flips(image).flatten().tolist()) for _ in range(20)})
    [(1.0, 2.0), (2.0, 1.0)]
    >>> flips.eval()(image) is image
    True
    """

    def __init__(self, direction="both"):
        super().__init__()
        if direction not in _AXES:
            raise ValueError(f"direction must be one of {tuple(_AXES)}. Got {direction!r} instead.")
        self.direction = direction

    def forward(self, x):
        """Mirror images.

        Parameters
        ----------
        x : Tensor of shape (batch, n_channels, height, width)
            The images.

        Returns
        -------
        Tensor of the shape of ``x``
            Some of them mirrored; ``x`` itself outside training.
        """
        if not self.training:
            return x
        axes = _AXES[self.direction]
        mirrored = self.noise.uniform((len(x), len(axes)), x.device) < 0.5
        for axis, chosen in zip(axes, mirrored.unbind(dim=1), strict=True):
            x = torch.where(chosen[:, None, None, None], x.flip(axis), x)
        return x

    def extra_repr(self):
        """The parameters, for the repr of a module."""
        return f"direction={self.direction!r}"
