"""Images, scans and texts before they are embedded or classified.

`GrayscaleNormalizer` brings images of any type and size to grey images of one type and size,
`HistogramEqualizer` spreads their grey levels: stateless steps that are lazy where their input is.
`TextTokenizer` learns a vocabulary and makes tables of word ids of texts.
"""

from skmm.preprocessing._grayscale_normalizer import GrayscaleNormalizer
from skmm.preprocessing._histogram_equalizer import HistogramEqualizer
from skmm.preprocessing._text_tokenizer import TextTokenizer

__all__ = ["GrayscaleNormalizer", "HistogramEqualizer", "TextTokenizer"]
