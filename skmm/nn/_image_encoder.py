"""A small convolutional encoder of images."""

from torch import nn

_LARGEST = 16  # side of the feature maps that the affine maps see, as for images of 64 x 64


class ImageEncoder(nn.Module):
    """Representation of an image: two convolutions, each with ReLU and pooling, and two affine maps.

    Channels grow to 16 and 32 while the size halves twice; the affine maps have 128 and ``width`` outputs.
    Feature maps larger than 16 x 16 are pooled to that, so that the number of parameters does not grow with
    the images: the first affine map has a million at most.

    Parameters
    ----------
    shape : tuple of int
        Channels, height and width of an image; 4 pixels or more a side.
    width : int
        Length of the representation.

    References
    ----------
    Wenderoth: MMdynamics-evolved, code on GitHub (SmallCNN), for images of 64 x 64.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import ImageEncoder
    >>> with torch.random.fork_rng():
    ...     encoder = ImageEncoder((3, 200, 300), 10)
    >>> encoder(torch.zeros(2, 3, 200, 300)).shape
    torch.Size([2, 10])
    """

    def __init__(self, shape, width):
        super().__init__()
        n_channels, *size = shape
        # Pooling before the ReLU changes nothing but that the ReLU has a quarter of the work.
        self.convolutions = nn.Sequential(
            nn.Conv2d(n_channels, 16, 3, padding=1),
            nn.MaxPool2d(2),
            nn.ReLU(inplace=True),
            nn.Conv2d(16, 32, 3, padding=1),
            nn.MaxPool2d(2),
            nn.ReLU(inplace=True),
        )
        reduced = [min(side // 4, _LARGEST) for side in size]
        # NOTE[DIFF] The published system takes 64 x 64 alone. An affine map of all pixels would have 67
        # million parameters at 512 x 512.
        larger = max(size) // 4 > _LARGEST
        self.pooling = nn.AdaptiveMaxPool2d(reduced) if larger else nn.Identity()
        self.affine = nn.Sequential(
            nn.Flatten(),
            nn.Linear(32 * reduced[0] * reduced[1], 128),
            nn.ReLU(inplace=True),
            nn.Linear(128, width),
        )

    def forward(self, x):
        """Representations.

        Parameters
        ----------
        x : Tensor of shape (batch, n_channels, height, width)
            The images, of the size that the encoder was made for.

        Returns
        -------
        Tensor of shape (batch, width)
            Their representations, before any nonlinearity.
        """
        return self.affine(self.pooling(self.convolutions(x)))
