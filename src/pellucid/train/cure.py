"""A run trained again with one thing changed: which trainings that takes, and how the config of each is made.

    runs/wine.cures/
      untreated-seed-2/          the run as it was, with another seed; the run itself is the one with its own
      dropout=0.5-seed-1/        with the change, for each seed; every one an ordinary run folder
      dropout=0.5-seed-2/
      dropout=0.5.json           what came of it
      dropout=0.5.html           the same as a page

What is untreated serves every cure of the run. Nothing here trains: api.cure does, in the order planned here.
"""

import difflib
import hashlib
import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pellucid.config import Config, RunConfig
from pellucid.errors import ConfigError, RunError
from pellucid.run import Run
from pellucid.train.comparison import ASIDE, READING, SEED, Cured, Group, settings_of, training_of
from pellucid.train.cured import FOLDER, OVER

UNTREATED = "untreated"
LONGEST = 80  # characters of a cure in the name of a folder; a longer one ends in a checksum
SEEDS_AT_MOST = 100

# What may not be changed by a cure, and why.
REFUSED = {
    SEED: "is what a cure is repeated over; give --seeds",
    "task": "is what the network is for; with another there is nothing to compare",
    "training.budget": "takes as long as this machine needs now; change training.steps",
    "training.epochs": "was settled as training.steps; change that",
    "training.tokens": "was settled as training.steps; change that",
    "training.threads": "says how a training is computed, not what is learned",
    "training.device": "says how a training is computed, not what is learned",
    "training.save_every": "says how a training is saved, not what is learned",
    "training.watch": "says what of a training is noted, not what is learned",
    "training.record": "says what of a training is kept, not what is learned",
}
HELD_OUT = "decides which examples there are or are held out; scores on others cannot be compared"

