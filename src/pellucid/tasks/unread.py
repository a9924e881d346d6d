"""Settings that nothing reads: of a kind of network, an optimizer, a schedule that is not the one chosen."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from pellucid.config import RunConfig

READ_WITH: Mapping[str, tuple[str, Collection[str]]] = {  # field: read where the other has one of these values
    "momentum": ("optimizer", ("momentum", "nesterov")),
    "beta1": ("optimizer", ("adam", "adamw", "muon")),
    "beta2": ("optimizer", ("adam", "adamw", "muon", "rmsprop")),
    "cycle_momentum": ("schedule", ("one-cycle",)),
    "step_every": ("schedule", ("step",)),
    "step_factor": ("schedule", ("step",)),
    "plateau_patience": ("schedule", ("plateau",)),
    "plateau_factor": ("schedule", ("plateau",)),
    "initialization_std": ("initialization", ("normal",)),
}
OF_GPT = ("heads", "feed_forward", "norm", "residual", "positions", "activation")


def unread_settings(config: RunConfig) -> list[str]:
    """A sentence for each field that was changed and is not read, with what would have it read."""
    return [*_of_training(config), *_of_network(config)]


def _of_training(config: RunConfig) -> Iterator[str]:
    training = config.training
    for field in _changed(training):
        if field not in READ_WITH:
            continue
        ruling, values = READ_WITH[field]
        now = getattr(training, ruling)
        if now not in values:
            yield _said(f"training.{field}", getattr(training, field), f"training.{ruling}", now, values)


def _of_network(config: RunConfig) -> Iterator[str]:
    model: Any = getattr(config, "model", None)
    kind = getattr(model, "kind", None)
    for other in ("mlp", "cnn"):
        section = getattr(model, other, None)
        if section is None or kind not in ("mlp", "cnn") or kind == other:
            continue
        used = getattr(model, kind)
        for field in _changed(section):
            if getattr(used, field, None) != getattr(section, field):  # what is said of both alike, is read in one
                yield _said(f"model.{other}.{field}", getattr(section, field), "model.kind", kind, (other,))
    cell = getattr(model, "cell", None)
    if cell not in (None, "gpt"):
        for field in _changed(model, cell=cell):
            if field in OF_GPT:
                yield _said(f"model.{field}", getattr(model, field), "model.cell", cell, ("gpt",))


def _changed(section: Any, **start: Any) -> Iterator[str]:
    """The fields of a section that are not as they would be, had nothing but `start` been said."""
    usual = type(section).model_validate(start)
    return (field for field in type(section).model_fields if getattr(section, field) != getattr(usual, field))


def _said(field: str, value: object, ruling: str, now: str, values: Collection[str]) -> str:
    wanted = " or ".join(values)
    return f"{field} is set to {value} and is not read: {ruling} is {now}, not {wanted}"
