"""Folders in transformers' layout that differ from the usual: what is read otherwise, and what is refused."""

import pytest
import torch
from test_bert_parity import HEADS, as_numpy, batch, compare, reference, theirs

from keras_nlp.models import Backbone, BertMaskedLM, BertTextClassifier, Task
from keras_zoo import PresetError


def test_a_masked_lm_with_a_decoder_of_its_own(tmp_path):
    """transformers' decoder may be another matrix than the embedding, here it is that; the backbone loads."""
    model = reference("BertForMaskedLM", tie_word_embeddings=False)
    model.save_pretrained(tmp_path / "untied")
    for load in (Task, BertMaskedLM):
        with pytest.raises(PresetError, match=r"cls\.predictions\.decoder\.weight differs from bert\.embeddings"):
            load.from_preset(tmp_path / "untied", preprocessor=None)
    hidden = Backbone.from_preset(tmp_path / "untied")(batch())["sequence_output"]
    expected = theirs(model.base_model, batch()).last_hidden_state
    torch.testing.assert_close(torch.tensor(as_numpy(hidden))[0], expected[0], atol=1e-4, rtol=0)
    with torch.no_grad():
        model.cls.predictions.decoder.weight.copy_(model.bert.embeddings.word_embeddings.weight)
    model.save_pretrained(tmp_path / "bias")
    with pytest.raises(PresetError, match=r"cls\.predictions\.decoder\.bias differs from cls\.predictions\.bias"):
        Task.from_preset(tmp_path / "bias", preprocessor=None)
    with torch.no_grad():
        model.cls.predictions.bias.copy_(model.cls.predictions.decoder.bias)
    model.save_pretrained(tmp_path / "same")
    compare(Task.from_preset(tmp_path / "same", preprocessor=None), model)
