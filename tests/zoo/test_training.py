"""Fine-tuning: freezing layers, the schedule, and what Keras itself has for training, on tasks and raw strings."""

import itertools
import json

import keras
import numpy as np
import pytest

from keras_nlp.layers.packing import pack
from keras_nlp.models import GPT2Backbone, GPT2CausalLM
from keras_nlp.models.gpt2 import FAMILY
from keras_zoo import Preprocessor, Task, WarmUpDecay

TEXTS = ["a good king", "a bad queen", "the good old sea", "bad stars", "good", "bad", "the good moon", "so bad a man"]
LABELS = np.array([1, 0, 1, 0, 1, 0, 1, 0])


class LabelledText(Preprocessor):
    """Strings with labels to token dictionaries with labels."""

    def __init__(self, tokenizer, sequence_length=8):
        self.tokenizer, self.sequence_length = tokenizer, sequence_length

    def call(self, x, y=None, sample_weight=None):
        strings = [s.decode() if isinstance(s, bytes) else str(s) for s in np.asarray(x).tolist()]
        token_ids, mask = pack(self.tokenizer.encode(strings), self.sequence_length)
        return keras.utils.pack_x_y_sample_weight({"token_ids": token_ids, "padding_mask": mask}, y, sample_weight)


class Classifier(Task):
    """Two classes by the mean of the hidden states."""

    preprocessor_class = LabelledText

    def __init__(self, backbone, preprocessor=None, **kwargs):
        inputs = backbone.input
        pooled = keras.layers.GlobalAveragePooling1D(name="pool")(backbone(inputs), mask=inputs["padding_mask"])
        logits = keras.layers.Dense(2, name="logits", dtype=backbone.dtype_policy)(pooled)
        super().__init__(inputs, logits, backbone, preprocessor, **kwargs)

    def compile(self, optimizer="sgd", **kwargs):
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        super().compile(optimizer, loss, **{"metrics": ["accuracy"]} | kwargs)


def backbone(**overrides):
    keras.utils.set_random_seed(0)
    return GPT2Backbone(**FAMILY.tiny | {"dropout": 0.0} | overrides)


@pytest.fixture
def classifier(tokenizer):
    return Classifier(backbone(num_layers=1), LabelledText(tokenizer))


def values(weights):
    return {weight.path: keras.ops.convert_to_numpy(weight).copy() for weight in weights}


def assert_near(found, expected, tolerance=1e-6):
    assert found.keys() == expected.keys()
    for path, value in found.items():
        np.testing.assert_allclose(value, expected[path], atol=tolerance, err_msg=path)


def fitted(model, start, optimizer=None, x=TEXTS, y=LABELS, epochs=1, batch_size=4, **options):
    """The model's weights and its history after `fit` from the weights `start`, on rows in their order."""
    for weight in model.weights:
        weight.assign(start[weight.path])
    model.compile(optimizer or keras.optimizers.SGD(0.5))
    history = model.fit(x, y, batch_size, epochs, shuffle=False, verbose=0, **options).history
    return values(model.weights), history


# Freezing.

BLOCKS = [f"transformer_layer_{i}" for i in (0, 1)]
EMBEDDINGS = ["token_embedding", "position_embedding"]


def training(model):
    """The outer layers of which something trains."""
    return list(dict.fromkeys(w.path.split("/")[0] for w in model.trainable_weights))


@pytest.mark.parametrize(
    ("patterns", "until", "left"),
    [
        ((), None, []),
        (("*embedding",), None, [*BLOCKS, "layer_norm"]),
        ((), "transformer_layer_0", [BLOCKS[1], "layer_norm"]),
        (("layer_norm",), "transformer_layer_0", [BLOCKS[1]]),
        (("token_embedding", "transformer_layer_1/*"), None, ["position_embedding", BLOCKS[0], "layer_norm"]),
    ],
    ids=str,
)
def test_freeze_and_back(patterns, until, left):
    model = backbone()
    model.freeze(*patterns, until=until)
    assert training(model) == left
    model.unfreeze()
    assert training(model) == [*EMBEDDINGS, *BLOCKS, "layer_norm"]


def test_parts_of_blocks():
    model = backbone()
    model.freeze("attention")
    assert not any("/attention/" in w.path for w in model.trainable_weights) and training(model)[2:4] == BLOCKS
    model.freeze()
    model.unfreeze("transformer_layer_1/attention/*")
    assert len(model.trainable_weights) == 8 and training(model) == BLOCKS[1:]
    model.freeze("transformer_layer_1")
    assert not model.trainable_weights
    model.trainable = False
    model.unfreeze("layer_norm")
    assert training(model) == ["layer_norm"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda m: m.freeze("embeddings"),
            "name 'embeddings' or a path that .* are token_embedding, position_embedding",
        ),
        (lambda m: m.freeze("layer_norm", "transformer_layer_9"), "'transformer_layer_9'.*inside them are .*query"),
        (lambda m: m.unfreeze("nothing*"), r"'nothing\*'"),
        (lambda m: m.freeze(until="attention"), "one of the outer layers, token_embedding.*; got 'attention'"),
    ],
)
def test_names_that_fit_nothing(call, message):
    model = backbone()
    with pytest.raises(ValueError, match=message):
        call(model)
    assert training(model) == [*EMBEDDINGS, *BLOCKS, "layer_norm"]


