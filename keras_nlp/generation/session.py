"""A text that goes on from call to call, such as a chat."""

import numpy as np
from keras import ops

from keras_nlp.generation.buckets import SMALLEST_PROMPT, bucket
from keras_nlp.generation.loop import Loop, integer
from keras_nlp.generation.request import advance, cut_after_stop
from keras_nlp.generation.stream import TextStream
from keras_zoo.tfdata import to_numpy


class Session:
    """One text and the model's cache of it: a call costs what is new, its own prompt and what it writes.

    Made by `lm.session()`. Training the model or changing its weights in between does not show in what has been read
    already; `reset()` begins anew.

    Attributes: `token_ids`, the whole text so far, prompts included.
    """

    def __init__(self, lm, loop_for):
        self.lm, self.loop_for = lm, loop_for
        self.reset()

    def reset(self):
        """Forgets the text."""
        self.token_ids, self.state, self.loop = [], None, None

    @property
    def text(self):
        """The whole text so far, prompts included."""
        return self.lm.preprocessor.tokenizer.decode([self.token_ids], skip_special_tokens=True)[0]

    def generate(self, prompt, **options):
        """Puts `prompt`, a string or a list of token ids, behind the text and continues it.

        Options are those of `CausalLM.generate` that concern one text: `max_length`, `max_new_tokens`,
        `stop_token_ids`, `seed`, `sampler`, `logit_processors` and the penalties. Another sampler or other penalties
        than the call before read the whole text again. Returns what was written: a string for a string, else a list
        of token ids.
        """
        row = []
        for written in self.run(prompt, options):
            row = written
        is_text = isinstance(prompt, str)
        return self.lm.preprocessor.tokenizer.decode([row], skip_special_tokens=True)[0] if is_text else row

    def stream(self, prompt, **options):
        """As `generate` with a string, but yields the text piece by piece."""
        text, row = TextStream(self.lm.preprocessor.tokenizer), []
        for row in self.run(prompt, options, streaming=True):
            if piece := text.piece(row):
                yield piece
        if piece := text.finish(row):
            yield piece

    def run(self, prompt, options, streaming=False):
        """Yields the token ids written so far, again and again."""
        more = self.lm.continuation(prompt, first=not self.token_ids)
        request, loop = self.lm.request([self.token_ids + more], **options)
        if type(loop) is not Loop:
            raise ValueError("A session continues one text: give a sampler that is no search, and no draft.")
        known, old = self.token_ids, self.state if self.loop is loop else None
        # Until this call has ended well the cache counts as lost: an interrupt costs a second reading, nothing more.
        self.token_ids, self.state, self.loop = known + more, None, loop
        if request.lengths[0] <= len(self.token_ids):
            return
        weights = loop.weights.values()
        if old is None:
            state = loop.prefill(weights, *request.arrays(loop.sampler))
        else:
            state = self.extended(loop, weights, old, more, request)
        begin, last = int(state.prompt), int(ops.max(state.end))
        for now in advance(loop, weights, state, last, streaming):
            state = now
            tokens, _, ends = loop.results(state)
            row = cut_after_stop(tokens[0, 0, begin : int(ends[0, 0])].tolist(), request.stop_token_ids)
            self.token_ids = known + more + row
            yield row
        # What lies behind a stop token was not given out, and is not part of the text.
        self.state = state._replace(index=integer(begin + len(row)))

    def extended(self, loop, weights, state, more, request):
        """The state of the last call with `more` tokens read."""
        count, width = len(more), bucket(len(more), SMALLEST_PROMPT)
        while int(state.index) + width >= state.tokens.shape[1]:
            state = loop.grow(weights, state)
        token_ids = np.zeros((1, width), "int32")
        token_ids[0, :count] = more
        end = np.asarray(to_numpy(state.start), "int32") + request.lengths[0]
        arrays = [ops.convert_to_tensor(x) for x in (token_ids, end, *request.settings(loop.sampler))]
        return loop.extend(weights, state, arrays[0], integer(count), *arrays[1:])
