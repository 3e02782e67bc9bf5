"""TextEmbedder: from texts to vectors, by the vectors of their words or by a function of the text."""

import os
import warnings
from collections.abc import Mapping
from itertools import islice
from numbers import Integral
from pathlib import Path

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from skmm._text import Cleaning, as_texts, most_frequent, vocabulary_to_json
from skmm._training import Choice, Instance, Number, check_parameters, draw_seed
from skmm.containers._sources import file_stamp
from skmm.containers._validation import quoted, shown
from skmm.embedding._backbones import Kept
from skmm.embedding._learned_words import learn_vectors
from skmm.embedding._text_functions import LocalTransformer, vectors_of
from skmm.embedding._word_pooling import composed, inverse_frequencies, known_words, pool_words
from skmm.embedding._word_vectors import as_word_vectors, read_word_vectors, write_word_vectors

_READ = Kept(1)  # the file read last, which the folds of a search share
_COUNT = Number(Integral, 1)
_RULES = {
    "pooling": (Choice(("mean", "tfidf")),),
    "max_features": (Choice((None,)), _COUNT),
    "n_components": (_COUNT,),
    "window": (_COUNT,),
    "min_count": (_COUNT,),
    "encoding": (Instance(str, "the name of an encoding"),),
    "decode_error": (Choice(("strict", "ignore", "replace")),),
    "batch_size": (_COUNT,),
    "device": (Instance(str, "the name of a device"),),
}


