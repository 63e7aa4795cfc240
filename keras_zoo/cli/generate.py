"""`keras-zoo generate`: text as it is written."""

import sys
import time

from keras_zoo.cli.inputs import read_stdin
from keras_zoo.cli.loading import PRESET, add_command, add_json, add_model_options, load
from keras_zoo.cli.tables import print_json

SAMPLERS = ("greedy", "random", "top_k", "top_p", "min_p", "typical", "beam", "contrastive")


def add(commands):
    command = add_command(
        commands,
        "generate",
        "continue a prompt, streaming",
        "Prints the prompt and what follows, piece by piece. The speed goes to standard error.",
        (
            "keras-zoo generate gpt2_tiny_en_prose 'Once upon a time' --sampler greedy",
            "cat letter.txt | keras-zoo generate gpt2_base_en - --max-new-tokens 40 --seed 7",
            "keras-zoo generate gpt2_tiny_en_prose 'The sea' --json | jq -r .text",
        ),
    )
    command.add_argument("preset", help=PRESET)
    command.add_argument("prompt", help="the text to continue; - for a pipe")
    add_options(command)
    add_json(command, "print JSON with prompt, text, tokens and seconds when all is written")
    command.set_defaults(run=run)


def add_options(command):
    command.add_argument("--max-new-tokens", type=int, default=100, metavar="N", help="at most so many (100)")
    command.add_argument("--sampler", choices=SAMPLERS, help="default: top_k with k=20 and --temperature")
    command.add_argument("--temperature", type=float, metavar="T", help="of the default sampler (0.8)")
    command.add_argument("--seed", type=int, metavar="N", help="the same seed gives the same text")
    add_model_options(command)


def run(arguments):
    prompt = read_stdin().removesuffix("\n") if arguments.prompt == "-" else arguments.prompt
    chosen = sampler(arguments)
    lm = load(arguments, arguments.preset, "stream", "write text")
    show = (lambda text: None) if arguments.json else (lambda text: print(text, end="", flush=True))
    show(prompt)
    text, seconds, count = write(lm, arguments, prompt, chosen, show)
    if arguments.json:
        print_json({"prompt": prompt, "text": text, "tokens": count, "seconds": round(seconds, 3)})
        return
    print()
    print(f"[{count} tokens, {count / seconds:.0f} tokens/s]", file=sys.stderr)


def sampler(arguments):
    if arguments.sampler is not None and arguments.temperature is not None:
        raise ValueError("--temperature belongs to the default sampler; leave --sampler out.")
    if arguments.sampler is not None:
        return arguments.sampler
    from keras_nlp import samplers

    return samplers.TopKSampler(k=20, temperature=0.8 if arguments.temperature is None else arguments.temperature)


def write(lm, arguments, prompt, sampler, show):
    """Gives `show` the continuation as it comes; returns it with the seconds and the tokens it took."""
    pieces, begin = [], time.perf_counter()
    options = {"max_new_tokens": arguments.max_new_tokens, "sampler": sampler, "seed": arguments.seed}
    for piece in lm.stream(prompt, **options):
        pieces.append(piece)
        show(piece)
    seconds = time.perf_counter() - begin
    return "".join(pieces), seconds, len(lm.preprocessor.tokenizer("".join(pieces)))
