"""GPT-2 (Radford et al., 2019)."""

from keras_nlp.models.gpt2.backbone import GPT2Backbone
from keras_nlp.models.gpt2.checkpoint import TRANSFORMERS
from keras_nlp.models.gpt2.keras_hub import KERAS_HUB
from keras_nlp.models.gpt2.tasks import GPT2CausalLM, GPT2CausalLMPreprocessor, GPT2Tokenizer
from keras_nlp.testing import CAUSAL_LM_CHECKS, tiny_byte_pair, token_batch
from keras_zoo.registry import Family, register

__all__ = ["GPT2Backbone", "GPT2CausalLM", "GPT2CausalLMPreprocessor", "GPT2Tokenizer"]

FAMILY = register(
    Family(
        name="gpt2",
        backbone=GPT2Backbone,
        tasks=(GPT2CausalLM,),
        tokenizer=GPT2Tokenizer,
        tiny={
            "vocabulary_size": 300,
            "num_layers": 2,
            "num_heads": 2,
            "hidden_dim": 16,
            "intermediate_dim": 32,
            "max_sequence_length": 48,
        },
        example=token_batch,
        tiny_preprocessors={
            "GPT2CausalLM": lambda: GPT2CausalLMPreprocessor(tiny_byte_pair(GPT2Tokenizer), sequence_length=12)
        },
        no_gradient=("*/key/bias",),  # the softmax does not see what is added to all keys alike
        checks=CAUSAL_LM_CHECKS,
        transformers=TRANSFORMERS,
        keras_hub=KERAS_HUB,
    )
)
