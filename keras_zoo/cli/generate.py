"""`keras-zoo generate`: text as it is written."""

import sys
import time

from keras_zoo.cli.loading import add_model_options, load


def add(commands):
    command = commands.add_parser(
        "generate",
        help="continue a prompt, streaming",
        epilog="example: keras-zoo generate gpt2_tiny_en_prose 'Once upon a time' --sampler greedy",
    )
    command.add_argument("preset")
    command.add_argument("prompt")
    add_options(command)
    command.set_defaults(run=run)


def add_options(command):
    command.add_argument("--max-new-tokens", type=int, default=100)
    command.add_argument("--sampler", default=None, help="greedy, random or top_k (default: top_k with k=20)")
    command.add_argument("--temperature", type=float, default=0.8)
    command.add_argument("--seed", type=int, default=None)
    add_model_options(command)


def run(arguments):
    print(arguments.prompt, end="", flush=True)
    _, seconds, count = write(load(arguments, arguments.preset, "stream", "write text"), arguments, arguments.prompt)
    print(f"\n[{count} tokens, {count / seconds:.0f} tokens/s]", file=sys.stderr)


def sampler(arguments):
    from keras_nlp import samplers

    if arguments.sampler is not None:
        return arguments.sampler
    return samplers.TopKSampler(k=20, temperature=arguments.temperature)


def write(lm, arguments, prompt):
    """Prints the continuation as it comes; returns it with the seconds and the tokens it took."""
    pieces, begin = [], time.perf_counter()
    options = {"max_new_tokens": arguments.max_new_tokens, "sampler": sampler(arguments), "seed": arguments.seed}
    for piece in lm.stream(prompt, **options):
        pieces.append(piece)
        print(piece, end="", flush=True)
    seconds = time.perf_counter() - begin
    return "".join(pieces), seconds, len(lm.preprocessor.tokenizer("".join(pieces)))
