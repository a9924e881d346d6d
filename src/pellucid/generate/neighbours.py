"""Which words are near: by angle or by dot product, to a word or to a sum of words (king - man + woman)."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from pellucid.errors import DataError

Measure = Literal["cosine", "dot"]


@dataclass(frozen=True, slots=True)
class Near:
    """A word, the cosine of its angle to what was asked for, and their dot product."""

    word: str
    cosine: float
    dot: float


def parsed(expression: str) -> list[tuple[int, str]]:
    """`king - man + woman` as signs and words. Raises DataError if a word or a sign is missing."""
    terms: list[tuple[int, str]] = []
    sign: int | None = 1
    for part in expression.replace("+", " + ").replace(" - ", " − ").replace("−", " − ").split():
        if part in ("+", "−", "-"):
            if sign is not None and terms:
                raise DataError(f"{expression!r}: two signs in a row", mend="Write it as: king - man + woman")
            sign = 1 if part == "+" else -1
        else:
            if sign is None:
                raise DataError(
                    f"{expression!r}: no sign before {part!r}", mend="Write one word, or: king - man + woman"
                )
            terms.append((sign, part.lower()))
            sign = None
    if not terms or sign is not None:
        raise DataError(f"{expression!r}: a word is missing", mend="Write one word, or: king - man + woman")
    return terms


def nearest(
    table: Float[Tensor, "word dimension"],
    words: Sequence[str],
    expression: str,
    count: int = 10,
    measure: Measure = "cosine",
) -> list[Near]:
    """The words nearest to one, or to a sum of several, which themselves are left out.

        cosine = a . b / (|a| |b|)

    In a sum each vector is first made of length 1 (Mikolov et al., 2013). Raises DataError for a word that has no
    vector, with words spelled alike.
    """
    number: Mapping[str, int] = {word: i for i, word in enumerate(words)}
    terms = parsed(expression)
    for _, word in terms:
        if word not in number:
            alike = difflib.get_close_matches(word, words, n=3)
            raise DataError(
                f"{word!r} has no vector: it was too rare in the text",
                mend=f"Spelled alike: {', '.join(alike)}." if alike else "`pellucid report` shows the frequent words.",
            )
    units = F.normalize(table, dim=-1)
    own = [number[word] for _, word in terms]
    asked = table[own[0]] if len(own) == 1 else sum(sign * units[number[word]] for sign, word in terms)
    assert isinstance(asked, Tensor)
    cosines, dots = units @ F.normalize(asked, dim=-1), table @ asked
    ranked = (cosines if measure == "cosine" else dots).clone()
    ranked[own] = -float("inf")
    best = ranked.topk(min(count, len(words) - len(set(own)))).indices.tolist()
    return [Near(words[i], float(cosines[i]), float(dots[i])) for i in best]
