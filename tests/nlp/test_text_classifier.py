"""Classifiers on raw texts and pairs: every source, every problem, class names, and what is refused."""

import warnings

import keras
import numpy as np
import pytest

from keras_nlp.models import (
    Backbone,
    BertBackbone,
    BertClassifier,
    BertTextClassifier,
    TextClassifier,
)
from keras_nlp.models.bert import FAMILY
from keras_nlp.testing import tiny_word_piece
from keras_zoo import PresetError, feeding, lora

TEXTS = ["the king and the queen", "an old man sang", "", "of the moon", "and of the stars", "where he sang", "the sea"]
SECOND = ["the mill", "", "a cat", "the sea and the moon", "he sang", "a donkey", "an old man"]
LABELS = [0, 1, 2, 1, 0, 2, 1]
LENGTH = 16


@pytest.fixture(scope="module")
def preprocessor():
    return BertTextClassifier.preprocessor_class(
        tiny_word_piece(BertTextClassifier.preprocessor_class.tokenizer_class), LENGTH
    )


def new_model(preprocessor, num_classes=3, **kwargs):
    keras.utils.set_random_seed(0)
    model = BertTextClassifier(
        BertBackbone(**FAMILY.tiny | {"dropout": 0.0}), num_classes, preprocessor, dropout=0.0, **kwargs
    )
    for weight in model.weights:
        weight.assign(weight * 8 if weight.name == "kernel" else weight)
    # XLA takes seconds for each model under TensorFlow; the fixture below has it compiled.
    model.compile(keras.optimizers.SGD(1e-2), jit_compile="auto" if keras.backend.backend() != "tensorflow" else False)
    return model


@pytest.fixture(scope="module")
def model(preprocessor):
    model = new_model(preprocessor, class_names=["bad", "fair", "good"])
    model.compile(keras.optimizers.SGD(1e-2))
    return model


class Samples:
    """A torch map-style data set of `(text or pair, label)`."""

    def __init__(self, rows):
        self.rows = rows

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        return self.rows[index]


def sources(texts, labels):
    """`{kind: arguments of fit}` for texts, or for a tuple of columns of them."""
    tf, torch = pytest.importorskip("tensorflow"), pytest.importorskip("torch")
    pairs = isinstance(texts, tuple)
    rows = list(zip(*texts, strict=True)) if pairs else texts
    samples = Samples(list(zip(rows, labels, strict=True)))
    found = {
        "list": (rows, labels, 4),
        "numpy": (np.array(rows), np.array(labels), 4),
        "tensor": (tf.constant(rows), tf.constant(labels), 4),
        "tf.data": (tf.data.Dataset.from_tensor_slices((texts, labels)).batch(4),),
        "DataLoader": (torch.utils.data.DataLoader(samples, 4),),
    }
    if pairs:
        names = ("text", "text_pair")
        found |= {"columns": (texts, labels, 4), "dictionary": (dict(zip(names, texts, strict=True)), labels, 4)}
    return found


@pytest.mark.parametrize("texts", [TEXTS, (TEXTS, SECOND)], ids=["texts", "pairs"])
def test_every_source_trains_alike(preprocessor, texts):
    """An epoch without shuffling ends with the same loss whatever the texts came in."""
    losses = {}
    for kind, arguments in sources(texts, LABELS).items():
        losses[kind] = new_model(preprocessor).fit(*arguments, shuffle=False, verbose=0).history["loss"][0]
    expected = new_model(None)
    x = preprocessor(texts)
    loss = expected.fit(x, np.array(LABELS), 4, shuffle=False, verbose=0).history["loss"][0]
    np.testing.assert_allclose(list(losses.values()), loss, rtol=1e-4, err_msg=str(losses))


def test_preprocessor(preprocessor):
    x = preprocessor((TEXTS, SECOND))
    tokenizer = preprocessor.tokenizer
    first, second = tokenizer(TEXTS[3]), tokenizer(SECOND[3])
    row = [tokenizer.cls_token_id, *first, tokenizer.sep_token_id, *second, tokenizer.sep_token_id]
    assert x["token_ids"][3][: len(row)].tolist() == row and x["padding_mask"][3].sum() == len(row)
    assert x["segment_ids"][3].tolist() == [0] * (len(first) + 2) + [1] * (len(second) + 1) + [0] * (LENGTH - len(row))
    one = preprocessor((TEXTS[3], SECOND[3]))
    for name, array in one.items():
        np.testing.assert_array_equal(array, x[name][3])
    assert preprocessor(TEXTS[3])["token_ids"].shape == (LENGTH,)
    for same in (list(zip(TEXTS, SECOND, strict=True)), {"text": TEXTS, "text_pair": SECOND}):
        np.testing.assert_array_equal(preprocessor(same)["token_ids"], x["token_ids"])


