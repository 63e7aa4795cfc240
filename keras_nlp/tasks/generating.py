"""Writing text with a model that predicts the next token."""

import copy

import keras
import numpy as np

from keras_nlp import samplers
from keras_nlp.generation import Request, Session, batches
from keras_nlp.generation.prompts import concatenate, rows_of_tokens
from keras_nlp.generation.speculative import SpeculativeLoop
from keras_nlp.generation.stream import TextStream
from keras_nlp.layers.packing import pack
from keras_nlp.tasks import asked
from keras_nlp.tokenizers.text import check_ids
from keras_zoo import feeding, tfdata

MOST_LOOPS = 16  # compiled programs kept for one model


class Generating:
    """`generate`, `stream` and `session` of a task with `next_logits`; see `CausalLM`."""

    def generate(
        self,
        inputs,
        max_length=None,
        stop_token_ids="auto",
        strip_prompt=False,
        *,
        return_logprobs=False,
        batch_size=32,
        callback=None,
        verbose="auto",
        **options,
    ):
        """Continues prompts.

        Args:
            inputs: a string, a list or array of strings, a `tf.data.Dataset` of batches of them, or a token
                dictionary `{"token_ids", "padding_mask"}` padded on either side.
            max_length: tokens a row may reach, its prompt (and start token) included. By default the preprocessor's
                `sequence_length`; for a token dictionary its width where it is padded, else the context.
            stop_token_ids: one id or several that end a row, `"auto"` for the tokenizer's end token, None for none.
            strip_prompt: return only what was written.
            return_logprobs: return the written tokens' log-probabilities too, under the model's own distribution,
                before temperature and processors.
            batch_size: most prompts in a batch. More are sorted by length, run in batches and returned in order.
            callback: `callback(numbers, outputs)` after each batch: the prompts' numbers and what they became, as
                strings, or lists of token ids for a token dictionary.
            verbose: show a progress bar; `"auto"` for more than one batch on a terminal.
            options: max_new_tokens: the limit counted without the prompt; of two limits the smaller one counts.
                seed: int; the same seed gives the same text on the same backend.
                sampler: a name or a sampler in place of the compiled one.
                draft: a smaller `CausalLM` of the same vocabulary, whose guesses are checked (speculative decoding);
                    the text is distributed as without. `draft_tokens`: guesses at a time, 4 by default.
                logit_processors: functions `(logits, state) -> logits` before the sampler; also as options of their
                    own: repetition_penalty, presence_penalty, frequency_penalty, no_repeat_ngram_size,
                    bad_token_ids, min_new_tokens.

        Returns a string for a string, a list of strings for several; a token dictionary of NumPy arrays, padded on
        the right, for a token dictionary. With `BeamSampler(return_all_beams=True)` each text becomes a list of
        texts, best first (token ids `(B, num_beams, T)`). With `return_logprobs` a pair: the texts, and for each a
        list of numbers; in a dictionary `"logprobs"` of the shape of `"token_ids"`, zero where nothing was written.
        A prompt longer than the context, or than `max_length`, is a `ValueError`.
        """
        options |= {"return_logprobs": return_logprobs, "batch_size": batch_size, "verbose": verbose}
        if feeding.kind(inputs) is not None:
            data = (keras.tree.map_structure(tfdata.to_numpy, feeding.unpack(batch)[0]) for batch in inputs)
            outputs, count, seed = [], 0, asked.seed(options.pop("seed", None), self.chosen(options.get("sampler")))
            for batch in data:
                options["seed"] = seed + count
                told = callback and (lambda numbers, texts, n=count: callback([n + i for i in numbers], texts))
                outputs.append(self.generate(batch, max_length, stop_token_ids, strip_prompt, callback=told, **options))
                count += np.size(batch["token_ids"], 0) if isinstance(batch, dict) else np.size(batch)
            return concatenate(outputs)
        if not (isinstance(batch_size, int) and batch_size >= 1):
            raise ValueError(f"batch_size must be a whole number of at least 1; got {batch_size!r}.")
        del options["batch_size"], options["verbose"]
        rows, single, is_text, max_length = self.prompts(inputs, max_length, options.get("max_new_tokens"))
        request, loop = self.request(rows, max_length, stop_token_ids, **options)
        best = None if getattr(loop.sampler, "return_all_beams", False) else 1

        def told(numbers, texts):
            callback(numbers, self.as_asked([rows[i] for i in numbers], texts, best, strip_prompt, is_text)[0])

        found = batches.run(request, loop, batch_size, callback and told, verbose)
        texts, logprobs = self.as_asked(rows, found, best, strip_prompt, is_text)
        if is_text:
            texts, logprobs = (texts[0], logprobs[0]) if single else (texts, logprobs)
            return (texts, logprobs) if return_logprobs else texts
        outputs = packed(texts, logprobs if return_logprobs else None, max(request.lengths), best)
        return {name: x[0] for name, x in outputs.items()} if single else outputs

    def as_asked(self, rows, found, best, strip_prompt, is_text):
        """Texts (or token ids) and log-probabilities for each prompt: of the best one, or lists of all."""
        texts, logprobs = [], []
        for row, written in zip(rows, found, strict=True):
            before = [] if strip_prompt else row
            ids = [[*before, *w.token_ids] for w in written[:best]]
            if is_text:
                ids = self.preprocessor.tokenizer.decode(ids, skip_special_tokens=True)
            scores = [w.logprobs for w in written[:best]]
            texts.append(ids[0] if best else ids)
            logprobs.append(scores[0] if best else scores)
        return texts, logprobs

    def stream(self, prompt, max_length=None, stop_token_ids="auto", **options):
        """Continues a string and yields its text piece by piece, each of complete characters.

        For a list of strings it yields lists, one piece for each prompt, empty where there is nothing new yet.
        Options are those of `generate` from `max_new_tokens` on. Joined, the pieces are what `generate` writes.
        """
        if options.get("return_logprobs"):
            raise ValueError("return_logprobs is an option of generate alone: stream gives text.")
        rows, single, is_text, max_length = self.prompts(prompt, max_length, options.get("max_new_tokens"))
        if not is_text:
            raise ValueError("stream takes a string or a list of strings.")
        request, loop = self.request(rows, max_length, stop_token_ids, **options)
        if not loop.streams:
            raise ValueError(f"{type(loop.sampler).__name__} has no text before its search ends: use generate.")
        return self.pieces(request, loop, single)

    def pieces(self, request, loop, single):
        texts = [TextStream(self.preprocessor.tokenizer) for _ in request.rows]
        written = [[] for _ in request.rows]
        for state in request.run(loop, streaming=True):
            written = [found[0].token_ids for found in request.written(loop, state)]
            pieces = [text.piece(row) for text, row in zip(texts, written, strict=True)]
            if any(pieces):
                yield pieces[0] if single else pieces
        pieces = [text.finish(row) for text, row in zip(texts, written, strict=True)]
        if any(pieces):
            yield pieces[0] if single else pieces

    def session(self):
        """A `keras_nlp.generation.Session`: a text that goes on from call to call, such as a chat."""
        return Session(self, self.loop)

    def continuation(self, prompt, first):
        """The token ids of a session's next prompt; only the first one gets a start token."""
        if not isinstance(prompt, str):
            return [int(i) for i in prompt]
        if self.preprocessor is None:
            raise ValueError("Without a preprocessor a session takes lists of token ids.")
        return self.preprocessor.prompts(prompt)[0][0] if first else self.preprocessor.tokenizer.encode([prompt])[0]

    # What a call asks for.

    def prompts(self, inputs, max_length=None, max_new_tokens=None):
        """`(rows, single, is_text, max_length)` of anything that `generate` takes, by default with a length."""
        context = self.backbone.max_sequence_length
        if isinstance(inputs, dict):
            rows, single, width = rows_of_tokens(inputs)
            padded = any(len(row) < width for row in rows)
            is_text, default_length = False, min(width, context) if padded else context
        elif self.preprocessor is None:
            raise ValueError(
                "Without a preprocessor generate takes {'token_ids': …, 'padding_mask': …}; "
                f"got {type(inputs).__name__}. Attach a preprocessor to use strings."
            )
        else:
            rows, single = self.preprocessor.prompts(inputs)
            is_text, default_length = True, min(self.preprocessor.sequence_length, context)
        if not rows:
            raise ValueError("There is no prompt: the list is empty.")
        if max_length is None and max_new_tokens is None:
            max_length = default_length
        return rows, single, is_text, max_length

    def request(
        self,
        rows,
        max_length=None,
        stop_token_ids="auto",
        max_new_tokens=None,
        seed=None,
        sampler=None,
        draft=None,
        draft_tokens=4,
        logit_processors=(),
        return_logprobs=False,
        **processor_options,
    ):
        """The checked `Request` for rows of prompt tokens, and the loop that will run it."""
        empty = [i for i, row in enumerate(rows) if not row]
        if empty:
            raise ValueError(f"The prompts at {empty[:10]} have no token to continue from.")
        size = self.backbone.vocabulary_size
        lengths = asked.lengths(rows, self.backbone.max_sequence_length, max_length, max_new_tokens)
        check_ids(rows, size)
        if isinstance(stop_token_ids, str) and stop_token_ids == "auto":
            stop_token_ids = None if self.preprocessor is None else self.preprocessor.tokenizer.end_token_id
        stops = asked.stops(stop_token_ids, size)
        sampler = self.chosen(sampler)
        processors = asked.processors(logit_processors, processor_options, size)
        if draft is not None:
            asked.check_draft(self, draft, draft_tokens, sampler)
        loop = self.loop(sampler, processors, return_logprobs, draft, draft_tokens)
        return Request(rows, lengths, stops, asked.seed(seed, sampler)), loop

    def chosen(self, sampler):
        """The sampler of a call, by default the compiled one."""
        return self.sampler if sampler is None else samplers.get(sampler)

    def loop(self, sampler, processors=(), logprobs=False, draft=None, draft_tokens=4):
        """The compiled loop for what is asked, made once while the weights stay the same objects."""
        models = [self] if draft is None else [self, draft]
        keys = [getattr(p, "program_key", lambda p=p: id(p))() for p in processors]
        weights = [id(v) for model in models for v in model.weights]
        key = (sampler.program_key(), *keys, logprobs, draft and draft_tokens, *map(id, models), *weights)
        if key not in self.loops:
            if len(self.loops) >= MOST_LOOPS:  # a sweep over temperatures, say: forget the oldest program
                self.loops.pop(next(iter(self.loops)))
            options = {"logprobs": logprobs, "jit": self.compile_generate, "draft": draft}
            cls = sampler.loop_class
            if draft is not None:
                cls, options = SpeculativeLoop, options | {"draft_tokens": draft_tokens}
            asked.check_overrides(self, cls)
            # Copies: what the caller does to a sampler afterwards makes another program, not another sampler here.
            self.loops[key] = cls(self, copy.copy(sampler), [copy.copy(p) for p in processors], **options)
        return self.loops[key]


def packed(rows, logprobs, width, best):
    """A token dictionary `(B, width)`, or `(B, K, width)` of all beams."""
    count = len(rows)
    flat = rows if best else [row for beams in rows for row in beams]
    token_ids, padding_mask = pack(flat, width)
    outputs = {"token_ids": token_ids, "padding_mask": padding_mask}
    if logprobs is not None:
        outputs["logprobs"] = np.zeros(token_ids.shape, "float32")
        values = logprobs if best else [row for beams in logprobs for row in beams]
        for i, row in enumerate(values):
            outputs["logprobs"][i, len(flat[i]) - len(row) : len(flat[i])] = row
    return outputs if best else {name: x.reshape(count, -1, width) for name, x in outputs.items()}