class TextEmbedder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    r"""Turn texts into vectors: means of the vectors of their words, or what a function makes of a text.

    The vector of a text with words :math:`w_1, \dots, w_n` is :math:`\sum_i a(w_i) v(w_i) / \sum_i a(w_i)`,
    where v(w) is the vector of a word and a(w) its weight. Vectors come from a file, or are learned from the
    texts of ``fit``, which need no labels: v(w) is a row of :math:`U_d \sqrt{\Sigma_d}`, the truncated
    singular value decomposition of the positive pointwise mutual information of words and their neighbours,

    .. math:: \max\left(0, \log \frac{\#(w, c) \sum_{c'} \#(c')^{0.75}}{\#(w)\, \#(c)^{0.75}}\right),

    where #(w, c) counts how often c stands within a window around w, and #(w), #(c) are its sums.

    Parameters
    ----------
    vectors : None, path, mapping or callable, default=None
        None learns the vectors. The path of a file of word vectors: text as GloVe and word2vec write it, or
        word2vec's binary, also compressed by gzip. The path of a folder: a transformer that Hugging Face's
        transformers loads (``save_pretrained``), of which the mean of the last layer is taken. A mapping of
        words to vectors, or gensim's KeyedVectors. A callable from a list of str to an array (n_texts,
        n_features).
    pooling : {"mean", "tfidf"}, default="mean"
        Weights of words: 1, or their inverse document frequency in the texts of ``fit``,
        :math:`\ln((1 + n) / (1 + df)) + 1`.
    lowercase : bool, default=True
        Whether words are made lower case; False for a file whose words have both.
    remove_digits : bool, default=False
        Whether digits of any script are removed.
    remove_punctuation : bool, default=True
        Whether punctuation of any script, and the symbols of ASCII, are removed.
    join_removed : bool, default=False
        Whether what is left is one word where no white space stood, as in `TextTokenizer`.
    stop_words : {"english"}, list of str or None, default=None
        Words that are left out, as they are after cleaning. "english" is scikit-learn's list.
    stop_words_first : bool, default=False
        Whether stop words are left out before punctuation is removed.
    min_token_length : int, default=1
        Characters that a word has at least.
    max_features : int or None, default=None
        Words that have a vector, at most: the most frequent that are learned, or the first of a file.
    n_components : int, default=100
        Length d of a vector that is learned.
    window : int, default=5
        Words to each side that are neighbours.
    min_count : int, default=2
        How often a word must stand in the texts of ``fit`` for its vector to be learned.
    encoding : str, default="utf-8"
        Of the words of a file.
    decode_error : {"strict", "ignore", "replace"}, default="strict"
        What is done about a word of a file that is not in this encoding: "strict" raises.
    batch_size : int, default=32
        Texts that a transformer sees at once.
    device : str, default="cpu"
        Where a transformer runs: "cpu", "cuda" or "auto".
    random_state : int, RandomState or None, default=None
        Seed of the decomposition of a large matrix.

    Attributes
    ----------
    vocabulary_ : dict of str -> int
        Row of each word in ``word_vectors_``. Only where words have vectors.
    word_vectors_ : ndarray of float32 of shape (n_words, n_features)
        Their vectors.
    coverage_ : float
        Share of the words of the texts of ``fit``, counted as often as they stand there, that have one.
    idf_ : ndarray of shape (n_words,)
        Their weights, for ``pooling="tfidf"``.

    Raises
    ------
    ValueError
        If a parameter is not allowed, X is no sequence of str, no word of the texts of ``fit`` has a vector,
        a file is damaged (names the line), or a function returns something else than one vector a text.
    FileNotFoundError
        If there is no file or folder.
    ImportError
        If a folder is given and transformers is not installed.

    Warns
    -----
    UserWarning
        If texts have no word with a vector: they become zeros. If fewer words are learned than a vector is
        to have numbers: it has as many as there are words.

    See Also
    --------
    skmm.preprocessing.TextTokenizer : The words of texts as ids.
    sklearn.feature_extraction.text.TfidfVectorizer : Counts of words; it works in ModalityTransformer too.

    Notes
    -----
    Words are cut out as by `TextTokenizer` with the same parameters. A text that is missing is a row of NaN,
    as images are for ImageEmbedder; ModalityTransformer hands over the present texts only.

    Vectors that are to be learned from many unlabelled texts are learned once, and kept in a file for
    ``vectors``: ``TextEmbedder().fit(texts).to_word2vec(path)``.

    References
    ----------
    O. Levy and Y. Goldberg, "Neural word embedding as implicit matrix factorization", NeurIPS 2014. The
    exponent 0.75 is the context distribution smoothing of O. Levy, Y. Goldberg and I. Dagan, "Improving
    distributional similarity with lessons learned from word embeddings", TACL 3, 2015.

    Examples
    --------
    >>> from skmm.embedding import TextEmbedder
    >>> vectors = {"heart": [1.0, 0.0], "enlarged": [0.0, 1.0]}
    >>> TextEmbedder(vectors).fit_transform(["Heart: enlarged.", "The heart"])
    array([[0.5, 0.5],
           [1. , 0. ]], dtype=float32)
    >>> reports = ["left lung clear", "right lung clear", "left rib broken", "right rib broken"]
    >>> embedder = TextEmbedder(n_components=3).fit(reports)
    >>> embedder.transform(reports).shape
    (4, 3)
    >>> list(embedder.vocabulary_)
    ['broken', 'clear', 'left', 'lung', 'rib', 'right']
    """

    def __init__(
        self,
        vectors=None,
        *,
        pooling="mean",
        lowercase=True,
        remove_digits=False,
        remove_punctuation=True,
        join_removed=False,
        stop_words=None,
        stop_words_first=False,
        min_token_length=1,
        max_features=None,
        n_components=100,
        window=5,
        min_count=2,
        encoding="utf-8",
        decode_error="strict",
        batch_size=32,
        device="cpu",
        random_state=None,
    ):
        self.vectors = vectors
        self.pooling = pooling
        self.lowercase = lowercase
        self.remove_digits = remove_digits
        self.remove_punctuation = remove_punctuation
        self.join_removed = join_removed
        self.stop_words = stop_words
        self.stop_words_first = stop_words_first
        self.min_token_length = min_token_length
        self.max_features = max_features
        self.n_components = n_components
        self.window = window
        self.min_count = min_count
        self.encoding = encoding
        self.decode_error = decode_error
        self.batch_size = batch_size
        self.device = device
        self.random_state = random_state

    def fit(self, X, y=None):
        """Read or learn the vectors, and learn the weights of words.

        Parameters
        ----------
        X : sequence of str
            Training texts, without labels; None where one is missing.
        y : None
            Not used.

        Returns
        -------
        self : TextEmbedder
            Fitted.

        Raises
        ------
        ValueError
            If X is no sequence of str, none is present, or none of their words has a vector.
        """
        del y
        check_parameters(self, _RULES)
        who, cleaning = type(self).__name__, Cleaning.of(self)
        texts = [text for text in as_texts(X, who) if text is not None]
        if not texts:
            raise ValueError(f"{who} needs texts to fit, and X holds none that is present.")
        for name in ("vocabulary_", "word_vectors_", "coverage_", "idf_", "_function"):
            vars(self).pop(name, None)
        function = self._as_function()
        if function is not None:
            if self.pooling == "tfidf":
                raise ValueError(
                    f"{who}(pooling='tfidf') weights words, and these vectors are of whole texts."
                )
            self._n_features_out = vectors_of(function, texts[:1], who).shape[1]
            self._function = function
            return self
        words = [[word.text for word in cleaning.words(text)] for text in texts]
        vocabulary, vectors = self._word_vectors(words)
        documents = known_words(words, vocabulary)
        n_known, n_words = sum(map(len, documents)), sum(map(len, words))
        if not n_known:
            raise ValueError(
                f"{who} knows none of the {n_words} words of the {len(texts)} texts of fit: check the "
                f"language and lowercase. Of its {len(vocabulary)} words the first are {quoted(vocabulary)}."
            )
        if self.pooling == "tfidf":
            self.idf_ = inverse_frequencies(documents, len(vocabulary))
        self._cleaning, self.vocabulary_, self.word_vectors_ = cleaning, vocabulary, vectors
        self.coverage_, self._n_features_out = n_known / n_words, vectors.shape[1]
        return self

    def transform(self, X):
        """Embed texts.

        Parameters
        ----------
        X : sequence of str
            Texts; None where one is missing.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            A vector a text, NaN for a missing one, zeros for one without a word that has a vector. float32,
            but what a callable returns keeps float64.

        Raises
        ------
        ValueError
            If X is no sequence of str.
        """
        check_is_fitted(self, "_n_features_out")
        who = type(self).__name__
        texts = as_texts(X, who)
        present = np.flatnonzero([text is not None for text in texts])
        if hasattr(self, "_function"):
            vectors = vectors_of(self._function, list(texts[present]), who, self._n_features_out)
            empty = present[:0]
            if isinstance(self._function, LocalTransformer):
                empty = present[[not texts[row].strip() for row in present]]
        else:
            words = [[word.text for word in self._cleaning.words(texts[row])] for row in present]
            documents = known_words(words, self.vocabulary_)
            vectors = pool_words(documents, self.word_vectors_, getattr(self, "idf_", None))
            empty = present[[not len(document) for document in documents]]
        if len(empty):
            warnings.warn(
                f"{who}: {len(empty)} of {len(present)} texts have no word with a vector and become zeros "
                f"(rows {shown(empty)}).",
                UserWarning,
                stacklevel=2,
            )
        if len(present) == len(texts):
            return vectors
        spread = np.full((len(texts), self._n_features_out), np.nan, dtype=vectors.dtype)
        spread[present] = vectors
        return spread

    def to_json(self, path=None):
        """Write the vocabulary as JSON, an object of word to row.

        Parameters
        ----------
        path : str or path, default=None
            The file, which is overwritten. None: as a str.

        Returns
        -------
        str or None
            The JSON where there is no path.

        Raises
        ------
        ValueError
            If a function embeds whole texts, and there are no words.

        Examples
        --------
        >>> from skmm.embedding import TextEmbedder
        >>> print(TextEmbedder({"heart": [1.0, 0.0]}).fit(["the heart"]).to_json())
        {
        "heart": 0
        }
        """
        self._check_words()
        return vocabulary_to_json(self.vocabulary_, path)

    def to_word2vec(self, path):
        """Write words and vectors in word2vec's text format, which ``vectors`` takes, as do other programs.

        Parameters
        ----------
        path : str or path
            The file, which is overwritten.

        Raises
        ------
        ValueError
            If a function embeds whole texts, and there are no words.

        Examples
        --------
        >>> import tempfile
        >>> from pathlib import Path
        >>> from skmm.embedding import TextEmbedder
        >>> embedder = TextEmbedder({"heart": [1.0, 0.5]}).fit(["the heart"])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     embedder.to_word2vec(Path(folder) / "vectors.txt")
        ...     print((Path(folder) / "vectors.txt").read_text())
        1 2
        heart 1 0.5
        """
        self._check_words()
        write_word_vectors(path, self.vocabulary_, self.word_vectors_)

    def __sklearn_is_fitted__(self):
        """Whether it has learned what comes out."""
        return hasattr(self, "_n_features_out")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        return tags

    def _check_words(self):
        """Raise where there are no words."""
        check_is_fitted(self)
        if hasattr(self, "_function"):
            raise ValueError(f"{type(self).__name__} has no words here: a function embeds whole texts.")

    def _as_function(self):
        """What embeds whole texts, or None where words have vectors."""
        given, who = self.vectors, type(self).__name__
        if isinstance(given, (str, os.PathLike)):
            path = Path(given).expanduser()
            if path.is_dir():
                return LocalTransformer(path, batch_size=self.batch_size, device=self.device, who=who)
            return None
        if given is None or isinstance(given, Mapping) or hasattr(given, "key_to_index"):
            return None
        if callable(given):
            return given
        raise ValueError(
            f"The 'vectors' parameter of {who} must be None, the path of a file or folder, a mapping of "
            f"words to vectors, or a callable. Got {given!r} instead."
        )

    def _word_vectors(self, words):
        """The vocabulary and its vectors: read, taken from the user, or learned from words of texts."""
        given, who = self.vectors, type(self).__name__
        if given is None:
            return self._learn(words)
        if not isinstance(given, (str, os.PathLike)):
            vocabulary, vectors = as_word_vectors(given, who)
            n_words = min(len(vectors), self.max_features or len(vectors))
            return composed(dict(islice(vocabulary.items(), n_words))), vectors[:n_words]
        path = Path(given).expanduser()
        options = {
            "max_features": self.max_features,
            "encoding": self.encoding,
            "decode_error": self.decode_error,
        }
        key = (os.path.realpath(path), file_stamp(path), *options.values())
        vocabulary, vectors = _READ.get(key, lambda: read_word_vectors(path, **options))
        return composed(vocabulary), vectors

    def _learn(self, words):
        """The vocabulary of texts, and vectors that are learned from them."""
        who = type(self).__name__
        ranked = most_frequent(words, max_features=self.max_features, min_count=self.min_count)
        vocabulary = {word: row for row, word in enumerate(ranked)}
        documents = known_words(words, vocabulary)
        if max(map(len, documents)) < 2:
            raise ValueError(
                f"{who} learns vectors from words that stand together. Of the {len(words)} texts of fit none "
                f"has two words that stand in them {self.min_count} times or more (min_count): give more "
                "texts, or a file of vectors."
            )
        n_components = min(self.n_components, len(vocabulary))
        if n_components < self.n_components:
            warnings.warn(
                f"{who}: vectors have {n_components} numbers, fewer than n_components={self.n_components}, "
                f"because no more words stand {self.min_count} times or more in the texts of fit.",
                UserWarning,
                stacklevel=4,
            )
        vectors = learn_vectors(
            documents,
            len(vocabulary),
            window=self.window,
            n_components=n_components,
            seed=draw_seed(self.random_state),
        )
        return vocabulary, vectors
