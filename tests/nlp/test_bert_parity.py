"""BERT against transformers' own: every head, from its folder and back."""

import json

import keras
import numpy as np
import pytest
import torch
import transformers

from keras_nlp.models import Backbone, BertBackbone, BertMaskedLM, BertTextClassifier, BertTokenClassifier, Task
from keras_zoo import PresetError

SHAPE = {
    "vocab_size": 120,
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 40,
    "max_position_embeddings": 32,
}
HEADS = {
    "BertModel": {},
    "BertForSequenceClassification": {"id2label": {0: "bad", 1: "fair", 2: "good"}},
    "BertForMaskedLM": {"hidden_act": "gelu_new"},
    "BertForTokenClassification": {"id2label": {0: "O", 1: "B-PER", 2: "I-PER", 3: "B-LOC"}, "hidden_act": "relu"},
}


def reference(name, **config):
    """A random transformers model, scaled up so that its outputs are far from equal."""
    torch.manual_seed(0)
    model = getattr(transformers, name)(transformers.BertConfig(**SHAPE, **config)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3).add_(torch.randn_like(parameter) * 0.1)
    return model


def batch():
    random = np.random.default_rng(0)
    token_ids = random.integers(5, SHAPE["vocab_size"], (4, 16))
    mask = np.arange(16) < np.array([16, 9, 3, 1])[:, None]
    segment_ids = (np.arange(16) >= 6) * mask
    return {"token_ids": token_ids * mask, "padding_mask": mask.astype("int32"), "segment_ids": segment_ids}


def theirs(model, x):
    x = {name: torch.tensor(np.asarray(value, "int64")) for name, value in x.items()}
    with torch.no_grad():
        return model(x["token_ids"], attention_mask=x["padding_mask"], token_type_ids=x["segment_ids"])


def as_numpy(x):
    return keras.ops.convert_to_numpy(x)


@pytest.fixture(scope="module", params=HEADS)
def pair(request, tmp_path_factory):
    """`(transformers model, folder)`."""
    folder = tmp_path_factory.mktemp("reference")
    model = reference(request.param, **HEADS[request.param])
    model.save_pretrained(folder)
    return model, folder


def load(folder):
    """What the folder holds: its task, or the bare backbone."""
    bare = '"BertModel"' in (folder / "config.json").read_text()
    return BertBackbone.from_preset(folder) if bare else Task.from_preset(folder, preprocessor=None)


def compare(ours, model):
    x = batch()
    real = x["padding_mask"] == 1
    outputs = theirs(model, x)
    if isinstance(ours, BertBackbone):
        found = ours(x)
        np.testing.assert_allclose(
            as_numpy(found["sequence_output"])[real], outputs.last_hidden_state.numpy()[real], atol=1e-4
        )
        np.testing.assert_allclose(as_numpy(found["pooled_output"]), outputs.pooler_output.numpy(), atol=1e-4)
        return
    logits = outputs.logits.numpy()
    assert np.abs(logits).max() > 0.5
    if isinstance(ours, BertMaskedLM):
        x["mask_positions"] = np.tile(np.arange(16), (4, 1))
    rows = slice(None) if isinstance(ours, BertTextClassifier) else real
    np.testing.assert_allclose(as_numpy(ours(x))[rows], logits[rows], atol=1e-4)


def test_outputs(pair):
    model, folder = pair
    compare(load(folder), model)


def test_and_back(pair, tmp_path):
    """Saved for transformers, loaded there and here again."""
    model, folder = pair
    ours = load(folder)
    ours.save_to_preset(tmp_path / "saved", format="transformers")
    again = type(model).from_pretrained(tmp_path / "saved").eval()
    x = batch()
    for a, b in zip(theirs(again, x).values(), theirs(model, x).values(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    assert again.config.id2label == model.config.id2label
    assert type(load(tmp_path / "saved")).__name__ == type(ours).__name__
    compare(load(tmp_path / "saved"), model)


def test_classes_come_along(pair):
    model, folder = pair
    ours = load(folder)
    if hasattr(ours, "class_names"):
        assert ours.class_names == list(model.config.id2label.values())
        with pytest.raises(PresetError, match=f"made for num_classes={ours.num_classes}.*got.*num_classes=7"):
            type(ours).from_preset(folder, preprocessor=None, num_classes=7)


def test_another_head_starts_anew(pair):
    """Any folder gives the backbone, and any task on it."""
    model, folder = pair
    backbone = Backbone.from_preset(folder)
    expected = theirs(model.base_model, batch()).last_hidden_state
    np.testing.assert_allclose(as_numpy(backbone(batch())["sequence_output"])[0], expected[0], atol=1e-4)
    if type(model).__name__ != "BertForTokenClassification":
        tagger = BertTokenClassifier.from_preset(folder, preprocessor=None, num_classes=5)
        assert tagger(batch()).shape == (4, 16, 5)


def test_checkpoints_of_pretraining(tmp_path):
    """BERT as it was published: two heads, older names for normalisation, no word on the architecture."""
    model = reference("BertForPreTraining")
    state = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): value
        for name, value in model.state_dict().items()
    }
    torch.save(state, tmp_path / "pytorch_model.bin")
    config = model.config
    config.architectures = None
    config.save_pretrained(tmp_path)
    lm = BertMaskedLM.from_preset(tmp_path, preprocessor=None)
    x = batch()
    logits = theirs(model, x).prediction_logits.numpy()
    x["mask_positions"] = np.tile(np.arange(16), (4, 1))
    real = x["padding_mask"] == 1
    np.testing.assert_allclose(as_numpy(lm(x))[real], logits[real], atol=1e-4)


@pytest.mark.parametrize(
    ("labels", "problem"), [(1, "regression"), (4, "multi_label_classification"), (2, "single_label_classification")]
)
def test_problem_types(tmp_path, labels, problem):
    model = reference("BertForSequenceClassification", num_labels=labels, problem_type=problem)
    model.save_pretrained(tmp_path)
    ours = Task.from_preset(tmp_path, preprocessor=None)
    assert (ours.num_classes, ours.class_names) == (labels, None)
    assert ours.problem == problem.removesuffix("_classification")
    compare(ours, model)
    ours.save_to_preset(tmp_path / "saved", format="transformers")
    again = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "saved")
    assert (again.config.problem_type, again.config.num_labels) == (problem, labels)


@pytest.mark.parametrize(
    "setting", [{"position_embedding_type": "relative_key"}, {"is_decoder": True}, {"hidden_act": "silu"}], ids=str
)
def test_settings_that_are_not_expressed_are_refused(tmp_path, setting):
    model = reference("BertModel")
    model.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text()) | setting
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(PresetError, match=next(iter(setting))):
        BertBackbone.from_preset(tmp_path)
