"""Autoencoders: from a vector through a narrow layer and back, with noise in training only."""

import torch
from torch import nn

from skmm.nn._dropout import Dropout, NoisyModule

_OUTPUTS = {"linear": nn.Identity, "tanh": nn.Tanh}


def _two_layers(n_in, hidden, n_out, dropout):
    """An affine map, a relu with dropout, and an affine map."""
    return nn.Sequential(nn.Linear(n_in, hidden), nn.ReLU(), Dropout(dropout), nn.Linear(hidden, n_out))


class _Autoencoder(NoisyModule):
    """What both networks share: noise on what is there, and conditions beside it."""

    def __init__(self, noise, output):
        super().__init__()
        if output not in _OUTPUTS:
            raise ValueError(f"output must be one of {sorted(_OUTPUTS)}. Got {output!r} instead.")
        self.noise_level = noise

    def _joined(self, x, conditions, mask):
        """What the encoder gets: x, noisy in training, zero where it is not there; and the conditions."""
        if self.training and self.noise_level:
            # NOTE[DIFF] The original clipped what came out to [0, 1], where embeddings are unbounded.
            x = x + self.noise_level * self.noise.normal(x.shape, x.device).to(x.dtype)
        x = x if mask is None else x * mask.to(x.dtype)
        return x if conditions is None else torch.cat([x, conditions.to(x.dtype)], dim=1)


class DenoisingAutoencoder(_Autoencoder):
    r"""Reconstruct a vector from a noisy copy of it (Vincent et al. 2008).

    With noise :math:`\epsilon \sim N(0, I)` in training only, and conditions :math:`c` that get none,

    .. math:: \hat x = s(D_2 \mathrm{relu}(D_1 h)), \quad
              h = E_2 \mathrm{relu}(E_1 [x + \sigma \epsilon, c]),

    where :math:`E_k` and :math:`D_k` are affine maps and :math:`s` is the output.

    Parameters
    ----------
    width : int
        Length of x, and of its reconstruction.
    hidden : int
        Width of the two hidden layers.
    latent : int
        Length of h.
    n_conditions : int, default=0
        Length of c.
    noise : float, default=0.0
        Standard deviation :math:`\sigma` of the noise that training adds to x.
    dropout : float, default=0.0
        Share of the entries of both hidden layers that a training step drops.
    output : {"linear", "tanh"}, default="linear"
        The map s. "tanh" can give no value beyond -1 and 1.

    Raises
    ------
    ValueError
        If ``output`` is none of these.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import DenoisingAutoencoder
    >>> with torch.random.fork_rng():
    ...     network = DenoisingAutoencoder(6, hidden=4, latent=2)
    >>> network(torch.zeros(3, 6)).shape
    torch.Size([3, 6])
    """

    def __init__(self, width, hidden, latent, n_conditions=0, noise=0.0, dropout=0.0, output="linear"):
        super().__init__(noise, output)
        self.encoder = _two_layers(width + n_conditions, hidden, latent, dropout)
        self.decoder = _two_layers(latent, hidden, width, dropout).append(_OUTPUTS[output]())

    def forward(self, x, conditions=None, mask=None):
        """Reconstruct.

        Parameters
        ----------
        x : Tensor of shape (batch, width)
            Vectors.
        conditions : Tensor of shape (batch, n_conditions), default=None
            What the network is told beside them.
        mask : Tensor of bool of shape (batch, width), default=None
            True where an entry is there; the others are taken as 0, and get no noise. None where all are.

        Returns
        -------
        Tensor of shape (batch, width)
            Reconstructions.
        """
        return self.decoder(self.encoder(self._joined(x, conditions, mask)))


