"""GPT-2's tokenizer, preprocessor and language model: the shared ones with GPT-2's facts."""

from keras_nlp.tasks import CausalLM, CausalLMPreprocessor
from keras_nlp.tokenizers import BytePairTokenizer

END_OF_TEXT = "<|endoftext|>"


class GPT2Tokenizer(BytePairTokenizer):
    """GPT-2's byte-level BPE. `<|endoftext|>` both starts and ends a text."""

    def __init__(self, vocabulary, merges, sequence_length=None, add_prefix_space=False, unsplittable_tokens=None):
        super().__init__(
            vocabulary,
            merges,
            sequence_length,
            add_prefix_space,
            unsplittable_tokens,
            special_tokens={"start_token": END_OF_TEXT, "end_token": END_OF_TEXT},
        )


class GPT2CausalLMPreprocessor(CausalLMPreprocessor):
    """Strings to GPT-2's training and generation inputs."""

    tokenizer_class = GPT2Tokenizer


class GPT2CausalLM(CausalLM):
    """GPT-2 with its language-model head, which is the token embedding read backwards."""

    preprocessor_class = GPT2CausalLMPreprocessor
