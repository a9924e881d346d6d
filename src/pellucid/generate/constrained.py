"""A beam that must say certain things: each slot of the source exactly as often as there, and given phrases once.

What a hypothesis may write next is cut by what it has said already: a slot that is used up has log p = -inf, so has
the end token before all is said, and everything but what is still missing once there is just room for it. So that
hypotheses which have said more do not lose against those that put it off, the beam's rows are shared out among all
numbers of tokens said (banks), each bank keeping its best.
Source: Post and Vilar, "Fast Lexically Constrained Decoding with Dynamic Beam Allocation", 2018, in a simple form.
"""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from pellucid.data.batching import padded
from pellucid.generate.config import DecodingConfig
from pellucid.generate.decode import BEGIN, END, Cache, Memory, Stepper, next_scores
from pellucid.generate.engine import Constraint, Hypothesis, longest
from pellucid.models.translator import PADDING

WIDEST = 32  # rows of a sentence, however much it has to say
NOT_IN_A_PHRASE = (-1, 0)
IMPOSSIBLE = 1 << 30  # tokens: no room is as large


class Said(NamedTuple):
    """What a hypothesis still has to say: how often each slot, which phrases, and the phrase it is in the midst of.

    `opened` are the slots (tags) that wait to be closed, the last of them first to be; `hollow` says that the last one
    holds nothing yet.
    """

    slots: tuple[tuple[int, int], ...]  # token, how often
    phrases: tuple[tuple[int, ...], ...]
    closes: tuple[tuple[int, int], ...]  # the token that closes, and the one that opens
    within: tuple[int, int] = NOT_IN_A_PHRASE  # number of the phrase, tokens of it that are written
    opened: tuple[int, ...] = ()
    hollow: bool = False
    order: tuple[int, ...] = ()  # what is still to come one after the other

    @classmethod
    def nothing(cls, constraint: Constraint) -> "Said":
        phrases = sorted(dict.fromkeys(constraint.phrases), key=len, reverse=True)
        return cls(
            tuple(sorted(constraint.counts.items())),
            tuple(phrases),
            tuple(constraint.closes.items()),
            order=constraint.order,
        )

    def missing(self, limited: frozenset[int], filled: frozenset[int] = frozenset()) -> int:
        """The fewest tokens that say the rest, where a slot within a phrase counts once; IMPOSSIBLE if none do.

        One more for each element of `filled` that holds nothing yet.
        """
        tokens = sum(count for _, count in self.slots) + self.is_hollow(filled)
        if filled:
            opening = {one for closing, one in self.closes if closing in filled}
            tokens += sum(count for slot, count in self.slots if slot in opening)
        reserved: Counter[int] = Counter()
        number, written = self.within
        for place, phrase in enumerate(self.phrases):
            for token in phrase[written:] if place == number else phrase:
                if token in limited:
                    reserved[token] += 1
                else:
                    tokens += 1
        left = dict(self.slots)
        return IMPOSSIBLE if any(count > left.get(token, 0) for token, count in reserved.items()) else tokens

    def is_hollow(self, filled: frozenset[int]) -> bool:
        """Whether the last that was opened must hold something and holds nothing yet."""
        return self.hollow and any(one == self.opened[-1] for closing, one in self.closes if closing in filled)

    def next_tokens(self) -> list[int]:
        """Tokens that say something that is missing; amid a phrase first its own next."""
        number, written = self.within
        tokens = [self.phrases[number][written]] if number >= 0 else []
        tokens += [phrase[0] for phrase in self.phrases]
        return list(dict.fromkeys(tokens + [token for token, count in self.slots if count]))

    def allowed(self, filled: frozenset[int] = frozenset()) -> set[int]:
        """The slots that may come next: not used up, and closing only what was opened last and is not to be filled."""
        closes = dict(self.closes)
        last = None if not self.opened or self.is_hollow(filled) else self.opened[-1]
        waiting = set(self.order[1:]) - set(self.order[:1])
        return {
            slot
            for slot, count in self.slots
            if count and slot not in waiting and (slot not in closes or closes[slot] == last)
        }

    def after(self, token: int, blank: frozenset[int] = frozenset()) -> "Said":
        """What is left once `token` is said, where those of `blank` fill nothing."""
        slots = tuple((slot, count - (slot == token)) for slot, count in self.slots)
        opened, hollow = self.opened, self.hollow and token in blank
        for closing, opening in self.closes:
            if token == opening:
                opened, hollow = (*self.opened, token), True
            elif token == closing:
                opened, hollow = self.opened[:-1], self.hollow
        number, written = self._phrase_with(token)
        phrases, within = self.phrases, NOT_IN_A_PHRASE
        if number >= 0 and written == len(self.phrases[number]):
            phrases = self.phrases[:number] + self.phrases[number + 1 :]
        elif number >= 0:
            within = number, written
        order = self.order[1:] if token in self.order[:1] else self.order
        return Said(slots, phrases, self.closes, within, opened, hollow, order)

    def _phrase_with(self, token: int) -> tuple[int, int]:
        """The phrase that `token` is part of, and how many tokens of it are then written.

        Where it breaks a phrase off, its end may be the beginning of the same one again.
        """
        number, written = self.within
        if number >= 0:
            phrase = self.phrases[number]
            said = (*phrase[:written], token)
            for length in range(len(said), 0, -1):
                if said[-length:] == phrase[:length]:
                    return number, length
        return next(((n, 1) for n, phrase in enumerate(self.phrases) if phrase[0] == token), NOT_IN_A_PHRASE)


