"""Tokens joined to words, as a person reads them: pieces of a word, and bytes of a character, belong together.

A script that is written without spaces has no other borders than those of its tokens, so there a token is a word,
unless it holds only part of a character. What is copied letter for letter is a word of its own.
"""

import codecs
import re
from collections.abc import Sequence
from dataclasses import dataclass

from pellucid.data.tokenizer import SPECIAL, WITHOUT_SPACES, Tokenizer
from pellucid.see.tokens import byte_of_letter, slot_of

INSIDE = "'’_"  # signs that stand within a word
_UNSPACED = re.compile(f"[{WITHOUT_SPACES}]")


@dataclass(frozen=True, slots=True)
class Word:
    """A word and the tokens that it is made of, from `first` up to `after`; a space in front belongs to it.

    `copied`: it stands for a string of the source that is kept. The end of a sentence is a word without text.
    """

    text: str
    first: int
    after: int
    copied: bool = False


def joined(tokenizer: Tokenizer, ids: Sequence[int], strings: Sequence[str] = ()) -> list[Word]:
    """The words of these tokens; slot n stands for string n, and one that stands for none has no text.

    Their texts, one after another, are the text of the ids: bytes that form no character are left out.
    """
    names = tokenizer.names()
    decoder = codecs.getincrementaldecoder("utf-8")("ignore")
    words: list[Word] = []
    for number, token in enumerate(ids):
        within = bool(decoder.getstate()[0])  # of a character whose first bytes the tokens before hold
        slot = slot_of(names[token])
        if token < len(SPECIAL) or slot is not None:
            decoder.reset()
            text = strings[slot] if slot is not None and slot < len(strings) else ""
            word = Word(text, number, number + 1, slot is not None)
        else:
            word = Word(decoder.decode(bytes(byte_of_letter()[letter] for letter in names[token])), number, number + 1)
        words.append(word)
        if within and len(words) > 1:
            words[-2:] = [both(*words[-2:])]  # and only now is it known with what the character begins
        if len(words) > 1 and token >= len(SPECIAL) and belongs(*words[-2:]):
            words[-2:] = [both(*words[-2:])]
    return words


def both(before: Word, word: Word) -> Word:
    return Word(before.text + word.text, before.first, word.after, before.copied or word.copied)


def belongs(before: Word, word: Word) -> bool:
    """Whether a piece goes on with the word before it: after a space alone, or letter after letter."""
    if not before.text.strip() and before.text:
        return not word.text[:1].isspace()
    if before.copied or word.copied or not before.text or not word.text:
        return False
    return letter(before.text[-1]) and letter(word.text[0])


def letter(character: str) -> bool:
    """Whether it stands within a word of a script that is written with spaces."""
    return (character.isalnum() and not _UNSPACED.match(character)) or character in INSIDE
