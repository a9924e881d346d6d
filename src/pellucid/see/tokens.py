"""Tokens as a person reads them: spaces, line ends, slots and bytes that form no character made visible.

A byte-level vocabulary names its tokens in letters that stand for bytes ("Ġfile" for " file"). Here each is told by its
text: "␣file"; bytes that are no whole character are told as such: "<0xE4>". Labels of axes are made of these.
"""

from collections.abc import Sequence
from functools import lru_cache

from pellucid.data.slots import CHARACTERS
from pellucid.data.tokenizer import SPECIAL, Tokenizer

SPACE = "␣"
NAMED = {" ": SPACE, "\n": "\\n", "\t": "\\t", "\r": "\\r"}
LONE = 0xDC00  # what "surrogateescape" adds to a byte that is part of no character


def labels_of(tokenizer: Tokenizer, strings: Sequence[str] = ()) -> list[str]:
    """The label of every token by its id; a slot is told by the one of `strings` that it stands for in a sentence."""
    return [
        f"⟨{strings[slot]}⟩" if (slot := slot_of(name)) is not None and slot < len(strings) else readable(name)
        for name in tokenizer.names()
    ]


def readable(name: str) -> str:
    """The label of a token, from its name in the tokenizer's file."""
    slot = slot_of(name)
    if slot is not None:
        return f"⟨slot {slot}⟩"
    if name in SPECIAL or not all(letter in byte_of_letter() for letter in name):
        return name
    text = bytes(byte_of_letter()[letter] for letter in name).decode("utf-8", "surrogateescape")
    return "".join(map(visible, text))


def slot_of(name: str) -> int | None:
    return CHARACTERS.index(name) if len(name) == 1 and name in CHARACTERS else None


def visible(character: str) -> str:
    if character in NAMED:
        return NAMED[character]
    if LONE <= ord(character) < LONE + 256:
        return f"<0x{ord(character) - LONE:02X}>"
    return character if character.isprintable() else f"<U+{ord(character):04X}>"


@lru_cache
def byte_of_letter() -> dict[str, int]:
    """The byte for which each letter of a byte-level vocabulary stands: printable ones for themselves.

    Source: Radford et al., "Language Models are Unsupervised Multitask Learners", 2019 (the code of GPT-2).
    """
    themselves = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in themselves]
    return {
        **{chr(byte): byte for byte in themselves},
        **{chr(256 + number): byte for number, byte in enumerate(others)},
    }
