"""Gradients that do not arrive, and gradients that are too long."""

import math
from collections.abc import Sequence

from pellucid.train.diagnosis.chart import Chart, Line, median, number, share_of
from pellucid.train.diagnosis.finding import Cure, Finding, Series
from pellucid.train.diagnosis.rules.beginning import alike
from pellucid.train.diagnosis.rules.cures import (
    cure_initialization,
    cure_norm,
    cure_rate,
    cure_residual,
    slower,
)
from pellucid.train.diagnosis.rules.fit import underfitting
from pellucid.train.diagnosis.thresholds import (
    DEAD,
    EARLY,
    EXPLODED_CLIP,
    EXPLODED_GRADIENT,
    EXPLODED_NORM,
    EXPLODED_STEPS,
    FEWEST_CHAINED,
    FEWEST_LOOKS,
    FLAT,
    LARGEST,
    LEARNED_LITTLE,
    VANISHED_GRADIENT,
    VANISHED_LOOKS,
)


def vanishing_gradients(chart: Chart) -> Sequence[Finding]:
    """From the first layer on, gradients are a thousandth and less of what a later layer gets, and it stays so for
    a good part of the training, or to its end; or it was so at first, and the training ended badly.

    Each layer's gradient is taken as a share of its weights, so that wide and narrow layers compare; of a block of
    several, the largest counts. Not found where something else holds the gradient up (dead or saturated units, weights
    of 0): then that is the illness.
    Sources: Hochreiter, 1991; Glorot & Bengio, "Understanding the difficulty of training deep feedforward neural
    networks", 2010.
    """
    if alike(chart):
        return []
    of_chains = chains(chart.layers())
    found = [_vanishing(chart, chain) for chain in of_chains]
    if not any(found) and underfitting(chart):
        found = [_vanished_early(chart, chain) for chain in of_chains]
    return [finding for finding in found if finding is not None][:1]


def _vanishing(chart: Chart, chain: Sequence[Sequence[str]]) -> Finding | None:
    everywhere = [[layer] for layer in chart.layers()]
    judged = [look for look in chart.statistics if not blocked(look)]
    affected = [(look, vanished(look, chain, max(shares(look, everywhere), default=0.0))) for look in judged]
    ill = [(look, count) for look, count in affected if count]
    if len(chain) < FEWEST_CHAINED or not ill:
        return None
    if len(ill) < VANISHED_LOOKS * len(judged):
        return None
    if len(ill) < FEWEST_LOOKS and not _never_began(chart, judged):
        return None
    first, (last, count) = ill[0][0], ill[-1]
    until = int(last["step"] if len(ill) >= FEWEST_LOOKS else chart.statistics[-1]["step"])  # dead units get nothing
    depth = list(range(1, len(chain) + 1))
    return Finding(
        "vanishing_gradients",
        number=shares(last, chain)[0] / max(shares(last, everywhere)),
        threshold=VANISHED_GRADIENT,
        sure=0.95 if len(ill) >= FEWEST_LOOKS and last is judged[-1] else 0.7,
        place=chain[0][0],
        step=int(first["step"]),
        values={"until": chain[count - 1][0], "layers": len(chain), "last": f"{until:,}"},
        cures=[*cure_residual(chart), *cure_norm(chart), *cure_initialization(chart)],
        plot=[
            Series("gradient_first_look", depth, shares(first, chain)),
            *([Series("gradient_last_look", depth, shares(last, chain))] if last is not first else []),
        ],
        axis="layer",
        logarithmic=True,
        lasting=chart.lasts(len(ill), VANISHED_LOOKS, len(judged)),
    )


def _vanished_early(chart: Chart, chain: Sequence[Sequence[str]]) -> Finding | None:
    """Of a training that ended badly: nothing reached the first layers at its first looks, and later it did.

    Until then the last layers had moved alone, on what untrained layers made of the inputs.
    """
    everywhere = [[layer] for layer in chart.layers()]
    looks = chart.statistics
    counts = [vanished(look, chain, max(shares(look, everywhere), default=0.0)) for look in looks]
    ill = next((place for place, count in enumerate(counts) if not count), len(counts))
    if len(chain) < FEWEST_CHAINED or ill < FEWEST_LOOKS or ill == len(counts):
        return None
    last, depth = looks[ill - 1], list(range(1, len(chain) + 1))
    return Finding(
        "vanishing_gradients",
        number=shares(looks[0], chain)[0] / max(shares(looks[0], everywhere)),
        threshold=VANISHED_GRADIENT,
        sure=0.65,
        place=chain[0][0],
        step=int(looks[0]["step"]),
        values={
            "until": chain[counts[0] - 1][0],
            "layers": len(chain),
            "last": f"{int(last['step']):,}",
            "again": f"{int(looks[ill]['step']):,}",
        },
        cures=[*cure_residual(chart), *cure_norm(chart), *cure_initialization(chart)],
        plot=[
            Series("gradient_first_look", depth, shares(looks[0], chain)),
            Series("gradient_last_look", depth, shares(looks[-1], chain)),
        ],
        axis="layer",
        logarithmic=True,
        evidence="early.vanishing_gradients",
    )


