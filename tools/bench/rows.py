"""What is measured: the contestants, and each row of the table as data."""

from dataclasses import dataclass, replace
from fnmatch import fnmatch

SHAPES = {  # transformers' names; what is not said is GPT2Config's default, the smallest published GPT-2
    "base": {},
    "medium": {"n_embd": 1024, "n_layer": 24, "n_head": 16},
    "extra_large": {"n_embd": 1600, "n_layer": 48, "n_head": 25},
}
BERT_SHAPES = {  # transformers' names; "minilm" is written as a sentence-transformers folder
    "bert_small": {
        "hidden_size": 512,
        "num_hidden_layers": 4,
        "num_attention_heads": 8,
        "intermediate_size": 2048,
    },
    "minilm": {"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536},
}
YOLO_SHAPES = {"yolo_n": "yolov8n", "yolo_m": "yolov8m"}  # by Ultralytics' names; written as it saves and exports them
SAVED = {  # folders of presets: the interpreter, the library that saves, the shape
    "hub_medium": ("peers", "keras_hub", "medium"),
    "native_medium": ("ours", "native", "medium"),
}
RANDOM = "random"  # contestants that make weights of their own


# KerasCV's package has the name of ours; Ultralytics has a licence that must not spread.
INTERPRETERS = ("ours", "peers", "keras_cv", "ultralytics")


@dataclass(frozen=True)
class Contestant:
    """A module of `sides/`, the interpreter that runs it, of `INTERPRETERS`, and its `KERAS_BACKEND`."""

    side: str
    interpreter: str
    backend: str = "torch"


CONTESTANTS = {
    **{f"ours-{b}": Contestant("ours", "ours", b) for b in ("jax", "tensorflow", "torch")},
    **{f"keras-hub-{b}": Contestant("keras_hub", "peers", b) for b in ("jax", "tensorflow", "torch")},
    **{f"ours-bert-{b}": Contestant("ours_bert", "ours", b) for b in ("jax", "tensorflow", "torch")},
    **{f"keras-hub-bert-{b}": Contestant("keras_hub_bert", "peers", b) for b in ("jax", "tensorflow", "torch")},
    **{f"ours-resnet-{b}": Contestant("ours_resnet", "ours", b) for b in ("jax", "tensorflow", "torch")},
    **{f"keras-hub-resnet-{b}": Contestant("keras_hub_resnet", "peers", b) for b in ("jax", "tensorflow")},
    "reading": Contestant("reading", "ours"),
    "transformers-bert": Contestant("transformers_bert", "peers"),
    "transformers": Contestant("transformers", "peers"),
    "ctranslate2": Contestant("ctranslate2", "peers"),
    "ours-resnet-onnx": Contestant("ours_resnet_onnx", "ours", "tensorflow"),
    "torchvision-onnx": Contestant("torchvision_onnx", "peers"),
    "ours-images": Contestant("ours_images", "ours", "jax"),
    "torchvision": Contestant("torchvision", "peers"),
    "albumentations": Contestant("albumentations", "peers"),
    "keras-cv": Contestant("keras_cv_images", "keras_cv", "tensorflow"),
    **{f"ours-yolo-{b}": Contestant("ours_yolo", "ours", b) for b in ("jax", "tensorflow", "torch")},
    "ours-yolo-onnx": Contestant("ours_yolo_onnx", "ours", "tensorflow"),
    "ultralytics": Contestant("ultralytics", "ultralytics"),
    "ultralytics-onnx": Contestant("ultralytics_onnx", "peers"),
    "keras-cv-yolo": Contestant("keras_cv_yolo", "keras_cv", "jax"),
}


@dataclass(frozen=True)
class Work:
    """One call. `kind` names a function of the side; `prompts` are lengths in tokens, `new` the tokens wanted.

    `draft` lets a small model guess for the large one. `calls` are pairs of prompt length and `max_length`, for
    `kind="compilations"`; `megabytes` is the text for tokenizers. `rows` and `steps` are the batch (size; tokens, or
    pixels of a side) and the number of training steps, for `kind="train"`; `texts` is how many there are for
    `kind="embed"`, `pictures` for `kind="augment"`, and `picture_size` their height and width. Networks that take
    pictures get `rows` of them, in "detect" and "predict_images" `steps` times.
    """

    kind: str = "generate"
    prompts: tuple[int, ...] = (32,)
    new: int = 128
    dtype: str = "float32"
    sampler: str = "greedy"
    int8: bool = False
    draft: bool = False
    shape: str = "base"
    calls: tuple[tuple[int, int], ...] = ()
    megabytes: float = 2.0
    rows: tuple[int, int] = (16, 128)
    steps: int = 3
    texts: int = 2000
    pictures: int = 1024
    picture_size: int = 256

    @property
    def writes(self):
        """Whether text is written by a GPT-2."""
        return self.shape in SHAPES and not self.kind.startswith(("tokenize", "augment"))


class Side:
    """A contestant in a row, and what it does otherwise than the row says; `label` is its name in the table."""

    def __init__(self, contestant, label=None, **changes):
        self.contestant, self.label, self.changes = contestant, label or contestant, changes


@dataclass(frozen=True)
class Row:
    """One comparison: `ours` against each of `peers`, by turns.

    `unit` is "tokens/s", "texts/s", "images/s" or "MB/s" (more is better) or "s" (less is better). `fresh` starts a new
    process for each turn, with one compilation cache on disk.
    """

    name: str
    work: Work
    ours: Side
    peers: tuple[Side, ...] = ()
    unit: str = "tokens/s"
    fresh: bool = False

    @property
    def sides(self):
        return (self.ours, *self.peers)

    def work_of(self, side):
        return replace(self.work, **side.changes)


def row(name, work, ours, *peers, **options):
    sides = [side if isinstance(side, Side) else Side(side) for side in (ours, *peers)]
    return Row(name, work, sides[0], tuple(sides[1:]), **options)


def batch(size, new=128, **changes):
    return Work(prompts=(32,) * size, new=new, **changes)


def against_own(backend, name, work, label, own, **changes):
    """A way of ours against another way of ours, in one process."""
    contestant = f"ours-{backend}"
    return row(
        name, work, Side(contestant, f"{contestant} {label}", **changes), Side(contestant, f"{contestant} {own}")
    )


UNEQUAL = tuple(round(8 + i * (200 - 8) / 15) for i in range(16))
TRAIN = Work("train", shape="bert_small")
TRAIN_IMAGES = Work("train", shape=RANDOM, rows=(16, 224))
BUCKET_CALLS = ((20, 40), (18, 40), (23, 50), (17, 60))

ROWS = [
    row("jax/batch-1", batch(1), "ours-jax", "ctranslate2", "keras-hub-jax"),
    row("jax/batch-8", batch(8), "ours-jax", "ctranslate2", "keras-hub-jax"),
    row("jax/long-text", batch(1, 992), "ours-jax", "keras-hub-jax"),
    row("jax/long-prompt", Work(prompts=(900,), new=64), "ours-jax", "keras-hub-jax"),
    row("jax/unequal", Work(prompts=UNEQUAL, new=64), "ours-jax", "keras-hub-jax"),
    row("jax/new-length", Work("compilations", calls=BUCKET_CALLS), "ours-jax", "keras-hub-jax", unit="s"),
    row("jax/second-process", batch(1, 1), "ours-jax", "keras-hub-jax", unit="s", fresh=True),
    against_own("jax", "jax/stream", batch(1, kind="generate_text"), "stream", "generate", kind="stream"),
    against_own("jax", "jax/int8", batch(1), "int8", "float32", int8=True),
    *(
        against_own("jax", f"jax/{name}-batch-{size}", batch(size), name, "greedy", sampler=name)
        for name in ("top_k", "top_p", "beam_4")
        for size in (1, 8)
    ),
    *(
        against_own("jax", f"jax/speculative-batch-{size}", batch(size), "speculative", "greedy", draft=True)
        for size in (1, 8)
    ),
    row("tensorflow/batch-1", batch(1), "ours-tensorflow", "ours-jax", "keras-hub-tensorflow"),
    row("tensorflow/batch-8", batch(8), "ours-tensorflow", "ours-jax"),
    against_own("tensorflow", "tensorflow/int8", batch(1), "int8", "float32", int8=True),
    row(
        "tokenizer/tf.data",
        Work("tokenize_dataset"),
        "ours-tensorflow",
        Side("ours-tensorflow", "Rust engine, direct", kind="tokenize_engine"),
        "keras-hub-tensorflow",
        unit="MB/s",
    ),
    row(
        "tokenizer/wordpiece",
        Work("tokenize_words"),
        "ours-jax",
        Side("ours-jax", "Rust engine, direct", kind="tokenize_words_engine"),
        unit="MB/s",
    ),
    row("jax/train-bert", TRAIN, "ours-bert-jax", "keras-hub-bert-jax", unit="s"),
    row("tensorflow/train-bert", TRAIN, "ours-bert-tensorflow", "keras-hub-bert-tensorflow", unit="s"),
    row("torch/train-bert", TRAIN, "ours-bert-torch", "transformers-bert", "keras-hub-bert-torch", unit="s"),
    *(
        row(
            f"{b}/train-resnet",
            TRAIN_IMAGES,
            f"ours-resnet-{b}",
            "keras-hub-resnet-tensorflow",
            "keras-hub-resnet-jax",
            unit="s",
        )
        for b in ("jax", "tensorflow", "torch")
    ),
    row("jax/embed", Work("embed", shape="minilm"), "ours-bert-jax", "transformers-bert", unit="texts/s"),
    row("torch/batch-1", batch(1), "ours-torch", "transformers", "keras-hub-torch"),
    row("torch/batch-8", batch(8), "ours-torch", "transformers"),
    row("torch/unequal", Work(prompts=UNEQUAL, new=64), "ours-torch", "transformers"),
    row("torch/batch-1-bfloat16", batch(1, dtype="bfloat16"), "ours-torch", "transformers"),
    row("torch/batch-8-bfloat16", batch(8, dtype="bfloat16"), "ours-torch", "transformers"),
    against_own("torch", "torch/stream", batch(1, kind="generate_text"), "stream", "generate", kind="stream"),
    against_own("torch", "torch/int8", batch(1), "int8", "float32", int8=True),
    *(
        row(
            name.format(size),
            Work("predict_images", shape=RANDOM, rows=(size, 224), steps=max(3, 24 // size)),
            ours,
            "torchvision-onnx",
            unit="s",
        )
        for name, ours in (
            ("jax/predict-resnet-batch-{}", "ours-resnet-jax"),
            ("onnx/resnet-batch-{}", "ours-resnet-onnx"),
        )
        for size in (1, 16)
    ),
    *(
        row(
            f"{b}/load-{name}",
            Work("load_preset", shape=shape, dtype=dtype),
            f"ours-{b}",
            Side("reading", "reading the file"),
            *peers,
            unit="s",
        )
        for b in ("jax", "tensorflow", "torch")
        for name, shape, dtype, peers in (
            ("native", "native_medium", "float32", ()),
            ("keras-hub", "hub_medium", "float32", (f"keras-hub-{b}",)),
            ("as-bfloat16", "native_medium", "bfloat16", ()),
        )
    ),
    row(
        "images/augment",
        Work("augment", rows=(32, 0)),
        "ours-images",
        Side("torchvision", "torchvision, PIL"),
        Side("torchvision", "torchvision, tensors", kind="augment_tensors"),
        "albumentations",
        "keras-cv",
        unit="images/s",
    ),
]

ROWS += [
    row(f"{ours}/detect-{shape}-batch-{size}".replace("_", "-"), work, f"ours-yolo-{ours}", *peers, unit="s")
    for shape in YOLO_SHAPES
    for size in (1, 8)
    for work in [Work("detect", shape=shape, rows=(size, 640), steps=max(4, 24 // size))]
    for ours, peers in {
        "jax": ("ultralytics-onnx", Side("keras-cv-yolo", steps=1)),
        "tensorflow": ("ultralytics",),
        "torch": ("ultralytics",),
        "onnx": ("ultralytics-onnx",),
    }.items()
]

GPU_ROWS = [
    row(f"gpu/{shape}-{backend}-batch-{size}", batch(size, dtype="bfloat16", shape=shape), f"ours-{backend}", peer)
    for shape in ("medium", "extra_large")
    for backend, peer in (("jax", "transformers"), ("torch", "transformers"))
    for size in (1, 64)
]


def select(rows, pattern, dtype=None, quick=False):
    """The rows whose names match; all in another dtype, or with so little work that only the harness is tried."""
    chosen = [r for r in rows if fnmatch(r.name, pattern)]
    if dtype:
        chosen = [
            r if r.work.dtype == dtype else replace(r, name=f"{r.name}-{dtype}", work=replace(r.work, dtype=dtype))
            for r in chosen
        ]
    if quick:
        little = {"megabytes": 0.2, "steps": 1, "texts": 100, "pictures": 64}
        chosen = [replace(r, work=replace(r.work, new=min(r.work.new, 16), **little)) for r in chosen]
    return chosen
