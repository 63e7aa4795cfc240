"""Tiny presets of every layout that is read, as `{name in the folder: bytes}`; a single file has the name alone."""

import gzip
import json
import sys
import tempfile
from pathlib import Path

import keras
import numpy as np

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden"
SHARED = GOLDEN / "keras_hub" / "bert_text_classifier" / "model.weights.h5"  # of all tasks of BERT
FILE = "model.pt"  # of presets that are one file


def make():
    """`{name: preset}` of all; needs torch. Takes some seconds."""
    keras.utils.set_random_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        return saved_by_keras(folder) | texts(folder) | images(folder)


def saved_by_keras(folder):
    """Folders that KerasHub and KerasCV saved."""
    found = {}
    for case in ("keras_hub/bert_text_classifier", "keras_hub/gpt2_causal_lm", "keras_hub/bert_masked_lm"):
        found[case] = of_folder(GOLDEN / case)
        found[case].setdefault("model.weights.h5", SHARED.read_bytes())
    cases = ("keras_hub/bert_backbone_sharded", "keras_hub/resnet_basic", "keras_cv/resnet_v2_basic")
    for case in (*cases, "keras_cv/resnet_classifier", "keras_cv/yolo_v8_detector"):
        found[case] = of_folder(GOLDEN / case)
    return found


def texts(folder):
    from keras_nlp.models import bert, gpt2
    from keras_nlp.testing import tiny_byte_pair, tiny_word_piece

    tokenizer = tiny_byte_pair(gpt2.GPT2Tokenizer)
    backbone = gpt2.GPT2Backbone(**gpt2.FAMILY.tiny)
    lm = gpt2.GPT2CausalLM(backbone, gpt2.GPT2CausalLMPreprocessor(tokenizer, sequence_length=12))
    words = tiny_word_piece(bert.BertTokenizer)
    encoder = bert.BertBackbone(**bert.FAMILY.tiny)
    classes = {"num_classes": 3, "class_names": ["a", "b", "c"]}
    classifier = bert.BertTextClassifier(
        encoder, preprocessor=bert.BertTextClassifierPreprocessor(words, sequence_length=12), **classes
    )
    embedder = bert.BertTextEmbedder(encoder, bert.BertTextEmbedderPreprocessor(words, sequence_length=12))
    lm.save_to_preset(folder / "native gpt2")
    lm.save_to_preset(folder / "native sharded", max_shard_size=1e-5)
    classifier.save_to_preset(folder / "native bert")
    lm.save_to_preset(folder / "transformers gpt2", format="transformers")
    classifier.save_to_preset(folder / "transformers bert", format="transformers")
    embedder.save_to_preset(folder / "sentence-transformers", format="transformers")
    for name, saved in (("transformers gpt2", tokenizer), ("transformers bert", words)):
        saved.engine.save(str(folder / name / "tokenizer.json"))
    (folder / "transformers gpt2" / "vocab.json").unlink()  # so that tokenizer.json is read
    (folder / "transformers bert" / "vocab.txt").unlink()
    (folder / "sentence-transformers" / "added_tokens.json").write_text(json.dumps({"<new>": len(words.vocabulary)}))
    return {path.name: of_folder(path) for path in folder.iterdir()}


def images(folder):
    import torch
    from safetensors.numpy import save_file

    from keras_cv.models import resnet, yolo_v8
    from keras_cv.models.resnet.torch_names import STATE_DICT
    from keras_zoo import weights

    sys.path.insert(0, str(ROOT / "tests" / "cv"))
    import ultralytics_files as ultralytics

    folder = folder / "images"
    classifier = resnet.ResNetImageClassifier(
        resnet.ResNetBackbone(**resnet.FAMILY.tiny),
        num_classes=3,
        preprocessor=resnet.ResNetImageClassifierPreprocessor(image_size=(32, 32), resize_to=36, antialias=True),
    )
    detector = yolo_v8.YOLOV8Detector(
        yolo_v8.YOLOV8Backbone(**yolo_v8.FAMILY.tiny), **yolo_v8.FAMILY.tiny_tasks["YOLOV8Detector"]
    )
    classifier.save_to_preset(folder / "native resnet")
    classifier.save_to_preset(folder / "transformers resnet", format="transformers")
    detector.save_to_preset(folder / "native yolo_v8")
    bindings = weights.table_bindings(classifier.backbone.weights, STATE_DICT.table(classifier.backbone))
    own = [weight for weight in classifier.weights if weight.path not in bindings]
    bindings |= weights.table_bindings(own, STATE_DICT.head_table(classifier))
    arrays = {name: tensor.read() for name, tensor in weights.stored(classifier, bindings).items()}
    (folder / "timm").mkdir()
    save_file(arrays, folder / "timm" / "model.safetensors", {"format": "pt"})
    (folder / "timm" / "config.json").write_text(
        '{"architecture": "resnet18", "num_classes": 3, "label_names": ["a", "b", "c"], "pretrained_cfg": '
        '{"input_size": [3, 32, 32], "crop_pct": 0.9, "interpolation": "bicubic", "mean": [0.5, 0.5, 0.5], '
        '"std": [0.5, 0.5, 0.5], "crop_mode": "center"}}'
    )
    found = {path.name: of_folder(path) for path in folder.iterdir()}
    tensors = {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}
    path = folder / FILE
    for name, options in (("state dict", {}), ("old state dict", {"_use_new_zipfile_serialization": False})):
        torch.save({"state_dict": tensors, "epoch": 3}, path, **options)
        found[name] = {FILE: path.read_bytes()}
    narrow = ultralytics.narrow()
    ultralytics.save(path, ultralytics.state_dict("n", narrow))
    return found | {"module": {FILE: path.read_bytes()}}


def of_folder(folder):
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {
        name.removesuffix(".gz"): gzip.decompress(data) if name.endswith(".gz") else data
        for name, data in found.items()
        if name not in ("README.md", "metadata.json")
    }


def write(preset, folder):
    """Writes a preset into an empty folder; returns what a user would call it: the folder, or the one file."""
    for name, data in preset.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder / FILE if list(preset) == [FILE] else folder
