"""Pieces: a running text as ids and back, by characters or by byte-level BPE.

Unlike the translator's sentences (`tokenizer.py`) a running text has no beginning, no end and no slots, and its spaces
and line ends are part of what is learned. Both kinds are saved in Hugging Face `tokenizers` format.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Int
from tokenizers import Regex
from tokenizers import Tokenizer as Engine
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.decoders import Fuse
from tokenizers.models import BPE, WordLevel
from tokenizers.pre_tokenizers import ByteLevel, Split
from tokenizers.trainers import BpeTrainer
from torch import Tensor

from pellucid.data.tokenizer import load_engine
from pellucid.files import write_text

Kind = Literal["characters", "bpe"]
UNKNOWN = "�"  # stands for characters too rare in training to have a token of their own
RARE = 3  # a character seen fewer times is unknown, so that the model has seen what unknown is
LINES = re.compile(r"(?<=\n)(?=\S)")  # no token of a byte-level BPE reaches across such a place
AT_ONCE = 2_000  # lines given to the engine at a time


class Pieces:
    """Text to ids and back. `kind` says whether a token is a character or a sequence of bytes found often."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.kind: Kind = "bpe" if isinstance(engine.model, BPE) else "characters"
        vocabulary = engine.get_vocab()
        self._tokens = sorted(vocabulary, key=lambda token: vocabulary[token])
        if self.kind == "characters":
            highest = max(map(ord, self._tokens))
            self._table = torch.zeros(highest + 2, dtype=torch.int32)  # code point to id; beyond the highest: unknown
            for token, number in vocabulary.items():
                self._table[ord(token)] = number

    @classmethod
    def train(cls, text: str, kind: Kind, vocabulary: int = 0) -> "Pieces":
        """All characters that are not rare, or at most `vocabulary` tokens by merging frequent pairs of bytes."""
        if kind == "characters":
            counts = Counter(text)
            known = sorted(character for character, count in counts.items() if count >= RARE and character != UNKNOWN)
            engine = Engine(WordLevel({token: number for number, token in enumerate([UNKNOWN, *known])}, UNKNOWN))
            engine.pre_tokenizer = Split(Regex(r"[\s\S]"), "isolated")
            engine.decoder = Fuse()
            return cls(engine)
        engine = Engine(BPE())
        engine.pre_tokenizer = ByteLevel(add_prefix_space=False)
        engine.decoder = ByteLevelDecoder()
        trainer = BpeTrainer(
            vocab_size=vocabulary,
            min_frequency=2,
            initial_alphabet=ByteLevel.alphabet(),
            show_progress=False,
        )
        engine.train_from_iterator(LINES.split(text), trainer)
        return cls(engine)

    @classmethod
    def load(cls, path: Path) -> "Pieces":
        """Raises RunError if the file is missing or not a tokenizer."""
        return cls(load_engine(path))

    def save(self, path: Path) -> None:
        write_text(path, self.engine.to_str(pretty=True))

    @property
    def size(self) -> int:
        return len(self._tokens)

    def encode(self, text: str) -> Int[Tensor, " token"]:
        if self.kind == "characters":
            codes = torch.frombuffer(bytearray(text.encode("utf-32-le")), dtype=torch.int32) if text else _nothing()
            return self._table[codes.clamp_max(len(self._table) - 1).long()]
        ids: list[int] = []
        lines = LINES.split(text)
        for start in range(0, len(lines), AT_ONCE):
            for encoding in self.engine.encode_batch(lines[start : start + AT_ONCE], add_special_tokens=False):
                ids += encoding.ids
        return torch.tensor(ids, dtype=torch.int32)

    def decode(self, ids: Sequence[int]) -> str:
        if self.kind == "characters":
            return "".join(self._tokens[number] for number in ids)
        return str(self.engine.decode(list(ids), skip_special_tokens=False))

    def unknown(self, text: str) -> list[str]:
        """The characters of a text that have no token, each once; none for BPE, as every byte is one."""
        if self.kind == "bpe":
            return []
        known = set(self._tokens)
        return sorted(set(text) - known)

    def names(self) -> list[str]:
        """The name of every token by its id, as tokenizer.json has it."""
        return list(self._tokens)

    def stream(self, ids: Iterator[int]) -> Iterator[str]:
        """The text of ids as they come, in whole characters: bytes that are part of one wait for the rest."""
        if self.kind == "characters":
            for number in ids:
                yield self._tokens[number]
            return
        waiting: list[int] = []
        for number in ids:
            waiting.append(number)
            text = self.decode(waiting)
            if not text.endswith(UNKNOWN) or len(waiting) > LONGEST_CHARACTER:
                yield text
                waiting = []
        if waiting:
            yield self.decode(waiting)


LONGEST_CHARACTER = 4  # bytes in UTF-8; more than these that are no character never will be


def _nothing() -> Tensor:
    return torch.empty(0, dtype=torch.int32)
