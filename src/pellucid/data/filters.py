"""Filters: which pairs are fit to learn from, each reason named, counted and shown with samples.

Stands between the readers and the split.
"""

import re
import unicodedata
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pydantic import Field

from pellucid.config import Config
from pellucid.data.languages import Language, language, script_share
from pellucid.data.pairs import Pair
from pellucid.data.seen import Seen
from pellucid.data.store import ChosenPairs

SAMPLES = 5  # shown of each reason
CUSHION = 10  # letters added to both lengths, because among short texts a ratio says little
FEWEST_LETTERS = 3  # below which the script is not judged
WIDTHS = {"CJK": 2.5, "HIRAGANA": 1.6, "KATAKANA": 1.6, "HANGUL": 2.2}  # Latin letters that say as much as one of these
# Control characters but for tab and line breaks, and characters that no text should hold.
CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffd\ufffe\uffff\ufdd0-\ufdef]")
WIDE = re.compile("[\u2e80-\u9fff\uf900-\ufaff\uff66-\uff9f\uac00-\ud7a3]")


class Limits(Config):
    """From where on a pair is taken out."""

    max_characters: int = Field(400, ge=1, description="longest side kept")
    max_ratio: float = Field(4.0, gt=1, description="how many times longer than the other a side may be")
    min_script_share: float = Field(0.3, ge=0, le=1, description="share of letters in the language's own script")


@dataclass(frozen=True, slots=True)
class Cleaned:
    """The pairs left, how many each filter took away (in the order in which they ran), and some of those."""

    pairs: Sequence[Pair]
    removed: dict[str, int]
    samples: dict[str, list[Pair]]


def clean(pairs: Sequence[Pair], source: str, target: str, limits: Limits) -> Cleaned:
    """Normalize every pair (Unicode NFC, no white space round it), then take out what fails a filter.

    The first filter that a pair fails is the one that counts it.
    """
    filters = filters_of((language(source), language(target)), limits)
    removed = dict.fromkeys([*filters, "duplicate"], 0)
    samples: dict[str, list[Pair]] = {name: [] for name in removed}
    kept = array("I")
    seen = Seen()
    alike: set[tuple[str, str]] = set()  # pairs that have the hash of another
    for number, raw in enumerate(pairs):
        pair = normalized(raw)
        reason = next((name for name, fails in filters.items() if fails(pair)), None)
        if reason is None and (first := seen.first(hash((pair.source, pair.target)), number)):
            before = normalized(pairs[first[0]])
            if (before.source, before.target) == (pair.source, pair.target) or (pair.source, pair.target) in alike:
                reason = "duplicate"
            else:
                alike.add((pair.source, pair.target))
        if reason is None:
            kept.append(number)
            continue
        removed[reason] += 1
        if len(samples[reason]) < SAMPLES:
            samples[reason].append(pair)
    return Cleaned(
        ChosenPairs(pairs, kept, normalized), removed, {name: found for name, found in samples.items() if found}
    )


def filters_of(languages: tuple[Language, Language], limits: Limits) -> dict[str, Callable[[Pair], bool]]:
    """By the reason they give, in the order in which they run: whether a pair fails."""
    return {
        "empty": lambda pair: not (pair.source and pair.target),
        "control characters": lambda pair: bool(CONTROL.search(pair.source) or CONTROL.search(pair.target)),
        "identical": lambda pair: pair.source == pair.target,
        "too long": lambda pair: max(len(pair.source), len(pair.target)) > limits.max_characters,
        "length ratio": lambda pair: length_ratio(pair) > limits.max_ratio,
        "wrong script": lambda pair: wrong_script(pair, languages, limits.min_script_share),
    }


def normalized(pair: Pair) -> Pair:
    """Unicode NFC, white space round each side taken off."""
    return Pair(_normalized(pair.source), _normalized(pair.target), pair.origin)


def length_ratio(pair: Pair) -> float:
    """How many times longer one side is than the other, in widths of Latin letters, the same cushion added to both."""
    short, long = sorted((width(pair.source), width(pair.target)))
    return (long + CUSHION) / (short + CUSHION)


def width(text: str) -> float:
    """Length in Latin letters: a Chinese character says about as much as two and a half of them."""
    return len(text) + (WIDTHS["CJK"] - 1) * len(WIDE.findall(text))


def wrong_script(pair: Pair, languages: tuple[Language, Language], least: float) -> bool:
    """A side has letters enough to judge and too few of them belong to its language."""
    for text, of in zip((pair.source, pair.target), languages, strict=True):
        letters = sum(map(str.isalpha, text))
        wanted = 1 / letters if of.scripts == {"CJK"} and letters else least  # a product's name may fill most of it
        if letters >= FEWEST_LETTERS and script_share(text, of) < min(least, wanted):
            return True
    return False


def _normalized(text: str) -> str:
    return unicodedata.normalize("NFC", text).strip()