def _never_began(chart: Chart, judged: Sequence[Line]) -> bool:
    """Whether after these first looks units died of what did not reach them, before anything was learned.

    One look is enough here: all losses say the same.
    """
    _, losses = chart.losses()
    died = len(chart.statistics) - len(judged)
    return died > 0 and median(losses[-10:]) > (1 - LEARNED_LITTLE) * losses[0]


def chains(layers: Sequence[str]) -> list[list[list[str]]]:
    """The layers by the list of blocks they stand in (encoder, decoder, layers ...), and there by block, in order."""
    found: dict[str, dict[str, list[str]]] = {}
    for layer in layers:
        parts = layer.split(".")
        numbers = [place for place, part in enumerate(parts) if part.isdigit()]
        if numbers:
            chain, block = ".".join(parts[: numbers[0]]), ".".join(parts[: numbers[-1] + 1])
            found.setdefault(chain, {}).setdefault(block, []).append(layer)
    return [list(blocks.values()) for blocks in found.values()]


def shares(look: Line, blocks: Sequence[Sequence[str]]) -> list[float]:
    """Of each block the largest gradient of its layers, as a share of their weights; 0 where there is none."""
    return [max(_or_nothing(share_of(look, layer, "gradient")) for layer in block) for block in blocks]


def vanished(look: Line, chain: Sequence[Sequence[str]], largest: float) -> int:
    """At how many blocks, counted from the first, gradients have all but gone beside the largest there is."""
    found = shares(look, chain)
    return next((place for place, share in enumerate(found) if share >= VANISHED_GRADIENT * largest), len(found))


def blocked(look: Line) -> bool:
    """Whether some layer's activations let nothing through at this look."""
    return any(number(told.get("dead")) >= DEAD or number(told.get("flat")) >= FLAT for told in look["places"].values())


def exploding_gradients(chart: Chart) -> Sequence[Finding]:
    """Gradients so long that at most steps clipping leaves less than a tenth of them, or longer than the weights.

    Source: Pascanu, Mikolov & Bengio, "On the difficulty of training recurrent neural networks", 2013.
    """
    steps = [int(line["step"]) for line in chart.steps]
    gradients = [number(line["gradient_norm"]) for line in chart.steps]
    if not gradients:
        return _exploded_at_once(chart)
    clip = number(chart.training.get("clip"))
    limit = EXPLODED_NORM * max(clip, EXPLODED_CLIP) if clip else math.inf
    longer = [norm > limit for norm in gradients]
    weights = [(look, _together(look, "gradient") / max(_together(look, "weight"), 1e-12)) for look in chart.statistics]
    heavy = [share > EXPLODED_GRADIENT for _, share in weights]
    by_norm = sum(longer) / len(longer) >= EXPLODED_STEPS
    by_weight = len(heavy) >= FEWEST_LOOKS and sum(heavy) / len(heavy) >= EXPLODED_STEPS
    at_once = bool(heavy) and heavy[0]
    by_weight = by_weight or (bool(chart.diverged) and at_once)
    if (not by_norm and not by_weight) or alike(chart) or not chart.is_past(EARLY):
        return []
    middle = median(gradients)
    layer = max(
        chart.layers(), key=lambda place: _or_nothing(share_of(chart.statistics[0], place, "gradient")), default=""
    )
    return [
        Finding(
            "exploding_gradients",
            number=middle,
            threshold=limit if by_norm else EXPLODED_GRADIENT * _together(chart.statistics[0], "weight"),
            sure=0.95 if at_once else 0.8,
            place=layer,
            step=steps[longer.index(True)] if by_norm else steps[0],
            values={"percent": f"{100 * _share(longer if by_norm else heavy):.0f}", "first": gradients[0]},
            cures=cures_of_exploding(chart),
            plot=[Series("gradient_norm", steps, gradients)],
            drawn=by_norm,
            logarithmic=True,
            lasting=any(chart.lasts(sum(found), EXPLODED_STEPS, len(found)) for found in (longer, heavy) if found),
        )
    ]


def cures_of_exploding(chart: Chart) -> list[Cure]:
    """What keeps a signal's size whatever the weights; smaller ones to begin with; then the limit, then the rate."""
    clip = number(chart.training.get("clip"))
    limited = [] if 0 < clip <= 1 else [Cure("clip", {"training.clip": 1.0})]
    recurrent = [Cure("gated", {"model.cell": "lstm"}, cost=3)] if chart.model.get("cell") == "rnn" else []
    return [
        *cure_norm(chart),
        *cure_initialization(chart),
        *limited,
        *cure_rate(chart, slower(chart)),
        *recurrent,
    ]


def _exploded_at_once(chart: Chart) -> Sequence[Finding]:
    """Nothing was a number at the very first step: no learning rate can have done that."""
    if not chart.diverged:
        return []
    return [
        Finding(
            "exploding_gradients",
            number=LARGEST,
            threshold=EXPLODED_GRADIENT,
            sure=0.7,
            step=int(chart.diverged["step"]),
            values={"percent": "100", "first": LARGEST},
            cures=cures_of_exploding(chart),
        )
    ]


def _share(held: Sequence[bool]) -> float:
    return sum(held) / len(held)


def _together(look: Line, what: str) -> float:
    """The norm over all places."""
    found = [number(told.get(what)) for told in look["places"].values()]
    return math.sqrt(sum(value * value for value in found if math.isfinite(value)))


def _or_nothing(share: float) -> float:
    return share if math.isfinite(share) else 0.0
