"""The contract every family must pass, importable for families of one's own.

    @pytest.mark.parametrize("check", keras_zoo.testing.CHECKS, ids=lambda check: check.__name__)
    def test_my_family(check, tmp_path):
        check(FAMILY, tmp_path)

A check takes a `keras_zoo.Family` and an empty folder, and raises `AssertionError`.
Run as a program, `python -m keras_zoo.testing FOLDER` computes saved presets' outputs under another backend.
"""

import fnmatch
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np

from keras_zoo import Backbone, Task, lora, registry
from keras_zoo.compiled import Variables, compile_function

TOLERANCE = 1e-5
POLICIES = ("float32", "bfloat16", "float16", "mixed_bfloat16", "mixed_float16")


def tiny_backbone(family, **overrides):
    return family.backbone(**family.tiny | overrides)


def tiny_task(task_class, family, preprocessor=None):
    arguments = family.tiny_tasks.get(task_class.__name__, {})
    return task_class(tiny_backbone(family), preprocessor=preprocessor, **arguments)


def example(family, size=3, seed=0):
    return family.example(tiny_backbone(family), np.random.default_rng(seed), size)


def outputs(model, inputs):
    """The model's outputs as a flat list of float32 arrays."""
    return as_arrays(model(taken(model, inputs)))


def program_of(model):
    """`program(inputs)`, the model's outputs; under JAX compiled as a whole, not operation by operation."""
    weights = Variables([model])
    program = compile_function(lambda inputs: model(inputs, training=False), weights, keras.backend.backend() == "jax")
    return lambda inputs: program(
        weights.values(), keras.tree.map_structure(keras.ops.convert_to_tensor, taken(model, inputs))
    )


def as_arrays(outputs):
    return [keras.ops.convert_to_numpy(x).astype("float32") for x in keras.tree.flatten(outputs)]


def taken(model, inputs):
    """Those of a family's example inputs that the model takes; a model of one input takes that alone."""
    return {name: inputs[name] for name in model.input} if isinstance(model.input, dict) else inputs[model.input.name]


def assert_same(found, expected, tolerance=TOLERANCE, what=""):
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=tolerance, rtol=tolerance, err_msg=what)


def models(family):
    """A tiny backbone and each tiny task."""
    return [tiny_backbone(family), *(tiny_task(cls, family) for cls in family.tasks)]


def check_output(family, folder):
    """Symbolic and real shapes agree, whatever the batch; values are finite and not all alike."""
    for model in models(family):
        one = as_arrays(program_of(model)(example(family, 1)))
        for size, found in ((3, outputs(model, example(family))), (1, one)):
            for output, symbolic in zip(found, keras.tree.flatten(model.output), strict=True):
                assert len(output) == size
                assert all(n in (None, m) for n, m in zip(symbolic.shape, output.shape, strict=True))
                assert np.isfinite(output).all() and output.std() > 0


def check_batched_equals_single(family, folder):
    inputs = example(family, 3)
    for model in models(family):
        whole, program = outputs(model, inputs), program_of(model)
        for i in range(3):
            row = keras.tree.map_structure(lambda x, i=i: x[i : i + 1], inputs)
            assert_same(as_arrays(program(row)), [x[i : i + 1] for x in whole])


def check_config(family, folder):
    """A model made from another's configuration has the same configuration and the same weights' shapes."""
    for model in models(family):
        config = model.get_config()
        again = type(model).from_config(config)
        assert again.get_config() == config
        assert [(w.path, w.shape) for w in again.weights] == [(w.path, w.shape) for w in model.weights]


def check_preset(family, folder):
    inputs = example(family)
    for i, model in enumerate(models(family)):
        model.save_to_preset(folder / str(i))
        base = Task if isinstance(model, Task) else Backbone
        again = base.from_preset(str(folder / str(i)))
        assert type(again) is type(model) and again.get_config() == model.get_config()
        assert_same(outputs(again, inputs), outputs(model, inputs), 0)
        if isinstance(model, Task):  # a bare backbone out of a task
            backbone = Backbone.from_preset(str(folder / str(i)))
            assert_same(outputs(backbone, inputs), outputs(model.backbone, inputs), 0)


def check_keras_file(family, folder):
    inputs = example(family)
    tasks = [tiny_task(cls, family, family.tiny_preprocessors[cls.__name__]()) for cls in family.tasks]
    for i, model in enumerate([*models(family), *tasks]):
        path = folder / f"{i}.keras"
        model.save(path)
        again = keras.saving.load_model(path)
        assert type(again) is type(model) and again.get_config() == model.get_config()
        assert_same(outputs(again, inputs), outputs(model, inputs), 0)


def check_dtypes(family, folder):
    """Every policy computes in its dtype and stays near float32; a preset loads under a policy that was not its own."""
    inputs = example(family)
    reference = tiny_backbone(family)
    reference.save_to_preset(folder / "preset")
    expected = outputs(reference, inputs)
    for name in POLICIES:
        model = family.backbone.from_preset(str(folder / "preset"), dtype=name)
        policy = keras.dtype_policies.get(name)
        assert {keras.backend.standardize_dtype(w.dtype) for w in model.weights} == {policy.variable_dtype}
        found = program_of(model)(inputs)
        for output in keras.tree.flatten(found):
            assert keras.backend.standardize_dtype(output.dtype) == policy.compute_dtype
        assert_same(as_arrays(found), expected, 1e-5 if name == "float32" else 0.1)
        assert type(model).from_config(model.get_config()).dtype_policy == policy


