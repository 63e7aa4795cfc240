"""BERT's tokenizer, preprocessors and tasks: the shared ones with BERT's facts."""

from keras_nlp import tasks
from keras_nlp.tokenizers import WordPieceTokenizer

SPECIAL_TOKENS = {
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "pad_token": "[PAD]",
    "mask_token": "[MASK]",
    "unk_token": "[UNK]",
    "start_token": "[CLS]",
    "end_token": "[SEP]",
}


class BertTokenizer(WordPieceTokenizer):
    """BERT's WordPiece. `[CLS]` starts a text, `[SEP]` ends it; see `WordPieceTokenizer` for the arguments."""

    def __init__(
        self,
        vocabulary,
        lowercase=False,
        sequence_length=None,
        strip_accents=None,
        split_on_cjk=True,
        special_tokens_in_strings=True,
        unsplittable_tokens=None,
    ):
        super().__init__(
            vocabulary,
            sequence_length,
            lowercase,
            strip_accents,
            split_on_cjk=split_on_cjk,
            special_tokens=SPECIAL_TOKENS,
            special_tokens_in_strings=special_tokens_in_strings,
            unsplittable_tokens=unsplittable_tokens,
        )


class BertTextClassifierPreprocessor(tasks.TextClassifierPreprocessor):
    """Texts or pairs of texts to BERT's inputs."""

    tokenizer_class = BertTokenizer


class BertTextClassifier(tasks.TextClassifier):
    """BERT with a dense layer on the pooled output."""

    preprocessor_class = BertTextClassifierPreprocessor


class BertMaskedLMPreprocessor(tasks.MaskedLMPreprocessor):
    """Texts to BERT's inputs with some tokens hidden."""

    tokenizer_class = BertTokenizer


class BertMaskedLM(tasks.MaskedLM):
    """BERT with the head it was trained with, which predicts hidden tokens."""

    preprocessor_class = BertMaskedLMPreprocessor


class BertTextEmbedderPreprocessor(tasks.TextEmbedderPreprocessor):
    """Texts to BERT's inputs."""

    tokenizer_class = BertTokenizer


class BertTextEmbedder(tasks.TextEmbedder):
    """BERT with its outputs pooled to one vector a text, as sentence-transformers has it."""

    preprocessor_class = BertTextEmbedderPreprocessor


class BertTokenClassifierPreprocessor(tasks.TokenClassifierPreprocessor):
    """Words with labels to BERT's inputs."""

    tokenizer_class = BertTokenizer


class BertTokenClassifier(tasks.TokenClassifier):
    """BERT with a dense layer on every token."""

    preprocessor_class = BertTokenClassifierPreprocessor
