"""Metrics of tokens, against the loss, and of texts, against sacrebleu, rouge-score and nltk."""

import sys

import keras
import numpy as np
import pytest
from keras import ops

from keras_nlp.metrics import Bleu, EditDistance, Perplexity, RougeL, RougeN
from keras_nlp.models import GPT2Backbone, GPT2CausalLM, GPT2CausalLMPreprocessor
from keras_nlp.models.gpt2 import FAMILY

REFERENCES = [
    "The cat sat on the mat.",
    "He eats a sweet apple.",
    "Silicon Valley is one of my favourite shows!",
    "the the the the the the",
    "It cost $3,141.59 in 1999 - or so he said.",
    "Der König wohnt in Köln, nicht wahr?",
    "La señora no está aquí; volverá mañana.",
    "国王去了海边。",
    "Король пошёл к морю.",
    "🙂 smiles 🙂 and 👩‍👩‍👧 families",
    "",
    "one",
    "A B C D E F G H I J K L M N O P",
    "running runners ran the races easily",
    "x & y &lt; z &quot;quoted&quot; <skipped> text",
    "line one\nline two hyphen-\nated",
    "  spaces   everywhere  ",
    'He said: "No, never!" — and left…',
    "the king and the queen went to the sea to see the ships",
    "to be or not to be, that is the question",
    "end with full stop .",
    "nothing in common here",
    "A longer sentence is written down here so that n-grams up to nine words in a row may be found in both of them.",
    "e\u0301 is not \u00e9 to a tokenizer",
]
PREDICTIONS = [
    "The cat sat on a mat.",
    "He He He eats sweet apple which is a fruit.",
    "I love Silicon Valley, it's one of my favourite shows.",
    "the the",
    "It cost $3,141.50 in 1999 - or so she said.",
    "Der König wohnt nicht in Köln, oder?",
    "La señora no esta aqui; volverá mañana.",
    "国王昨天去了海边。",
    "Король пошёл в лес.",
    "🙂 smiles and 👩‍👩‍👧 families 🙂",
    "",
    "one",
    "A B C D E F G H",
    "the runner runs a race easily",
    'x & y < z "quoted" text',
    "line one line two hyphenated",
    "spaces everywhere",
    'He said "No, never" and left.',
    "the queen and the king went to the ships to see the sea",
    "to be or to be",
    "",
    "quite another thing",
    "A longer sentence is written down here so that n-grams up to nine words in a row may be seen in one of them.",
    "é is not é to a tokenizer",
]
SECOND = [text.lower() for text in reversed(REFERENCES)]
TEXTS = ["the king and the queen", "an old man sang", "", "of the moon", "and of the stars", "where he sang", "the sea"]


def batches(*columns, sizes=(1, 5, 2, 9, 7)):
    start = 0
    for size in sizes:
        yield [column[start : start + size] for column in columns]
        start += size
    assert start == len(REFERENCES) == len(PREDICTIONS)


def number(x):
    return float(ops.convert_to_numpy(x))


# Perplexity


def cross_entropy(y_true, logits):
    """`(B, T)`, independent of Keras."""
    shifted = logits - logits.max(-1, keepdims=True)
    logs = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    return -np.take_along_axis(logs, y_true[..., None], -1)[..., 0]


def some_tokens(random, batch=3, length=5, vocabulary=11):
    y_true = random.integers(0, vocabulary, (batch, length)).astype("int32")
    return y_true, random.normal(size=(batch, length, vocabulary)).astype("float32")


def test_perplexity_is_a_weighted_mean_over_tokens(random):
    """Over batches of unequal length and weight, from logits and from probabilities."""
    metric, by_probability = Perplexity(from_logits=True), Perplexity()
    losses, weights = [], []
    for batch, length in ((3, 5), (2, 9), (4, 2)):
        y_true, logits = some_tokens(random, batch, length)
        weight = random.uniform(0, 2, (batch, length)).astype("float32") * (random.random((batch, length)) > 0.4)
        losses.append(cross_entropy(y_true, logits).ravel())
        weights.append(weight.ravel())
        metric.update_state(y_true, logits, weight)
        by_probability.update_state(y_true, ops.softmax(logits), weight)
    expected = np.exp(np.average(np.concatenate(losses), weights=np.concatenate(weights)))
    assert number(metric.result()) == pytest.approx(expected, rel=1e-5)
    assert number(by_probability.result()) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("shape", [(3,), (3, 1)])
