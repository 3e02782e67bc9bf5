"""Affine maps with the initialization of the papers."""

from torch import nn
from torch.nn.utils import skip_init


def xavier_linear(n_in, n_out):
    """An affine map with Xavier-normal weights (gain 1) and zero bias.

    Parameters
    ----------
    n_in : int
        Size of the input.
    n_out : int
        Size of the output.

    Returns
    -------
    torch.nn.Linear
        The map.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import xavier_linear
    >>> with torch.random.fork_rng():
    ...     layer = xavier_linear(3, 2)
    >>> layer.weight.shape, layer.bias.tolist()
    (torch.Size([2, 3]), [0.0, 0.0])
    """
    layer = skip_init(nn.Linear, n_in, n_out)
    nn.init.xavier_normal_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