def test_predict_is_the_network_on_each_text(model, preprocessor):
    """Sorted by length and padded little, in the order given, whatever the batch size."""
    expected = keras.ops.convert_to_numpy(model(preprocessor(TEXTS)))
    for batch_size in (None, 1, 3):
        np.testing.assert_allclose(model.predict(TEXTS, batch_size, verbose=0), expected, atol=1e-5)
    tf = pytest.importorskip("tensorflow")
    dataset = tf.data.Dataset.from_tensor_slices(TEXTS).batch(3)
    np.testing.assert_allclose(model.predict(dataset, verbose=0), expected, atol=1e-5)
    pairs = keras.ops.convert_to_numpy(model(preprocessor((TEXTS, SECOND))))
    np.testing.assert_allclose(model.predict((TEXTS, SECOND), verbose=0), pairs, atol=1e-5)
    np.testing.assert_allclose(model.predict("the sea", verbose=0), expected[-1:], atol=1e-5)


def test_predict_without_a_preprocessor_takes_tensors(model, preprocessor):
    bare = BertTextClassifier(model.backbone, model.num_classes)
    bare.set_weights(model.get_weights())
    expected = model.predict(TEXTS, verbose=0)
    np.testing.assert_allclose(bare.predict(preprocessor(TEXTS), verbose=0), expected, atol=1e-5)


def test_predict_follows_the_weights(preprocessor):
    model = new_model(preprocessor)
    before = model.predict(TEXTS, verbose=0)
    model.fit(TEXTS, LABELS, verbose=0)
    after = model.predict(TEXTS, verbose=0)
    assert np.abs(after - before).max() > 1e-4
    np.testing.assert_allclose(after, keras.ops.convert_to_numpy(model(preprocessor(TEXTS))), atol=1e-5)


def test_an_overridden_step_is_used(preprocessor):
    class Doubled(BertTextClassifier):
        def predict_step(self, *args):
            outputs = super().predict_step(*args)
            return (outputs[0] * 2, outputs[1]) if isinstance(outputs, tuple) else outputs * 2

    keras.utils.set_random_seed(0)
    model = Doubled(BertBackbone(**FAMILY.tiny), 3, preprocessor)
    expected = keras.ops.convert_to_numpy(model(preprocessor(TEXTS)))
    np.testing.assert_allclose(model.predict(TEXTS, verbose=0), 2 * expected, atol=1e-5)


def test_names_and_probabilities(model, tmp_path):
    logits = model.predict(TEXTS, verbose=0)
    found = model.predict(TEXTS, return_classes=True, verbose=0)
    for row, result in zip(logits, found, strict=True):
        expected = np.exp(row) / np.exp(row).sum()
        np.testing.assert_allclose(list(result["probabilities"].values()), expected, atol=1e-6)
        assert list(result["probabilities"]) == ["bad", "fair", "good"]
        assert result["class_name"] == ["bad", "fair", "good"][row.argmax()]
        assert result["probability"] == max(result["probabilities"].values())
    model.save_to_preset(tmp_path)
    again = TextClassifier.from_preset(tmp_path)
    assert type(again) is BertTextClassifier is BertClassifier and again.class_names == model.class_names
    assert again.predict(TEXTS, return_classes=True, verbose=0) == found
    softmax = new_model(model.preprocessor, activation="softmax")
    np.testing.assert_allclose(softmax.predict(TEXTS, verbose=0).sum(1), 1, atol=1e-5)
    assert softmax.predict(TEXTS[:1], return_classes=True, verbose=0)[0]["class_name"] in (0, 1, 2)


