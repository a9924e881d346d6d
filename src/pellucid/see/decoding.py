"""A decoding: every hypothesis that a search looked at, with its numbers and what became of it.

The hypotheses form a tree: each is its parent and one token more, and the root is the empty translation. It is recorded
from the search that translates (`see/decode.py`), drawn by the terminal and a page, and read without the model.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor

from pellucid.generate.config import DecodingConfig
from pellucid.see.words import told

PREFIX = "decoding:"  # of the names of its tensors, which no address begins with


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a hypothesis or a candidate, and the numbers that decided it.

    Totals are log p of all tokens; scores are totals after length penalty.
    """

    kind: str
    numbers: Mapping[str, float | int | str]

    def reason(self, language: str = "en") -> str:
        """In plain words."""
        return told(f"decoding.{self.kind}", language, **self.numbers)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A token that could come next; `total` is log p of the hypothesis with it, `rank` 0 the most probable.

    `share` is what sampling draws with, after temperature, top-k and top-p; None for other methods. `node` is the
    hypothesis that it became, if it was kept.
    """

    token: int
    text: str
    rank: int
    log_probability: float
    probability: float
    total: float
    share: float | None
    fate: Fate
    node: int | None


@dataclass(frozen=True, slots=True)
class Node:
    """A hypothesis: its last token at `position`, log p of that token and of all (`total`), and the text so far.

    `score` is that of one that ended or was cut. `row` is where the logits and the attention of its next token stand,
    None if the search never asked for it; `candidates` are the best of those next tokens and all that were kept.
    """

    number: int
    parent: int | None
    position: int
    token: int
    text: str
    written: str
    log_probability: float
    total: float
    score: float | None
    row: int | None
    candidates: tuple[Candidate, ...]
    fate: Fate


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a decoding came to; `tokens` are texts, the end token among them if it was reached."""

    translation: str
    tokens: tuple[str, ...]
    log_probability: float
    score: float


@dataclass(frozen=True, slots=True)
class Forced:
    """A token that a person put in a place; `instead` is the one that would have come."""

    position: int
    token: int
    text: str
    instead: str


@dataclass(frozen=True, eq=False)
class Decoding:
    """How one text was translated, a token at a time.

    Positions count from 0, as in addresses. `limit` is the longest length in tokens. Where tokens were forced,
    `unforced` is what came without. Row r of `logits` and of `attention` belongs to the node whose `row` is r; the
    shares of the source tokens sum to 1.
    """

    text: str
    source: tuple[str, ...]
    config: DecodingConfig
    limit: int
    nodes: tuple[Node, ...]
    best: int
    logits: Float[Tensor, "row vocabulary"]
    attention: Float[Tensor, "row layer head source"]
    forced: tuple[Forced, ...] = ()
    unforced: Outcome | None = None

    @property
    def width(self) -> int:
        """Hypotheses kept side by side; greedy and sampling keep one."""
        return width_of(self.config)

    @property
    def translation(self) -> str:
        return self.nodes[self.best].written

    @property
    def path(self) -> list[Node]:
        """The translation, a node a token."""
        return self.path_to(self.best)

    @property
    def outcome(self) -> Outcome:
        best = self.nodes[self.best]
        assert best.score is not None
        return Outcome(best.written, tuple(node.text for node in self.path), best.total, best.score)

    def path_to(self, number: int) -> list[Node]:
        """The nodes from the first token to this one, without the root."""
        found = []
        node = self.nodes[number]
        while node.parent is not None:
            found.append(node)
            node = self.nodes[node.parent]
        return found[::-1]

    def alive(self, position: int) -> list[Node]:
        """The hypotheses, best first, that were asked for a token at this position."""
        return [node for node in self.nodes if node.position == position - 1 and node.row is not None]

    def children(self, number: int) -> list[Node]:
        return [node for node in self.nodes if node.parent == number]

    def ended(self) -> list[Node]:
        """Those that ended or were cut, best first."""
        done = [node for node in self.nodes if node.score is not None]
        return sorted(done, key=lambda node: (node.number != self.best, -(node.score or 0.0)))

    def attended(self, node: Node, layer: int | None = None, head: int | None = None) -> list[float]:
        """The share of each source token in choosing what follows `node`, averaged over layers and heads not named."""
        if node.row is None:
            return []
        shares = self.attention[node.row]
        layers = shares if layer is None else shares[layer : layer + 1]
        return (layers if head is None else layers[:, head : head + 1]).mean(dim=(0, 1)).tolist()


def width_of(config: DecodingConfig) -> int:
    """Hypotheses that a search keeps side by side."""
    return config.beam if config.method == "beam" else 1


def stored(decoding: Decoding) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """A decoding as JSON and tensors."""
    tensors = {"logits": decoding.logits, "attention": decoding.attention}
    head = {
        "text": decoding.text,
        "source": decoding.source,
        "config": decoding.config.model_dump(),
        "limit": decoding.limit,
        "nodes": [asdict(node) for node in decoding.nodes],
        "best": decoding.best,
        "forced": [asdict(one) for one in decoding.forced],
        "unforced": asdict(decoding.unforced) if decoding.unforced else None,
    }
    return head, {PREFIX + name: tensor for name, tensor in tensors.items()}


def restored(head: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Decoding:
    """What `stored` took apart. Raises KeyError, TypeError or ValueError where something is missing."""
    unforced = head["unforced"]
    return Decoding(
        text=head["text"],
        source=tuple(head["source"]),
        config=DecodingConfig.model_validate(head["config"]),  # its error is a ValueError
        limit=head["limit"],
        nodes=tuple(map(_node, head["nodes"])),
        best=head["best"],
        logits=tensors[PREFIX + "logits"],
        attention=tensors[PREFIX + "attention"],
        forced=tuple(Forced(**one) for one in head["forced"]),
        unforced=Outcome(**{**unforced, "tokens": tuple(unforced["tokens"])}) if unforced else None,
    )


def _node(head: Mapping[str, Any]) -> Node:
    candidates = tuple(Candidate(**{**one, "fate": Fate(**one["fate"])}) for one in head["candidates"])
    return Node(**{**head, "fate": Fate(**head["fate"]), "candidates": candidates})