def test_perplexity_takes_a_weight_for_each_row(random, shape):
    y_true, logits = some_tokens(random)
    weight = np.array([1.0, 0.0, 2.5], "float32")
    found = Perplexity(from_logits=True)(y_true, logits, weight.reshape(shape))
    expected = np.exp(np.average(cross_entropy(y_true, logits).mean(1), weights=weight))
    assert number(found) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("masked", [0, -100])
def test_perplexity_leaves_masked_tokens_out(random, masked):
    """Also those outside the vocabulary, and together with weights."""
    y_true, logits = some_tokens(random)
    y_true[0, 2:] = y_true[2, 4] = masked
    weight = random.uniform(0.5, 2, y_true.shape).astype("float32")
    counts = y_true != masked
    losses = cross_entropy(np.where(counts, y_true, 0), logits)
    metric = Perplexity(from_logits=True, mask_token_id=masked)
    assert number(metric(y_true, logits)) == pytest.approx(np.exp(losses[counts].mean()), rel=1e-5)
    metric.reset_state()
    expected = np.exp(np.average(losses, weights=weight * counts))
    assert number(metric(y_true, logits, weight)) == pytest.approx(expected, rel=1e-5)


def test_perplexity_of_nothing_and_of_certainty(random):
    metric = Perplexity(from_logits=True, mask_token_id=7)
    assert number(metric.result()) == 0
    y_true, logits = some_tokens(random)
    assert number(metric(np.full_like(y_true, 7), logits)) == 0
    assert number(metric(y_true, logits, np.zeros(y_true.shape))) == 0
    y_true[y_true == 7] = 1
    assert number(metric(y_true, 100.0 * np.eye(11, dtype="float32")[y_true])) == pytest.approx(1, abs=1e-6)
    metric.reset_state()
    assert number(metric.result()) == 0
    assert number(metric(y_true, np.zeros_like(logits))) == pytest.approx(11, rel=1e-5)  # knows nothing


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_perplexity_sums_in_float32(random, dtype):
    """A sum of ones in bfloat16 stops at 256."""
    y_true, logits = some_tokens(random, 8, 50)
    metric = Perplexity(from_logits=True, dtype=dtype)
    for _ in range(3):
        result = metric(y_true, ops.cast(logits, dtype))
    assert keras.backend.standardize_dtype(result.dtype) == dtype
    expected = np.exp(cross_entropy(y_true, logits).mean())
    assert number(ops.cast(result, "float32")) == pytest.approx(expected, rel=1e-2)
    assert number(metric.count) == pytest.approx(3 * 8 * 50)


def test_perplexity_is_the_exponential_of_the_loss(lm):
    """In evaluate, on texts of unequal length; a batch for all, since Keras' loss averages the means of batches."""
    model = GPT2CausalLM(lm.backbone, lm.preprocessor)
    model.compile(weighted_metrics=[Perplexity(from_logits=True)])
    found = model.evaluate(TEXTS, batch_size=len(TEXTS), verbose=0, return_dict=True)
    assert found["perplexity"] == pytest.approx(np.exp(found["loss"]), rel=1e-5)
    assert found["perplexity"] > 1.5
    # In batches of unequal numbers of tokens it stays the mean over all tokens.
    inputs, y, weight = lm.preprocessor(TEXTS)
    losses = ops.convert_to_numpy(lm.score(inputs, scoring_mode="loss", target_ids=y))
    expected = np.exp((losses * weight).sum() / weight.sum())
    found = model.evaluate(TEXTS, batch_size=2, verbose=0, return_dict=True)
    assert found["perplexity"] == pytest.approx(expected, rel=1e-4)


def test_perplexity_in_fit(tokenizer):
    """Inside the compiled step, at a learning rate of 0, so that the loss is that of one set of weights."""
    keras.utils.set_random_seed(0)
    model = GPT2CausalLM(GPT2Backbone(**FAMILY.tiny | {"dropout": 0.0}), GPT2CausalLMPreprocessor(tokenizer, 12))
    model.compile(keras.optimizers.SGD(0.0), weighted_metrics=[Perplexity(from_logits=True)])
    history = model.fit(
        TEXTS, batch_size=7, epochs=2, validation_data=TEXTS, validation_batch_size=7, verbose=0
    ).history
    for name in ("", "val_"):
        np.testing.assert_allclose(history[f"{name}perplexity"], np.exp(history[f"{name}loss"]), rtol=1e-5)