def test_labels_by_name(preprocessor):
    names = ["bad", "fair", "good"]
    given = [names[i] for i in LABELS]
    tf = pytest.importorskip("tensorflow")
    losses = [
        new_model(preprocessor, class_names=names).fit(*data, shuffle=False, verbose=0).history["loss"][0]
        for data in (
            (TEXTS, LABELS, 4),
            (TEXTS, given, 4),
            (tf.data.Dataset.from_tensor_slices((TEXTS, given)).batch(4),),
        )
    ]
    np.testing.assert_allclose(losses, losses[0], rtol=1e-5)


def test_several_labels(preprocessor):
    model = new_model(preprocessor, None, problem="multi_label", class_names=["war", "love", "sea"])
    labels = np.random.default_rng(0).integers(0, 2, (7, 3))
    model.compile(keras.optimizers.Adam(1e-2))
    losses = model.fit(TEXTS, labels, epochs=8, verbose=0).history["loss"]
    assert losses[-1] < 0.7 * losses[0]
    result = model.predict(TEXTS, return_classes=True, verbose=0)[0]
    assert result["class_names"] == [name for name, p in result["probabilities"].items() if p > 0.5]
    with pytest.raises(ValueError, match=r"shape \(batch, 3\); got shape \(7, 2\)"):
        model.fit(TEXTS, labels[:, :2], verbose=0)


def test_regression(preprocessor):
    model = new_model(preprocessor, None, problem="regression")
    assert model.num_classes == 1
    model.compile(keras.optimizers.Adam(1e-2))
    values = np.linspace(-1, 1, 7)
    losses = model.fit(TEXTS, values, epochs=40, verbose=0).history["loss"]
    assert losses[-1] < 0.5 * losses[0]
    with pytest.raises(ValueError, match="has no classes"):
        model.predict(TEXTS, return_classes=True, verbose=0)


def test_one_batch_and_validation(preprocessor):
    model = new_model(preprocessor)
    loss = model.test_on_batch(TEXTS, LABELS)
    np.testing.assert_allclose(model.evaluate(TEXTS, LABELS, verbose=0), loss, rtol=1e-5)
    assert model.fit(TEXTS, LABELS, validation_split=0.3, verbose=0).history["val_loss"]


@pytest.mark.parametrize("labels", [[0, 1, 2, 1, 0, 3, 1], [-1, 1, 2, 1, 0, 2, 1], [0, 0.5, 1, 1, 1, 1, 1]], ids=str)
def test_labels_out_of_range(model, labels):
    with pytest.raises(ValueError, match=r"Labels must lie in \[0, 3\) for 3 classes; got \[(3|-1|0.5)\]"):
        model.fit(TEXTS, np.array(labels), verbose=0)


