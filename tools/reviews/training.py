"""How networks are trained on short texts: batches of a few fixed shapes, rounds, and a rate that goes up and down."""

import time

import keras
import numpy as np
from keras import ops

WIDTHS = (32, 64)  # every batch is this many tokens wide, so that few programs are compiled; longer texts are cut


class Rows:
    """Texts as token ids `(N, 64)` and their lengths. `features(rows, width)` is what a network takes of some."""

    def __init__(self, token_ids, lengths):
        self.token_ids, self.lengths = token_ids, lengths
        self.widths = np.array(WIDTHS)[np.searchsorted(WIDTHS, self.lengths)]

    def features(self, rows, width):
        token_ids = self.token_ids[rows, :width].astype("int32")
        mask = (np.arange(width) < self.lengths[rows, None]).astype("int32")
        return {"token_ids": token_ids, "padding_mask": mask, "segment_ids": np.zeros_like(token_ids)}

    def __len__(self):
        return len(self.lengths)


def rows_of(preprocessor, texts):
    packed = preprocessor.pack(preprocessor.encode([list(texts)]), WIDTHS[-1])
    return Rows(packed["token_ids"].astype("uint16"), packed["padding_mask"].sum(1).astype("uint8"))


class Batches(keras.utils.PyDataset):
    """Rounds of `steps` batches. An epoch is the first `always` rows and the next `fresh` of the others, shuffled.

    `targets (N, …)` go with the rows.
    """

    def __init__(self, rows, targets, batch, steps, always, fresh=0, seed=0):
        super().__init__()
        self.rows, self.targets, self.batch, self.steps = rows, targets, batch, steps
        self.always, self.fresh, self.random = always, fresh, np.random.default_rng(seed)
        self.stream = self.endless()
        self.on_epoch_end()

    def endless(self):
        others = self.always + self.random.permutation(len(self.rows) - self.always)
        while True:
            chosen, others = np.append(np.arange(self.always), others[: self.fresh]), np.roll(others, -self.fresh)
            batches = []
            for width in WIDTHS:
                rows = self.random.permutation(chosen[self.rows.widths[chosen] == width])
                rows = np.append(rows, self.random.choice(rows, -len(rows) % self.batch) if len(rows) else [])
                batches += [(part, width) for part in rows.astype(int).reshape(-1, self.batch)]
            yield from (batches[i] for i in self.random.permutation(len(batches)))

    def on_epoch_end(self):
        self.round = [next(self.stream) for _ in range(self.steps)]

    def __len__(self):
        return self.steps

    def __getitem__(self, index):
        rows, width = self.round[index]
        return self.rows.features(rows, width), self.targets[rows]


class Slope(keras.callbacks.Callback):
    """The learning rate of each round: up for the first twentieth of all rounds, then down to nearly nothing."""

    def __init__(self, peak, rounds):
        super().__init__()
        self.peak, self.rounds = peak, rounds

    def on_epoch_begin(self, epoch, logs=None):
        self.began, rise = time.time(), max(self.rounds / 20, 1)
        height = min((epoch + 1) / (rise + 1), (self.rounds - epoch) / (self.rounds + 1 - rise))
        self.model.optimizer.learning_rate = self.peak * max(height, 0.01)

    def on_epoch_end(self, epoch, logs=None):
        if epoch % 10 == 3 or epoch + 1 == self.rounds:
            figures = {name: round(float(value), 4) for name, value in logs.items()}
            print(f"round {epoch + 1} of {self.rounds}, {time.time() - self.began:.2f} s: {figures}", flush=True)


def train(model, data, rounds, rate, loss, memory=0.99):
    """AdamW by `Slope`, with a running mean of the weights in the end, which remembers a step by `memory`."""
    options = {"weight_decay": 0.01, "global_clipnorm": 1.0, "use_ema": True, "ema_momentum": memory}
    optimizer = keras.optimizers.AdamW(rate, **options)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta", "embedding"])
    preprocessor, model.preprocessor = model.preprocessor, None  # the batches are ready
    model.compile(optimizer, loss)
    model.fit(data, epochs=rounds, callbacks=[Slope(rate, rounds)], verbose=0)
    model.compile()  # optimizer and its copies of the weights go
    model.preprocessor = preprocessor


def softened(temperature):
    """Cross-entropy of logits with probabilities, both of which `temperature` has softened."""

    def softened_crossentropy(wanted, logits):
        logits = ops.cast(logits, "float32") / temperature
        return temperature * ops.categorical_crossentropy(wanted, logits, from_logits=True)

    return softened_crossentropy


def logits_of(model, rows, batch=512):
    """What a classifier says of `Rows`: `(N, classes)` float32."""
    preprocessor, model.preprocessor = model.preprocessor, None
    found = np.zeros((len(rows), model.num_classes), "float32")
    for width in WIDTHS:
        chosen = np.flatnonzero(rows.widths == width)
        if len(chosen):
            filled = np.resize(chosen, -(-len(chosen) // batch) * batch)  # whole batches: one program a width
            found[filled] = model.predict(rows.features(filled, width), batch_size=batch, verbose=0)
    model.preprocessor = preprocessor
    return found


def softmax(logits):
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def figures(logits, labels):
    """`(accuracy, mean cross-entropy)`."""
    labels = np.array(labels)
    surprise = -np.log(softmax(logits)[np.arange(len(labels)), labels])
    return float((logits.argmax(1) == labels).mean()), float(surprise.mean())