def test_perplexity_counts_a_keras_mask_as_the_loss_does(random):
    model = keras.Sequential([keras.layers.Embedding(9, 4, mask_zero=True), keras.layers.Dense(9)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="mean_with_sample_weight")
    model.compile(loss=loss, metrics=[Perplexity(from_logits=True)])
    x = np.array([[3, 5, 0, 0], [1, 2, 4, 8]])
    found = model.evaluate(x, random.integers(0, 9, x.shape), verbose=0, return_dict=True)
    assert found["perplexity"] == pytest.approx(np.exp(found["loss"]), rel=1e-5)


def test_early_stopping_knows_that_less_perplexity_is_better(random):
    y_true, logits = some_tokens(random)
    model = keras.Sequential([keras.layers.Dense(11)])
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=[Perplexity(from_logits=True)])
    stop = keras.callbacks.EarlyStopping("perplexity", patience=1)
    model.fit(logits, y_true, verbose=0, callbacks=[stop])
    assert stop.monitor_op(1.0, 2.0)


def test_perplexity_refuses_what_does_not_fit(random):
    y_true, logits = some_tokens(random)
    with pytest.raises(ValueError, match=r"\(B, T, V\); got \(3, 5\) and \(3, 11\)"):
        Perplexity()(y_true, logits[:, 0])
    with pytest.raises(ValueError, match=r"got \(3, 4\) and \(3, 5, 11\)"):
        Perplexity()(y_true[:, :4], logits)
    with pytest.raises(ValueError, match=r"sample_weight .* got \(3, 5, 1\)"):
        Perplexity()(y_true, logits, np.ones((3, 5, 1)))
    with pytest.raises(ValueError, match="mask_token_id must be an int or None; got '<pad>'"):
        Perplexity(mask_token_id="<pad>")


# BLEU


def sacrebleu_score(predictions, *streams, **options):
    from sacrebleu.metrics import BLEU

    return BLEU(force=True, **options).corpus_score(predictions, list(streams)).score / 100


@pytest.mark.once
@pytest.mark.parametrize("max_order", [1, 2, 4, 6])
@pytest.mark.parametrize("smooth", [False, True])
@pytest.mark.parametrize("tokenizer", [None, "intl", "char", "zh"])
def test_bleu_is_sacrebleu(tokenizer, smooth, max_order):
    """Of a corpus, batch by batch, and of each sentence alone; with one reference and with two."""
    options = {
        "tokenize": tokenizer,
        "smooth_method": "add-k" if smooth else "none",
        "max_ngram_order": max_order,
    }
    metric = Bleu(tokenizer, max_order, smooth)
    expected = sacrebleu_score(PREDICTIONS, REFERENCES, **options)
    assert number(metric(REFERENCES, PREDICTIONS)) == pytest.approx(expected, abs=1e-6)
    assert 0.1 < expected < 0.9
    two = list(map(list, zip(REFERENCES, SECOND, strict=True)))
    expected = sacrebleu_score(PREDICTIONS, REFERENCES, SECOND, **options)
    metric.reset_state()
    for references, predictions in batches(two, PREDICTIONS):
        found = metric(references, predictions)
    assert number(found) == pytest.approx(expected, abs=1e-6)
    for reference, prediction in zip(REFERENCES, PREDICTIONS, strict=True):
        metric.reset_state()
        expected = sacrebleu_score([prediction], [reference], **options)
        assert number(metric(reference, prediction)) == pytest.approx(expected, abs=1e-6)


@pytest.mark.once
def test_bleu_with_a_tokenizer_of_ones_own(gpt2_tokenizer):
    """Ids and tokens with spaces in them; sacrebleu gets the same split texts with its own tokenization off."""
    rows = [[" ".join(map(str, gpt2_tokenizer(text))) for text in side] for side in (PREDICTIONS, REFERENCES)]
    expected = sacrebleu_score(*rows, tokenize="none", smooth_method="none")
    found = number(Bleu(gpt2_tokenizer)(REFERENCES, PREDICTIONS))
    assert found == pytest.approx(expected, abs=1e-6) and found > 0.3
    expected = sacrebleu_score(PREDICTIONS, REFERENCES, tokenize="none", smooth_method="none")
    assert number(Bleu(str.split)(REFERENCES, PREDICTIONS)) == pytest.approx(expected, abs=1e-6)
    assert number(Bleu(lambda text: np.array(text.split()))(REFERENCES, PREDICTIONS)) == pytest.approx(
        expected, abs=1e-6
    )
    pairs = number(Bleu(lambda text: [text[i : i + 2] for i in range(len(text))], max_order=1)("a b c", "x b c"))
    assert pairs == pytest.approx(4 / 5)  # of "x ", " b", "b ", " c" and "c" all but the first
    with pytest.raises(ValueError, match="must return strings or ids for a string; got 'a b'"):
        Bleu(lambda text: text)("a b", "a b")


