"""One TOML file is one run: how a configuration is read, checked and written out.

Every section of it is a frozen pydantic model built on `Config`; each field has a default, a unit where it
has one, and a one-line description that becomes `--help` and the docs. A wrong value names the field.
"""

import difflib
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

import tomlkit
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pellucid.errors import ConfigError

UNITS = {"s": 1, "m": 60, "h": 3600}

Optimizer = Literal["muon", "adamw", "adam", "rmsprop", "sgd", "momentum", "nesterov"]
Schedule = Literal["cosine", "inverse-sqrt", "constant", "step", "one-cycle", "plateau"]
Initialization = Literal["default", "zeros", "normal", "xavier", "he"]
OPTIMIZERS = (
    "muon: for the matrices between layers, AdamW for all else; adamw: for everything; adam; rmsprop; "
    "sgd: plain gradient descent; momentum; nesterov"
)


class Config(BaseModel):
    """A frozen section of a run's configuration; unknown keys are refused with the nearest known one."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, protected_namespaces=())

    @classmethod
    def parse(cls, values: Mapping[str, Any], where: str = "config") -> Self:
        """Validate `values`; raises ConfigError naming the field, what it was and what is allowed."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise _explain(cls, error, where) from None

    def changed(self, **values: Any) -> Self:
        """A validated copy with some fields replaced."""
        return type(self).parse({**self.model_dump(), **values})

    def to_toml(self) -> str:
        """All of it, defaults written out; fields that are None (not set) are left out, as TOML has no null."""
        return tomlkit.dumps(_without_none(self.model_dump(mode="json")))


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file; raises ConfigError with the line of a syntax error."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file", mend="Check the name.") from None
    except IsADirectoryError:
        raise ConfigError(f"{path}: this is a folder, not a TOML file", mend="Name the file in it.") from None
    except RecursionError:
        raise ConfigError(f"{path}: not valid TOML: nested too deeply", mend="No field holds such.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}", mend="Mend that line; texts stand in quotes.") from None


def parse_budget(text: str) -> float:
    """Seconds of `90s`, `4m`, `1.5h` or `1h30m`. Raises ConfigError for anything else, and for no time at all."""
    parts = re.findall(r"(\d+(?:\.\d+)?)([smh])", text.strip().lower())
    if not parts or "".join(number + unit for number, unit in parts) != text.strip().lower():
        raise ConfigError(f"budget is {text!r}: not a time", mend="Write a number and s, m or h, such as 90s or 4m.")
    seconds = sum(float(number) * UNITS[unit] for number, unit in parts)
    if not seconds:
        raise ConfigError(f"budget is {text!r}: no time to train in", mend="Give it at least 10s.")
    return seconds


