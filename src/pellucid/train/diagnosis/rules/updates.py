"""How large a training's updates are beside its weights: the measure of a learning rate."""

import math

from pellucid.train.diagnosis.chart import Chart, median, number, share_of
from pellucid.train.diagnosis.thresholds import HIGH_UPDATE


def update_shares(chart: Chart) -> list[tuple[int, float, str]]:
    """At each look: how large the update was beside the weights (the layers' median), and in which layer largest.

    Not of layers that begin at 0, as the second table of word vectors does: their weights are nothing but updates.
    """
    if not chart.statistics:
        return []
    begun = chart.statistics[0]["places"]
    layers = [layer for layer in chart.layers() if number(begun.get(layer, {}).get("weight"))] or chart.layers()
    found = []
    for look in chart.statistics:
        shares = {layer: share_of(look, layer, "update") for layer in layers}
        known = {layer: share for layer, share in shares.items() if math.isfinite(share)}
        if known:
            found.append((int(look["step"]), median(known.values()), max(known, key=known.__getitem__)))
    return found


def too_fast(chart: Chart) -> bool:
    """Whether some update was as large as no healthy training's."""
    return any(share >= HIGH_UPDATE for _, share, _ in update_shares(chart))