State = Literal["original", "done", "failed", "begun", "new"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """One training that a cure needs: where it stands and what exactly it is."""

    folder: Path
    config: RunConfig
    seed: int
    treated: bool
    original: bool = False

    @property
    def is_there(self) -> bool:
        return (self.folder / "config.toml").exists()

    @property
    def is_over(self) -> bool:
        return self.state in OVER

    @property
    def steps_done(self) -> int:
        """As far as its metrics go; where it was killed, it goes on some steps before that."""
        if not self.is_there:
            return 0
        return max((line["step"] for line in Run(self.folder).metrics() if line["kind"] == "step"), default=0)

    @property
    def state(self) -> State:
        """How far it is, as its folder says. Raises RunError if another training stands in its place."""
        if self.original:
            return "original"
        if not self.is_there:
            return "new"
        run = Run.open(self.folder)
        _expect_same(run, self.config)
        kinds: dict[str, Mapping[str, Any]] = {line["kind"]: line for line in run.metrics()}
        if "failed" in kinds:
            return "failed"
        over = "test" in kinds and kinds.get("end", {}).get("reason") != "interrupted"
        return "done" if over else "begun"


@dataclass(frozen=True, slots=True)
class Cure:
    """A change of a run and all trainings that show what it does, in the order in which they are made."""

    run: Run
    folder: Path
    cured: Cured
    seeds: Sequence[int]
    trainings: Sequence[Wanted]

    @property
    def what(self) -> str:
        return self.cured.what

    @property
    def page(self) -> Path:
        return self.folder / f"{file_name(self.what)}.html"

    @property
    def result(self) -> Path:
        return self.folder / f"{file_name(self.what)}.json"

    def groups(self) -> list[Group]:
        """Without and with the change, of what is on the disk."""
        sides: list[Group] = []
        for treated in (False, True):
            found = [one for one in self.trainings if one.treated is treated]
            sides.append(
                Group(self.what if treated else UNTREATED, [training_of(Run.open(one.folder)) for one in found])
            )
        return sides


def plan_cure(run: Run, asked: Mapping[str, Any], seeds: int | Sequence[int] = 3) -> Cure:
    """What `pellucid cure` is to do. Raises ConfigError for a field that there is not or that a cure may not change,
    RunError for a run that is being trained now, or whose steps were never settled."""
    config: RunConfig = run.config
    if run.status == "running":
        raise RunError(f"{run.path}: is being trained now", mend="Wait until it is finished.")
    if config.training.steps is None:
        raise RunError(
            f"{run.path}: its config.toml has no training.steps", mend=f"`pellucid resume {run.path}` first."
        )
    changes = dict(sorted((field_of(config, name), value) for name, value in asked.items()))
    if not changes:
        raise ConfigError("no change is given", mend="Write --with FIELD=VALUE, such as --with weight_decay=0.1.")
    if len(changes) < len(asked):
        raise ConfigError(f"{', '.join(asked)}: names one field twice", mend="Give each field once.")
    chosen = chosen_seeds(config.training.seed, seeds)
    data: Mapping[str, Any] = next((line for line in run.metrics() if line["kind"] == "data"), {})
    examples = data.get("train") if run.kind.item == "example" else None
    treated, adapted = treated_config(config, changes, examples)
    settings = settings_of(treated)
    settled = {name: settings[name] for name in changes}
    what = said(config, settled)
    path = run.path if run.path.name else run.path.resolve()
    folder = path.with_name(path.name + FOLDER)
    finished = run.status == "finished" and any(line["kind"] == "test" for line in run.metrics())
    untreated = _again(config)

    def pair(seed: int) -> list[Wanted]:
        original = finished and seed == config.training.seed
        without = run.path if original else folder / f"{UNTREATED}-seed-{seed}"
        return [
            Wanted(without, with_seed(untreated, seed), seed, treated=False, original=original),
            Wanted(folder / f"{file_name(what)}-seed-{seed}", with_seed(treated, seed), seed, treated=True),
        ]

    # Pairs that were made for an earlier call count too: who leaves some out can choose what the verdict is.
    there = [seed for seed in _seeds_in(folder, file_name(what)) if all(one.is_over for one in pair(seed))]
    chosen = sorted({*chosen, *there})
    trainings = [one for seed in chosen for one in pair(seed)]
    cured = Cured(run=str(run.path), what=what, changes=settled, adapted=adapted, steps=config.training.steps)
    return Cure(run, folder, cured, chosen, trainings)


def _seeds_in(folder: Path, name: str) -> list[int]:
    """Of which seeds there are trainings of that name."""
    ends = (place.name.removeprefix(f"{name}-seed-") for place in folder.glob("*-seed-*"))
    return [int(end) for end in ends if end.isdecimal()]


# What is asked for


def parse_changes(text: str) -> dict[str, Any]:
    """`dropout=0.2,l2=1e-4` as field and value; commas within brackets or quotes part nothing. Raises ConfigError."""
    changes: dict[str, Any] = {}
    for part in _parts(text):
        name, equals, value = part.partition("=")
        if not equals or not name.strip():
            raise ConfigError(f"--with {text}: {part.strip()!r} is not a change", mend="Write FIELD=VALUE,FIELD=VALUE.")
        if name.strip() in changes:
            raise ConfigError(f"--with {text}: {name.strip()} is given twice", mend="Give each field once.")
        changes[name.strip()] = _value(value.strip())
    return changes


def parse_seeds(text: str) -> int | list[int]:
    """`3`: so many; `1,2,3`: these. Raises ConfigError for anything else."""
    parts = text.split(",")
    if not all(re.fullmatch(r"\s*\d{1,18}\s*", part) for part in parts):
        raise ConfigError(f"--seeds is {text!r}: neither how many nor which", mend="Write 3, or 1,2,3.")
    return int(text) if len(parts) == 1 else [int(part) for part in parts]


def chosen_seeds(own: int, seeds: int | Sequence[int]) -> list[int]:
    """The run's own seed and those after it, or the ones that are named. Raises ConfigError for none, or one twice."""
    if isinstance(seeds, int):
        if not 1 <= seeds <= SEEDS_AT_MOST:
            raise ConfigError(f"--seeds is {seeds}", mend=f"Give 1 to {SEEDS_AT_MOST}, or which ones: 1,2,3.")
        return list(range(own, own + seeds))
    if len(set(seeds)) < len(seeds) or not seeds:
        raise ConfigError(
            f"--seeds is {','.join(map(str, seeds)) or 'empty'}", mend="Give each seed once, such as 1,2,3."
        )
    return list(seeds)


def field_of(config: RunConfig, name: str) -> str:
    """The full name of a field that is named in full or, where that tells it, by the last part of its name.

    Raises ConfigError, with the nearest that there are, for one that there is not, that the run's network does not
    have, or that a cure may not change.
    """
    fields = list(settings_of(config))
    name = name.strip()
    if name in fields:
        return _permitted(name)
    called = [field for field in fields if field.endswith(f".{name}")]
    for field in REFUSED.keys() & set(called):
        return _permitted(field)
    open_to_change = [field for field in called if _refusal(field) is None]
    if len(open_to_change) == 1:
        return open_to_change[0]
    if len(called) == 1:
        return _permitted(called[0])
    if called:
        several = open_to_change or called
        raise ConfigError(f"{name}: several fields are called so", mend=f"Write one of {', '.join(several)}.")
    if name in all_fields(type(config)):
        raise ConfigError(f"{name}: this run's network has no such part", mend=f"It has {_near(config, name)}.")
    raise ConfigError(f"there is no field {name}", mend=f"The nearest are {_near(config, name)}.")


def all_fields(kind: type[Config], before: str = "") -> list[str]:
    """Every field of a config, those of kinds that are not chosen too."""
    found: list[str] = []
    for name, field in kind.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, Config):
            found += all_fields(inner, f"{before}{name}.")
        else:
            found.append(before + name)
    return found


