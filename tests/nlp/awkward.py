"""Strings that tokenizers get wrong."""

import random as python_random

SPECIAL = [
    "",
    " ",
    "  ",
    "\n",
    "\t\r\n \u00a0",
    "a" * 3000,
    "é",
    "e\u0301",
    "🙂",
    "👩‍👩‍👧‍👦",
    "🇫🇷",
    "日本語のテキスト",
    "한국어",
    "العربية",
    "\x00\x01\x7f",
    "\ufeffBOM",
    "\ufffd",
    "don't we'll I'M",
    "<|endoftext|>",
    "a<|endoftext|>b",
    "<|endof",
    "1234567890",
    "    indented\n\tcode()",
    "naïve café",
    "Ω≈ç√∫",
    "\u200b\u200d",
    "𝕳𝖊𝖑𝖑𝖔",
    "\U0010ffff",
    "trailing space ",
    "CamelCaseWord",
]
ALPHABETS = [
    "abc ABC 019 .,;'\"-\n\t",
    "äöüßéèçñåø œ",
    "日本語漢字かなカナ、。",
    "🙂🔥👍🏽👩‍💻🏳️‍🌈 ",
    "\u0300\u0301\u0308\u0327aeo",
    "\x00\x07\x1b\x7f\u0085\u2028 ",
    "   \u00a0\u2003\t\n",
    "'sdmtllvere ",
]


def awkward_strings(count=1000):
    """Special cases, then random mixtures of awkward alphabets, then random code points."""
    random = python_random.Random(0)
    texts = list(SPECIAL)
    while len(texts) < count:
        alphabet = random.choice(ALPHABETS) + random.choice(ALPHABETS)
        if len(texts) % 5 == 0:
            points = (random.randrange(0x110000) for _ in range(random.randrange(60)))
            texts.append("".join(chr(p) for p in points if not 0xD800 <= p < 0xE000))
        else:
            texts.append("".join(random.choice(alphabet) for _ in range(random.randrange(120))))
    return texts
