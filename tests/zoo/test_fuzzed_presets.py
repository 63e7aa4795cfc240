"""A small share of what `tools/fuzz_readers.py` does, and what it has found."""

import contextlib
import pickle
import random
import sys
import tempfile
import warnings
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as of_hypothesis
from hypothesis import strategies as st

from keras_zoo import PresetError
from keras_zoo.formats import files, hdf5_file, safetensors_file, settings, torch_file
from keras_zoo.formats.pickled import read_pickle

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))
import fuzz_readers
from fuzzing import mutations, seeds

pytestmark = pytest.mark.once
EACH = 40  # inputs from each tiny preset
LAYOUTS = (
    *("native gpt2", "native bert", "native resnet", "native yolo_v8", "native sharded"),
    *("keras_hub/bert_text_classifier", "keras_hub/gpt2_causal_lm", "keras_hub/bert_masked_lm"),
    *("keras_hub/bert_backbone_sharded", "keras_hub/resnet_basic"),
    *("keras_cv/resnet_v2_basic", "keras_cv/resnet_classifier", "keras_cv/yolo_v8_detector"),
    *("transformers gpt2", "transformers bert", "transformers resnet", "sentence-transformers"),
    *("timm", "state dict", "old state dict", "module"),
)


@pytest.fixture(scope="module")
def presets():
    found = seeds.make()
    assert set(found) == set(LAYOUTS)
    return found


@pytest.mark.parametrize("name", LAYOUTS)
def test_unspoiled(presets, name, tmp_path):
    """So that what is refused below is refused for what was changed."""
    path = seeds.write(presets[name], tmp_path)
    for key, attempt in fuzz_readers.attempts(path, full=False):
        if key in ("layout", "tensors") or name != "keras_hub/bert_backbone_sharded":  # which has no vocabulary
            attempt()


@pytest.mark.parametrize("name", LAYOUTS)
def test_spoiled(presets, name):
    outcomes = {"loaded": 0, "refused": 0}
    for number in range(EACH):
        chance = random.Random(number)
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            path = seeds.write(mutations.mutated(presets[name], chance), Path(folder))
            for _, attempt in fuzz_readers.attempts(path, full=False):
                try:
                    attempt()
                    outcomes["loaded"] += 1
                except PresetError:
                    outcomes["refused"] += 1
    assert min(outcomes.values()) > EACH // 10


plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
values = st.recursive(
    plain, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4)
)
often = of_hypothesis(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


@often
@given(values)
def test_any_configuration(value):
    try:
        settings.check_settings({"argument": value}, "a file", largest={"argument": 10})
    except PresetError as error:
        assert str(error).replace("\n", "").isprintable()


@often
@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode) | values.map(repr).map(str.encode))
def test_any_bytes(data):
    """Where a JSON file, a pickle, or any file of weights is expected."""
    for read in (files.parsed, read_pickle):
        with contextlib.suppress(ValueError):
            read(data)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        path.write_bytes(data)
        for read in (safetensors_file.read_header, hdf5_file.read_header, torch_file.open_torch):
            with pytest.raises(PresetError):
                read(path)


def test_what_was_found_is_the_same_again(presets):
    """An input is known by its number."""
    first, second = (mutations.mutated(presets["native bert"], random.Random("native bert 7")) for _ in range(2))
    assert pickle.dumps(first) == pickle.dumps(second)
