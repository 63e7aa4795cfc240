"""Hides tokens for masked language modelling."""

import random

import numpy as np

from keras_nlp.layers.token_layer import TokenLayer
from keras_zoo.config import serializable


@serializable
class MaskedLMMaskGenerator(TokenLayer):
    """Token rows -> rows with some tokens hidden, and what they were (Devlin et al., 2019, section 3.1).

    Of each row's selectable tokens `mask_selection_rate` are chosen, at least one where there is one. A chosen token
    becomes the mask token, or a random token, or stays.

    Args:
        vocabulary_size: number of token ids.
        mask_selection_rate: the part of tokens that is chosen, in [0, 1].
        mask_token_id: the id of the mask token.
        mask_selection_length: the most tokens chosen in a row, and the width of the outputs; None for no limit, and
            outputs as wide as the row with the most needs.
        unselectable_token_ids: ids never chosen: padding, start and end.
        mask_token_rate, random_token_rate: how often a chosen token becomes the mask token, or a random one, whose
            sum is at most 1.

    `layer(token_ids)` returns a dictionary: `token_ids`, as given but for what is hidden, padded with 0 to a common
    length; `mask_positions`, `mask_ids` int32 and `mask_weights` float32, each `(B, mask_selection_length)`: where,
    what was there, and 1 for a choice, 0 for padding. Seeds follow `keras.utils.set_random_seed`.
    """

    def __init__(
        self,
        vocabulary_size,
        mask_selection_rate,
        mask_token_id,
        mask_selection_length=None,
        unselectable_token_ids=(0,),
        mask_token_rate=0.8,
        random_token_rate=0.1,
    ):
        rates = {"mask_token_rate": mask_token_rate, "random_token_rate": random_token_rate}
        rates |= {"mask_selection_rate": mask_selection_rate}
        if wrong := {name: rate for name, rate in rates.items() if not 0 <= rate <= 1}:
            raise ValueError(f"Rates lie in [0, 1]; got {wrong}.")
        if mask_token_rate + random_token_rate > 1:
            raise ValueError(
                f"mask_token_rate + random_token_rate is at most 1; got {mask_token_rate} + {random_token_rate}."
            )
        if not 0 <= mask_token_id < vocabulary_size:
            raise ValueError(f"mask_token_id must lie in [0, {vocabulary_size}); got {mask_token_id}.")
        self.vocabulary_size = vocabulary_size
        self.mask_selection_rate = mask_selection_rate
        self.mask_token_id = mask_token_id
        self.mask_selection_length = mask_selection_length
        self.unselectable_token_ids = list(unselectable_token_ids)
        self.mask_token_rate = mask_token_rate
        self.random_token_rate = random_token_rate

    def call_in_graph(self, segments, kwargs):
        if self.mask_selection_length is None:
            raise ValueError("Inside tf.data MaskedLMMaskGenerator needs a mask_selection_length.")
        return super().call_in_graph(segments, kwargs)

    def pack(self, segments):
        rows = segments[0]
        lengths = np.array([len(row) for row in rows])
        token_ids = np.zeros((len(rows), lengths.max(initial=0)), "int32")
        for i, row in enumerate(rows):
            token_ids[i, : len(row)] = row
        return self.hide(token_ids, np.arange(token_ids.shape[1]) < lengths[:, None])

    def hide(self, token_ids, real):
        """As the class says, from arrays `(B, T)`; `real` is True where there is a token."""
        generator = np.random.default_rng(random.randrange(2**63))
        selectable = real & ~np.isin(token_ids, self.unselectable_token_ids)
        counts = selectable.sum(1)
        wanted = np.where(counts, np.maximum(np.rint(counts * self.mask_selection_rate), 1), 0).astype("int64")
        width = self.mask_selection_length
        width = int(wanted.max(initial=0)) if width is None else width
        wanted = np.minimum(wanted, width)
        if not self.mask_selection_rate:
            wanted[:] = 0

        # The places with the smallest random numbers, in the order in which they stand.
        ranks = np.where(selectable, generator.random(token_ids.shape), 2.0).argsort(1).argsort(1)
        chosen = ranks < wanted[:, None]
        fate = generator.random(token_ids.shape)
        hidden = chosen & (fate < self.mask_token_rate)
        replaced = chosen & ~hidden & (fate < self.mask_token_rate + self.random_token_rate)
        random_ids = generator.integers(0, self.vocabulary_size, token_ids.shape)

        shape = (len(token_ids), width)
        positions, ids, weights = np.zeros(shape, "int32"), np.zeros(shape, "int32"), np.zeros(shape, "float32")
        rows, places = chosen.nonzero()
        columns = (chosen.cumsum(1) - 1)[rows, places]
        positions[rows, columns], ids[rows, columns], weights[rows, columns] = places, token_ids[rows, places], 1
        masked = np.where(hidden, self.mask_token_id, np.where(replaced, random_ids, token_ids)).astype("int32")
        return {"token_ids": masked, "mask_positions": positions, "mask_ids": ids, "mask_weights": weights}
