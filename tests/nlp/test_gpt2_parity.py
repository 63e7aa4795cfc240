"""GPT-2 against transformers' own: logits, greedy text, checkpoints in both directions."""

import keras
import numpy as np
import pytest
import torch
import transformers

from keras_nlp.models import CausalLM, GPT2Backbone, GPT2CausalLM
from keras_zoo import PresetError

SHAPES = {
    "two layers": {"vocab_size": 320, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64},
    "odd width": {"vocab_size": 257, "n_embd": 30, "n_layer": 3, "n_head": 5, "n_positions": 40, "n_inner": 70},
    "one head": {"vocab_size": 1000, "n_embd": 16, "n_layer": 1, "n_head": 1, "n_positions": 128},
}


def reference(shape, seed=0):
    """A random transformers GPT-2, scaled up so that its logits are far from equal."""
    torch.manual_seed(seed)
    model = transformers.GPT2LMHeadModel(transformers.GPT2Config(**SHAPES[shape], layer_norm_epsilon=1e-5)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3).add_(torch.randn_like(parameter) * 0.02)
    return model


@pytest.fixture(scope="module", params=SHAPES)
def pair(request, tmp_path_factory):
    """`(transformers model, ours, folder)`."""
    folder = tmp_path_factory.mktemp("reference")
    model = reference(request.param)
    model.save_pretrained(folder)
    return model, GPT2CausalLM.from_preset(folder, preprocessor=None), folder


def batch(model, lengths, width, left=False):
    """Random token ids of given lengths and their mask, padded on one side."""
    random = np.random.default_rng(0)
    token_ids = random.integers(0, model.config.vocab_size, (len(lengths), width))
    place = np.arange(width)
    real = place >= width - np.array(lengths)[:, None] if left else place < np.array(lengths)[:, None]
    return token_ids * real, real.astype("int64")


def test_logits_with_padding(pair):
    model, lm, _ = pair
    token_ids, mask = batch(model, [24, 9, 17], 24)
    ours = keras.ops.convert_to_numpy(lm({"token_ids": token_ids, "padding_mask": mask}))
    theirs = model(torch.tensor(token_ids), attention_mask=torch.tensor(mask)).logits.detach().numpy()
    assert np.abs(theirs).max() > 1
    np.testing.assert_allclose(ours[mask == 1], theirs[mask == 1], atol=1e-4)


def test_logits_padded_on_the_left(pair):
    model, lm, _ = pair
    token_ids, mask = batch(model, [24, 9, 17], 24, left=True)
    positions = np.maximum(mask.cumsum(1) - 1, 0)
    ours = keras.ops.convert_to_numpy(lm({"token_ids": token_ids, "padding_mask": mask}))
    theirs = model(
        torch.tensor(token_ids), attention_mask=torch.tensor(mask), position_ids=torch.tensor(positions)
    ).logits.detach()
    np.testing.assert_allclose(ours[mask == 1], theirs.numpy()[mask == 1], atol=1e-4)


def test_greedy_tokens_of_unequal_prompts(pair):
    model, lm, _ = pair
    lengths, new = [11, 3, 7, 1, 5], 20
    token_ids, mask = batch(model, lengths, 11, left=True)
    theirs = model.generate(
        torch.tensor(token_ids),
        attention_mask=torch.tensor(mask),
        max_new_tokens=new,
        do_sample=False,
        pad_token_id=0,
        eos_token_id=None,
    )[:, 11:].numpy()
    ours = lm.generate({"token_ids": token_ids, "padding_mask": mask}, max_new_tokens=new, sampler="greedy")
    for row, length, expected in zip(ours["token_ids"], lengths, theirs, strict=True):
        np.testing.assert_array_equal(row[length : length + new], expected)


def test_base_class_and_bare_prefix(pair, tmp_path):
    """A checkpoint of the bare network, without the `transformer.` prefix, loads as a language model too."""
    model, lm, folder = pair
    model.transformer.save_pretrained(tmp_path)
    again = CausalLM.from_preset(tmp_path, preprocessor=None)
    assert type(again) is GPT2CausalLM
    for a, b in zip(again.weights, lm.weights, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(a), keras.ops.convert_to_numpy(b))
    backbone = GPT2Backbone.from_preset(folder)
    assert len(backbone.weights) == len(lm.weights)