def test_labels_out_of_range_in_tf_data(model):
    tf = pytest.importorskip("tensorflow")
    with pytest.raises(Exception, match=r"Labels must lie in \[0, 3\)"):
        model.fit(tf.data.Dataset.from_tensor_slices((TEXTS, [3] * 7)).batch(4), verbose=0)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (["good", 3], "Expected text at position 1; got 3"),
        (["good", None], "Expected text at position 1; got None"),
        ([("a", "b"), ("c",)], r"same number of texts; got rows of \[1, 2\]"),
        ([("a", "b"), "c"], "Expected text at position 0"),
        ({"review": ["a"]}, r"keys \('text', 'text_pair'\).*got \['review'\]"),
        ((["a", "b"], ["c"]), "same size|same number of rows"),
        (3.5, "Expected a string"),
        ([("a", "b", "c")], "at most 2 segments; got 3"),
    ],
)
def test_bad_texts(model, x, message):
    with pytest.raises(ValueError, match=message):
        model.predict(x, verbose=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "needs num_classes or class_names"),
        ({"num_classes": 0}, "needs num_classes"),
        ({"num_classes": 2, "class_names": ["a"]}, "must be 2 different names"),
        ({"class_names": ["a", "a"]}, "2 different names"),
        ({"num_classes": 2, "problem": "ranking"}, "problem must be one of .*'ranking'"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        BertTextClassifier(BertBackbone(**FAMILY.tiny), **arguments)


def test_a_head_of_another_size(model, tmp_path):
    model.save_to_preset(tmp_path)
    with pytest.raises(PresetError, match=r"made for num_classes=3; got num_classes=5.*bare backbone"):
        TextClassifier.from_preset(tmp_path, num_classes=5)
    with pytest.raises(PresetError, match=r"made for num_classes=3; got num_classes=2.*bare backbone"):
        TextClassifier.from_preset(tmp_path, class_names=["bad", "good"])
    assert TextClassifier.from_preset(tmp_path, class_names=["x", "y", "z"]).class_names == ["x", "y", "z"]
    assert BertTextClassifier(Backbone.from_preset(tmp_path), num_classes=5).num_classes == 5
    with pytest.raises(ValueError, match="BertTextClassifier needs num_classes"):
        model.backbone.save_to_preset(tmp_path / "backbone")
        TextClassifier.from_preset(tmp_path / "backbone", preprocessor=None)


def test_long_texts_are_cut_with_a_word_once(model):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(3):
            outputs = model.predict(["the sea " * 600, "the sea"], verbose=0)
    assert [str(w.message) for w in caught if "sequence_length" in str(w.message)] == [
        "A text has more tokens than sequence_length and was cut. Further ones are cut without a word."
    ]
    np.testing.assert_allclose(outputs[:1], model.predict(["the sea " * 7], verbose=0), atol=1e-5)


def test_no_texts_and_generators_of_texts(model):
    assert model.predict([], verbose=0).shape == (0, 3)
    assert model.predict([], return_classes=True) == []
    found = model.predict((TEXTS[i : i + 3] for i in (0, 3)), verbose=0)
    np.testing.assert_allclose(found, model.predict(TEXTS[:6], verbose=0), atol=1e-5)


def test_missing_labels(preprocessor):
    model = new_model(preprocessor)
    for call in (model.fit, model.evaluate):
        with pytest.raises(ValueError, match="BertTextClassifier trains on labels: give y"):
            call(TEXTS, verbose=0)


def test_an_error_in_the_first_step_leaves_the_model_whole(preprocessor):
    model = new_model(preprocessor)
    model.fit(TEXTS, LABELS, verbose=0)
    before = model.predict(TEXTS, verbose=0)

    def loss(y_true, y_pred):
        raise ArithmeticError("no such loss")

    model.compile("sgd", loss, run_eagerly=keras.backend.backend() == "torch")
    for _ in range(2):
        with pytest.raises(ArithmeticError, match="no such loss"):
            model.fit(TEXTS, LABELS, verbose=0)
        np.testing.assert_allclose(model.predict(TEXTS, verbose=0), before, atol=1e-6)
    model.compile("sgd")
    assert np.isfinite(model.fit(TEXTS, LABELS, verbose=0).history["loss"]).all()


class Column:
    """A column of a table, whose rows are numbered by `labels` and not by their places, as pandas has it."""

    def __init__(self, values, labels):
        self.rows = dict(zip(labels, values, strict=True))

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, label):
        return self.rows[label]

    def to_numpy(self):
        return np.array(list(self.rows.values()))


def test_columns_of_tables(preprocessor):
    model = new_model(preprocessor)
    order = [3, 1, 0, 2, 6, 5, 4]
    texts, labels = (Column([column[i] for i in order], order) for column in (TEXTS, LABELS))
    data = feeding.Rows(model.preprocess, texts, labels, None, 3, False)
    assert np.concatenate([batch[1] for batch in data]).tolist() == [LABELS[i] for i in order]
    np.testing.assert_array_equal(model.predict(texts), model.predict([TEXTS[i] for i in order]))
    model.fit(texts, labels, verbose=0)