def check_gradients(family, folder):
    """One large training step moves every weight, but for those the family names."""
    model = tiny_backbone(
        family, **({"dropout": 0.0} if "dropout" in family.backbone.__init__.__code__.co_varnames else {})
    )
    inputs = taken(model, example(family))
    before = {w.path: keras.ops.convert_to_numpy(w).copy() for w in model.trainable_weights}
    target = keras.tree.map_structure(
        lambda x: np.random.default_rng(1).normal(size=tuple(x.shape)), program_of(model)(example(family))
    )
    model.compile(keras.optimizers.SGD(1e3), "mse")
    model.train_on_batch(inputs, target)
    still = [w.path for w in model.trainable_weights if np.array_equal(before[w.path], keras.ops.convert_to_numpy(w))]
    exempt = [path for path in still if any(fnmatch.fnmatch(path, p) for p in family.no_gradient)]
    assert still == exempt, f"no gradient reached {sorted(set(still) - set(exempt))}"


def check_foreign_tables(family, folder):
    """The weight table covers every variable, and what is written is read back to the last bit."""
    if family.transformers is None:
        return
    inputs = example(family)
    for i, model in enumerate(models(family)):
        model.save_to_preset(folder / str(i), format="transformers")
        options = {"preprocessor": None} if isinstance(model, Task) else {}
        again = type(model).from_preset(str(folder / str(i)), **options)
        assert_same(outputs(again, inputs), outputs(model, inputs), 0)


def check_lora(family, folder):
    """Adapters in a file of their own, in presets of every layout and merged give the same outputs."""
    inputs = example(family)
    task = tiny_task(family.tasks[0], family)
    task.save_to_preset(folder / "plain")
    before = outputs(task, inputs)
    by_default = any(layer.name in task.backbone.lora_targets for layer in task.backbone._flatten_layers())
    task.backbone.enable_lora(2, None if by_default else ["*"])
    assert_same(outputs(task, inputs), before)
    for i, adapter in enumerate(lora.adapters(task.backbone)):
        adapter.b.assign(np.random.default_rng(i).normal(scale=10, size=adapter.b.shape))
    adapted = outputs(task, inputs)
    assert any(abs(a - b).max() > 1e-4 for a, b in zip(adapted, before, strict=True))
    task.backbone.save_lora_weights(folder / "adapters.safetensors")
    again = type(task).from_preset(str(folder / "plain"), preprocessor=None)
    again.backbone.load_lora_weights(folder / "adapters.safetensors")
    assert_same(outputs(again, inputs), adapted)
    for layout in ("keras_zoo", *(["transformers"] if family.transformers else [])):
        task.save_to_preset(folder / layout, format=layout)
        again = type(task).from_preset(str(folder / layout), preprocessor=None)
        assert [w.path for w in again.weights] == [w.path for w in lora.plain_weights(task)]
        assert_same(outputs(again, inputs), adapted)
    task.backbone.merge_lora_weights()
    assert_same(outputs(task, inputs), adapted)
    assert task.count_params() == again.count_params() and not lora.adapters(task)


def check_other_backends(family, folder):
    """Weights saved under this backend give the same outputs under every other one that is installed."""
    compare_backends([family], folder)


def compare_backends(families, folder):
    """`check_other_backends` of several families, in one process for each backend."""
    expected = {}
    for family in families:
        inputs = example(family)
        for cls in family.tasks:
            model = tiny_task(cls, family)
            model.save_to_preset(folder / cls.__name__)
            np.savez(folder / f"{cls.__name__}.inputs.npz", **inputs)
            expected[cls.__name__] = outputs(model, inputs)
    for backend in other_backends():
        environment = os.environ | {"KERAS_BACKEND": backend, "PYTHONPATH": os.pathsep.join(sys.path)}
        subprocess.run([sys.executable, "-m", "keras_zoo.testing", str(folder)], env=environment, check=True)
        for name, arrays in expected.items():
            found = np.load(folder / f"{name}.outputs.npz")
            assert_same([found[key] for key in found.files], arrays, what=f"{name} under {backend}")


def other_backends():
    import importlib.util

    names = [n for n in ("jax", "tensorflow", "torch") if importlib.util.find_spec(n) is not None]
    return [n for n in names if n != keras.backend.backend()]


CHECKS = (
    check_output,
    check_batched_equals_single,
    check_config,
    check_preset,
    check_keras_file,
    check_dtypes,
    check_gradients,
    check_foreign_tables,
    check_lora,
    check_other_backends,
)


def main(folder):
    registry.families()
    for path in sorted(folder.glob("*.inputs.npz")):
        name = path.name.removesuffix(".inputs.npz")
        np.savez(folder / f"{name}.outputs.npz", *as_arrays(program_of(Task.from_preset(folder / name))(np.load(path))))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
