"""BERT's tokenizers as transformers saves them: cased, by a class of another name, with tokens added."""

import json

import pytest
import transformers
from awkward import awkward_strings

from keras_nlp.models import BertBackbone, BertTextEmbedder, BertTextEmbedderPreprocessor, BertTokenizer, Tokenizer
from keras_zoo import PresetError, registry

VOCABULARY = registry.presets_folder() / "nlp/bert/vocabulary.txt"
TEXTS = [
    "A Film Good [E1] x film good<ent> Zürich zurich ZÜRICH FILM GOOD filmgood film goods [e1] <ENT> Entity entity",
    "[CLS] film good [SEP][E1][MASK]",
    *awkward_strings()[::20],
]


def bert(lowercase, **options):
    vocabulary = {token: i for i, token in enumerate(VOCABULARY.read_text(encoding="utf-8").split("\n")[:-1])}
    return transformers.BertTokenizer(vocabulary, do_lower_case=lowercase, **options)


def general(tokenizer):
    """The same tokenizer under the name of no model, whose settings are those of tokenizer.json alone."""
    names = ("cls_token", "sep_token", "pad_token", "mask_token", "unk_token")
    special = {name: getattr(tokenizer, name) for name in names}
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer.backend_tokenizer, **special)


def add(tokenizer):
    tokenizer.add_tokens(["[E1]", "film good", "Zürich", transformers.AddedToken("Entity", normalized=False)])
    tokenizer.add_special_tokens({"additional_special_tokens": ["<ent>"]})
    return tokenizer


def save(tokenizer, folder):
    """With a configuration of a small network, so that the folder is one of a model."""
    transformers.BertConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=1).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def change(path, **values):
    path.write_text(json.dumps((json.loads(path.read_text()) if path.is_file() else {}) | values))


def compare(ours, theirs):
    assert ours.tokenize(TEXTS) == theirs(TEXTS, add_special_tokens=False)["input_ids"]
    assert ours.vocabulary_size() == len(theirs)


@pytest.mark.parametrize("kind", ["own", "general"])
@pytest.mark.parametrize("lowercase", [True, False], ids=["uncased", "cased"])
@pytest.mark.parametrize("more", [True, False], ids=["added", "plain"])
def test_ids_equal_and_back(tmp_path, kind, lowercase, more):
    theirs = bert(lowercase) if kind == "own" else general(bert(lowercase))
    theirs = add(theirs) if more else theirs
    ours = Tokenizer.from_preset(save(theirs, tmp_path / "theirs"))
    compare(ours, theirs)
    ours.save_to_preset(tmp_path / "native")
    compare(Tokenizer.from_preset(tmp_path / "native"), theirs)
    backbone = BertBackbone(ours.vocabulary_size(), 1, 1, 8, 8, max_sequence_length=16)
    embedder = BertTextEmbedder(backbone, BertTextEmbedderPreprocessor(ours, sequence_length=16))
    embedder.save_to_preset(tmp_path / "ours", format="transformers")
    compare(ours, transformers.AutoTokenizer.from_pretrained(tmp_path / "ours"))
    compare(Tokenizer.from_preset(tmp_path / "ours"), theirs)


def test_accents_and_chinese(tmp_path):
    theirs = general(bert(True, strip_accents=False, tokenize_chinese_chars=False))
    ours = Tokenizer.from_preset(save(theirs, tmp_path))
    assert (ours.lowercase, ours.strip_accents, ours.split_on_cjk) == (True, False, False)
    compare(ours, theirs)


@pytest.mark.parametrize("file", ["tokenizer_config.json", "added_tokens.json", "special_tokens_map.json", "named"])
def test_a_vocabulary_file_and_tokens_beside_it(tmp_path, file):
    """As older versions save them."""
    save(bert(True), tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    (tmp_path / "vocab.txt").write_bytes(VOCABULARY.read_bytes())
    if file == "tokenizer_config.json":
        flags = {"lstrip": False, "rstrip": False, "single_word": False}
        tokens = {
            "30522": flags | {"content": "[E1]", "normalized": True, "special": False},
            "30523": flags | {"content": "<ent>", "normalized": False, "special": True},
        }
        change(tmp_path / file, added_tokens_decoder=tokens)
    elif file == "added_tokens.json":
        change(tmp_path / file, **{"[E1]": 30522, "film good": 30523})
    elif file == "named":
        change(tmp_path / "tokenizer_config.json", extra_special_tokens={"entity_token": "<ent>"})
    else:
        change(tmp_path / "added_tokens.json", **{"<ent>": 30522})
        change(tmp_path / file, extra_special_tokens=["<ent>"])
    compare(Tokenizer.from_preset(tmp_path), transformers.BertTokenizer.from_pretrained(tmp_path))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"model": {"type": "BPE", "vocab": {"[UNK]": 0}, "merges": []}}, "of the type 'BPE'; expected 'WordPiece'"),
        ({"model": {"vocab": {"[UNK]": 0}, "merges": []}}, "of the type 'BPE'"),
        ({"model": {"vocab": {"[UNK]": 0}, "unk_token": "<unk>"}, "added_tokens": []}, "has a model with .*<unk>"),
        ({"normalizer": {"type": "NFC"}}, r"treats texts by \['NFC'\]"),
        ({"normalizer": None}, "does not say how BERT splits a text"),
        ({"normalizer": {"type": "BertNormalizer", "clean_text": False}}, "with clean_text"),
        ({"pre_tokenizer": {"type": "Whitespace"}}, "'Whitespace'"),
        ({"added_tokens": [{"content": "a", "id": 9, "single_word": True}]}, "'a' is to be found as a word of its own"),
        ({"added_tokens": [{"id": 9}]}, "does not describe a WordPiece tokenizer"),
        ({"added_tokens": [{"content": "new", "id": "x"}]}, "does not describe a WordPiece tokenizer"),
    ],
    ids=str,
)
def test_refused(tmp_path, values, message):
    save(general(bert(True)), tmp_path)
    change(tmp_path / "tokenizer.json", **values)
    with pytest.raises(PresetError, match=message):
        Tokenizer.from_preset(tmp_path)


@pytest.mark.parametrize("tokens", [{"x": {"content": "new"}}, {"30522": "new"}, ["new"]], ids=str)
def test_added_tokens_that_are_none(tmp_path, tokens):
    save(bert(True), tmp_path)
    change(tmp_path / "tokenizer_config.json", added_tokens_decoder=tokens)
    with pytest.raises(PresetError, match=r"tokenizer_config\.json"):
        Tokenizer.from_preset(tmp_path)


def test_unsplittable_tokens():
    vocabulary = [*BertTokenizer(VOCABULARY).vocabulary, "[E1]"]
    as_written, normalized = ([30522], [1031, 1041, 2487, 1033])
    for tokens, expected in (
        (["[E1]"], [as_written, normalized]),
        ({"[E1]": True}, [as_written, as_written]),
        ({"[E1]": False}, [as_written, normalized]),
        (None, [normalized, normalized]),
    ):
        tokenizer = BertTokenizer(vocabulary, lowercase=True, unsplittable_tokens=tokens)
        assert tokenizer(["[E1]", "[e1]"]) == expected
        assert BertTokenizer.from_config(tokenizer.get_config())(["[E1]", "[e1]"]) == expected
    assert BertTokenizer(vocabulary, unsplittable_tokens=["[MASK]"]).unsplittable_tokens == {}
    with pytest.raises(PresetError, match=r"lacks the special tokens \['\[E2\]'\]"):
        BertTokenizer(vocabulary, unsplittable_tokens=["[E2]"])