class Row(NamedTuple):
    """A hypothesis that goes on."""

    tokens: tuple[int, ...]
    total: float  # log p
    said: Said


class Way(NamedTuple):
    """One way to go on with a sentence's row number `row`; `bank` is how many tokens it would have said."""

    row: int
    token: int
    total: float
    bank: int


def constrained(
    model: Stepper[Memory, Cache],
    sources: Sequence[Sequence[int]],
    constraints: Sequence[Constraint],
    config: DecodingConfig,
    max_length: int,
    device: torch.device | None = None,
) -> list[list[Hypothesis]]:
    """For each source the hypotheses that keep its constraint, best first; none where there was no room for it.

    All end with the end token. Scores are the model's own, as in decode.beam_search.
    """
    results: list[list[Hypothesis]] = [[] for _ in sources]
    order = sorted(range(len(sources)), key=lambda i: -len(sources[i]))
    with torch.inference_mode():
        for start in range(0, len(order), config.batch):
            rows = order[start : start + config.batch]
            source = padded([sources[i] for i in rows], PADDING).to(device)
            limits = [longest(len(sources[i]), config, max_length) for i in rows]
            found = _search(model, source, [constraints[i] for i in rows], limits, config)
            for i, hypotheses in zip(rows, found, strict=True):
                results[i] = hypotheses
    return results


def _search(
    model: Stepper[Memory, Cache],
    source: Tensor,
    constraints: Sequence[Constraint],
    limits: Sequence[int],
    config: DecodingConfig,
) -> list[list[Hypothesis]]:
    cache = model.begin(model.encode(source), max(limits))
    beams = [[Row((), 0.0, Said.nothing(constraint))] for constraint in constraints]
    wanted = [beam[0].said.missing(c.limited, c.filled) for beam, c in zip(beams, constraints, strict=True)]
    widths = [max(config.beam, min(need + 1, WIDEST)) for need in wanted]
    cuts = [torch.tensor(sorted(constraint.limited), device=source.device) for constraint in constraints]
    finished: list[list[Hypothesis]] = [[] for _ in constraints]
    tokens = torch.full((len(beams),), BEGIN, device=source.device)
    while True:
        scores = next_scores(model, tokens, cache, ())
        first, kept, last = 0, [], []
        for i, beam in enumerate(beams):
            if not beam:
                continue
            room = limits[i] - cache.length  # tokens after this one
            rows = scores[first : first + len(beam)]
            ways = _ways(rows, beam, constraints[i], cuts[i], room, widths[i], wanted[i])
            for way in _shared(ways, widths[i], wanted[i]):
                if way.token == END:
                    finished[i].append(_hypothesis(beam[way.row].tokens, way.total, config.length_penalty))
            going = _shared([w for w in ways if w.token != END], widths[i], wanted[i])
            if len(finished[i]) >= config.beam or not room:
                going = []
            beams[i] = [_gone_on(beam[way.row], way, constraints[i].blank) for way in going]
            kept += [first + way.row for way in going]
            last += [way.token for way in going]
            first += len(beam)
        if not kept:
            return [sorted(found, key=lambda h: -h.score)[: max(config.beam, 1)] for found in finished]
        cache.select(torch.tensor(kept, device=source.device))
        tokens = torch.tensor(last, device=source.device)


