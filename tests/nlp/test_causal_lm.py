"""Training, evaluating, predicting and scoring on raw strings, from every kind of source."""

import keras
import numpy as np
import pytest

from keras_nlp.models import GPT2Backbone, GPT2CausalLM, GPT2CausalLMPreprocessor
from keras_nlp.models.gpt2 import FAMILY

TEXTS = ["the king and the queen", "an old man sang", "", "of the moon", "and of the stars", "where he sang", "the sea"]
LENGTH = 12


@pytest.fixture(scope="module")
def short(tokenizer):
    return GPT2CausalLMPreprocessor(tokenizer, sequence_length=LENGTH)


def new_model(preprocessor, learning_rate=1e-2):
    keras.utils.set_random_seed(0)
    model = GPT2CausalLM(GPT2Backbone(**FAMILY.tiny | {"dropout": 0.0}), preprocessor)
    model.compile(keras.optimizers.SGD(learning_rate))
    return model


class Torchlike:
    """A torch map-style data set of strings."""

    def __len__(self):
        return len(TEXTS)

    def __getitem__(self, index):
        return TEXTS[index]


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 2

    def __getitem__(self, index):
        return np.array(TEXTS[index * 4 : index * 4 + 4])


def sources():
    tf = pytest.importorskip("tensorflow")
    torch = pytest.importorskip("torch")
    return {
        "list": TEXTS,
        "tuple": tuple(TEXTS),
        "numpy": np.array(TEXTS),
        "bytes": np.array([t.encode() for t in TEXTS], object),
        "tensor": tf.constant(TEXTS),
        "tf.data": tf.data.Dataset.from_tensor_slices(TEXTS).batch(4),
        "DataLoader": torch.utils.data.DataLoader(Torchlike(), batch_size=4),
        "DataLoader with workers": torch.utils.data.DataLoader(Torchlike(), batch_size=4, num_workers=1),
        "PyDataset": Batches(),
    }


KINDS = ["list", "tuple", "numpy", "bytes", "tensor", "tf.data", "DataLoader", "DataLoader with workers", "PyDataset"]


BATCHED = KINDS[5:]  # these bring their own batches


def test_preprocessor(short, tokenizer):
    x, y, sample_weight = short(TEXTS[:3])
    assert x["token_ids"].shape == y.shape == (3, LENGTH) and x["token_ids"].dtype == np.int32
    start = end = tokenizer.end_token_id
    row = [start, *tokenizer(TEXTS[1]), end]
    np.testing.assert_array_equal(x["token_ids"][1][: len(row)], row[:LENGTH])
    np.testing.assert_array_equal(y[:, :-1], x["token_ids"][:, 1:])
    np.testing.assert_array_equal(sample_weight[:, :-1], x["padding_mask"][:, 1:])
    assert x["padding_mask"][2].sum() == 2 and y[2][0] == end  # an empty text is its start and end token
    single = short(TEXTS[1])
    for a, b in zip(keras.tree.flatten(single), keras.tree.flatten((x, y, sample_weight)), strict=True):
        np.testing.assert_array_equal(a, b[1])
    bare = GPT2CausalLMPreprocessor(tokenizer, LENGTH, add_start_token=False, add_end_token=False)
    np.testing.assert_array_equal(bare(TEXTS[1])[0]["token_ids"][: len(row) - 2], row[1:-1])
    assert bare(["the sea"], sequence_length=5)[0]["token_ids"].shape == (1, 5)


def test_preprocessor_in_tf_data_gives_the_same(short):
    tf = pytest.importorskip("tensorflow")
    expected = short(TEXTS)
    (batch,) = tf.data.Dataset.from_tensor_slices(TEXTS).batch(len(TEXTS)).map(short)
    rows = list(tf.data.Dataset.from_tensor_slices(TEXTS).map(short))
    assert batch[0]["token_ids"].shape == (len(TEXTS), LENGTH)
    for place, (a, b) in enumerate(zip(keras.tree.flatten(batch), keras.tree.flatten(expected), strict=True)):
        assert a.numpy().dtype == b.dtype
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(np.stack([keras.tree.flatten(row)[place] for row in rows]), b)
    spec = tf.data.Dataset.from_tensor_slices(TEXTS).batch(2, drop_remainder=True).map(short).element_spec
    assert spec[0]["token_ids"].shape == (2, LENGTH)


def test_labels_of_ones_own_are_refused(short):
    with pytest.raises(ValueError, match="takes its targets from the text"):
        short(TEXTS, np.zeros(len(TEXTS)))