@pytest.mark.once
def test_shards_of_transformers(pair, tmp_path):
    model, lm, _ = pair
    model.save_pretrained(tmp_path, max_shard_size="20KB")
    assert len(list(tmp_path.glob("model-*.safetensors"))) > 1
    again = GPT2CausalLM.from_preset(tmp_path, preprocessor=None)
    for a, b in zip(again.weights, lm.weights, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(a), keras.ops.convert_to_numpy(b))


def test_torch_pickle_checkpoint(pair, tmp_path):
    model, lm, folder = pair
    (tmp_path / "config.json").write_text((folder / "config.json").read_text())
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    again = GPT2CausalLM.from_preset(tmp_path, preprocessor=None)
    for a, b in zip(again.weights, lm.weights, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(a), keras.ops.convert_to_numpy(b))


@pytest.mark.parametrize("shard_size", [5.0, 2e-5], ids=["one file", "shards"])
def test_saved_folder_loads_in_transformers(pair, tmp_path, shard_size):
    model, lm, _ = pair
    lm.save_to_preset(tmp_path / "saved", format="transformers", max_shard_size=shard_size)
    assert (tmp_path / "saved/model.safetensors.index.json").exists() == (shard_size < 1)
    again = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "saved").eval()
    token_ids = torch.tensor(batch(model, [12, 12], 12)[0])
    np.testing.assert_array_equal(again(token_ids).logits.detach(), model(token_ids).logits.detach())


def test_strings_through_a_whole_transformers_folder(gpt2_tokenizer, tmp_path):
    """Tokenizer files included: same text in, same text out."""
    config = transformers.GPT2Config(n_embd=16, n_layer=1, n_head=2, n_positions=64)
    torch.manual_seed(1)
    model = transformers.GPT2LMHeadModel(config).eval()
    model.save_pretrained(tmp_path)
    gpt2_tokenizer.write_assets(tmp_path, "vocab.json")
    theirs = transformers.GPT2Tokenizer.from_pretrained(tmp_path)
    lm = CausalLM.from_preset(tmp_path)
    prompts = ["The sea", "A much longer prompt, with commas"]
    ours = lm.generate(prompts, max_new_tokens=8, sampler="greedy", strip_prompt=True)
    for prompt, text in zip(prompts, ours, strict=True):
        tokens = model.generate(
            **theirs(prompt, return_tensors="pt"), max_new_tokens=8, do_sample=False, pad_token_id=0
        )
        assert text == theirs.decode(tokens[0][len(theirs(prompt)["input_ids"]) :], skip_special_tokens=True)
    lm.save_to_preset(tmp_path / "saved", format="transformers")
    again = transformers.AutoTokenizer.from_pretrained(tmp_path / "saved")
    assert again("Hello, wörld 🙂")["input_ids"] == theirs("Hello, wörld 🙂")["input_ids"]
    theirs.save_pretrained(tmp_path / "tokenizer_json_only")
    for name in ("vocab.json", "merges.txt"):
        (tmp_path / name).unlink()
    (tmp_path / "tokenizer.json").write_bytes((tmp_path / "tokenizer_json_only/tokenizer.json").read_bytes())
    assert (
        CausalLM.from_preset(tmp_path).generate(prompts, max_new_tokens=8, sampler="greedy", strip_prompt=True) == ours
    )


def test_settings_that_are_not_gpt2s_are_refused(tmp_path):
    config = transformers.GPT2Config(**SHAPES["one head"], activation_function="relu", scale_attn_weights=False)
    transformers.GPT2LMHeadModel(config).save_pretrained(tmp_path)
    with pytest.raises(PresetError, match=r"scale_attn_weights=False.*activation_function='relu'"):
        GPT2CausalLM.from_preset(tmp_path, preprocessor=None)