@pytest.mark.once
def test_bleu_takes_unequal_numbers_of_references():
    references = [["the cat sat on the mat", "a cat was on the mat"], ["he sang"], ["a", "b", "to be or not to be"]]
    predictions = ["the cat was on the mat", "he sang loudly", "to be or not to be now"]
    streams = [["the cat sat on the mat", "he sang", "a"], ["a cat was on the mat", None, "b"]]
    streams.append([None, None, "to be or not to be"])
    expected = sacrebleu_score(predictions, *streams, smooth_method="none")
    assert number(Bleu()(references, predictions)) == pytest.approx(expected, abs=1e-6) and expected > 0.5
    assert number(Bleu()(references[0], predictions[0])) == number(Bleu()([references[0]], predictions[:1]))


@pytest.mark.once
def test_bleu_of_little():
    metric = Bleu()
    assert number(metric.result()) == 0
    metric.update_state([], [])
    assert number(metric.result()) == 0
    assert number(metric("", "")) == 0
    assert number(metric("the king", "")) == 0
    assert number(Bleu()("", "the king went out")) == 0
    text = "the king went to the sea"
    assert number(Bleu()(text, text)) == pytest.approx(1, abs=1e-6)
    assert number(Bleu(smooth=True)("the king went", "the king went")) == pytest.approx(1, abs=1e-6)
    assert number(Bleu()("the king went", "the king went")) == 0  # no four words in a row


# ROUGE


@pytest.mark.once
@pytest.mark.parametrize("use_stemmer", [False, True])
@pytest.mark.parametrize("order", [1, 2, 3, 9, "L"])
def test_rouge_is_rouge_score(order, use_stemmer):
    from rouge_score.rouge_scorer import RougeScorer

    metric = RougeL(use_stemmer) if order == "L" else RougeN(order, use_stemmer)
    scorer = RougeScorer([f"rouge{order}"], use_stemmer)
    scores = []
    for reference, prediction in zip(REFERENCES, PREDICTIONS, strict=True):
        (score,) = scorer.score(reference, prediction).values()
        scores.append(score)
        metric.reset_state()
        found = metric(reference, prediction)
        assert [number(found[n]) for n in ("precision", "recall", "f1_score")] == pytest.approx(score, abs=1e-6)
    metric.reset_state()
    for references, predictions in batches(REFERENCES, PREDICTIONS):
        found = metric(references, predictions)
    expected = dict(zip(("precision", "recall", "f1_score"), np.mean(scores, axis=0), strict=True))
    assert {name: number(value) for name, value in found.items()} == pytest.approx(expected, abs=1e-6)
    assert expected["f1_score"] > 0.02
    metric.reset_state()
    whole = metric(REFERENCES, PREDICTIONS)
    assert {name: number(x) for name, x in whole.items()} == {name: number(x) for name, x in found.items()}


@pytest.mark.once
def test_stemming_changes_scores():
    pair = "running runners", "run runner"
    assert number(RougeN(1, True)(*pair)["recall"]) == 1 and number(RougeN(1)(*pair)["recall"]) == 0


@pytest.mark.once
@pytest.mark.parametrize("metric", [RougeN(2), RougeL()])
def test_rouge_of_nothing(metric):
    for pair in (None, ([], []), ("", ""), ("the king", ""), ("", "the king")):
        if pair:
            metric.update_state(*pair)
        assert {name: number(x) for name, x in metric.result().items()} == {"precision": 0, "recall": 0, "f1_score": 0}


# Edit distance


@pytest.mark.once
@pytest.mark.parametrize("split", [str.split, list, str.encode], ids=["words", "characters", "bytes"])
def test_edit_distance_is_nltks(split):
    from nltk.metrics.distance import edit_distance

    references, predictions = ([list(split(text)) for text in side] for side in (REFERENCES, PREDICTIONS))
    edits = [edit_distance(*pair) for pair in zip(references, predictions, strict=True)]
    for reference, prediction, expected in zip(references, predictions, edits, strict=True):
        assert number(EditDistance(normalize=False)(reference, prediction)) == expected
    rates, means = EditDistance(), EditDistance(normalize=False)
    for some in batches(references, predictions):
        rates.update_state(*some)
        means.update_state(*some)
    assert number(rates.result()) == pytest.approx(sum(edits) / sum(map(len, references)), abs=1e-6)
    assert number(means.result()) == pytest.approx(np.mean(edits), rel=1e-6)


