"""A line of metrics.jsonl as it is read: an object that says which line of which file lacks what is asked of it.

A file that was damaged, edited or written by another program may lack fields or hold something else in them. What all
trainings write is checked here, once for all readers; a number may be none (`NaN`) where a training can come to that.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pellucid.errors import RunError

MEND = "Put a good copy of the run in its place, or take out what does not belong there."
LARGEST = 2**53  # beyond it JSON's readers no longer tell all whole numbers apart
LONGEST = 40  # characters of what is wrong, as it is told
Fits = Callable[[Any], bool]


class Line(dict[str, Any]):
    """An object in a line, or in an object there. Asking it for what it lacks raises RunError."""

    __slots__ = ("where",)

    def __init__(self, found: dict[str, Any], where: str = "metrics.jsonl") -> None:
        super().__init__(found)
        self.where = where

    def __missing__(self, name: str) -> Any:
        raise RunError(f"{self.where}: damaged, it has no {name}", mend=MEND)


def read_lines(path: Path) -> Iterator[Line]:
    """The lines at `path`; a last one cut short by a kill is left out. Raises RunError, naming it, for one damaged."""
    where = ""
    decoder = json.JSONDecoder(object_hook=lambda found: Line(found, where))
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                return
            where = f"{path}, line {number}"
            found = _decoded(line, decoder)
            if not isinstance(found, Line) or not isinstance(found.get("kind"), str):
                raise RunError(f"{where}: damaged", mend=MEND)
            fields = FIELDS.get(found["kind"], {})
            wrong = next((name for name, fits in fields.items() if name in found and not fits(found[name])), None)
            if wrong is not None:
                raise RunError(f"{where}: damaged, its {wrong} cannot be {_said(found[wrong])}", mend=MEND)
            yield found


def kind_of(line: bytes) -> str | None:
    """What kind of line it is; None if it is none, or cut short."""
    found = _decoded(line, json.JSONDecoder()) if line.endswith(b"\n") else None
    kind = found.get("kind") if isinstance(found, dict) else None
    return kind if isinstance(kind, str) else None


def _decoded(line: bytes, decoder: json.JSONDecoder) -> Any:
    """None if it is not JSON."""
    try:
        return decoder.decode(line.decode())
    except (ValueError, RecursionError):
        return None


@contextmanager
def told_if_damaged(path: Path) -> Iterator[None]:
    """What goes wrong where lines are made use of becomes a RunError: parts of them are not what trainings write."""
    try:
        yield
    except (TypeError, ValueError, AttributeError, LookupError, ArithmeticError) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise RunError(f"{path}: holds what no training writes ({reason})", mend=MEND) from error


def _said(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < LARGEST


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _is_float(value: Any) -> bool:
    return value is not None and _is_number(value)


def _is_time(value: Any) -> bool:
    """Below 0 where a clock was set back."""
    return _is_float(value) and abs(value) < LARGEST  # not so if it is none


def _is_statistics(value: Any) -> bool:
    """Numbers by name; of activations also which function's they are."""
    return isinstance(value, dict) and all(_is_number(one) or name == "kind" for name, one in value.items())


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_list(value: Any) -> bool:
    return value is None or isinstance(value, list)


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _each(fits: Fits) -> Fits:
    """An object all of whose values fit."""

    def all_fit(value: Any) -> bool:
        return isinstance(value, dict) and all(map(fits, value.values()))

    return all_fit


TROUBLE: dict[str, Fits] = {"step": _is_count, "loss": _is_number, "gradient_norm": _is_number, "lines": _is_list}
FIELDS: dict[str, dict[str, Fits]] = {  # of the kinds of lines that every task's training writes
    "data": {"train": _is_count, "classes": _is_list, "columns": _is_list, "shape": _is_list},
    "plan": {"parameters": _is_count, "tokens_per_second": _is_number, "matmul": _each(_is_number)},
    "network": {"places": _each(_is_object)},
    "step": {
        "step": _is_count,
        "seconds": _is_time,
        "loss": _is_float,
        "learning_rate": _is_number,
        "gradient_norm": _is_number,
        "tokens": _is_count,
        "padding": _is_number,
        "penalty": _is_number,
        "loading": _is_number,
        "tokens_per_second": _is_number,
    },
    "statistics": {"step": _is_count, "places": _each(_is_statistics)},
    "evaluation": {
        "step": _is_count,
        "seconds": _is_time,
        "loss": _is_float,
        "scores": _each(_is_number),
        "samples": _is_list,
        "best": lambda value: isinstance(value, bool),
    },
    "rollback": {**TROUBLE, "to": _is_count, "number": _is_count, "of": _is_count, "learning_rate": _is_number},
    "diverged": {**TROUBLE, "at_fault": _is_count},
    "end": {"step": _is_count, "seconds": _is_time, "reason": _is_text, "best_step": _is_count},
    "failed": {"text": _is_text},
}
