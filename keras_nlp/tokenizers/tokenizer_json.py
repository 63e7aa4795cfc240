"""What a WordPiece tokenizer is read from in a `tokenizer.json`, the file of the Rust `tokenizers` library."""

from keras_zoo.errors import PresetError
from keras_zoo.formats.files import read_json

MODEL = {"unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100}


def read_word_piece(path):
    """`({token: id}, {added token: (id, normalized)})`; a model of another type is a `PresetError`."""
    data = read_json(path)
    try:
        model = data["model"]
        kind = model.get("type", "BPE" if "merges" in model else "WordPiece")  # older files do not say
        if kind != "WordPiece":
            raise PresetError(f"{path} describes a tokenizer of the type {kind!r}; expected 'WordPiece'.")
        return dict(model["vocab"]), read_added(data.get("added_tokens", ()), path)
    except PresetError:
        raise
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise PresetError(f"{path} does not describe a WordPiece tokenizer: {error!r}") from None


def read_added(entries, path):
    """`{token: (id, normalized)}` of added tokens, each a dictionary as transformers writes them.

    `normalized` says whether a token is looked for in the text after lower-casing and the like.
    """
    found = {}
    for entry in entries:
        if entry.get("single_word"):
            raise PresetError(
                f"{path}: the added token {entry['content']!r} is to be found as a word of its own only (single_word); "
                "here tokens are found anywhere. Pass preprocessor=None to load the model alone."
            )
        found[entry["content"]] = (int(entry["id"]), bool(entry.get("normalized", not entry.get("special", False))))
    return found


def read_text_settings(path):
    """`lowercase`, `strip_accents` and `split_on_cjk`, by the file's normalizer; all else must be as BERT has it."""
    data = read_json(path)
    try:
        steps = data["normalizer"].get("normalizers", [data["normalizer"]])
        *before, bert = steps
        kinds = [step["type"] for step in steps]
        splitting = data["pre_tokenizer"]["type"]
        model = {name: data["model"].get(name, value) for name, value in MODEL.items()}
        cleaned = bert.get("clean_text", True)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise PresetError(f"{path} does not say how BERT splits a text: {error!r}") from None
    if kinds != [*["Lowercase"] * len(before), "BertNormalizer"] or splitting != "BertPreTokenizer" or not cleaned:
        raise PresetError(
            f"{path} treats texts by {kinds} and {splitting!r}; WordPiece here is ['BertNormalizer'], with clean_text "
            "and perhaps 'Lowercase' before it, and 'BertPreTokenizer'."
        )
    if model != MODEL:
        raise PresetError(f"{path} has a model with {model}; expected {MODEL}.")
    found = {
        "lowercase": bool(bert.get("lowercase", True)),
        "strip_accents": bert.get("strip_accents"),
        "split_on_cjk": bool(bert.get("handle_chinese_chars", True)),
    }
    return lowercased(found) if before else found


def lowercased(settings):
    """Settings for text that is lower-cased before the tokenizer sees it: accents stay as they would have."""
    if settings["lowercase"]:
        return settings
    return settings | {"lowercase": True, "strip_accents": bool(settings["strip_accents"])}