def _ways(
    scores: Tensor, beam: Sequence[Row], constraint: Constraint, cut: Tensor, room: int, width: int, wanted: int
) -> list[Way]:
    """The best ways to go on, best first: over all rows, of each row alone, and those that say what is missing.

    `cut` are the limited tokens, which only what a row has still to say allows again.
    """
    whole, scores = scores, scores.index_fill(1, cut, -torch.inf)
    needed = [row.said.next_tokens() for row in beam]
    missing = [row.said.missing(constraint.limited, constraint.filled) for row in beam]
    for j, row in enumerate(beam):
        again = sorted(row.said.allowed(constraint.filled))
        scores[j, again] = whole[j, again]
        if missing[j]:
            scores[j, END] = -torch.inf
        if room <= missing[j]:  # no room left for anything but what is missing, and then the end
            number, written = row.said.within
            if number < 0 and row.said.is_hollow(constraint.filled):
                scores[j, sorted(constraint.blank | {END})] = -torch.inf
                continue
            only = [row.said.phrases[number][written]] if number >= 0 else needed[j] or [END]
            allowed = scores[j, only].clone()
            scores[j] = -torch.inf
            scores[j, only] = allowed
    totals = scores + torch.tensor([row.total for row in beam], device=scores.device)[:, None]
    vocabulary = scores.size(-1)
    flat = totals.flatten().topk(min(2 * width, totals.numel())).indices.tolist()
    picked = [(place // vocabulary, place % vocabulary) for place in flat]
    picked += list(enumerate(totals.argmax(dim=-1).tolist()))
    picked += [(j, token) for j, tokens in enumerate(needed) for token in tokens]
    found = []
    for j, token in dict.fromkeys(picked):
        total = float(totals[j, token])
        if total > -torch.inf:
            rest = missing[j]
            if token != END:
                rest = beam[j].said.after(token, constraint.blank).missing(constraint.limited, constraint.filled)
            if token == END or rest <= room - 1:
                found.append(Way(j, token, total, wanted - rest))
    return sorted(found, key=lambda way: -way.total)


def _gone_on(row: Row, way: Way, blank: frozenset[int]) -> Row:
    return Row((*row.tokens, way.token), way.total, row.said.after(way.token, blank))


def _shared(ways: Sequence[Way], width: int, wanted: int) -> list[Way]:
    """At most `width` of the ways, the rows shared evenly among the banks; what a bank leaves goes to the best."""
    quota = max(width // (wanted + 1), 1)
    taken: dict[int, int] = {}
    first: list[Way] = []
    rest: list[Way] = []
    for way in ways:
        taken[way.bank] = taken.get(way.bank, 0) + 1
        (first if taken[way.bank] <= quota else rest).append(way)
    return sorted((first + rest)[:width], key=lambda way: -way.total)


def _hypothesis(tokens: tuple[int, ...], total: float, length_penalty: float) -> Hypothesis:
    return Hypothesis(tokens, total, total / (len(tokens) + 1) ** length_penalty)
