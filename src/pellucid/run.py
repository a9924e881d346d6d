"""A run folder on disk: everything a training leaves behind, loaded and saved in this one place.

    config.toml         all of it, defaults written out
    tokenizer.json      Hugging Face tokenizers format (or what else the task keeps, such as columns.json)
    model.safetensors   the best weights
    state/              the last resumable states, newest last
    metrics.jsonl       one line per step or evaluation
    report.html         one self-contained page
    diagnosis.json      what the doctor found
    recorded/           snapshots of the weights at some steps, if they were asked for

Every write is atomic; weights and states carry checksums; nothing is ever unpickled.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pellucid.config import read_toml
from pellucid.errors import RunError
from pellucid.files import (
    REPLACE,
    UNFINISHED,
    described,
    read_tensors,
    shapes_of,
    tensors_checksum,
    unwritable,
    write_tensors,
    write_text,
)
from pellucid.lines import Line, kind_of, read_lines

if TYPE_CHECKING:
    from torch import Tensor

    from pellucid.config import RunConfig
    from pellucid.data.integrity import Term
    from pellucid.data.tokenizer import Tokenizer
    from pellucid.generate.careful import Proposal
    from pellucid.generate.config import DecodingConfig
    from pellucid.generate.decode import TorchEngine
    from pellucid.generate.engine import Engine, EngineName
    from pellucid.generate.exported import FormatName
    from pellucid.generate.text import Translation
    from pellucid.tasks.task import Task

Status = Literal["new", "running", "stopped", "finished"]
encoded = json.JSONEncoder(ensure_ascii=False).encode  # made once: half of what a line of metrics costs
BEFORE_TRAINING = ("data", "plan")  # kinds of lines that stand in the metrics when a training begins
STATES_KEPT = 2  # if the newest is damaged, the one before it is still good


class Run:
    """One run folder. `Run.open` for an existing one, `Run.create` for a new one.

    Reading is lazy: nothing but the path is touched until it is asked for.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.step: int | None = None  # whose weights the model has, if not the best
        self._exports: dict[FormatName, tuple[int, Engine]] = {}  # loaded, with when each was written

    @classmethod
    def open(cls, path: str | Path) -> "Run":
        """Raises RunError, naming what is missing, unless `path` is a run folder."""
        run = cls(Path(path))
        if not run.path.is_dir():
            raise RunError(f"{path}: no such run", mend="`pellucid runs` lists the runs there are.")
        if not run._config_path.is_file():
            raise RunError(f"{path}: not a run folder; it holds no config.toml", mend="Name the folder of a training.")
        return run

    @classmethod
    def create(cls, path: str | Path, task: "Task", lines: Sequence[Mapping[str, Any]] = ()) -> "Run":
        """Start a new run folder of a task; `lines` are the first of its metrics, there as soon as it is a run.

        Raises RunError if something stands there already or nothing can be written there.
        """
        run = cls(Path(path))
        if run.path.exists() and (not run.path.is_dir() or any(run.path.iterdir())):
            raise RunError(f"{path}: already exists and is not empty", mend="Choose another --name, or remove it.")
        try:
            run.path.mkdir(parents=True, exist_ok=True)
            with run.locked():  # another process may begin one of the same name at the same moment
                if run._config_path.exists():
                    raise RunError(f"{path}: already exists and is not empty", mend="Choose another --name.")
                task.keep(run.path)
                if lines:
                    run.append_metrics(lines)
                # Last, because a folder with a config.toml is a run.
                write_text(run._config_path, task.config.to_toml())
        except OSError as error:
            raise unwritable(path, error) from None
        return run

    @property
    def name(self) -> str:
        return self.path.name or str(self.path.resolve().name)

    @cached_property
    def config(self) -> Any:
        """A RunConfig of the run's own task."""
        from pellucid.tasks.kinds import config_class

        fields = read_toml(self._config_path)
        if "training" not in fields:  # it stands near the end; a file cut at the end of a line is whole TOML
            raise RunError(f"{self._config_path}: is not whole, it has no [training]", mend=REPLACE)
        return config_class(self.task_name).parse(fields, where=str(self._config_path))

    @cached_property
    def task_name(self) -> str:
        """Read without loading torch. Raises RunError if the config does not say."""
        task = read_toml(self._config_path).get("task")
        if task is None:
            raise RunError(f"{self._config_path}: is not whole, it names no task", mend=REPLACE)
        return str(task)

    @property
    def kind(self) -> "type[Task]":
        """What its task is, without anything of the data read."""
        from pellucid.tasks.kinds import task_class

        return task_class(self.task_name)

    def expect(self, *tasks: str) -> None:
        """Raises RunError unless the run's network is for one of these tasks."""
        if self.task_name not in tasks:
            raise RunError(
                f"{self.path}: is a run of {self.task_name}, and this needs a run of {' or '.join(tasks)}",
                mend="`pellucid runs` lists the runs there are, and what each is for.",
            )

    @cached_property
    def tokenizer(self) -> "Tokenizer":
        from pellucid.data.tokenizer import Tokenizer

        return Tokenizer.load(self.path / "tokenizer.json")

    @cached_property
    def task(self) -> Any:
        """The run's Task with its data read again. Raises DataError if the files have changed since."""
        return self.kind.open(self.config, self.path)

    @cached_property
    def model(self) -> Any:
        """The best weights so far, ready to use. Raises RunError if there are none yet or they do not fit."""
        path = self.path / "model.safetensors"
        if not path.exists():
            raise RunError(
                f"{self.path}: has no model yet; the training was stopped before its first evaluation",
                mend=f"`pellucid resume {self.path}` goes on with it.",
            )
        self._check_shapes(path)
        weights, _ = read_tensors(path)
        bad = [name for name, one in weights.items() if one.is_floating_point() and not one.isfinite().all()]
        if bad:
            raise RunError(
                f"{path}: {len(bad)} of its {len(weights)} tensors hold what is no number, {bad[0]} first",
                mend=REPLACE,
            )
        model = self.network()
        try:
            model.load_state_dict(weights)
        except RuntimeError as error:
            reason = " ".join(str(error).split())[:200]
            raise RunError(f"{path}: its weights do not fit config.toml ({reason})", mend=REPLACE) from None
        return model.eval()

    def _check_shapes(self, path: Path) -> None:
        """Raises RunError unless the weights at `path` are those of the network that config.toml describes.

        Told from headers, and from a network without numbers (PyTorch's meta device): however large one of the two
        says that it is, no memory is taken for it.
        """
        import torch

        there = shapes_of(path)
        with torch.random.fork_rng([]), torch.device("meta"):
            wanted = {name: tuple(one.shape) for name, one in self.network().state_dict().items()}
        odd = [name for name in {**wanted, **there} if wanted.get(name) != there.get(name)]
        if odd:
            first = odd[0]
            said = f"{first} is {there.get(first, 'missing')} and should be {wanted.get(first, 'missing')}"
            raise RunError(f"{path}: its weights do not fit config.toml ({said})", mend=REPLACE)

    def network(self) -> Any:
        """A new network as the config says. Raises RunError if there can be none, as it would be too large."""
        try:
            return self.kind.network(self.config, self.path)
        except (RuntimeError, TypeError, ValueError, OverflowError, MemoryError) as error:
            reason = " ".join(str(error).split())[:200]
            raise RunError(f"{self._config_path}: no network can be made of it ({reason})", mend=REPLACE) from None

    @property
    def has_model(self) -> bool:
        """Whether weights were saved, damaged or not."""
        return (self.path / "model.safetensors").exists()

    @property
    def decoding(self) -> "DecodingConfig":
        """How the run decodes unless told otherwise; read without loading torch."""
        from pellucid.generate.config import DecodingConfig

        fields = read_toml(self._config_path).get("decoding", {})
        return DecodingConfig.parse(fields, where=f"{self._config_path}: decoding")

    @property
    def languages(self) -> tuple[str, str]:
        """From which to which a translator translates; read without loading torch."""
        fields = read_toml(self._config_path).get("data", {})
        return str(fields.get("source") or "?"), str(fields.get("target") or "?")

    @property
    def weights_checksum(self) -> str:
        """Of model.safetensors, from its header; an export carries it to say which weights it holds."""
        return tensors_checksum(self.path / "model.safetensors")

    def engine(self, name: "EngineName" = "auto", decoding: "DecodingConfig | None" = None) -> "Engine":
        """What decodes: `torch`, or the run's export by `ctranslate2` or `onnx`.

        `auto` is ctranslate2 if it is installed, there is an export of the present weights, and `decoding` does not
        sample; else torch. Raises RunError or ConfigError if the engine asked for cannot be had.
        """
        if name == "auto":
            samples = decoding is not None and decoding.method == "sample"
            name = "torch" if samples or not self._is_usable("ctranslate2") else "ctranslate2"
        if name != "torch":
            return self._exported(name)
        return self._torch_engine()

    def _torch_engine(self) -> "TorchEngine":
        from pellucid.generate.decode import TorchEngine

        return TorchEngine(self.model)

    def _is_usable(self, name: "FormatName") -> bool:
        """Whether the export is of the present weights and what runs it is installed."""
        from pellucid.generate.exported import FORMATS, about

        export = about(self.path / FORMATS[name].folder)
        return export is not None and export.get("weights") == self.weights_checksum and FORMATS[name].is_installed()

    def _exported(self, name: "FormatName") -> "Engine":
        """Loaded once, and again when it has been written anew."""
        from pellucid.generate.exported import ABOUT, EXPORT, FORMATS, about

        folder = self.path / FORMATS[name].folder
        mend = EXPORT.format(run=self.path, name=name)
        if not folder.exists():
            raise RunError(f"{folder}: does not exist", mend=mend)
        export = about(folder)
        if export is not None and export.get("weights") != self.weights_checksum:
            raise RunError(f"{folder}: is not of this run's present weights", mend=mend)
        written = (folder / ABOUT).stat().st_mtime_ns if export else 0
        if name not in self._exports or self._exports[name][0] != written:
            self._exports[name] = written, FORMATS[name].open(folder)
        return self._exports[name][1]

    def translate(self, texts: Sequence[str], engine: "EngineName" = "auto", **decoding: Any) -> list[str]:
        """The best translation of each text. `decoding` overrides fields of DecodingConfig, such as beam=1."""
        return [found[0].text for found in self.translations(texts, engine, **decoding)]

    def translations(
        self, texts: Sequence[str], engine: "EngineName" = "auto", **decoding: Any
    ) -> list[list["Translation"]]:
        """For each text several translations with their scores, best first, as many as the beam is wide."""
        from pellucid.generate.text import translate_texts

        self.expect("translate")
        settings = self.decoding.changed(**decoding)
        return translate_texts(self.engine(engine, settings), self.tokenizer, texts, settings)

    def careful(
        self, texts: Sequence[str], engine: "EngineName" = "auto", terms: Sequence["Term"] = (), **decoding: Any
    ) -> list["Proposal"]:
        """For each text a translation that breaks no grave check, or none and why (generate/careful.py).

        `terms` are those of a glossary (data/integrity). Raises RunError and ConfigError as `translations` does.
        """
        from pellucid.generate.careful import careful_translations

        self.expect("translate")
        settings = self.decoding.changed(**decoding)
        data = read_toml(self._config_path).get("data", {})
        return careful_translations(
            self.engine(engine, settings),
            self.tokenizer,
            texts,
            settings,
            str(data.get("source", "")),
            str(data.get("target", "")),
            terms,
            again=self._torch_engine,
        )

    def predict(self, file: str | Path) -> list[dict[str, Any]]:
        """What a classifier or a regression makes of each example in a file; the training's data is not needed.

        Raises RunError for a run of another task, DataError if the file cannot be read.
        """
        self.expect("classify", "regress")
        kind: Any = self.kind
        found: list[dict[str, Any]] = kind.predict(self, str(file))
        return found

    def evaluate(self, side: Literal["test", "dev"] = "test", **decoding: Any) -> dict[str, Any]:
        """Scores of the model on a held-out side beside its task's baselines, as in the report.

        `decoding`, of a translator only, overrides fields of DecodingConfig.
        """
        return self._with(decoding).test(self.model, side)  # type: ignore[no-any-return]

    def evaluate_on(self, files: Sequence[str | Path], **decoding: Any) -> dict[str, Any]:
        """The same on other examples: pairs, rows, images or texts in `files`."""
        return self._with(decoding).test_on(self.model, [str(file) for file in files])  # type: ignore[no-any-return]

    def _with(self, decoding: Mapping[str, Any]) -> Any:
        """The run's task, decoding in another way if that is asked for. Raises RunError if it does not decode."""
        if decoding:
            self.expect("translate")
        if self.task_name == "translate":
            settings = self.config.decoding.changed(**decoding)
            self.task.config = self.task.config.changed(decoding=settings.model_dump())
        return self.task

    # What training writes

    def save_config(self, config: "RunConfig") -> None:
        write_text(self._config_path, config.to_toml())
        self.__dict__.pop("config", None)

    def save_model(self, weights: Mapping[str, "Tensor"], about: Mapping[str, Any]) -> None:
        write_tensors(self.path / "model.safetensors", weights, about)
        self.__dict__.pop("model", None)

    def save_state(
        self, step: int, tensors: Mapping[str, "Tensor"], about: Mapping[str, Any], keep: Collection[int] = ()
    ) -> None:
        """Write a resumable state, then drop all but the newest few and those of the steps to `keep`."""
        write_tensors(self._state_path(step), tensors, about)
        kept = {self._state_path(one) for one in keep}
        for old in self._states()[:-STATES_KEPT]:
            if old not in kept:
                old.unlink(missing_ok=True)

    def state_of(self, step: int) -> tuple[dict[str, "Tensor"], dict[str, Any]]:
        """The state saved at `step` and what it says of itself. Raises RunError if it is missing or damaged."""
        return read_tensors(self._state_path(step))

    def forget_after(self, step: int) -> None:
        """Drop the states and snapshots of all steps after `step`: the training goes back to it."""
        for path in [*reversed(self._states()), *reversed(self._recorded())]:
            if path > path.with_name(f"step-{step:08d}.safetensors"):
                path.unlink(missing_ok=True)

    @property
    def has_state(self) -> bool:
        """Whether a state was saved, damaged or not."""
        return bool(self._states())

    def load_state(self) -> tuple[dict[str, "Tensor"], dict[str, Any], list[str]] | None:
        """The newest undamaged state, what it says of itself, and which newer files were damaged; None without any.

        Raises RunError if there are states and all are damaged.
        """
        damaged: list[str] = []
        for path in reversed(self._states()):
            try:
                tensors, about = read_tensors(path)
            except RunError as error:
                damaged.append(str(error))
            else:
                return tensors, about, damaged
        if damaged:
            raise RunError(f"{self.path}: no undamaged state left: {'; '.join(damaged)}", mend="Train again.")
        return None

    def save_recorded(self, steps: Sequence[int], tensors: Mapping[str, "Tensor"]) -> int:
        """Write snapshots, each tensor's name behind its step and a point; returns the size of the file."""
        path = self.path / "recorded" / f"step-{steps[0]:08d}.safetensors"
        write_tensors(path, tensors, {"steps": list(steps)})
        return path.stat().st_size

    def recorded_steps(self) -> list[int]:
        """The steps that can be looked back at. Raises RunError if a file of snapshots is damaged."""
        return sorted({step for path in self._recorded() for step in described(path).get("steps", [])})

    def at(self, step: int) -> "Run":
        """The run with the weights that it had after `step`, exact, as they were being trained.

        Raises RunError, naming the nearest that there are, if that step was not recorded.
        """
        for path in self._recorded():
            if step in described(path).get("steps", []):
                tensors, _ = read_tensors(path)
                start = f"{step}."
                weights = {name.removeprefix(start): one for name, one in tensors.items() if name.startswith(start)}
                return self._as_it_was(weights, path, step)
        there = self.recorded_steps()
        if not there:
            raise RunError(
                f"{self.path}: no step of this training was recorded",
                mend="Train with --record every=50 to look back at its steps.",
            )
        near = sorted(sorted(there, key=lambda one: abs(one - step))[:3])
        raise RunError(
            f"{self.path}: step {step:,} was not recorded",
            mend=f"The nearest that were: {', '.join(f'{one:,}' for one in near)}; the last is {there[-1]:,}.",
        )

    def _as_it_was(self, weights: Mapping[str, "Tensor"], path: Path, step: int) -> "Run":
        model = self.network()
        try:
            model.load_state_dict(weights)
        except RuntimeError:
            raise RunError(f"{path}: its weights do not fit config.toml", mend=REPLACE) from None
        then = Run(self.path)
        then.__dict__["model"] = model.eval()
        then.step = step
        return then

    def _recorded(self) -> list[Path]:
        return sorted((self.path / "recorded").glob("step-*.safetensors"))

    def save_diagnosis(self, found: Mapping[str, Any]) -> None:
        write_text(self._diagnosis_path, json.dumps(found, ensure_ascii=False, indent=1) + "\n")

    def diagnosis(self) -> dict[str, Any] | None:
        """What the doctor last found, as plain data; None if it has not looked, or what it wrote is damaged."""
        try:
            found = json.loads(self._diagnosis_path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return None
        return found if _is_diagnosis(found) else None

    def append_metrics(self, lines: Sequence[Mapping[str, Any]]) -> int:
        """Add lines to metrics.jsonl, all or, where the disk is full, none; returns its size in bytes afterwards."""
        with self._metrics_path.open("ab", buffering=0) as file:
            before = file.tell()
            content = memoryview("".join(encoded(line) + "\n" for line in lines).encode())
            try:
                while content:
                    content = content[file.write(content) :]
            except OSError:
                os.truncate(self._metrics_path, before)
                raise
            return file.tell()

    def cut_metrics(self, size: int) -> None:
        """Drop what was written after a state was saved: the resumed training writes it again."""
        if self._metrics_path.exists() and self._metrics_path.stat().st_size > size:
            os.truncate(self._metrics_path, size)

    def begin_metrics(self) -> None:
        """Drop what a training wrote that was cut off before its first state: it is begun anew."""
        size = 0
        if self._metrics_path.exists():
            for line in self._metrics_path.read_bytes().splitlines(keepends=True):
                if kind_of(line) not in BEFORE_TRAINING:
                    break
                size += len(line)
        self.cut_metrics(size)

    def metrics(self) -> Iterator[Line]:
        """The lines of metrics.jsonl; a last line cut short by a kill is left out. Raises RunError for one damaged."""
        if self._metrics_path.exists():
            yield from read_lines(self._metrics_path)

    @property
    def status(self) -> Status:
        if self._is_locked():
            return "running"
        ending = self.ending()
        if ending is not None:
            return "stopped" if ending == "interrupted" else "finished"
        return "stopped" if self._states() else "new"

    def ending(self) -> str | None:
        """Why the training ended, or None if it has not."""
        return next((str(line["reason"]) for line in self.metrics() if line["kind"] == "end"), None)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run for one training at a time. Raises RunError if another process trains it now."""
        try:
            (self.path / "state").mkdir(parents=True, exist_ok=True)
            opened = self._lock_path.open("a")
        except OSError as error:
            raise unwritable(self.path, error) from None
        with opened as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise RunError(f"{self.path}: another process is training this run", mend="Wait or stop it.") from None
            for unfinished in self.path.rglob(f".*{UNFINISHED}"):
                # Of a process that was killed while it wrote.
                shutil.rmtree(unfinished) if unfinished.is_dir() else unfinished.unlink()
            yield

    def _is_locked(self) -> bool:
        if not self._lock_path.exists():
            return False
        with self._lock_path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return True
        return False

    def _states(self) -> list[Path]:
        return sorted((self.path / "state").glob("step-*.safetensors"))

    def _state_path(self, step: int) -> Path:
        return self.path / "state" / f"step-{step:08d}.safetensors"

    @property
    def _config_path(self) -> Path:
        return self.path / "config.toml"

    @property
    def _diagnosis_path(self) -> Path:
        return self.path / "diagnosis.json"

    @property
    def _metrics_path(self) -> Path:
        return self.path / "metrics.jsonl"

    @property
    def _lock_path(self) -> Path:
        return self.path / "state" / "lock"


def _is_diagnosis(found: Any) -> bool:
    """Whether it has what those who show it take for granted."""
    if not isinstance(found, dict) or not isinstance(found.get("step"), int):
        return False
    findings = found.get("findings")
    fields = ("illness", "said", "sure", "place", "number", "threshold", "plot", "lines", "cures", "drawn", "axis")
    return isinstance(findings, list) and all(isinstance(one, dict) and set(fields) <= set(one) for one in findings)