def test_other_variables_than_before(preprocessor, tmp_path):
    """Adapters and quantisation change what there is to compute with; predict follows."""
    model = new_model(preprocessor)
    before = model.predict(TEXTS)
    model.backbone.enable_lora(2)
    np.testing.assert_allclose(model.predict(TEXTS), before, atol=1e-5)
    for i, adapter in enumerate(lora.adapters(model.backbone)):
        adapter.b.assign(np.random.default_rng(i).normal(scale=3, size=adapter.b.shape))
    adapted = model.predict(TEXTS)
    assert abs(adapted - before).max() > 1e-3
    model.backbone.save_lora_weights(tmp_path / "adapters.safetensors")
    model.backbone.merge_lora_weights()
    np.testing.assert_allclose(model.predict(TEXTS), adapted, atol=1e-4)
    other = new_model(preprocessor)
    np.testing.assert_allclose(other.predict(TEXTS), before, atol=1e-5)
    other.backbone.load_lora_weights(tmp_path / "adapters.safetensors")
    np.testing.assert_allclose(other.predict(TEXTS), adapted, atol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "labels", "message"),
    [
        ({"num_classes": 1, "problem": "regression"}, np.ones((7, 3)), r"1 numbers takes as many a row; got .*3\)"),
        ({"num_classes": 3, "problem": "regression"}, np.ones((7, 1)), "3 numbers takes as many"),
        ({"num_classes": 3, "problem": "regression"}, np.ones(7), "3 numbers takes as many"),
        ({"num_classes": 2, "problem": "multi_label"}, np.full((7, 2), np.nan), "are 0 or 1"),
        ({"num_classes": 2}, np.array([[0.0], [7.0]] + [[1.0]] * 5), r"must lie in \[0, 2\).*got \[7.0\]"),
        ({"num_classes": 3}, np.eye(3)[LABELS], "compile with keras.losses.CategoricalCrossentropy"),
    ],
)
def test_labels_of_another_shape(preprocessor, arguments, labels, message):
    with pytest.raises(ValueError, match=message):
        BertTextClassifier(BertBackbone(**FAMILY.tiny), preprocessor=preprocessor, **arguments).fit(TEXTS, labels)


def test_one_hot_labels(preprocessor):
    """With a loss of one's own; the same as class numbers."""
    losses = []
    for loss, labels in [("auto", LABELS), (keras.losses.CategoricalCrossentropy(from_logits=True), np.eye(3)[LABELS])]:
        model = new_model(preprocessor)
        model.compile(keras.optimizers.SGD(1e-2), loss, jit_compile=False)
        losses.append(model.evaluate(TEXTS, labels, verbose=0))
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)


def test_class_weights_by_name(preprocessor):
    losses = []
    for weights in ({"bad": 2.0, "fair": 0.5, "good": 1.0}, {0: 2.0, 1: 0.5, 2: 1.0}, None):
        model = new_model(preprocessor, class_names=["bad", "fair", "good"])
        losses.append(model.fit(TEXTS, LABELS, class_weight=weights, shuffle=False, verbose=0).history["loss"][0])
    assert losses[0] == pytest.approx(losses[1]) != pytest.approx(losses[2])
    with pytest.raises(ValueError, match=r"Unknown class names \['worse'\]"):
        model.fit(TEXTS, LABELS, class_weight={"worse": 1.0})


def test_a_preprocessor_of_ones_own(preprocessor):
    """What its `call` does to texts is done in predict too."""

    class Shouting(type(preprocessor)):
        def call(self, x, y=None, sample_weight=None):
            return super().call(["the sea"] * len(x), y, sample_weight)

    model = new_model(Shouting(preprocessor.tokenizer, LENGTH))
    np.testing.assert_allclose(
        model.predict(TEXTS[:2], verbose=0), model.predict(["the sea"] * 2, verbose=0), atol=1e-6
    )


def test_lists_where_there_is_no_preprocessor(preprocessor):
    model = new_model(None)
    model.fit(preprocessor(TEXTS), LABELS, sample_weight=[1.0] * 7, verbose=0)
    new_model(preprocessor).fit(TEXTS, LABELS, validation_data=[TEXTS[:2], LABELS[:2]], verbose=0)


def test_what_does_not_go_together(model, preprocessor, tmp_path):
    small = BertBackbone(**FAMILY.tiny | {"vocabulary_size": 20})
    with pytest.raises(ValueError, match=r"The tokenizer has \d+ tokens, the backbone embeddings for 20"):
        BertTextClassifier(small, 2, preprocessor)
    with pytest.raises(ValueError, match="batch_size must be at least 1; got -1"):
        model.predict(TEXTS, batch_size=-1)
    with pytest.raises(ValueError, match="batch_size must be at least 1; got -1"):
        model.fit(TEXTS, LABELS, batch_size=-1)
    model.save_to_preset(tmp_path)
    assert TextClassifier.from_preset(tmp_path, num_classes=5, load_weights=False).class_names is None
    tf = pytest.importorskip("tensorflow")
    with pytest.raises(ValueError, match="trains on labels"):
        model.fit(tf.data.Dataset.from_tensor_slices(TEXTS).batch(2))