@pytest.mark.parametrize("kind", KINDS)
def test_every_source_trains_alike(short, kind):
    """Two epochs without shuffling end in the same weights whatever the texts came in."""
    found, expected = new_model(short), new_model(short)
    history = found.fit(sources()[kind], batch_size=None if kind in BATCHED else 4, epochs=2, shuffle=False, verbose=0)
    x, y, sample_weight = short(TEXTS)
    expected.preprocessor = None
    losses = expected.fit(x, y, 4, epochs=2, shuffle=False, verbose=0, sample_weight=sample_weight).history["loss"]
    np.testing.assert_allclose(history.history["loss"], losses, rtol=1e-4)
    for a, b in zip(found.weights, expected.weights, strict=True):
        np.testing.assert_allclose(keras.ops.convert_to_numpy(a), keras.ops.convert_to_numpy(b), atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_every_source_evaluates_and_predicts_alike(lm, kind):
    expected = lm.evaluate(TEXTS, batch_size=4, verbose=0)
    np.testing.assert_allclose(
        lm.evaluate(sources()[kind], batch_size=None if kind in BATCHED else 4, verbose=0), expected, rtol=1e-5
    )
    logits = lm.predict(sources()[kind], verbose=0)
    assert logits.shape == (len(TEXTS), 24, 300)
    np.testing.assert_allclose(logits, lm.predict(TEXTS, batch_size=4, verbose=0), atol=1e-4)


def test_generator(short):
    model = new_model(short)
    history = model.fit((np.array(TEXTS) for _ in range(3)), verbose=0)
    assert np.isfinite(history.history["loss"]).all()


def test_training_learns_and_validates(short):
    model = new_model(short)
    model.compile(keras.optimizers.Adam(1e-2), weighted_metrics=["accuracy"])
    history = model.fit(TEXTS * 4, batch_size=7, epochs=6, validation_data=TEXTS, verbose=0).history
    assert history["loss"][-1] < history["loss"][0] * 0.8
    assert history["val_loss"][-1] < history["val_loss"][0]
    assert model.fit(TEXTS * 2, validation_split=0.25, verbose=0).history["val_loss"]
    tf = pytest.importorskip("tensorflow")
    dataset = tf.data.Dataset.from_tensor_slices(TEXTS).batch(4)
    assert model.fit(dataset, validation_data=dataset, verbose=0).history["val_loss"]


def test_shuffling_reaches_every_row(short):
    from keras_zoo import feeding

    rows = feeding.prepare(lambda x, y, w: x, TEXTS, batch_size=2, shuffle=True)
    orders = []
    for _ in range(3):
        orders.append([text for i in range(len(rows)) for text in rows[i]])
        rows.on_epoch_end()
    assert all(sorted(order) == sorted(TEXTS) for order in orders) and orders[0] != orders[1] != orders[2]


def test_bad_training_data(short):
    model = new_model(short)
    with pytest.raises(ValueError, match="no rows"):
        model.fit([])
    with pytest.raises(ValueError, match="same number of rows"):
        model.fit(TEXTS, np.zeros(3))
    with pytest.raises(ValueError, match="leaves no row"):
        model.fit(TEXTS[:1], validation_split=0.5)
    with pytest.raises(ValueError, match="part of the data set"):
        model.fit(Batches(), np.zeros(3))
    with pytest.raises(ValueError, match="Expected text at position 1"):
        model.fit(["fine", None], shuffle=False, verbose=0)
    with pytest.raises(ValueError, match="must be a GPT2CausalLMPreprocessor or None; got str"):
        GPT2CausalLM(model.backbone, "text")


def test_score(lm, bare_lm):
    texts = TEXTS[:2]
    token_ids, mask = lm.preprocessor.score_preprocess(texts)
    logits = keras.ops.convert_to_numpy(lm.score(texts))
    assert logits.shape == (*token_ids.shape, 300)
    full = keras.ops.convert_to_numpy(bare_lm({"token_ids": token_ids, "padding_mask": mask}))
    np.testing.assert_allclose(logits, full, atol=1e-5)
    loss = keras.ops.convert_to_numpy(lm.score(texts, scoring_mode="loss"))
    shifted = (
        full - np.log(np.exp(full - full.max(-1, keepdims=True)).sum(-1, keepdims=True)) - full.max(-1, keepdims=True)
    )
    for row in range(2):
        for place in range(mask[row].sum() - 1):
            assert abs(loss[row, place] + shifted[row, place, token_ids[row, place + 1]]) < 1e-3
        assert (loss[row, mask[row].sum() - 1 :] == 0).all()
    # Mean loss is what evaluate reports.
    preprocessor = GPT2CausalLMPreprocessor(lm.preprocessor.tokenizer, token_ids.shape[1] - 1)
    model = GPT2CausalLM(lm.backbone, preprocessor)
    reported = model.evaluate(texts, verbose=0, return_dict=True)["loss"]
    assert abs(loss.sum() / mask[:, 1:].sum() - reported) < 1e-4
    target = np.roll(token_ids, -1, axis=1)
    given = keras.ops.convert_to_numpy(bare_lm.score(token_ids, mask, "loss", target_ids=target))
    np.testing.assert_allclose(given[loss != 0], loss[loss != 0], atol=1e-4)
    with pytest.raises(ValueError, match="scoring_mode"):
        lm.score(texts, scoring_mode="perplexity")


@pytest.mark.parametrize(
    ("token_ids", "message"),
    [([1, 2], r"\(B, T\)"), ([[999]], r"must lie in \[0, 300\)"), ("the", "Without a preprocessor")],
)
def test_bad_scores(bare_lm, token_ids, message):
    with pytest.raises(ValueError, match=message):
        bare_lm.score(token_ids)


def test_one_batch(short):
    model = new_model(short)
    assert np.isfinite(model.train_on_batch(TEXTS)).all() and np.isfinite(model.test_on_batch(TEXTS)).all()
    assert model.predict_on_batch(TEXTS).shape == (len(TEXTS), LENGTH, 300)


def test_bad_data_loses_nothing(short):
    """After an error in the middle of a loop the model is whole: under JAX the loop had borrowed its variables."""
    model = new_model(short)
    before = model.generate("the", max_new_tokens=5, sampler="greedy")
    for method in (model.predict, model.evaluate):
        with pytest.raises(ValueError, match="at position 0"):
            method([*TEXTS[:4], None], batch_size=4, verbose=0)
        assert model.generate("the", max_new_tokens=5, sampler="greedy") == before
    with pytest.raises(ValueError, match="at position 0"):
        model.fit([*TEXTS[:4], None], batch_size=4, verbose=0, shuffle=False)
    model.generate("the", max_new_tokens=5)
    model.fit(TEXTS, verbose=0)


def test_unbatched_data_is_named(short):
    tf = pytest.importorskip("tensorflow")
    with pytest.raises(ValueError, match="not batched"):
        new_model(short).fit(tf.data.Dataset.from_tensor_slices(TEXTS))


def test_prompts_in_tf_data(short):
    tf = pytest.importorskip("tensorflow")
    expected = short.generate_preprocess(TEXTS, sequence_length=8)
    (batch,) = tf.data.Dataset.from_tensor_slices(TEXTS).batch(9).map(lambda x: short.generate_preprocess(x, 8))
    np.testing.assert_array_equal(batch["token_ids"], expected["token_ids"])
    assert short.generate_postprocess(short.generate_preprocess("the sea")) == "the sea"


def test_layers_off_the_graph_are_weights_too(short, tmp_path):
    """A head that only generation uses belongs to the model, and a preset without it loads with a new one."""

    class WithHead(GPT2CausalLM):
        def __init__(self, backbone, preprocessor=None, **kwargs):
            self.scale = keras.layers.EinsumDense("bd,d->bd", 300, name="scale")
            self.scale.build((None, 300))
            super().__init__(backbone, preprocessor, **kwargs)

        def next_logits(self, token_ids, cache):
            return self.scale(super().next_logits(token_ids, cache))

    model = new_model(short)
    model.backbone.save_to_preset(tmp_path)
    again = WithHead.from_preset(tmp_path, preprocessor=short)
    assert len(again.weights) == len(model.weights) + 1
    assert again.generate("the", max_new_tokens=3)


def test_score_intercept(bare_lm):
    seen = []

    def zero_first(x, i):
        seen.append(i)
        return x * 0 if i == 0 else x

    changed = bare_lm.score([[1, 2, 3]], layer_intercept_fn=zero_first)
    assert seen == [-1, 0, 1]
    assert not np.allclose(keras.ops.convert_to_numpy(changed), keras.ops.convert_to_numpy(bare_lm.score([[1, 2, 3]])))


def test_trained_model_as_keras_file(short, tmp_path):
    """Optimizer state, sampler and preprocessor come back; training goes on where it was."""
    model = new_model(short)
    model.compile(keras.optimizers.Adam(1e-3), sampler="greedy")
    model.fit(TEXTS, batch_size=4, verbose=0, shuffle=False)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.generate("the", max_new_tokens=4) == model.generate("the", max_new_tokens=4)
    assert int(again.optimizer.iterations) == 2 and type(again.sampler).__name__ == "GreedySampler"
    for each in (model, again):
        each.fit(TEXTS, batch_size=4, verbose=0, shuffle=False)
    for a, b in zip(again.weights, model.weights, strict=True):
        np.testing.assert_allclose(keras.ops.convert_to_numpy(a), keras.ops.convert_to_numpy(b), atol=1e-5)


def test_too_long_for_the_context(lm):
    with pytest.raises(ValueError, match=r"49 tokens; the context holds at most 48"):
        lm({"token_ids": np.ones((1, 49), "int32"), "padding_mask": np.ones((1, 49), "int32")})