def test_frozen_weights_stay(classifier, tmp_path):
    classifier.backbone.freeze(until="transformer_layer_0")
    before = values(classifier.weights)
    after, _ = fitted(classifier, before)
    moved = {path.split("/")[0] for path, value in after.items() if (value != before[path]).any()}
    assert moved == {"layer_norm", "logits"}
    classifier.backbone.unfreeze("token_embedding")
    with pytest.raises(ValueError, match=r"4 weights then, 5 now\. Call compile\(\) again, with a new optimizer"):
        classifier.fit(TEXTS, LABELS, verbose=0)
    with pytest.raises(ValueError, match=r"Call compile\(\) again"):
        classifier.train_on_batch(TEXTS, LABELS)
    before = values(classifier.weights)
    after, _ = fitted(classifier, before)
    assert (after["token_embedding/embeddings"] != before["token_embedding/embeddings"]).any()
    assert (after["position_embedding/embeddings"] == before["position_embedding/embeddings"]).all()


def test_freezing_what_a_file_has_compiled(tmp_path):
    """A loaded task has the optimizer of the saved one, built for all of its weights."""
    GPT2CausalLM(backbone(num_layers=1)).save(tmp_path / "lm.keras")
    lm = keras.saving.load_model(tmp_path / "lm.keras")
    lm.backbone.freeze("*embedding")
    x = {"token_ids": np.ones((1, 4), "int32"), "padding_mask": np.ones((1, 4), "int32")}
    with pytest.raises(ValueError, match=r"20 weights then, 18 now"):
        lm.train_on_batch(x, x["token_ids"])


# The schedule.


def rates(schedule, steps):
    return np.array([float(keras.ops.convert_to_numpy(schedule(step))) for step in steps])


def test_rates():
    schedule = WarmUpDecay(2e-3, 2600, 100)
    np.testing.assert_allclose(
        rates(schedule, [0, 50, 100, 1350, 2599, 2600, 3000]) / 2e-3, [0, 0.5, 1, 0.5, 1 / 2500, 0, 0]
    )
    np.testing.assert_allclose(rates(WarmUpDecay(1.0, 10), [0, 5, 10]), [1, 0.5, 0])
    np.testing.assert_allclose(rates(WarmUpDecay(1.0, 10, 2, "constant"), [0, 1, 2, 9, 20]), [0, 0.5, 1, 1, 1])
    np.testing.assert_allclose(
        rates(WarmUpDecay(1.0, 10, 2, end_learning_rate=0.2), [0, 2, 6, 10, 20]), [0, 1, 0.6, 0.2, 0.2], atol=1e-6
    )


@pytest.mark.parametrize("end", [0.0, 0.25])
def test_cosine_is_that_of_keras(end):
    ours = WarmUpDecay(1.0, 30, 10, "cosine", end_learning_rate=end)
    keras_own = keras.optimizers.schedules.CosineDecay(0.0, 20, alpha=end, warmup_target=1.0, warmup_steps=10)
    np.testing.assert_allclose(rates(ours, range(35)), rates(keras_own, range(35)), atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0.0, 10), "peak_learning_rate must be greater than 0; got 0.0"),
        ((1.0, 10, 10), "warmup_steps must be at least 0 and less than total_steps; got 10 of 10"),
        ((1.0, 10, -1), "got -1 of 10"),
        ((1.0, 10, 0, "square"), "decay must be one of .*'cosine'.* got 'square'"),
        ((1.0, 10, 0, "linear", 2.0), "end_learning_rate must lie between 0 and the peak, 1.0; got 2.0"),
    ],
    ids=str,
)
def test_schedules_that_cannot_be(arguments, message):
    with pytest.raises(ValueError, match=message):
        WarmUpDecay(*arguments)


def test_schedule_in_an_optimizer(classifier):
    """SGD on a fixed gradient: each step is as long as its rate. And it goes through Keras' serialisation."""
    schedule = WarmUpDecay(0.5, 8, 4, end_learning_rate=0.1)
    optimizer = keras.optimizers.deserialize(
        json.loads(json.dumps(keras.optimizers.serialize(keras.optimizers.SGD(schedule))))
    )
    again = optimizer.get_config()["learning_rate"]
    assert again["registered_name"] == "keras_zoo>WarmUpDecay" and again["config"] == schedule.get_config()
    weight = keras.Variable(np.zeros(1, "float32"))
    places = [0.0]
    for _ in range(10):
        optimizer.apply([keras.ops.ones(1)], [weight])
        places.append(float(keras.ops.convert_to_numpy(weight)[0]))
    np.testing.assert_allclose(-np.diff(places), rates(schedule, range(10)), atol=1e-6)


