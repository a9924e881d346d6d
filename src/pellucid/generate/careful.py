"""Decoding that tries again: for each text the first translation that breaks no check, or none and the reason.

A text is cut into pieces (pieces.py). Of each piece's beam the best hypothesis is taken that keeps everything
(data/integrity), after mechanical repairs; where none does, a pass in which each slot and each term of the glossary
must appear (constrained.py); where that fails too, a hypothesis with nothing grave. A text that still has a grave
breach is left empty. So a placeholder may be refused, and is never broken.
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from pellucid.data.integrity.breach import Breach
from pellucid.data.integrity.check import breaches
from pellucid.data.integrity.glossary import Term, terms_in
from pellucid.data.integrity.markup import ENTITY, TAG
from pellucid.data.integrity.placeholders import is_ordered
from pellucid.data.integrity.repair import repaired
from pellucid.data.slots import CHARACTERS, take_out, take_out_same
from pellucid.data.tokenizer import EOS, Tokenizer
from pellucid.generate.config import DecodingConfig
from pellucid.generate.engine import ConstrainedEngine, Constraint, Engine, Hypothesis, longest
from pellucid.generate.pieces import NUMBER, Fitting, Part, Piece, RefusedError, parts_of
from pellucid.generate.text import Prepared, prepare, text_of

Way = Literal["beam", "constrained", "none"]
WORTH_ANOTHER = frozenset(
    [
        "number-missing",
        "number-extra",
        "address-missing",
        "code-missing",
        "code-extra",
        "term",
        "entity-missing",
        "tag-empty",
        "angle-missing",
        "angle-extra",
        "angle-broken",
        "repeated",
    ]
)
"""Kinds of breach for which, though not grave, another hypothesis is preferred."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A translation that breaks no grave check, or none.

    `text` is empty if none was found; then `attempt` is the best attempt and `breaches` are its own, else those of
    `text`, none of them grave. `rank` is the place in the beam, from 0, of the hypothesis that was taken (of the
    lowest, if the text was translated in pieces). `score` is log p a token under the length penalty.

    `confidence` is exp(log p a token): the geometric mean of the chances that the model gave each token, between 0
    and 1. It orders translations of one model from doubtful to sure; it is not the chance that a translation is right.
    """

    text: str
    score: float
    confidence: float
    breaches: tuple[Breach, ...]
    attempt: str = ""
    way: Way = "beam"
    rank: int = 0


@dataclass(frozen=True, slots=True)
class Attempt:
    """One hypothesis for one piece, as text, with what it breaks."""

    text: str
    hypothesis: Hypothesis
    breaches: tuple[Breach, ...]
    way: Way
    rank: int

    @property
    def grave(self) -> int:
        return sum(map(_is_refused, self.breaches))

    @property
    def regretted(self) -> int:
        return self.grave + sum(breach.kind in WORTH_ANOTHER for breach in self.breaches)


SIGNS = "{}%<>$&"  # what opens or closes a placeholder, a tag or an entity
TAG_NAME = re.compile(r"</?([A-Za-z][\w:-]*)(?![^>]*/>)")
REPEATED = re.compile(r"(\w{2,12}?)\1{2,}|(\w)\2{3,}|(\w\W{1,2})\3{4,}")  # such as 默认默认默认, which nobody writes
SAYS = re.compile(r"[^\W_]|\ufffd")  # a letter or digit, or a part of one
AS_IT_IS = Hypothesis((), 0.0, 0.0)


def careful_translations(
    engine: Engine,
    tokenizer: Tokenizer,
    texts: Sequence[str],
    config: DecodingConfig,
    source_language: str,
    target_language: str,
    terms: Sequence[Term] = (),
    again: Callable[[], ConstrainedEngine] | None = None,
) -> list[Proposal]:
    """A proposal for each text, in their order. A blank text is its own translation.

    `again` gives the engine of the constrained pass where `engine` cannot do it itself; it is called when needed.
    """
    names = {word for term in terms for word in term.source.split()}
    fitting = Fitting(tokenizer, engine.max_length, lambda name: name in names or tokenizer.is_word(name))
    plans: list[list[Part] | Breach] = []
    for text in texts:
        try:
            plans.append(parts_of(text, fitting, target_language))
        except RefusedError as refused:
            plans.append(refused.breach)
    pieces = list(dict.fromkeys(part for plan in plans for part in _pieces(plan)))
    search = _Search(engine, fitting, config, (source_language, target_language), terms, again)
    found = dict(zip(pieces, search.attempts(pieces), strict=True))
    return [
        _proposal(text, plan, found, source_language, target_language, terms)
        for text, plan in zip(texts, plans, strict=True)
    ]


def _pieces(plan: "list[Part] | Breach") -> Iterator[Piece]:
    if not isinstance(plan, Breach):
        yield from (part for part in plan if isinstance(part, Piece))


@dataclass(frozen=True)
class _Search:
    """Everything that the search for one attempt a piece needs."""

    engine: Engine
    fitting: Fitting
    config: DecodingConfig
    languages: tuple[str, str]
    terms: Sequence[Term]
    again: Callable[[], ConstrainedEngine] | None

    def attempts(self, pieces: Sequence[Piece]) -> list[Attempt]:
        """For each piece what keeps most: of the beam, then of the constrained pass."""
        prepared = prepare(
            self.fitting.tokenizer, [piece.source for piece in pieces], self.fitting.max_length, self.fitting.is_word
        )
        results: list[Attempt] = []
        asked = [number for number, piece in enumerate(pieces) if self._says_something(piece)]
        hypotheses = dict(
            zip(asked, self.engine.translate_ids([prepared[n].ids for n in asked], self.config), strict=True)
        )
        for number, (piece, one) in enumerate(zip(pieces, prepared, strict=True)):
            if number in hypotheses:
                results.append(self._best(self._judged(piece, one, hypotheses[number], "beam")))
            else:
                results.append(Attempt(piece.source, AS_IT_IS, (), "beam", 0))
        self._try_again(pieces, prepared, results)
        return results

    def _says_something(self, piece: Piece) -> bool:
        """Whether anything but slots and signs is left to be translated."""
        return any(map(str.isalpha, take_out(piece.source, self.fitting.is_word).text))

    def _try_again(self, pieces: Sequence[Piece], prepared: Sequence[Prepared], results: list[Attempt]) -> None:
        failed = [number for number, attempt in enumerate(results) if attempt.regretted]
        constraints = {number: self._constraint(pieces[number], prepared[number]) for number in failed}
        failed = [number for number in failed if constraints[number].counts or constraints[number].phrases]
        if not failed:
            return
        engine = self._constrained_engine()
        if engine is None:
            return
        found = engine.constrained_ids([prepared[n].ids for n in failed], [constraints[n] for n in failed], self.config)
        for number, hypotheses in zip(failed, found, strict=True):
            attempts = self._judged(pieces[number], prepared[number], hypotheses, "constrained")
            results[number] = self._best([results[number], *attempts])

    def _constrained_engine(self) -> ConstrainedEngine | None:
        if isinstance(self.engine, ConstrainedEngine):
            return self.engine
        return self.again() if self.again else None

    def _constraint(self, piece: Piece, prepared: Prepared) -> Constraint:
        """Every slot as often as in the source, tags nested as there, every term; no half of a placeholder."""
        slots = self._slots
        number_of = {slots[CHARACTERS[number]]: number for number in range(len(prepared.strings))}
        counts = {token: prepared.ids.count(token) for token in number_of if token in prepared.ids}
        tags = {token: prepared.strings[number_of[token]] for token in counts}
        elements = {token: TAG_NAME.match(tag) for token, tag in tags.items()}
        opening = {found[1]: token for token, found in elements.items() if found and not tags[token].startswith("</")}
        closes = {
            token: opening[found[1]]
            for token, found in elements.items()
            if found and tags[token].startswith("</") and found[1] in opening
            if counts[token] == counts[opening[found[1]]]
        }
        words = {held.targets[0]: None for held in terms_in(piece.source, self.terms, self.languages[0])}
        encode = self.fitting.tokenizer.encode
        phrases = tuple(tuple(encode(take_out_same(word, prepared.strings))) for word in words)
        unused = [sign for sign in SIGNS if sign not in take_out(piece.source, self.fitting.is_word).text]
        never = frozenset(token for sign in unused for token in self._with_sign[sign]) - {t for p in phrases for t in p}
        voids = {token for token, tag in tags.items() if TAG.fullmatch(tag) or ENTITY.fullmatch(tag)}
        blank = self._blank | voids
        filled = _with_content(prepared.ids, closes, blank)
        order = [token for token in prepared.ids if token in tags and is_ordered(tags[token])]
        return Constraint(counts, phrases, frozenset(slots.values()) | never, closes, filled, blank, tuple(order))

    @cached_property
    def _slots(self) -> dict[str, int]:
        return self.fitting.tokenizer.slot_ids

    @cached_property
    def _with_sign(self) -> dict[str, list[int]]:
        """The tokens in which a sign of placeholders stands."""
        names = self.fitting.tokenizer.names()
        return {sign: [token for token, name in enumerate(names) if sign in name and token > EOS] for sign in SIGNS}

    @cached_property
    def _blank(self) -> frozenset[int]:
        """The tokens that say nothing: white space and marks alone."""
        tokenizer = self.fitting.tokenizer
        slots = set(self._slots.values())
        texts = tokenizer.tokens(range(tokenizer.size))
        return frozenset(
            token for token, text in enumerate(texts) if token > EOS and token not in slots and not SAYS.search(text)
        )

    def _judged(self, piece: Piece, prepared: Prepared, hypotheses: Sequence[Hypothesis], way: Way) -> list[Attempt]:
        limit = longest(len(prepared.ids), self.config, self.fitting.max_length)
        attempts = []
        for rank, hypothesis in enumerate(hypotheses):
            decoded = text_of(self.fitting.tokenizer.decode(hypothesis.tokens), prepared.strings)
            text = repaired(piece.source, decoded, *self.languages)
            broken = breaches(piece.source, text, *self.languages, self.terms)
            if len(hypothesis.tokens) >= limit:
                broken = (Breach("cut", "", text, grave=True), *broken)
            repeated = REPEATED.search(text)
            if repeated and not REPEATED.search(piece.source):
                broken = (*broken, Breach("repeated", "", repeated.group(), grave=False))
            attempts.append(Attempt(text, hypothesis, broken, way, rank))
        return attempts

    def _best(self, attempts: Iterable[Attempt]) -> Attempt:
        """The first with nothing to regret, else the first with the fewest grave breaches, then the fewest at all."""
        return min(attempts, key=lambda attempt: (attempt.grave, attempt.regretted))


def _with_content(ids: Sequence[int], closes: Mapping[int, int], blank: frozenset[int]) -> frozenset[int]:
    """The tokens of `closes` that never close an element with nothing but blank tokens in it."""
    openings = frozenset(closes.values())
    opened: list[tuple[int, int]] = []  # an opening, and how much had been said then
    said, hollow = 0, set()
    for token in ids:
        if token in openings:
            opened.append((token, said))
        elif token in closes:
            while opened and opened[-1][0] != closes[token]:
                opened.pop()
            if not opened or opened.pop()[1] == said:
                hollow.add(token)
        elif token not in blank:
            said += 1
    return frozenset(closes) - hollow


def _proposal(
    text: str,
    plan: "list[Part] | Breach",
    found: Mapping[Piece, Attempt],
    source_language: str,
    target_language: str,
    terms: Sequence[Term],
) -> Proposal:
    if isinstance(plan, Breach):
        return Proposal("", -math.inf, 0.0, (plan,), "", "none")
    attempts = [found[piece] for piece in _pieces(plan)]
    whole = "".join(part if isinstance(part, str) else _text_of_piece(part, found[part]) for part in plan)
    whole = repaired(text, whole, source_language, target_language)
    broken = breaches(text, whole, source_language, target_language, terms)
    ill = (breach for attempt in attempts for breach in attempt.breaches if breach.kind in ("cut", "repeated"))
    broken += tuple(dict.fromkeys(ill))
    lengths = [len(attempt.hypothesis.tokens) + 1 for attempt in attempts]
    total = sum(lengths) or 1
    mean = sum(attempt.hypothesis.log_probability for attempt in attempts) / total
    score = sum(a.hypothesis.score * length for a, length in zip(attempts, lengths, strict=True)) / total
    rank = max((attempt.rank for attempt in attempts), default=0)
    way: Way = "constrained" if any(attempt.way == "constrained" for attempt in attempts) else "beam"
    if any(map(_is_refused, broken)):
        return Proposal("", score, math.exp(min(mean, 0.0)), broken, whole, "none", rank)
    return Proposal(whole, score, math.exp(min(mean, 0.0)), broken, "", way, rank)


def _is_refused(breach: Breach) -> bool:
    """A person may say a number in a word; a model that does so may as well have lost it."""
    return breach.grave or breach.kind == "placeholder-missing"


def _text_of_piece(piece: Piece, attempt: Attempt) -> str:
    return attempt.text.replace(NUMBER, "#") if piece.number_sign else attempt.text
