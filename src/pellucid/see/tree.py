"""The tree that a search grows: from its decisions, one a position, to hypotheses with what became of each.

Nothing is searched here: which hypotheses were kept and which ended is what the search told. Only the reason is added,
with the totals that were compared.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.generate.config import DecodingConfig
from pellucid.generate.decode import BEGIN, END, NEVER, Decision, sampling_shares
from pellucid.generate.engine import Hypothesis
from pellucid.see.decoding import Candidate, Fate, Node, width_of

CANDIDATES = 10  # shown of each hypothesis at each position, besides those that were kept


@dataclass
class Growing:
    """A hypothesis whose fate is not yet known; `ended` is what it ended as."""

    parent: int | None
    position: int
    token: int
    log_probability: float
    total: float
    ended: Hypothesis | None = None
    row: int | None = None
    candidates: tuple[Candidate, ...] = ()


class Tree:
    """Grows by one position at a time."""

    def __init__(self, config: DecodingConfig, limit: int, labels: Sequence[str], prefix: Sequence[int]) -> None:
        self.config, self.limit, self.labels, self.prefix = config, limit, labels, prefix
        self.width = width_of(config)
        self.penalty = config.length_penalty if self.width > 1 else 1.0  # as the search divides
        self.grown = [Growing(None, -1, BEGIN, 0.0, 0.0)]
        self.alive = [0]  # by the row in which the search has it
        self.rows = 0

    def grow(self, decision: Decision, logits: Float[Tensor, "row vocabulary"]) -> int:
        """Adds what was kept of the candidates of one position. Returns how many rows of the logits were alive."""
        parents = self.alive
        scores = logits[: len(parents)].clone()
        scores[:, NEVER] = -torch.inf
        scores = scores.log_softmax(dim=-1)
        kept: dict[tuple[int, int], int] = {}
        for number in sorted({*decision.going, *decision.ended}):
            row, token, total = decision.candidates[number]
            kept[row, token] = len(self.grown)
            log_probability, ended = float(scores[row, token]), decision.ended.get(number)
            self.grown.append(
                Growing(parents[row], decision.position, token, log_probability, total, ended),
            )
        shares = sampling_shares(scores, self.config) if self.config.method == "sample" else None
        for row, parent in enumerate(parents):
            node = self.grown[parent]
            node.row = self.rows + row
            mine = {token: number for (of, token), number in kept.items() if of == row}
            node.candidates = self._candidates(
                decision, node, scores[row], mine, None if shares is None else shares[row]
            )
        self.rows += len(parents)
        self.alive = [kept[decision.candidates[number][:2]] for number in decision.going]
        return len(parents)

    def _candidates(
        self,
        decision: Decision,
        parent: Growing,
        scores: Float[Tensor, " vocabulary"],
        kept: Mapping[int, int],
        shares: Float[Tensor, " vocabulary"] | None,
    ) -> tuple[Candidate, ...]:
        best = scores.topk(min(CANDIDATES, int(scores.isfinite().sum()))).indices.tolist()
        tokens = [*best, *(token for token in kept if token not in best)]
        own = scores[tokens]
        totals = own + torch.tensor(parent.total, device=scores.device)  # in float32, as the search adds them
        ranks = (scores > own[:, None]).sum(dim=1)
        columns = zip(
            tokens,
            [*range(len(best)), *ranks[len(best) :].tolist()],
            own.tolist(),
            own.exp().tolist(),
            totals.tolist(),
            [None] * len(tokens) if shares is None else shares[tokens].tolist(),
            strict=True,
        )
        return tuple(
            Candidate(
                token,
                self.labels[token],
                rank,
                log_probability,
                probability,
                total,
                share,
                self._fate_of_candidate(decision, token, total, kept.get(token)),
                kept.get(token),
            )
            for token, rank, log_probability, probability, total, share in columns
        )

    def _fate_of_candidate(self, decision: Decision, token: int, total: float, node: int | None) -> Fate:
        if node is not None:
            if self.grown[node].ended is None:
                return Fate("on", {})
            return Fate("ends", {}) if token == END else Fate("cut", {"limit": self.limit})
        if decision.position < len(self.prefix):
            return Fate("not_forced", {})
        if self.config.method == "sample":
            return Fate("not_drawn", {})
        if self.width == 1:
            return Fate("not_best", {"total": total, "last": decision.candidates[0].total})
        if token == END:
            last = decision.candidates[self.width - 1].total
            return Fate("ended_low", {"width": self.width, "total": total, "last": last})
        stayed = [decision.candidates[number] for number in {*decision.going, *decision.ended}]
        last = min((one.total for one in stayed if one.token != END), default=-math.inf)
        return Fate("fell_out", {"total": total, "last": last})

    def number_of(self, hypothesis: Hypothesis) -> int:
        """Of the node that ended as this hypothesis."""
        return next(number for number, node in enumerate(self.grown) if node.ended == hypothesis)

    def nodes(self, best: Hypothesis, text_of: Callable[[list[int]], str]) -> tuple[Node, ...]:
        """The whole tree, with the fate of each; `text_of` gives the text of ids."""
        winner = self.number_of(best)
        ids: list[list[int]] = [[]]
        for node in self.grown[1:]:
            assert node.parent is not None
            ids.append([*ids[node.parent], node.token])
        parents = {node.parent for node in self.grown}
        return tuple(
            Node(
                number,
                node.parent,
                node.position,
                node.token,
                self.labels[node.token],
                text_of([token for token in ids[number] if token not in (BEGIN, END)]),
                node.log_probability,
                node.total,
                node.ended.score if node.ended else None,
                node.row,
                node.candidates,
                Fate("on", {}) if number in parents else self._fate(node, number == winner, best),
            )
            for number, node in enumerate(self.grown)
        )

    def _fate(self, node: Growing, won: bool, best: Hypothesis) -> Fate:
        """Of a hypothesis that nothing follows."""
        if node.ended is not None:
            numbers: dict[str, float | int | str] = {
                "total": node.total,
                "length": node.position + 1,
                "penalty": f"{self.penalty:g}",
                "score": node.ended.score,
            }
            cut = "" if node.token == END else "_cut"
            return Fate(f"best{cut}", numbers) if won else Fate(f"beaten{cut}", {**numbers, "best": best.score})
        if node.row is None:
            ended = sum(other.ended is not None for other in self.grown)
            return Fate("stopped", {"ended": ended, "width": self.width, "total": node.total})
        first = node.candidates[0]
        kind = "died_at_end" if first.fate.kind == "ended_low" else "died"
        return Fate(kind, {"token": first.text, **first.fate.numbers})