@pytest.mark.once
def test_edit_distance_of_random_ids(random):
    from nltk.metrics.distance import edit_distance

    for _ in range(60):
        one, other = (random.integers(0, 4, random.integers(0, 12)).tolist() for _ in range(2))
        assert number(EditDistance(normalize=False)(one, other)) == edit_distance(one, other)


@pytest.mark.once
def test_edit_distance_of_little():
    metric = EditDistance()
    assert number(metric.result()) == 0
    assert number(metric([[], []], [[], []])) == 0
    assert number(metric([[]], [["a"]])) == float("inf")
    assert number(metric([list("kitten")], [list("sitting")])) == pytest.approx(4 / 6)
    metric.reset_state()
    assert number(metric.result()) == 0
    assert number(metric(["the", "king"], [])) == 1
    assert number(EditDistance()(["a"], ["b", "c", "d"])) == 3


# What they all take


def test_text_from_every_kind_of_container():
    """Under each backend: lists, tuples, arrays, columns, bytes, string tensors."""
    references, predictions = REFERENCES[:4], PREDICTIONS[:4]
    kinds = [
        tuple,
        np.array,
        lambda x: np.array(x)[:, None],
        lambda x: [s.encode() for s in x],
        lambda x: [[s] for s in x],
    ]
    if "tensorflow" in sys.modules:
        kinds += [sys.modules["tensorflow"].constant]
    for make in (lambda: Bleu(smooth=True), lambda: RougeN(1), RougeL):
        expected = keras.tree.map_structure(number, make()(references, predictions))
        for kind in kinds:
            found = keras.tree.map_structure(number, make()(kind(references), kind(predictions)))
            assert found == expected, kind
            assert any(keras.tree.flatten(found))
    ids = [[1, 2, 3], [4, 5, 6]], [[1, 2, 2], [4, 5, 6]]
    for kind in (np.array, ops.convert_to_tensor, tuple):
        assert number(EditDistance()(*map(kind, ids))) == pytest.approx(1 / 6)


def test_ragged_tensors():
    tf = pytest.importorskip("tensorflow")
    references = [["the cat sat on the mat", "a cat was on the mat"], ["he sang out loud"]]
    predictions = ["the cat was on the mat", "he sang out"]
    found = Bleu()(tf.ragged.constant(references), tf.constant(predictions))
    assert number(found) == number(Bleu()(references, predictions)) > 0.5
    words = [text.split() for text in predictions]
    found = EditDistance()(tf.ragged.constant(words), [row[1:] for row in words])
    assert number(found) == pytest.approx(2 / 9)


@pytest.mark.parametrize("metric", [Bleu, RougeN, RougeL, EditDistance])
def test_text_metrics_refuse_a_models_step(bare_lm, metric):
    """In compile, whether the step is compiled or not, and on symbolic tensors."""
    model = GPT2CausalLM(bare_lm.backbone, preprocessor=None)
    inputs = {"token_ids": np.ones((2, 4), "int32"), "padding_mask": np.ones((2, 4), "int32")}
    for eager in (False, True):
        model.compile(metrics=[metric()], run_eagerly=eager)
        with pytest.raises(ValueError, match=rf"{metric.__name__} compares finished texts and cannot run"):
            model.evaluate(inputs, np.ones((2, 4)), verbose=0)
    with pytest.raises(ValueError, match="cannot run inside the step of a model; got KerasTensor"):
        metric()(keras.KerasTensor((2,)), keras.KerasTensor((2,)))


