"""BERT and GPT-2 against the real KerasHub: what it saved loads here, what is saved here loads there, and they agree.

Both libraries hold the same weights, so everything is compared three ways: KerasHub's model, ours from its folder, and
KerasHub's from the folder that ours was saved to.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_nlp.models import (
    Backbone,
    BertBackbone,
    BertTextClassifier,
    BertTextClassifierPreprocessor,
    BertTokenizer,
    Preprocessor,
    Task,
    Tokenizer,
)
from keras_nlp.models.bert import FAMILY
from keras_nlp.testing import tiny_byte_pair, tiny_word_piece

keras_hub = pytest.importorskip("keras_hub")
pytestmark = [pytest.mark.once, pytest.mark.filterwarnings("ignore")]  # KerasHub's own warn
TOLERANCE = {"atol": 1e-4, "rtol": 1e-4}
TEXTS = ["the king and the sea", "[SEP] The king, a [MASK]!", ""]
PAIRS = (["the king", "a sea"], ["of the moon", "king"])
SIZES = {"num_layers": 2, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 12, "max_sequence_length": 16}
TOKENIZER = tiny_word_piece(BertTokenizer)


def spread(model, seed=0):
    """Random values in every variable, so wide that a wrong one shows in the outputs."""
    random = np.random.default_rng(seed)
    for weight in model.weights:
        value = random.normal(0, 0.5, tuple(weight.shape)).astype("float32")
        weight.assign(1 + value / 3 if weight.path.endswith("gamma") else value)
    return model


def word_piece(**settings):
    return keras_hub.models.BertTokenizer(TOKENIZER.vocabulary, **settings)


def bert():
    return keras_hub.models.BertBackbone(vocabulary_size=len(TOKENIZER.vocabulary), **SIZES)


def classifier():
    preprocessor = keras_hub.models.BertTextClassifierPreprocessor(word_piece(lowercase=True), sequence_length=12)
    settings = {"num_classes": 3, "activation": "softmax", "dropout": 0.2}
    return keras_hub.models.BertTextClassifier(bert(), preprocessor=preprocessor, **settings)


def masked_lm():
    tokenizer = word_piece(special_tokens_in_strings=True, strip_accents=True)
    preprocessor = keras_hub.models.BertMaskedLMPreprocessor(tokenizer, sequence_length=12, mask_selection_length=3)
    return keras_hub.models.BertMaskedLM(bert(), preprocessor=preprocessor)


def embedder():
    preprocessor = keras_hub.models.BertTextEmbedderPreprocessor(word_piece(), sequence_length=12)
    return keras_hub.models.BertTextEmbedder(bert(), preprocessor=preprocessor, pooling_mode="cls", normalize=True)


def causal_lm():
    from keras_nlp.models import GPT2Tokenizer

    ours = tiny_byte_pair(GPT2Tokenizer)
    tokenizer = keras_hub.models.GPT2Tokenizer(ours.vocabulary, ours.merges)
    preprocessor = keras_hub.models.GPT2CausalLMPreprocessor(tokenizer, sequence_length=12, add_end_token=False)
    backbone = keras_hub.models.GPT2Backbone(vocabulary_size=len(ours.vocabulary), **SIZES)
    return keras_hub.models.GPT2CausalLM(backbone, preprocessor=preprocessor)


def example(model):
    """A batch of what the model takes, padded."""
    random, mask = np.random.default_rng(1), (np.arange(10) < np.array([[10], [4], [7]])).astype("int32")
    found = {"token_ids": random.integers(5, 100, (3, 10)).astype("int32") * mask, "padding_mask": mask}
    found["segment_ids"] = (np.arange(10) > 3).astype("int32") * mask
    found["mask_positions"] = np.array([[1, 4], [0, 3], [6, 0]], "int32")
    return {name: found[name] for name in model.input}


def outputs(model):
    """Where something is real."""
    batch = example(model)
    real = batch["padding_mask"].astype(bool)
    found = [keras.ops.convert_to_numpy(x) for x in keras.tree.flatten(model(batch))]
    return [x[real] if x.shape[:2] == real.shape else x for x in found]


def assert_agree(ours, theirs):
    for a, b in zip(outputs(ours), outputs(theirs), strict=True):
        assert np.abs(b).max() > 0.1 and b.std() > 0.01
        np.testing.assert_allclose(a, b, **TOLERANCE)


def assert_same_weights(a, b):
    for x, y in zip(a.weights, b.weights, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(x), keras.ops.convert_to_numpy(y))


def tokens(preprocessor, texts):
    """`{name: array}` by KerasHub's preprocessor, for which segments are tensors, or ours."""
    made = preprocessor(x=tuple(map(tf.constant, texts)) if isinstance(texts, tuple) else texts)
    made = made[0] if isinstance(made, tuple) else made
    return {name: np.asarray(x).astype("int32") for name, x in made.items()}


