"""Texts on their way into a network: rows of ids of words, by a vocabulary of the training texts alone."""

import numpy as np
from sklearn.base import clone

from skmm.preprocessing import TextTokenizer

_LONGEST, _WORDS = 140, 14_999  # as published, where the user names no tokenizer
_KEPT = 1 << 24  # ids that are kept at hand, so that an epoch does not cut all texts into words again


class TextInput:
    """Texts as ids, 0 where there is no word.

    Parameters
    ----------
    name : str
        The modality, for messages.
    tokenizer : TextTokenizer, default=None
        Of which a copy is fitted; None for the published settings.
    """

    def __init__(self, name, tokenizer=None):
        self.tokenizer = None  # fitted
        self._name, self._given = name, tokenizer
        self._rows = {}

    def __getstate__(self):
        return {**self.__dict__, "_rows": {}}

    @property
    def shape(self):
        """Shape of a text's ids; () before any text was seen."""
        return () if self.tokenizer is None else (self.tokenizer.max_length_,)

    def learns_from(self, dtype):
        """Whether there is anything to learn."""
        del dtype
        return True

    def update(self, texts, weights):
        """Learn the vocabulary from training texts, once: the network has a vector for each of its words.

        A text counts once, however often it stands there: a repeated sample is the same as a weighted one.
        """
        del weights
        if self.tokenizer is not None:
            return
        try:
            self.tokenizer = self._fitted(sorted(set(texts)))
        except ValueError as error:
            raise ValueError(f"Modality {self._name!r}: {error}") from error

    # NOTE[DIFF] The published code fitted the tokenizer on all texts, and another one on those of the test.
    def _fitted(self, texts):
        """A tokenizer that knows the words of texts."""
        if self._given is not None:
            return clone(self._given).fit(texts)
        found = TextTokenizer(max_features=_WORDS).fit(texts)
        return found if found.max_length_ <= _LONGEST else found.set_params(max_length=_LONGEST).fit(texts)

    def __call__(self, texts, present, dtype):
        """A new array of ids, int64 of shape (n_rows, max_length), zero in the rows that are missing."""
        del dtype
        texts = [text if here else None for text, here in zip(texts, present, strict=True)]
        known = self._rows  # threads that predict at once replace it, and change nothing in it
        new = list({text for text in texts if text is not None and text not in known})
        if new:
            found = dict(zip(new, self.tokenizer.transform(new).astype(np.int32), strict=True))
            is_full = (len(known) + len(new)) * self.shape[0] > _KEPT
            self._rows = found if is_full else {**known, **found}
            known = {**known, **found}
        ids = np.zeros((len(texts), *self.shape), dtype=np.int64)
        for row, text in enumerate(texts):
            if text is not None:
                ids[row] = known[text]
        return ids
