"""Twins: a held-out example that stands in training as well, or nearly so, and makes its score a lie.

Rows are compared without the columns that only number them; numbers and images by how near they are, measured by how
far apart other neighbours lie; sentences by their letters and digits alone.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

NEAR = 0.05  # of the distance that training examples have to their nearest neighbours: re-saved or rounded, not alike
EQUAL = 1e-9  # of a distance: none
FEW_COLUMNS = 4  # from which on nothing is so near by chance: of 10,000 rows in 4 dimensions less than one in ten is
SAMPLED = 512  # training rows that say how far apart neighbours are
BY_CHANCE = 0.01  # so many equal rows would be expected by chance: fewer values than that say nothing
ONE_BY_ONE = 0.98  # share of different values from which a column only numbers its rows
RUN = 24  # words or characters in a row
LONG_LINE = 8  # words of a line that is no common phrase; of characters twice as many
SPACED = 20  # characters to a word: more are no words but a script without spaces
MOST_READ = 100_000  # characters of a held-out text
NO_LETTERS = re.compile(r"[^\w%]+")  # what tells no two sentences apart; a number and a placeholder do


@dataclass(frozen=True)
class Twin:
    """A held-out example and the training example it equals, by number."""

    held_out: int
    train: int


def near_rows(train: Tensor, held_out: Tensor) -> list[Twin]:
    """Twins among rows of numbers (example, input): equal but for columns that number them, or all but equal.

    Where a row has few different values, equal ones come by chance and are none.
    """
    kept = [column for column in range(train.size(1)) if not only_numbers(train[:, column], held_out[:, column])]
    if not kept:
        return []
    known, asked = train[:, kept].double(), held_out[:, kept].double()
    nearest = torch.cdist(asked, known).argmin(1)
    distances = (asked - known[nearest]).norm(dim=1)
    among = torch.cdist(known[:SAMPLED], known)
    among[torch.arange(len(among)), torch.arange(len(among))] = torch.inf
    usual = (known[:SAMPLED] - known[among.argmin(1)]).norm(dim=1)
    usual = usual[usual > 0]
    limit = NEAR * float(usual.median()) if len(usual) else 0.0
    chance = expected_equals(known, asked)
    near = (distances <= limit) & (chance < BY_CHANCE)
    equal = near & (distances <= EQUAL)
    if int((near & ~equal).sum()) <= near_by_chance(len(asked), len(kept) - 1):
        near = equal
    return [Twin(row, int(nearest[row])) for row in near.nonzero().flatten().tolist()]


def near_by_chance(count: int, columns: int) -> float:
    """How many of so many rows have one so near where nothing was copied, at most.

    In d dimensions a neighbour is within t of its median distance with the probability 1 - 2^-(t^d): in the plane two
    in a thousand. Four standard deviations are added, and one. The last column is the target.
    """
    expected: float = count * (1 - 2 ** -(NEAR ** max(columns, 1)))
    return expected + 4 * expected**0.5 + 1 if columns < FEW_COLUMNS else 0.0


def only_numbers(train: Tensor, held_out: Tensor) -> bool:
    """Whether a column is a row's number: whole numbers at even distances, all different, or nearly all."""
    both = torch.cat([train, held_out]).double().sort().values
    steps = both.diff()
    if float((steps > 0).double().mean()) < ONE_BY_ONE:
        return False
    smallest = steps[steps > 0].min()
    ratios = steps / smallest
    return bool((ratios - ratios.round()).abs().max() < 0.01) and float(ratios.max()) < len(both)


def expected_equals(train: Tensor, held_out: Tensor) -> Tensor:
    """How many training rows would equal each held-out row were the columns independent: n prod_j share_j(value)."""
    expected = torch.full((len(held_out),), float(len(train)), dtype=torch.float64)
    for column in range(train.size(1)):
        values, counts = train[:, column].unique(return_counts=True)  # type: ignore[no-untyped-call]
        place = torch.searchsorted(values, held_out[:, column].contiguous()).clamp(max=len(values) - 1)
        expected *= counts[place].double().clamp(min=1) / len(train)
    return expected


def near_texts(train: Sequence[tuple[str, str]], held_out: Sequence[tuple[str, str]]) -> list[Twin]:
    """Twins among pairs of texts: both sides equal in their letters and digits, whatever stands between these."""
    known = {letters(pair): number for number, pair in reversed(list(enumerate(train)))}
    found = ((number, known.get(letters(pair))) for number, pair in enumerate(held_out))
    return [Twin(number, other) for number, other in found if other is not None]


def seen_again(held_out: str, train: str) -> float:
    """The share of the held-out text's long runs of words that stand in the training text; of Chinese of characters.

    Short runs come again in any text of one author; runs of two dozen words only where it was copied.
    """
    words, known = held_out[:MOST_READ].split(), train.split()
    if len(words) * SPACED < len(held_out[:MOST_READ]):
        words, known = list("".join(words)), list("".join(known))
    asked = {hash(tuple(words[i : i + RUN])) for i in range(len(words) - RUN + 1)}
    found = {one for i in range(len(known) - RUN + 1) if (one := hash(tuple(known[i : i + RUN]))) in asked}
    return len(found) / len(asked) if asked else 0.0


def lines_seen(held_out: str, train: str) -> float:
    """The share of the held-out text's long lines, by their length, that stand in the training text, whole.

    So a list of lines comes again in another order, which has no long runs in common. Short lines come again anyway.
    """
    asked = [line for line in map(str.strip, held_out[:MOST_READ].splitlines()) if is_long(line)]
    known = set(map(str.strip, train.splitlines()))
    length = sum(map(len, asked))
    return sum(len(line) for line in asked if line in known) / length if length else 0.0


def is_long(line: str) -> bool:
    """Whether a line has so many words, or characters of a script without spaces."""
    words = len(line.split())
    return words >= LONG_LINE or (words * SPACED < len(line) and len(line) >= 2 * LONG_LINE)


def letters(pair: tuple[str, str]) -> tuple[str, str]:
    """Two texts as their letters, in small ones, and digits; of a text without any, the text."""
    source, target = (unicodedata.normalize("NFKC", text).lower() for text in pair)
    return NO_LETTERS.sub("", source) or source, NO_LETTERS.sub("", target) or target