# What Keras has for training.


@pytest.mark.parametrize("source", ["list", "tf.data"])
def test_class_weight(classifier, source):
    """The weight of a class is the weight of its rows."""
    start, weights = values(classifier.weights), {0: 0.25, 1: 2.0}
    expected, _ = fitted(classifier, start, sample_weight=np.array([weights[label] for label in LABELS]))
    if source == "tf.data":
        tf = pytest.importorskip("tensorflow")
        data = {"x": tf.data.Dataset.from_tensor_slices((TEXTS, LABELS)).batch(4), "y": None, "batch_size": None}
    else:
        data = {}
    found, _ = fitted(classifier, start, class_weight=weights, **data)
    assert_near(found, expected)
    assert any(abs(found[path] - start[path]).max() > 1e-3 for path in found)


def test_four_small_batches_are_one_large_one(classifier):
    start = values(classifier.weights)
    large, _ = fitted(classifier, start, keras.optimizers.SGD(0.5), batch_size=8)
    small = keras.optimizers.SGD(0.5, gradient_accumulation_steps=4)
    found, _ = fitted(classifier, start, small, batch_size=2)
    assert_near(found, large, 1e-5)
    assert any(abs(found[path] - start[path]).max() > 1e-3 for path in found)


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision(preprocessor, dtype):
    lm = GPT2CausalLM(backbone(num_layers=1, dtype=dtype), preprocessor)
    lm.compile(keras.optimizers.Adam(0.01), weighted_metrics=[])
    losses = lm.fit(TEXTS, batch_size=8, epochs=6, verbose=0).history["loss"]
    assert all(a > b for a, b in itertools.pairwise(losses)) and losses[-1] < losses[0] - 0.1
    assert {w.dtype for w in lm.weights} == {"float32"}
    scaled = isinstance(lm.optimizer, keras.optimizers.LossScaleOptimizer)
    assert scaled == (dtype == "mixed_float16")
    if scaled:
        assert float(lm.optimizer.dynamic_scale) > 1 and int(lm.optimizer.inner_optimizer.iterations) == 6


class After(keras.callbacks.Callback):
    """Keeps the weights of each epoch; stops with an error after epoch `fail`."""

    def __init__(self, fail=None):
        super().__init__()
        self.fail, self.weights = fail, []

    def on_epoch_end(self, epoch, logs=None):
        self.weights.append(values(self.model.weights))

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.fail:
            raise InterruptedError


def test_callbacks(classifier, tmp_path):
    start, after = values(classifier.weights), After()
    checkpoint = keras.callbacks.ModelCheckpoint(tmp_path / "{epoch}.weights.h5", save_weights_only=True)
    plan = keras.callbacks.LearningRateScheduler(lambda epoch, rate: [0.5, 0.25, 0.125, 0.0][epoch])
    stop = keras.callbacks.EarlyStopping("loss", mode="max", patience=1, restore_best_weights=True)
    found, history = fitted(classifier, start, epochs=4, callbacks=[after, checkpoint, plan, stop])
    assert history["learning_rate"] == [0.5, 0.25] and history["loss"][1] < history["loss"][0]
    assert_near(found, after.weights[0], 0)  # to stop where the loss falls, the first epoch is the best one
    classifier.load_weights(tmp_path / "2.weights.h5")
    assert_near(values(classifier.weights), after.weights[1], 0)
    assert any((after.weights[0][path] != after.weights[1][path]).any() for path in found)


@pytest.mark.parametrize("with_lora", [False, True])
def test_backup_and_restore(classifier, tmp_path, with_lora):
    """A run that was stopped goes on where it was, and ends as one that was not."""
    if with_lora:
        classifier.backbone.enable_lora(2)
    start = values(classifier.weights)
    expected, _ = fitted(classifier, start, keras.optimizers.Adam(0.01), epochs=3)
    with pytest.raises(InterruptedError):
        backup = keras.callbacks.BackupAndRestore(str(tmp_path / "backup"))
        fitted(classifier, start, keras.optimizers.Adam(0.01), epochs=3, callbacks=[backup, After(fail=2)])
    after = After()
    backup = keras.callbacks.BackupAndRestore(str(tmp_path / "backup"))
    found, _ = fitted(classifier, start, keras.optimizers.Adam(0.01), epochs=3, callbacks=[backup, after])
    assert len(after.weights) == 1
    assert_near(found, expected)
