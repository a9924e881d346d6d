"""Words: a running text cut into words, counted, and numbered; and the scenes in which they stand together.

A word is a run of letters, with an apostrophe or a hyphen inside, in small letters. Chinese is written without spaces:
its runs are cut into pairs of characters that are found often in this very text, and single ones (byte pair encoding
over characters), so that no dictionary is needed: most Chinese words have two. Stands between works and the pairs that
skip-gram learns from.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from tokenizers import Tokenizer as Engine
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer

from pellucid.errors import DataError, RunError
from pellucid.files import REPLACE, write_text

HAN = "\u3400-\u4dbf\u4e00-\u9fff"
RUNS = re.compile(rf"[{HAN}]+|[^\W\d_{HAN}]+(?:['’-][^\W\d_{HAN}]+)*")
IS_HAN = re.compile(rf"[{HAN}]")
HAN_PIECES = 8_000  # of byte pair encoding at most; a text's own frequent words come first
HAN_AT_ONCE = 5_000  # runs given to the engine at a time
HEADING = re.compile(
    r"^\s*(?:act|scene|scena|actus|chapter|canto|book|第[\d一二三四五六七八九十百千零〇]+[章回节幕场])\b.*$",
    re.IGNORECASE | re.MULTILINE,
)
LONGEST_SCENE = 3_000  # words; a longer stretch without a heading is cut
SHORTEST_SCENE = 50


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The words from the most frequent down, how often each was found, and how runs of Chinese are cut."""

    words: list[str]
    counts: list[int]
    han: Engine | None = None

    @classmethod
    def of(cls, texts: Sequence[str], most: int, fewest: int) -> "Vocabulary":
        """At most `most` words, each found at least `fewest` times. Raises DataError if there are not even two."""
        runs = [run for text in texts for run in RUNS.findall(text.lower())]
        chinese = [run for run in runs if IS_HAN.match(run)]
        han = _engine(chinese) if chinese else None
        counts = Counter(word for word in _cut(runs, han))
        found = [(word, count) for word, count in sorted(counts.items(), key=lambda one: (-one[1], one[0]))]
        kept = [(word, count) for word, count in found[:most] if count >= fewest]
        if len(kept) < 2:
            raise DataError(
                f"{len(counts):,} different words, of which {len(kept)} come at least {fewest} times",
                mend="Give more text, or lower data.fewest.",
            )
        return cls([word for word, _ in kept], [count for _, count in kept], han)

    def numbers(self, texts: Sequence[str]) -> list[list[int]]:
        """The number of each word of each text that is in the vocabulary; the others are left out."""
        known = {word: number for number, word in enumerate(self.words)}
        cut = (_cut(RUNS.findall(text.lower()), self.han) for text in texts)
        return [[known[word] for word in words if word in known] for words in cut]

    def place(self, text: str, number: int) -> int:
        """Where in a text the word stands that is the `number`-th of those that it knows, from 0."""
        known = set(self.words)
        for run in RUNS.finditer(text.lower()):
            at = run.start()
            for word in _cut([run.group()], self.han):
                if word in known:
                    if number == 0:
                        return at
                    number -= 1
                at += len(word)
        raise IndexError("the text has no such word")

    def save(self, path: Path) -> None:
        han = json.loads(self.han.to_str()) if self.han else None
        write_text(path, json.dumps({"words": self.words, "counts": self.counts, "han": han}, ensure_ascii=False))

    @classmethod
    def load(cls, path: Path) -> "Vocabulary":
        """Raises RunError if the file is missing or is none."""
        try:
            held = json.loads(path.read_text(encoding="utf-8"))
            words, counts = [str(word) for word in held["words"]], [int(count) for count in held["counts"]]
            han = Engine.from_str(json.dumps(held["han"])) if held["han"] else None
        except FileNotFoundError:
            raise RunError(f"{path}: no such file", mend=REPLACE) from None
        except Exception as error:  # the library raises the bare class for an engine it cannot read
            raise RunError(f"{path}: not a vocabulary ({error})", mend=REPLACE) from None
        if len(words) != len(counts) or len(set(words)) != len(words):
            raise RunError(f"{path}: not a vocabulary (its words and counts do not fit)", mend=REPLACE)
        return cls(words, counts, han)


def scenes(text: str) -> list[str]:
    """The text at its headings (act, scene, chapter, canto, 第三回 ...), and where there are none every few pages."""
    edges = [0, *(found.start() for found in HEADING.finditer(text)), len(text)]
    parts = [text[start:end] for start, end in pairwise(edges)]
    return [piece for part in parts for piece in _pages(part)]


def _pages(text: str) -> Iterator[str]:
    """A text in pieces of at most so many words; one of a few words, such as a heading, is none."""
    places = [found.start() for found in RUNS.finditer(text)]
    if len(places) < SHORTEST_SCENE:
        return
    for start in range(0, len(places), LONGEST_SCENE):
        end = start + LONGEST_SCENE
        if len(places) - start >= SHORTEST_SCENE:
            yield text[places[start] : places[end] if end < len(places) else len(text)]


def _engine(runs: Sequence[str]) -> Engine:
    engine = Engine(BPE())
    engine.train_from_iterator(
        (runs[i : i + 100] for i in range(0, len(runs), 100)),
        BpeTrainer(vocab_size=HAN_PIECES, min_frequency=5, max_token_length=2, show_progress=False),
    )
    return engine


def _cut(runs: Sequence[str], han: Engine | None) -> Iterator[str]:
    """Words in their order, runs of Chinese cut into pieces."""
    if han is None:
        yield from (run for run in runs if not IS_HAN.match(run))
        return
    for start in range(0, len(runs), HAN_AT_ONCE):
        some = runs[start : start + HAN_AT_ONCE]
        cut = iter(han.encode_batch([run for run in some if IS_HAN.match(run)], add_special_tokens=False))
        for run in some:
            if IS_HAN.match(run):
                yield from next(cut).tokens
            else:
                yield run
