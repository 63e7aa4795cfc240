"""What a call of `generate` asks for, checked."""

import random

import numpy as np

from keras_nlp.generation.contrastive import ContrastiveLoop
from keras_nlp.generation.speculative import SpeculativeLoop
from keras_nlp.samplers import DrawingSampler
from keras_nlp.samplers.processors import BY_OPTION, Processor
from keras_zoo import tfdata


def lengths(rows, context, max_length, max_new_tokens):
    """The length each row may reach, its prompt included."""
    for name, limit in (("max_length", max_length), ("max_new_tokens", max_new_tokens)):
        if limit is not None and not (isinstance(limit, int | np.integer) and limit >= 1):
            raise ValueError(f"{name} must be a whole number of at least 1; got {limit!r}.")
    lengths = []
    for i, row in enumerate(rows):
        limits = max_length, max_new_tokens and len(row) + max_new_tokens, context
        limit = min(x for x in limits if x is not None)
        if len(row) > limit:
            name = "context" if limit == context else "max_length"
            raise ValueError(f"The prompt at {i} has {len(row)} tokens, more than the {name} of {limit}.")
        lengths.append(limit)
    return lengths


def stops(stop_token_ids, size):
    """Stop tokens as a list of ids below `size`."""
    found = np.atleast_1d([] if stop_token_ids is None else tfdata.to_numpy(stop_token_ids))
    if found.size and (found.dtype.kind not in "iu" or found.ndim > 1 or found.min() < 0 or found.max() >= size):
        raise ValueError(f"stop_token_ids must be token ids in [0, {size}), 'auto' or None; got {stop_token_ids!r}.")
    return found.tolist()


def seed(given, sampler):
    """The seed of a call: its own, else its sampler's, else a new one."""
    if given is None:
        given = sampler.seed if sampler.seed is not None else random.randrange(2**31)
    if not isinstance(given, int | np.integer):
        raise ValueError(f"seed must be a whole number or None; got {given!r}.")
    return int(given)


def processors(given, options, size):
    """The logit processors of a call, those given as options first."""
    unknown = sorted(set(options) - set(BY_OPTION))
    if unknown:
        raise TypeError(f"generate has no options {unknown}; for logits there are {sorted(BY_OPTION)}.")
    found = [make(options[name]) for name, make in BY_OPTION.items() if options.get(name) is not None]
    found += [given] if callable(given) else list(given)
    for processor in found:
        if not callable(processor):
            raise ValueError(f"A logit processor is a function (logits, state) -> logits; got {processor!r}.")
        if isinstance(processor, Processor):
            processor.check_vocabulary(size)
    return tuple(found)


def check_draft(lm, draft, draft_tokens, sampler):
    """Raises `ValueError` where a model cannot draft for `lm`."""
    if not (isinstance(draft_tokens, int) and draft_tokens >= 1):
        raise ValueError(f"draft_tokens must be a whole number of at least 1; got {draft_tokens!r}.")
    if not hasattr(draft, "next_logits"):
        raise ValueError(f"draft must be a causal language model; got {type(draft).__name__}.")
    sizes = lm.backbone.vocabulary_size, draft.backbone.vocabulary_size
    tokenizers = [getattr(model.preprocessor, "tokenizer", None) for model in (lm, draft)]
    same = None in tokenizers or tokenizers[0].get_vocabulary() == tokenizers[1].get_vocabulary()
    if sizes[0] != sizes[1] or not same:
        raise ValueError(
            f"The draft must have the same vocabulary; this model has {sizes[0]} tokens and the draft {sizes[1]}"
            + ("." if sizes[0] != sizes[1] else ", but they are not the same tokens.")
        )
    if draft.backbone.max_sequence_length < lm.backbone.max_sequence_length:
        raise ValueError(
            f"The draft's context of {draft.backbone.max_sequence_length} tokens must be no shorter than the "
            f"model's, {lm.backbone.max_sequence_length}."
        )
    if not isinstance(sampler, DrawingSampler):
        raise ValueError(f"{type(sampler).__name__} cannot judge drafts: it is no keras_nlp.samplers.DrawingSampler.")


def check_overrides(lm, loop_class):
    """Raises `ValueError` where a search does not call the step that a model overrides."""
    needed = {SpeculativeLoop: "every_logits", ContrastiveLoop: "logits"}.get(loop_class)
    owner = {name: next(c for c in type(lm).__mro__ if name in vars(c)) for name in ("next_logits", needed) if name}
    if needed and issubclass(owner["next_logits"], owner[needed]) and owner["next_logits"] is not owner[needed]:
        raise ValueError(
            f"{type(lm).__name__} overrides next_logits, which {loop_class.__name__} does not call: "
            f"override {needed} as well."
        )
