"""What a trace takes, before it is taken: its steps counted from their shapes, and what memory is free."""

import fnmatch
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path

import torch

from pellucid.see.operation import Step
from pellucid.see.trace import TraceError

UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
LARGEST = 3  # kinds of steps that the arithmetic names
SPARED = 0.9  # of what is free may be taken
PARTS_OF_ATTENTION = ("scores", "scaled", "masked", "weights", "heads")


@dataclass(frozen=True)
class Count:
    """One step of a pass that keeps no values: its bytes, whether it shares them, and whether it has a gradient."""

    bytes: int
    view: bool
    gradient: bool


@dataclass(frozen=True)
class Kind:
    """Steps of one name and shape, in several places."""

    name: str
    shape: tuple[int, ...]
    places: int
    bytes: int

    def __str__(self) -> str:
        sizes = " x ".join(map(str, self.shape)) or "one number"
        times = f", {self.places} times" if self.places > 1 else ""
        return f"{self.name} {sizes}{times} ({written(self.bytes)})"


@dataclass(frozen=True)
class Size:
    """Bytes of values, and of gradients where there is a loss; `wanted` says of each step whether it is kept."""

    values: int
    gradients: int
    kinds: tuple[Kind, ...]
    wanted: tuple[bool, ...]
    signature: tuple[tuple[str, tuple[int, ...]], ...]  # of all steps: what was done, and the shape
    narrow: int | None  # bytes of the same in bfloat16, where that is less

    @classmethod
    def of(
        cls,
        steps: Sequence[Step],
        signature: Sequence[tuple[str, tuple[int, ...]]],
        aliases: Mapping[str, Step],
        counts: Sequence[Count],
        only: Sequence[str],
        precision: torch.dtype | None,
    ) -> "Size":
        """From the steps of a counting pass. Raises TraceError if `only` fits none of them."""
        chosen = selected(steps, aliases, only) if only else set(steps)
        kept = {
            step
            for step, (op, _) in zip(steps, signature, strict=True)
            if step in chosen or op in ("input", "constant") or step.shape.numel() == 1
        }

        def bytes_in(step: Step, count: Count, precision: torch.dtype | None) -> int:
            narrows = precision is not None and step.dtype.is_floating_point and step.shape.numel() > 1
            if precision is not None and narrows and precision.itemsize < step.dtype.itemsize:
                return step.shape.numel() * precision.itemsize
            shares = count.view and any(operand in kept for operand in step.operands.values())
            return 0 if shares else count.bytes

        held = [(step, count) for step, count in zip(steps, counts, strict=True) if step in kept]

        def total(pairs: Iterable[tuple[Step, Count]], precision: torch.dtype | None) -> int:
            return sum(bytes_in(step, count, precision) for step, count in pairs)

        def gradients_in(precision: torch.dtype | None) -> int:
            """At most: some of them share memory."""
            return total([(step, replace(count, view=False)) for step, count in held if count.gradient], precision)

        kinds: dict[tuple[str, tuple[int, ...]], list[int]] = {}
        for step, count in held:
            name = re.sub(r"_\d+$", "", step.name.rpartition(".")[2])
            name = step.op if name.isdigit() else name
            bytes_ = bytes_in(step, count, precision) * (2 if count.gradient else 1)
            kinds.setdefault((name, tuple(step.shape)), []).append(bytes_)
        found = [Kind(name, shape, len(bytes_), sum(bytes_)) for (name, shape), bytes_ in kinds.items()]
        values, gradients = total(held, precision), gradients_in(precision)
        narrow = total(held, torch.bfloat16) + gradients_in(torch.bfloat16)
        return cls(
            values,
            gradients,
            tuple(sorted(found, key=lambda kind: -kind.bytes)),
            tuple(step in kept for step in steps),
            tuple(signature),
            narrow if narrow < values + gradients else None,
        )

    @property
    def bytes(self) -> int:
        return self.values + self.gradients

    def __str__(self) -> str:
        """The arithmetic in one line."""
        most = ", ".join(map(str, self.kinds[:LARGEST]))
        with_gradients = f" (of it gradients {written(self.gradients)})" if self.gradients else ""
        number = sum(self.wanted)
        of = f" of {len(self.wanted)}" if number < len(self.wanted) else ""
        return f"about {written(self.bytes)}{with_gradients}: {number}{of} steps, most of it in {most}"

    def check(self, allowed: int | None, free: int | None) -> None:
        """Raises TraceError where a trace of this size does not fit."""
        if allowed is not None and self.bytes > allowed:
            room = f"the limit is {written(allowed)}"
        elif free is not None and self.bytes > SPARED * free:
            room = f"{written(free)} is free"
        else:
            return
        narrow = f" or precision=torch.bfloat16 (about {written(self.narrow)})" if self.narrow is not None else ""
        raise TraceError(
            f"the trace would take {self}; {room}", f'Choose steps by only="pattern"{narrow}, or a smaller batch.'
        )


def selected(steps: Sequence[Step], aliases: Mapping[str, Step], only: Sequence[str]) -> set[Step]:
    """Steps whose name, or the name of a place that they are the result of, fits a pattern.

    A fused attention is chosen by the names of its parts, and with it what goes in, from which they are computed.
    """
    found: set[Step] = set()
    for pattern in only:
        fits = {step for step in steps if fnmatch.fnmatchcase(step.name, pattern)}
        fits |= {step for place, step in aliases.items() if fnmatch.fnmatchcase(place, pattern)}
        for step in steps:
            if step.op == "scaled_dot_product_attention" and any(
                fnmatch.fnmatchcase(f"{step.place}.{part}".lstrip("."), pattern) for part in PARTS_OF_ATTENTION
            ):
                fits |= {step, *step.operands.values()}
        if not fits:
            names = [*aliases, *(step.name for step in steps)]
            places = {".".join(name.split(".")[:length]) for name in names for length in range(1, name.count(".") + 2)}
            near = get_close_matches(pattern.strip("*."), sorted(places), 3, 0.5) or sorted(places)[:3]
            raise TraceError(f"only={pattern!r} fits no step of the model", f"There are: {', '.join(near)}, ...")
        found |= fits
    return found


def written(count: int) -> str:
    """Bytes as a person reads them."""
    for unit in ("TB", "GB", "MB", "KB"):
        if count >= UNITS[unit]:
            return f"{count / UNITS[unit]:.3g} {unit}"
    return f"{count} bytes"


def bytes_of(limit: int | str) -> int:
    """A number of bytes, or a text such as "2 GB". Raises TraceError if it is neither."""
    if isinstance(limit, int):
        return limit
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?B?)\s*", limit.upper())
    unit = f"{found[2].removesuffix('B')}B" if found and found[2] else ""
    if not found:
        raise TraceError(
            f"memory_limit={limit!r} is no size", 'Write it as "2 GB" or "500 MB", or as a number of bytes.'
        )
    return int(float(found[1]) * UNITS[unit])


def free_memory(device: torch.device) -> int | None:
    """Bytes that can be taken on a device, None where nothing says so."""
    if device.type == "cuda":
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + unused
    if device.type != "cpu":
        return None
    try:
        text = Path("/proc/meminfo").read_text(encoding="ascii")
    except OSError:
        return None
    available = re.search(r"^MemAvailable:\s+(\d+) kB", text, re.MULTILINE)
    found = [int(available[1]) * 1024] if available else []
    for limit, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        try:
            most, now = (Path("/sys/fs/cgroup", name).read_text(encoding="ascii").strip() for name in (limit, used))
            found.append(max(int(most) - int(now), 0))
        except (OSError, ValueError):  # no such group, or "max"
            continue
    return min(found, default=None)
