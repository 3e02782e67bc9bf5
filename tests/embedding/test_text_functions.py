"""A transformer in a local folder: loaded without a download or foreign code, pooled over real tokens."""

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch

from skmm.embedding import TextEmbedder

IDS = {"[CLS]": 1, "heart": 2, "lung": 3, "clear": 4}


class Batch(dict):
    """What a tokenizer gives: tensors by name, which go to a device together."""

    def to(self, device):
        """They are where they should be."""
        return self


class Tokenizer:
    """Words as tokens after one that opens the text, padded at the end."""

    model_max_length = 5
    pad_token = None
    eos_token = None
    unk_token = "[UNK]"

    def __call__(self, texts, *, padding, truncation, max_length, return_tensors):
        """Ids and mask of texts."""
        assert padding
        assert truncation
        assert return_tensors == "pt"
        rows = [[1, *(IDS.get(word, 0) for word in text.split())][:max_length] for text in texts]
        longest = max(map(len, rows))
        ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
        mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
        return Batch(input_ids=ids, attention_mask=mask)


class Model(torch.nn.Module):
    """The vector of a token is its id, the id plus 10 where it is not in evaluation mode, and 7 if padded."""

    def __init__(self):
        super().__init__()
        self.config = SimpleNamespace(hidden_size=2, max_position_embeddings=4)
        self.sizes = []

    def forward(self, input_ids, attention_mask):
        """Vectors of tokens."""
        self.sizes.append(tuple(input_ids.shape))
        values = torch.where(attention_mask > 0, input_ids + 10 * self.training, 7).double()
        return SimpleNamespace(last_hidden_state=torch.stack([values, torch.ones_like(values)], dim=-1))


@pytest.fixture
def transformers(monkeypatch):
    """Stand in for the package, which notes how it is called."""
    module = ModuleType("transformers")
    module.calls, module.missing = [], ["pooler.dense.weight"]

    def loader(make):
        """Something with from_pretrained."""

        def from_pretrained(folder, **options):
            module.calls.append((folder, options))
            if not (folder / "config.json").is_file():
                raise OSError("no config.json in it")
            torch.rand(3)  # as where a part that the files lack is made at random
            module.last = make()
            if options.get("output_loading_info"):
                return module.last, {"missing_keys": module.missing}
            return module.last

        return SimpleNamespace(from_pretrained=from_pretrained)

    module.AutoTokenizer, module.AutoModel = loader(Tokenizer), loader(Model)
    monkeypatch.setitem(sys.modules, "transformers", module)
    return module


@pytest.fixture
def folder(tmp_path):
    """A folder that holds a transformer."""
    (tmp_path / "config.json").write_text("{}")
    return tmp_path


def test_the_mean_over_real_tokens(transformers, folder):
    """Padding has no influence, long texts are cut, and a blank text is a row of zeros that is told."""
    embedder = TextEmbedder(str(folder), batch_size=2).fit([None, "heart"])
    texts = ["heart lung clear", "heart", None, "clear " * 9, "  "]
    with pytest.warns(UserWarning, match=r"1 of 4 texts have no word .* \(rows 4\)"):
        embedded = embedder.transform(texts)

    assert embedded.dtype == np.float32
    expected = [[10 / 4, 1], [3 / 2, 1], [np.nan] * 2, [13 / 4, 1], [0, 0]]
    np.testing.assert_allclose(embedded, expected)
    assert transformers.last.sizes == [
        (1, 2),
        (2, 4),
        (1, 4),
    ]  # in batches of two, texts of a length together
    alone = np.vstack([embedder.transform([text]) for text in texts[:4]])
    np.testing.assert_array_equal(alone, embedded[:4])
    assert embedder.get_feature_names_out().tolist() == ["textembedder0", "textembedder1"]


def test_nothing_is_downloaded_and_no_foreign_code_is_run(transformers, folder):
    """Both parts are loaded from the folder only, without code that it may hold."""
    TextEmbedder(folder).fit(["heart"])

    assert len(transformers.calls) == 2
    for path, options in transformers.calls:
        assert path == folder
        assert options["local_files_only"] is True
        assert options["trust_remote_code"] is False


def test_a_folder_that_lacks_parameters_is_refused(transformers, folder):
    """No layer is silently random: the error names the missing parameters; a missing pooler is not used."""
    transformers.missing = ["encoder.layer.0.weight", "pooler.dense.weight"]

    with pytest.raises(ValueError, match=r"lacks 1 parameters .*'encoder.layer.0.weight'\), which would be"):
        TextEmbedder(folder).fit(["heart"])


def test_a_folder_without_a_transformer_is_named(transformers, tmp_path):
    """What cannot be loaded is an error that says what the folder should hold."""
    with pytest.raises(
        ValueError, match="holds no transformer that can be loaded: .*OSError: no config.json"
    ):
        TextEmbedder(tmp_path).fit(["heart"])


def test_without_the_package(monkeypatch, folder):
    """The error names the package, and the extra that installs it."""
    monkeypatch.setitem(sys.modules, "transformers", None)

    with pytest.raises(
        ImportError, match=r'TextEmbedder with a folder needs the package "transformers".*\[text\]'
    ):
        TextEmbedder(folder).fit(["heart"])
