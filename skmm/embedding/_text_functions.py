"""Texts to vectors by a function, or by a transformer in a local folder."""

import numpy as np
import torch

from skmm._optional import import_optional
from skmm._training import resolve_device, seeded_init
from skmm.containers._validation import quoted, shown


def vectors_of(function, texts, who, width=None):
    """What a function makes of texts: one vector each, of the width of fit."""
    vectors = np.asarray(function(texts)) if texts else np.empty((0, width or 0), np.float32)
    if (
        vectors.ndim != 2
        or len(vectors) != len(texts)
        or vectors.dtype.kind not in "biuf"
        or width not in (None, vectors.shape[1])
    ):
        expected = f"({len(texts)}, {'n_features' if width is None else width})"
        raise ValueError(
            f"The callable that {who} was given as vectors must return an array of shape {expected}, a "
            f"vector a text. Got shape {vectors.shape} of {vectors.dtype} instead."
        )
    vectors = vectors if vectors.dtype in (np.float32, np.float64) else vectors.astype(np.float32)
    if not np.isfinite(vectors).all():
        raise ValueError(
            f"The callable that {who} was given as vectors must return finite numbers. Got NaN or infinity "
            f"for the texts {shown(np.flatnonzero(~np.isfinite(vectors).all(axis=1)))} that it was handed."
        )
    return vectors


class LocalTransformer:
    """Mean of the last layer over the tokens of a text, by a net that Hugging Face's transformers loads.

    Nothing is downloaded, and no code that the folder may hold is run.

    Parameters
    ----------
    folder : path
        What ``save_pretrained`` of a model and of its tokenizer wrote.
    batch_size : int
        Texts that the net sees at once.
    device : str
        Where it runs.
    who : str
        For messages.

    Raises
    ------
    ImportError
        If transformers is not installed.
    ValueError
        If the folder holds no transformer that can be loaded, or not all of its parameters.
    """

    def __init__(self, folder, *, batch_size, device, who):
        transformers = import_optional("transformers", extra="text", who=f"{who} with a folder")
        self.batch_size, self.device = batch_size, resolve_device(device)
        local = {"local_files_only": True, "trust_remote_code": False}
        try:
            with seeded_init(0):  # it initializes before it loads, from torch's global generator
                self.tokenizer = transformers.AutoTokenizer.from_pretrained(folder, **local)
                self.model, told = transformers.AutoModel.from_pretrained(
                    folder, output_loading_info=True, **local
                )
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise ValueError(
                f"The folder {str(folder)!r} holds no transformer that can be loaded: it needs what "
                f"save_pretrained of a model and of its tokenizer writes. ({type(error).__name__}: "
                f"{str(error).partition(chr(10))[0]})"
            ) from error
        # The pooler has no part in the last layer, and many published files lack it.
        random = sorted(name for name in told["missing_keys"] if "pooler" not in name)
        if random:
            raise ValueError(
                f"The folder {str(folder)!r} lacks {len(random)} parameters of its transformer "
                f"({quoted(random)}), which would be random. Save the whole model again."
            )
        self.model.eval().to(self.device)
        if self.tokenizer.pad_token is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token or self.tokenizer.unk_token
        limits = (
            self.tokenizer.model_max_length,
            getattr(self.model.config, "max_position_embeddings", None),
        )
        self.max_length = min(limit for limit in limits if limit)

    def __call__(self, texts):
        """Vectors of texts, float32 of shape (n_texts, n_features); zeros where a text is blank."""
        vectors = np.zeros((len(texts), self.model.config.hidden_size), dtype=np.float32)
        told = [row for row, text in enumerate(texts) if text.strip()]
        told.sort(key=lambda row: len(texts[row]))  # texts of one length are padded least
        for start in range(0, len(told), self.batch_size):
            rows = told[start : start + self.batch_size]
            vectors[rows] = self._embed([texts[row] for row in rows])
        return vectors

    def _embed(self, texts):
        """Vectors of one batch."""
        batch = self.tokenizer(
            texts, padding=True, truncation=True, max_length=self.max_length, return_tensors="pt"
        ).to(self.device)
        with torch.inference_mode():
            hidden = self.model(**batch).last_hidden_state.float()  # (batch, tokens, width)
        mask = batch["attention_mask"].unsqueeze(-1).to(hidden.dtype)
        return ((hidden * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)).cpu().numpy()
