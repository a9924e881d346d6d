"""Held-out text: which stretches of which works are for development and test, so that neither was seen in training.

Of many works whole ones are held out; of few, the end of each. Two editions of one work count as one: a model that
has read one has all but read the other. Stands between works and tokens.
"""

import random
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from pellucid.data.works import Work
from pellucid.errors import DataError

MANY = 10  # different works from which whole ones are held out
SHINGLE = 4  # words in a row by which two editions are told; spelling may differ, so short ones
SAMPLED = 8  # shingles that begin with one word in so many are looked at
SAME_WORK = 0.05  # share of the smaller one's shingles also found in the other; unrelated plays share under 1%
COMMON = 20  # a shingle in more works than this is a phrase, not a sign of kinship
SEPARATOR = "\n\n"  # between two stretches that did not follow each other
SIDES = ("train", "dev", "test")


@dataclass(frozen=True, slots=True)
class Stretch:
    """Part of a work, from one character to another."""

    work: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Sides:
    """The text of each side and where it is from. `by` is `works` or `ends`; `editions` groups works that are one."""

    train: str
    dev: str
    test: str
    stretches: dict[str, list[Stretch]]
    by: str
    editions: list[list[str]]


def hold_out(works: Sequence[Work], share: float) -> Sides:
    """Divide: `share` of all characters for development, and as much for the test.

    The same works give the same sides. Raises DataError if a side comes out empty.
    """
    groups = editions(works)
    chosen = _whole_works(groups, share) if len(groups) >= MANY else None
    if chosen is not None:
        stretches = {side: [Stretch(w.name, 0, len(w.text)) for w in chosen[side]] for side in SIDES}
        by = "works"
    else:
        stretches = _ends(works, share)
        by = "ends"
    texts = {work.name: work.text for work in works}
    joined = {side: SEPARATOR.join(texts[s.work][s.start : s.end] for s in stretches[side]) for side in SIDES}
    empty = next((side for side in SIDES if len(joined[side]) < 2), None)
    if empty:
        raise DataError(
            f"{works[0].name}: too short to hold out a {share:.0%} {empty} side", mend="Add text, or raise held_out."
        )
    together = [[work.name for work in group] for group in groups if len(group) > 1]
    return Sides(joined["train"], joined["dev"], joined["test"], stretches, by, together)


def editions(works: Sequence[Work]) -> list[list[Work]]:
    """Works in groups: those of one group share so much that they are editions of one text."""
    marks = [shingles(work.text) for work in works]
    where: dict[int, list[int]] = {}
    for number, found in enumerate(marks):
        for mark in found:
            where.setdefault(mark, []).append(number)
    shared: Counter[tuple[int, int]] = Counter()
    for numbers in where.values():
        if len(numbers) <= COMMON:
            shared.update(combinations(numbers, 2))
    group = list(range(len(works)))
    for (a, b), count in shared.items():
        if count > SAME_WORK * min(len(marks[a]), len(marks[b])) and group[a] != group[b]:
            old, new = max(group[a], group[b]), min(group[a], group[b])
            group = [new if one == old else one for one in group]
    together: dict[int, list[Work]] = {}
    for number, work in enumerate(works):
        together.setdefault(group[number], []).append(work)
    return list(together.values())


def shingles(text: str) -> set[int]:
    """Word sequences of the text, those that begin with some words only, as numbers that are the same everywhere."""
    words = text.lower().split()
    begins = {word for word in set(words) if zlib.crc32(word.encode()) % SAMPLED == 0}
    starts = [i for i, word in enumerate(words[: -SHINGLE + 1]) if word in begins]
    return {zlib.crc32(" ".join(words[i : i + SHINGLE]).encode()) for i in starts}


def _whole_works(groups: Sequence[Sequence[Work]], share: float) -> dict[str, list[Work]] | None:
    """Works for each side; None if no choice comes near the share, as when one work is most of the text."""
    sizes = [sum(len(work.text) for work in group) for group in groups]
    wanted = share * sum(sizes)
    order = list(range(len(groups)))
    random.Random(len(groups)).shuffle(order)
    sides: dict[str, list[int]] = {"dev": [], "test": []}
    held = {"dev": 0, "test": 0}
    for number in order:
        side = min(held, key=held.__getitem__)
        if held[side] < 0.8 * wanted and held[side] + sizes[number] < 2 * wanted:
            sides[side].append(number)
            held[side] += sizes[number]
    if min(held.values()) < 0.5 * wanted:
        return None
    rest = [number for number in range(len(groups)) if number not in {*sides["dev"], *sides["test"]}]
    sides["train"] = rest
    return {side: [work for number in sorted(numbers) for work in groups[number]] for side, numbers in sides.items()}


def _ends(works: Sequence[Work], share: float) -> dict[str, list[Stretch]]:
    """The end of each work: training, then development, then test, cut at line ends where there is one near."""
    stretches: dict[str, list[Stretch]] = {side: [] for side in SIDES}
    for work in works:
        length = len(work.text)
        first, second = (_line_end(work.text, round(length * (1 - part * share))) for part in (2, 1))
        for side, start, end in zip(SIDES, (0, first, second), (first, second, length), strict=True):
            if end > start:
                stretches[side].append(Stretch(work.name, start, end))
    return stretches


def _line_end(text: str, near: int) -> int:
    """Just after the last line end before `near`, unless that is far away."""
    found = text.rfind("\n", max(near - 200, 0), near)
    return found + 1 if found >= 0 else near


def seen_before(held: str, train: str, words: int = 8) -> float:
    """The share of the held-out text's sequences of so many words that stand in the training text as well."""
    ours = set(_sequences(held, words))
    return len({one for one in _sequences(train, words) if one in ours}) / len(ours) if ours else 0.0


def _sequences(text: str, words: int) -> Iterator[int]:
    split = text.lower().split()
    return (hash(tuple(split[i : i + words])) for i in range(len(split) - words + 1))