@pytest.mark.once
@pytest.mark.parametrize(
    ("metric", "y_true", "y_pred", "message"),
    [
        (Bleu, ["a", "b"], ["a"], "as many samples in y_true as in y_pred; got 2 and 1"),
        (RougeL, ["a"], ["a", "b"], "as many samples in y_true as in y_pred; got 1 and 2"),
        (EditDistance, [["a"], ["b"]], ["a", "b"], "as many samples in y_true as in y_pred; got 2 and 1"),
        (Bleu, "a", ["a"], "a batch of references for a batch of predictions; got 'a'"),
        (Bleu, [["a"], []], ["a", "b"], r"at least one reference for each prediction; y_true\[1\] has none"),
        (Bleu, ["a", 3], ["a", "b"], r"Expected text in y_true\[1\]; got 3 \(int\)"),
        (Bleu, ["a"], [None], r"Expected text in y_pred\[0\]; got None"),
        (Bleu, ["a"], np.zeros((1, 7)), r"cannot run inside .* got ndarray of shape \(1, 7\), float64"),
        (RougeN, [["a", "b"]], ["a"], r"one text for each sample; in y_true: .* got \['a', 'b'\] \(list\)"),
        (RougeN, ["a"], [b"\xff"], "in y_pred: The bytes at position 0 are not UTF-8"),
        (RougeL, None, "a", "in y_true: Expected a string or a list of strings; got None"),
        (EditDistance, "the king", ["the"], r"text\.split\(\) or list\(text\); y_true is 'the king'"),
        (EditDistance, [["a"], "b"], [["a"], ["b"]], r"got both in \[\['a'\], 'b'\]"),
        (EditDistance, ["a"], [0.5], r"tokens of y_pred must be strings or ids; got 0.5 \(float\)"),
    ],
)
def test_wrong_texts_are_named_and_change_nothing(metric, y_true, y_pred, message):
    metric = metric()
    with pytest.raises(ValueError, match=message):
        metric.update_state(y_true, y_pred)
    assert not metric.sums.any()


@pytest.mark.once
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Bleu("13b"), r"one of sacrebleu's \['13a', .*; got '13b'"),
        (lambda: Bleu(max_order=0), "max_order must be an int of at least 1; got 0"),
        (lambda: RougeN(10), r"order must be an int in \[1, 9\]; got 10"),
        (lambda: EditDistance(dtype="int32"), "dtype of EditDistance must be a floating one.*got 'int32'"),
        (lambda: Perplexity(dtype="int64"), "dtype of Perplexity must be a floating one.*got 'int64'"),
        (lambda: RougeL()("a", "a", [1.0]), "RougeL takes no sample_weight"),
    ],
)
def test_wrong_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.once
@pytest.mark.parametrize(("metric", "module"), [(Bleu, "sacrebleu.metrics"), (RougeN, "rouge_score.rouge_scorer")])
def test_what_is_not_installed_is_named(monkeypatch, metric, module):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=rf"needs {module.split('.')[0]}: pip install 'keras-zoo\[metrics\]'"):
        metric()


@pytest.mark.once
@pytest.mark.parametrize(
    "metric",
    [
        Perplexity(True, -100, "bfloat16", "surprise"),
        Perplexity(),
        Bleu("intl", 3, True, "float16", "b"),
        Bleu(),
        RougeN(3, True, "float16", "n"),
        RougeL(True, "float16", "l"),
        EditDistance(False, "float16", "e"),
    ],
    ids=str,
)
def test_round_trip(metric):
    config = keras.saving.serialize_keras_object(metric)
    assert config["registered_name"] == f"keras_zoo>{type(metric).__name__}"
    again = keras.saving.deserialize_keras_object(config)
    assert type(again) is type(metric) and again.get_config() == metric.get_config()
    assert type(metric)(**metric.get_config()).get_config() == metric.get_config()
    pair = (["a", "b", "c"], ["a", "b", "d"]) if isinstance(metric, EditDistance) else ("a b c d", "a b c e")
    if not isinstance(metric, Perplexity):
        metric.reset_state()
        assert keras.tree.map_structure(number, again(*pair)) == keras.tree.map_structure(number, metric(*pair))


@pytest.mark.once
def test_bleu_saves_its_tokenizer(tokenizer):
    config = keras.saving.serialize_keras_object(Bleu(tokenizer, max_order=2))
    again = keras.saving.deserialize_keras_object(config)
    assert number(again("the king sang", "the queen sang")) == number(
        Bleu(tokenizer, 2)("the king sang", "the queen sang")
    )


def test_perplexity_in_a_keras_file(lm, tmp_path):
    model = GPT2CausalLM(lm.backbone, lm.preprocessor)
    model.compile(None, weighted_metrics=[Perplexity(from_logits=True)])
    before = model.evaluate(TEXTS, verbose=0, return_dict=True)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.evaluate(TEXTS, verbose=0, return_dict=True) == pytest.approx(before, rel=1e-5)