def _near(config: RunConfig, name: str) -> str:
    """The fields that a cure may change whose names are most like this one."""
    free = [field for field in settings_of(config) if _refusal(field) is None]
    last = name.rpartition(".")[2]

    def likeness(field: str) -> float:
        leaf = field.rpartition(".")[2]
        within = 0.3 if last in field or leaf in last else 0.0
        return within + max(difflib.SequenceMatcher(None, *pair).ratio() for pair in ((name, field), (last, leaf)))

    return ", ".join(sorted(free, key=likeness, reverse=True)[:3])


def _refusal(field: str) -> str | None:
    if field.startswith("data.") and field not in READING:
        return HELD_OUT
    return REFUSED.get(field)


def _permitted(field: str) -> str:
    why = _refusal(field)
    if why is not None:
        raise ConfigError(
            f"{field}: a cure cannot change it: it {why}", mend="Change how the network is made or trained."
        )
    return field


def _parts(text: str) -> list[str]:
    parts, depth, quote = [""], 0, ""
    for letter in text:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'":
            quote = letter
        elif letter in "[{":
            depth += 1
        elif letter in "]}":
            depth -= 1
        if letter == "," and not depth and not quote:
            parts.append("")
        else:
            parts[-1] += letter
    return [part for part in parts if part.strip()]