class VariationalAutoencoder(_Autoencoder):
    r"""Reconstruct a vector from a normal distribution in a narrow layer (Kingma and Welling 2014).

    An affine map and a relu, with conditions c beside x, give the mean :math:`\mu` and the logarithm of the
    variance, :math:`\log \sigma^2`, of z. In training :math:`z = \mu + \sigma \epsilon` with
    :math:`\epsilon \sim N(0, I)`; in evaluation :math:`z = \mu`. Then
    :math:`\hat x = s(D_2 \mathrm{relu}(D_1 z))`.

    Parameters
    ----------
    width : int
        Length of x, and of its reconstruction.
    hidden : int
        Width of the two hidden layers.
    latent : int
        Length of z.
    n_conditions : int, default=0
        Length of c.
    noise : float, default=0.0
        Standard deviation of noise that training adds to x besides.
    dropout : float, default=0.0
        Share of the entries of both hidden layers that a training step drops.
    output : {"linear", "tanh"}, default="linear"
        The map s. "tanh" can give no value beyond -1 and 1.

    Raises
    ------
    ValueError
        If ``output`` is none of these.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import VariationalAutoencoder
    >>> with torch.random.fork_rng():
    ...     network = VariationalAutoencoder(6, hidden=4, latent=2).eval()
    >>> x = torch.zeros(3, 6)
    >>> reconstruction, mean, log_variance = network(x)
    >>> torch.equal(reconstruction, network.decode(mean))  # nothing random in evaluation
    True
    >>> VariationalAutoencoder.divergence(torch.tensor([[1.0, 0.0]]), torch.zeros(1, 2))
    tensor([0.5000])
    """

    def __init__(self, width, hidden, latent, n_conditions=0, noise=0.0, dropout=0.0, output="linear"):
        super().__init__(noise, output)
        self.encoder = nn.Sequential(nn.Linear(width + n_conditions, hidden), nn.ReLU(), Dropout(dropout))
        self.mean = nn.Linear(hidden, latent)
        self.log_variance = nn.Linear(hidden, latent)
        self.decoder = _two_layers(latent, hidden, width, dropout).append(_OUTPUTS[output]())

    def encode(self, x, conditions=None, mask=None):
        """The distribution of z.

        Parameters
        ----------
        x : Tensor of shape (batch, width)
            Vectors.
        conditions : Tensor of shape (batch, n_conditions), default=None
            What the network is told beside them.
        mask : Tensor of bool of shape (batch, width), default=None
            True where an entry is there; the others are taken as 0, and get no noise. None where all are.

        Returns
        -------
        mean, log_variance : Tensor of shape (batch, latent)
            Of each entry of z.
        """
        h = self.encoder(self._joined(x, conditions, mask))
        return self.mean(h), self.log_variance(h)

    def decode(self, z):
        """The reconstruction that belongs to z.

        Parameters
        ----------
        z : Tensor of shape (batch, latent)
            Narrow vectors.

        Returns
        -------
        Tensor of shape (batch, width)
            Reconstructions.
        """
        return self.decoder(z)

    def forward(self, x, conditions=None, mask=None):
        """Reconstruct, from a draw of z in training and from its mean in evaluation.

        Parameters
        ----------
        x : Tensor of shape (batch, width)
            Vectors.
        conditions : Tensor of shape (batch, n_conditions), default=None
            What the network is told beside them.
        mask : Tensor of bool of shape (batch, width), default=None
            True where an entry is there; the others are taken as 0, and get no noise. None where all are.

        Returns
        -------
        reconstruction : Tensor of shape (batch, width)
            Reconstructions.
        mean, log_variance : Tensor of shape (batch, latent)
            Of each entry of z.
        """
        mean, log_variance = self.encode(x, conditions, mask)
        z = mean
        if self.training:  # NOTE[DIFF] the original went on drawing in evaluation
            noise = self.noise.normal(mean.shape, mean.device).to(mean.dtype)
            z = mean + noise * torch.exp(0.5 * log_variance)
        return self.decode(z), mean, log_variance

    @staticmethod
    def divergence(mean, log_variance):
        r"""Kullback-Leibler divergence of z from N(0, I).

        It is :math:`\frac12 \sum (\mu^2 + \sigma^2 - \log \sigma^2 - 1)`.

        Parameters
        ----------
        mean, log_variance : Tensor of shape (batch, latent)
            Of each entry of z.

        Returns
        -------
        Tensor of shape (batch,)
            The divergence of each sample.
        """
        return 0.5 * (mean**2 + log_variance.exp() - log_variance - 1).sum(dim=1)
