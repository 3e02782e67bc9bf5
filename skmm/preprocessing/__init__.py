"""Images and scans before they are embedded: stateless steps that are lazy where their input is.

`GrayscaleNormalizer` brings images of any type and size to grey images of one type and size,
`HistogramEqualizer` spreads their grey levels.
"""

from skmm.preprocessing._grayscale_normalizer import GrayscaleNormalizer
from skmm.preprocessing._histogram_equalizer import HistogramEqualizer

__all__ = ["GrayscaleNormalizer", "HistogramEqualizer"]