def _value(text: str) -> Any:
    """As TOML has it; what is no TOML is a text."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


# What each training is


def treated_config(
    config: RunConfig, changes: Mapping[str, Any], examples: int | None = None
) -> tuple[RunConfig, dict[str, tuple[Any, Any]]]:
    """The config with the changes, and what had to follow them: with another batch, as many steps as see as much.

    `examples` is how many there are to train on, where a batch is of these. Raises ConfigError for a value that a field
    cannot have.
    """
    again = _again(config)
    treated = _changed(again, changes)
    lengths = {"training.steps", "training.evaluate_every"}
    if set(changes) & lengths or _seen_in_a_step(treated, examples) == _seen_in_a_step(again, examples):
        return treated, {}
    ratio = _seen_in_a_step(again, examples) / _seen_in_a_step(treated, examples)
    follow = {
        name: max(round(getattr(again.training, name.rpartition(".")[2]) * ratio), 1)
        for name in sorted(lengths)
        if getattr(again.training, name.rpartition(".")[2]) is not None
    }
    settings = settings_of(again)
    adapted = {name: (settings[name], value) for name, value in follow.items() if settings[name] != value}
    return _changed(treated, follow), adapted


def with_seed(config: RunConfig, seed: int) -> RunConfig:
    return _changed(config, {SEED: seed})


def _again(config: RunConfig) -> RunConfig:
    """The config of a run, so that it can be trained again: its length said once, in steps."""
    training = config.training
    others = {name: None for name in training.lengths() if name != "steps"}
    values = config.model_dump()
    return type(config).parse({**values, "training": {**values["training"], **others}})


def _changed(config: RunConfig, changes: Mapping[str, Any]) -> RunConfig:
    values = config.model_dump()
    for name, value in changes.items():
        *sections, field = name.split(".")
        inner, held = values, config
        for section in sections:
            inner, held = inner[section], getattr(held, section)
        if field == "preset" and value != inner[field]:
            _forget_preset(inner, held)
        inner[field] = value
    return type(config).parse(values, where="--with")


def _forget_preset(values: dict[str, Any], section: Config) -> None:
    """Leave out what a section's preset filled in, so that another one can; what was chosen beside it stays."""
    filled = type(section).parse({"preset": values["preset"]}).model_dump()
    for name in [name for name, value in values.items() if filled[name] == value]:
        del values[name]


def _seen_in_a_step(config: RunConfig, examples: int | None) -> float:
    """How much one step sees, in the task's own measure: examples, tokens, or stretches of a length of text."""
    training: Any = config.training
    model: Any = getattr(config, "model", None)
    accumulate = float(training.accumulate)
    if hasattr(training, "batch_tokens"):
        return accumulate * float(training.batch_tokens)
    if isinstance(getattr(model, "context", None), int):
        return accumulate * float(training.batch * model.context)
    if examples:
        # An epoch ends with a batch that is not full: what a step sees is their mean.
        return accumulate * examples / float(math.ceil(examples / training.batch))
    return accumulate * float(training.batch)


def _expect_same(run: Run, config: RunConfig) -> None:
    """Raises RunError if what stands in a cure's folder is of another training than this one."""
    theirs, ours = settings_of(run.config), settings_of(config)
    undecided = (None, "auto")  # such is settled by training
    aside = ASIDE - {"data.fingerprint"}
    for name, value in ours.items():
        if name not in aside and value not in undecided and theirs.get(name) != value:
            raise RunError(
                f"{run.path}: was trained with {name} = {theirs.get(name)}, and the run now has {value}",
                mend=f"Remove {run.path.parent}; its trainings are of another run.",
            )


# How a cure is called


def said(config: RunConfig, changes: Mapping[str, Any]) -> str:
    """`dropout=0.5, l2=0.0001`: each field by the shortest name that tells it."""
    return ", ".join(f"{short(config, name)}={shown(value)}" for name, value in changes.items())


def short(config: RunConfig, field: str) -> str:
    last = field.rpartition(".")[2]
    fields = settings_of(config)
    alike = [name for name in fields if name.rpartition(".")[2] == last and _refusal(name) is None]
    return last if alike == [field] and (last == field or last not in fields) else field


def shown(value: Any) -> str:
    """A value as people write it: 0.0001, true, [32,64]."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.12g}"
    if isinstance(value, list | tuple):
        return f"[{','.join(map(shown, value))}]"
    if isinstance(value, Mapping):
        return f"{{{','.join(f'{key}={shown(held)}' for key, held in value.items())}}}"
    return str(value)


def file_name(what: str) -> str:
    """A cure as the name of a folder: letters that a shell or a file system takes otherwise are replaced."""
    joined = what.replace(", ", ",")
    plain = re.sub(r"[^\w.=,+-]", "_", joined)
    if plain == joined and len(plain) <= LONGEST:
        return plain
    return f"{plain[:LONGEST]}-{hashlib.sha256(joined.encode()).hexdigest()[:8]}"