class TrainingConfig(Config):
    """How a network is trained, whatever its task: budget, optimizer, schedule, evaluation, stopping."""

    ITEMS: ClassVar[str | None] = None  # the field that says how many items (tokens) to train on, if there is one

    budget: str | None = Field(None, description="wall-clock time to train, such as 90s, 4m or 2h; fixes `steps`")
    steps: int | None = Field(None, ge=1, description="optimizer steps in all; found from `budget` when not given")
    epochs: float | None = Field(None, gt=0, description="passes over the training examples, instead of `steps`")
    accumulate: int = Field(1, ge=1, description="batches whose gradients are added up before one optimizer step")
    learning_rate: float | None = Field(
        None, gt=0, description="the highest learning rate of the schedule; chosen by the model's width when not given"
    )
    schedule: Schedule = Field("cosine", description="after the warm-up")
    warmup: float = Field(0.1, ge=0, le=1, description="share of the steps in which the rate rises from 0")
    cycle_momentum: bool = Field(
        True, description="one-cycle: momentum (or beta1) falls from 0.95 to 0.85 while the rate rises, and comes back"
    )
    step_every: float = Field(0.3, gt=0, le=1, description="step: share of the steps between two cuts of the rate")
    step_factor: float = Field(0.1, gt=0, lt=1, description="step: what a cut multiplies the rate by")
    plateau_patience: int = Field(2, ge=1, description="plateau: evaluations without a new best before the rate is cut")
    plateau_factor: float = Field(0.5, gt=0, lt=1, description="plateau: what a cut multiplies the rate by")
    optimizer: Optimizer = Field("muon", description=OPTIMIZERS)
    momentum: float = Field(0.9, ge=0, lt=1, description="momentum, nesterov: memory of the gradients before")
    weight_decay: float = Field(
        0.01,
        ge=0,
        description="decay of all weights; decoupled from the gradient (muon, adamw) or added to it (the others)",
    )
    beta1: float = Field(0.9, ge=0, lt=1, description="Adam, AdamW: memory of the mean gradient")
    beta2: float = Field(0.98, ge=0, lt=1, description="Adam, AdamW, RMSProp: memory of the mean squared gradient")
    clip: float = Field(1.0, ge=0, description="largest gradient norm; a longer gradient is scaled down to it; 0: off")
    clip_value: float = Field(
        0.0, ge=0, description="largest size of each number of a gradient, cut to it before `clip`; 0: off"
    )
    l1: float = Field(0.0, ge=0, description="penalty in the loss: l1 times the sum of |w| over the weight matrices")
    l2: float = Field(0.0, ge=0, description="penalty in the loss: l2 / 2 times the sum of w^2 over the same")
    l1_method: Literal["proximal", "subgradient"] = Field(
        "proximal",
        description="how l1 moves a weight: proximal: shrunk after the step, to exactly 0; subgradient: l1 sign(w) in "
        "the gradient, never exactly 0",
    )
    noise: float = Field(
        0.0,
        ge=0,
        description="augmentation: standard deviation of what is added to standardized inputs (tables, images), or "
        "share of the tokens read that are replaced by others (texts)",
    )
    initialization: Initialization = Field(
        "default", description="first values of the weight matrices; default: as the network has them"
    )
    initialization_std: float = Field(0.01, gt=0, description="normal: standard deviation of the first values")
    average: float = Field(0.998, ge=0, lt=1, description="decay per step of the moving average of the weights; 0: off")
    evaluate_every: int | None = Field(None, ge=1, description="steps between evaluations; chosen when not given")
    patience: int = Field(
        8, ge=0, description="evaluations without a new best on the development side before training stops; 0: off"
    )
    save_every: float = Field(20.0, gt=0, description="seconds between resumable states, besides evaluations")
    rollbacks: int = Field(
        3,
        ge=0,
        le=20,
        description="times that a loss or gradient that is no number sends the training back to its last good "
        "evaluation, with half the rate, before it stops; 0: it stops at once",
    )
    watch: int | None = Field(
        None,
        ge=0,
        description="steps between statistics of every layer, for the doctor; 0: none; chosen when not given",
    )
    record: Annotated[int, Field(ge=1)] | Literal["evaluations"] | None = Field(
        None, description="steps between snapshots of the weights, kept to look back; or evaluations: at each of them"
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field("auto", description="auto: measured at the start")
    threads: int | None = Field(
        None, ge=1, description="CPU threads of each worker; all cores, shared out among the workers, when not given"
    )
    device: str = Field("cpu", description="where to train: cpu or cuda; several workers take one CUDA device each")
    seed: int = Field(1, ge=0, description="of weights, order of data and dropout")

    @classmethod
    def lengths(cls) -> tuple[str, ...]:
        """The fields that say how long to train, of which one is given."""
        return ("budget", "steps", "epochs", *((cls.ITEMS,) if cls.ITEMS else ()))


class TokenTraining(TrainingConfig):
    """Training in batches of so many tokens, as sentences have different lengths."""

    ITEMS: ClassVar[str | None] = "tokens"

    tokens: int | None = Field(None, ge=1, description="target tokens to train on in all, instead of `steps`")
    batch_tokens: int = Field(
        1024,
        ge=16,
        description="tokens in one batch, of all workers together: sentences times the longest side, with padding",
    )


class ExampleTraining(TrainingConfig):
    """Training in batches of so many examples, with defaults for small networks."""

    batch: int = Field(32, ge=1, description="examples in one batch, of all workers together")
    learning_rate: float | None = Field(1e-3, gt=0, description="the highest learning rate of the schedule")
    optimizer: Optimizer = Field("adamw", description=OPTIMIZERS)
    average: float = Field(0.0, ge=0, lt=1, description="decay per step of the moving average of the weights; 0: off")
    precision: Literal["auto", "float32", "bfloat16"] = Field("float32", description="auto: measured at the start")


class RunConfig(Config):
    """What the configs of all tasks have; each task's own has more sections."""

    task: str
    if TYPE_CHECKING:  # each declares it, after what comes before training: the order is that of the file
        training: TrainingConfig


def _without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _without_none(value) if isinstance(value, Mapping) else value
        for key, value in values.items()
        if value is not None
    }


def _explain(model: type[BaseModel], error: ValidationError, where: str) -> ConfigError:
    found = error.errors(include_url=False)
    alternatives = [one for one in found if one["loc"][:1] == found[0]["loc"][:1] and _is_alternative(one["loc"])]
    first = max(alternatives, key=lambda one: len(one["loc"]), default=found[0])  # the one that came farthest
    field = ".".join(str(part) for part in first["loc"] if not _is_kind(part))
    if first["type"] == "extra_forbidden":
        known = _fields_at(model, first["loc"][:-1])
        near = difflib.get_close_matches(str(first["loc"][-1]), known, n=1, cutoff=0.5)
        mend = f"Did you mean {near[0]}?" if near else f"It can hold: {', '.join(known)}."
        return ConfigError(f"{where}: there is no field {field}", mend)
    if first["type"] == "missing":
        return ConfigError(f"{where}: {field} is missing", "Give it a value.")
    equal = [one for one in alternatives if len(one["loc"]) == len(first["loc"])] or [first]
    reasons = [one["msg"].removeprefix("Value error, ") for one in equal]
    reason = ", or ".join(f"{one[0].lower()}{one[1:]}" for one in reasons)
    return ConfigError(f"{where}: {field} is {first['input']!r}: {reason}", "Change its value.")


def _is_kind(part: int | str) -> bool:
    """Whether a part of a place names no field but one of the kinds a value may be of, such as `dict[str,float]`."""
    return isinstance(part, str) and "[" in part


def _is_alternative(location: tuple[int | str, ...]) -> bool:
    return any(map(_is_kind, location))


def _fields_at(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """The field names of the section at `location`."""
    for part in location:
        annotation = model.model_fields[str(part)].annotation
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return []
        model = annotation
    return list(model.model_fields)