CASES = {
    "text classifier": (classifier, "BertTextClassifier"),
    "masked LM": (masked_lm, "BertMaskedLM"),
    "embedder": (embedder, "BertTextEmbedder"),
    "causal LM": (causal_lm, "GPT2CausalLM"),
}


@pytest.fixture(scope="module", params=CASES)
def three(request, tmp_path_factory):
    """`(theirs, ours, theirs again)`, each of the next two loaded from what the one before saved."""
    make, name = CASES[request.param]
    folder, theirs = tmp_path_factory.mktemp("itself"), spread(make())
    theirs.save_to_preset(str(folder / "theirs"))
    ours = Task.from_preset(folder / "theirs")
    ours.save_to_preset(folder / "ours", format="keras_hub")
    again = getattr(keras_hub.models, name).from_preset(str(folder / "ours"))
    assert type(ours).__name__ == type(again).__name__ == name
    return theirs, ours, again


def test_outputs(three):
    theirs, ours, again = three
    assert_agree(ours, theirs)
    assert_same_weights(again, theirs)


def test_configurations(three):
    theirs, _, again = three
    for part in ("backbone", "preprocessor"):
        before, after = (getattr(model, part).get_config() for model in (theirs, again))
        drop_names(before), drop_names(after)
        assert after == before
    settings = ("num_classes", "activation", "dropout", "pooling_mode", "normalize")
    for name in [name for name in settings if hasattr(theirs, name)]:
        before, after = (getattr(model, name) for model in (theirs, again))
        assert before == after


def drop_names(config):
    for value in [config, *config.values()]:
        if isinstance(value, dict):
            [value.pop(key, None) for key in ("name", "dtype", "module")]
    if "tokenizer" in config:
        drop_names(config["tokenizer"]["config"])


def test_tokens(three):
    theirs, ours, again = three
    if "mask_selection_length" in vars(ours.preprocessor):
        for texts in TEXTS:
            expected = np.asarray(theirs.preprocessor.tokenizer(texts)).tolist()
            assert ours.preprocessor.tokenizer(texts) == expected
            assert np.asarray(again.preprocessor.tokenizer(texts)).tolist() == expected
        return
    batches = [TEXTS] if "segment_ids" not in ours.input else [TEXTS, PAIRS]
    for texts in batches:
        expected = tokens(theirs.preprocessor, texts)
        for preprocessor in (ours.preprocessor, again.preprocessor):
            found = tokens(preprocessor, texts)
            assert set(found) == set(expected)
            for name, array in expected.items():
                np.testing.assert_array_equal(found[name], array)


def test_made_here(tmp_path):
    """A model that KerasHub never saw, with a preprocessor whose settings are the defaults here."""
    backbone = BertBackbone(**FAMILY.tiny, activation="gelu_approximate")
    tokenizer = BertTokenizer(TOKENIZER.vocabulary, lowercase=True)
    preprocessor = BertTextClassifierPreprocessor(tokenizer, sequence_length=12)
    task = spread(BertTextClassifier(backbone, preprocessor=preprocessor, class_names=["good", "bad"]))
    task.save_to_preset(tmp_path, format="keras_hub", max_shard_size=8e-6)
    theirs = keras_hub.models.TextClassifier.from_preset(str(tmp_path))
    for a, b in zip(outputs(task), outputs(theirs), strict=True):
        np.testing.assert_allclose(a, b, **TOLERANCE)
    for texts in (TEXTS, PAIRS):
        for name, array in tokens(theirs.preprocessor, texts).items():
            np.testing.assert_array_equal(tokens(task.preprocessor, texts)[name], array)


def test_shards_of_keras_hub(tmp_path):
    """Some of which share a layer."""
    theirs = spread(bert())
    theirs.save_to_preset(str(tmp_path), max_shard_size=4e-6)
    assert len(list(tmp_path.glob("model_*.weights.h5"))) > 1
    ours = Backbone.from_preset(tmp_path)
    assert_agree(ours, theirs)


def test_parts_alone(tmp_path):
    tokenizer = BertTokenizer(TOKENIZER.vocabulary, lowercase=True, special_tokens_in_strings=False)
    tokenizer.save_to_preset(tmp_path / "tokenizer", format="keras_hub")
    BertTextClassifierPreprocessor(tokenizer, 9).save_to_preset(tmp_path / "preprocessor", format="keras_hub")
    theirs = keras_hub.models.BertTextClassifierPreprocessor(word_piece(lowercase=True), sequence_length=9)
    theirs.save_to_preset(str(tmp_path / "theirs"))
    ours = Preprocessor.from_preset(tmp_path / "theirs")
    for name, array in tokens(theirs, TEXTS).items():
        np.testing.assert_array_equal(tokens(ours, TEXTS)[name], array)
    assert Tokenizer.from_preset(tmp_path / "tokenizer")("the king") == tokenizer("the king")
