"""The gates of the chain rule in a page's file: small beside the numbers of the pass, or left out."""

import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from pellucid.see.address import AddressError
from pellucid.see.blocks import Blocks, Packed, packed
from pellucid.see.moves_page import finite
from pellucid.see.operation import Step
from pellucid.see.trace import Trace, TraceError
from pellucid.see.ways import Gates

FLOAT = 4  # characters, at least, that a number takes
MOST = 6  # and at most, with what it takes to say where it is


def paths_in(
    trace: Trace, found: Gates | None, numbers: Mapping[Step, int], blocks: Blocks, characters: float
) -> dict[str, Any] | None:
    """What the page reads to group the paths of any number; None where it takes more than so many characters.

    `layers` have their name, addition, what goes past, what comes out, and the steps that belong to them; `gates` for
    each way the layers that it passes and the one that it goes through, by number, the gradient and the paths.
    """
    if found is None or found.numbers * FLOAT > characters:
        return None
    layers = [one.layer for one in found.known]
    waiting: list[tuple[dict[str, Any], Packed]] = []

    def told(value: Tensor) -> dict[str, Any]:
        first = value.flatten()[:1]
        if value.numel() and bool((value == first).all()) and bool(first.isfinite()):
            return {"all": float(first)}
        place: dict[str, Any] = {}
        waiting.append((place, packed(value)))
        return place

    gates = {
        numbers[step]: [
            [
                [layers.index(past) for past in way.past],
                None if way.through is None else layers.index(way.through),
                None if part is None else told(part),
                told(count),
            ]
            for way, (part, count) in gate.ways.items()
        ]
        for step, gate in found.gates.items()
    }
    counts = {numbers[step]: told(count) for step, count in found.counts.items()}
    if sum(one.length for _, one in waiting) > characters:
        return None
    for place, one in waiting:
        place |= blocks.laid(one)
    held = [[numbers[step] for step in numbers if one.holds(step, trace)] for one in found.known]
    return {
        "layers": [
            [one.layer, numbers[one.addition], numbers[one.skip], numbers[one.branch], steps]
            for one, steps in zip(found.known, held, strict=True)
        ],
        "gates": gates,
        "counts": counts,
    }


def megabytes_for(found: Gates | None, share: float) -> int | None:
    """How large a page must be for its gates to fit into their share of it; None where there are none."""
    return None if found is None else 10 * math.ceil(found.numbers * MOST / share / 1e7)


def paths_of(trace: Trace, address: str) -> dict[str, Any] | None:
    """The paths of one number, grouped, as the page has them; None where the address is that of none."""
    if trace.loss is None or not address.endswith("]"):
        return None
    try:
        step, cell = trace.cell(address)
        found = trace.paths(str(step.address(cell)))
    except (AddressError, TraceError):  # a slice; token ids
        return None
    groups = [
        {
            "by": group.way.by,
            "past": list(group.way.past),
            "through": group.way.through,
            "part": finite(float(group.contribution)),
            "paths": group.paths,
        }
        for group in found.groups
    ]
    told = {
        "address": found.address,
        "count": found.count,
        "own": list(found.own),
        "gradient": finite(float(found.gradient)),
    }
    return {**told, "groups": groups} if groups else None
