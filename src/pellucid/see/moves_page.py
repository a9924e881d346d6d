"""A training step in a page's file: which tensors it takes, in which order of need, and where they lie.

What belongs to one parameter (weights, gradient, moments) lies side by side, so that of a large one the
same rows are kept of all: a weight that is there can be asked why it moved.
"""

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from pellucid.see.address import Address, index_of
from pellucid.see.blocks import Blocks, Packed, Piece
from pellucid.see.moves import Move, Moves, Part
from pellucid.see.operation import Step
from pellucid.see.why import Push
from pellucid.words import LANGUAGES

Names = Callable[[Sequence[Push], str], Sequence[str]]  # of pushes, in a language


class Updates:
    """The step in the page: `entries` go on after those of the pass, `head` says how each parameter moves."""

    KINDS = ("bundle", "round", "pushes")

    def __init__(
        self,
        moves: Moves,
        names: Names | None,
        numbers: Mapping[Step, int],
        label: Callable[[tuple[str, ...]], int],
        needed: Mapping[Step, Sequence[int]],
    ) -> None:
        """`numbers` are those of the pass's steps in the file, `needed` the rows that the pass itself looks at."""
        self.moves, self.names, self.label, self.needed = moves, names, label, needed
        self.parameters = {move.parameter.name: numbers[move.parameter] for move in moves.moved.values()}
        self.steps = {step.name: number for step, number in numbers.items()}
        parts = [part for move in moves.moved.values() for part in (*move.parts, *move.rounds)]
        self.numbers = {part.name: len(numbers) + number for number, part in enumerate(parts)}
        self.entries = [self.entry(part, move) for move in moves.moved.values() for part in (*move.parts, *move.rounds)]
        self.head = self.told()

    @property
    def start(self) -> str:
        """What is looked at first."""
        return "/step" if self.moves.why is None else f"{self.moves.why.address}&step"

    def number(self, name: str) -> int:
        return self.numbers[name] if name in self.numbers else self.parameters[name]

    def entry(self, part: Part, move: Move) -> dict[str, Any]:
        """A part as the page reads it, a step that no pass took."""
        found: dict[str, Any] = {
            "name": part.name,
            "op": part.kind if part.value is None else "held",
            "shape": list(part.shape),
            "dtype": str(part.dtype if part.value is None else part.value.dtype).removeprefix("torch."),
            "axes": [[axis.name, self.label(axis.labels)] if axis.labels else [axis.name] for axis in part.axes],
            "operands": [],
            "place": move.parameter.name,
            "how": "opened" if part.value is None else "captured",
            "formula": part.formula,
            "whole": part.formula,
            "update": self.parameters[move.parameter.name],
        }
        if part.value is None:
            found |= self.made(part) | {"value": {"derived": True}}
        if part.kind == "new":
            found["difference"] = finite(move.difference)
        return found

    def made(self, part: Part) -> dict[str, Any]:
        return {"operands": [[name, self.number(name)] for name in part.operands], "recipe": part.body}

    def told(self) -> dict[str, Any]:
        """What is known of the step beside its tensors."""
        training, why = self.moves.training, self.moves.why
        return {
            "number": training.number,
            "clip": training.clip,
            "norm": finite(training.norm),
            "factor": finite(training.factor),
            "skipped": training.skipped,
            "batches": len(training.traces),
            "moves": {
                self.parameters[name]: {
                    "optimizer": move.optimizer,
                    "number": move.number,
                    "parts": [self.numbers[part.name] for part in move.parts],
                    "rounds": [],
                    "lines": [
                        [line.name, line.text, line.part and self.numbers[line.part], line.body] for line in move.lines
                    ],
                    "weights": finite(move.weights),
                    "gradient": finite(move.gradient),
                    "update": finite(move.update),
                }
                for name, move in self.moves.moved.items()
            },
            "still": {self.steps[name]: reason for name, reason in self.moves.still.items()},
            "who": self.called(self.moves.who),
            "why": None
            if why is None
            else {
                "address": why.address,
                "pushes": [finite(push.value) for push in why.pushes],
                "who": self.called(why.pushes),
            },
        }

    def called(self, who: Sequence[Push]) -> dict[str, list[str | None]]:
        """What each push is called in each language; None is the loss itself."""
        found: dict[str, list[str | None]] = {}
        for language in LANGUAGES:
            names = [push.name for push in who] if self.names is None else self.names(who, language)
            unnamed = [self.names is None and push.index is None and not push.labels for push in who]
            found[language] = [None if skip else name for skip, name in zip(unnamed, names, strict=True)]
        return found

    # --- tensors -----------------------------------------------------------------------------------------------------

    def weights(self) -> set[int]:
        """The parameters whose numbers lie in a block with those of their step."""
        return set(self.parameters.values())

    @property
    def chosen(self) -> str | None:
        return None if self.moves.why is None else Address.parse(self.moves.why.address).name

    def asked(self) -> list[Piece]:
        """All that the number takes that the page was asked for."""
        move = None if self.chosen is None else self.moves.moved[self.chosen]
        return [] if move is None else [self.bundle(move), *self.rest(move)]

    def pieces(self) -> list[Piece]:
        return [self.bundle(move) for name, move in self.moves.moved.items() if name != self.chosen]

    def more(self) -> list[Piece]:
        """What the page can do without: who pushed, and the matrices of which an orthogonal one is made."""
        return [piece for name, move in self.moves.moved.items() if name != self.chosen for piece in self.rest(move)]

    def bundle(self, move: Move) -> Piece:
        tensors = [move.parameter.value, *(part.value for part in kept(move) if part.value is not None)]
        dtype = functools.reduce(torch.promote_types, [one.dtype for one in tensors])
        rows = [one.detach().to(dtype).reshape(-1, width_of(move)) for one in tensors]
        return Piece(("bundle", self.parameters[move.parameter.name]), torch.cat(rows, -1), self.first(move))

    def rest(self, move: Move) -> list[Piece]:
        found = [
            Piece(("round", self.numbers[part.name]), part.value) for part in move.rounds if part.value is not None
        ]
        if move.pushes is not None:
            rows = move.pushes.detach().reshape(-1, width_of(move) * move.pushes.size(-1))
            found.append(Piece(("pushes", self.parameters[move.parameter.name]), rows, self.first(move)))
        return found

    def first(self, move: Move) -> list[int]:
        """The row of the number that was asked for, and those that the pass looked at."""
        needed = list(self.needed.get(move.parameter, ()))
        if self.moves.why is None or move.parameter.name != self.chosen:
            return needed
        cell = index_of(Address.parse(self.moves.why.address), move.parameter.axis_names, move.parameter.shape)
        row = 0
        for index, size in zip(cell[:-1], move.parameter.shape[:-1], strict=True):
            row = row * size + index
        return [row, *needed]

    def place(self, piece: Piece, packed: Packed, blocks: Blocks, entries: list[dict[str, Any]]) -> None:
        """Note where a piece lies in all entries that have a part in it."""
        kind, number = piece.key
        found = {"of": piece.row_count, **blocks.placed(piece, packed)}
        if kind == "round":
            entries[number]["value"] = found
            parameter = entries[number]["update"]
            told = self.head["moves"][parameter]
            told["rounds"].append(number)
            move = self.moves.moved[entries[parameter]["name"]]
            if len(told["rounds"]) == len(move.rounds):
                for part in move.parts:
                    if part.kind == "orthogonal":
                        entries[self.numbers[part.name]] |= self.made(part) | {"op": part.kind, "how": "opened"}
            return
        move = self.moves.moved[entries[number]["name"]]
        if kind == "pushes":
            self.head["moves"][number]["pushes"] = found
            return
        width = width_of(move)
        owners = [number, *(self.numbers[part.name] for part in kept(move))]
        for place, owner in enumerate(owners):
            entries[owner]["value"] = {**found, "columns": [place * width, len(owners) * width]}


def kept(move: Move) -> list[Part]:
    """The parts whose numbers are in the file, of the shape of the weights."""
    return [part for part in move.parts if part.value is not None]


def width_of(move: Move) -> int:
    shape = move.parameter.shape
    return max(shape[-1], 1) if shape else 1


def finite(value: float) -> float | str:
    """A number as JSON has it; one that is not finite in a word."""
    return value if math.isfinite(value) else str(value)
