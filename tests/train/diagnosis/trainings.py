"""Small trainings of all tasks, healthy unless made ill: what the doctor is tried on."""

import math
import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import nn

from pellucid.errors import TrainingError
from pellucid.run import Run
from pellucid.tasks.classify import ClassifyConfig, ClassifyTask
from pellucid.tasks.embed import EmbedConfig, EmbedTask
from pellucid.tasks.language import LanguageConfig, LanguageTask
from pellucid.tasks.regress import RegressConfig, RegressTask
from pellucid.tasks.task import Task
from pellucid.tasks.translate import TranslateConfig, TranslateTask
from pellucid.train.diagnosis.diagnose import Attending
from pellucid.train.loop import Trainer, Watcher
from tests.tasks import test_embed, test_language
from tests.train.conftest import made_up_pairs

Sections = Mapping[str, Any]
LOOKS = 12  # of a training; one planned by its own measurement has 8 to 100


def merged(first: Sections, second: Sections) -> dict[str, Any]:
    """`first` with what `second` says differently, section by section."""
    found = dict(first)
    for name, value in second.items():
        is_section = isinstance(value, Mapping) and isinstance(found.get(name), Mapping)
        found[name] = merged(found[name], value) if is_section else value
    return found


def settled(sections: Sections, **training: Any) -> dict[str, Any]:
    """With steps between statistics and evaluations, as the plan of a training would settle them."""
    steps = merged({"training": training}, sections)["training"]["steps"]
    plan = {"evaluate_every": max(steps // 8, 1), "watch": max(steps // LOOKS, 1), "threads": 1, "precision": "float32"}
    return merged({"training": {**plan, **training}}, sections)


def rings(folder: Path, rows: int = 400, seed: int = 3) -> Path:
    """A table of points in the plane and which of three rings each lies on: no straight line tells them apart."""
    path = folder / f"rings-{rows}-{seed}.csv"
    draw = random.Random(seed)
    lines = ["x,y,ring"]
    for number in range(rows):
        angle, radius = draw.uniform(0, 2 * math.pi), 1 + number % 3 + draw.gauss(0, 0.15)
        lines.append(f"{radius * math.cos(angle):.3f},{radius * math.sin(angle):.3f},{'abc'[number % 3]}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def waves(folder: Path, rows: int = 400, seed: int = 3) -> Path:
    """A table of three numbers and one that follows from them, with some noise."""
    path = folder / f"waves-{rows}-{seed}.csv"
    draw = random.Random(seed)
    lines = ["a,b,c,y"]
    for _ in range(rows):
        a, b, c = (draw.uniform(-2, 2) for _ in range(3))
        lines.append(f"{a:.4f},{b:.4f},{c:.4f},{math.sin(2 * a) + a * b - 0.5 * c + draw.gauss(0, 0.1):.4f}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    if not path.exists():
        path.write_text(text, encoding="utf-8")
    return path


def table(folder: Path, **sections: Any) -> ClassifyTask:
    """Three rings told apart by a multilayer perceptron."""
    sections = settled(sections, steps=200, batch=32)
    start = {"data": {"files": [str(rings(folder))], "target": "ring"}, "model": {"mlp": {"width": 32, "depth": 2}}}
    return ClassifyTask(ClassifyConfig.parse(merged(start, sections)))


def images(folder: Path, **sections: Any) -> ClassifyTask:
    """Stripes of three widths told apart by a convolutional network."""
    from tests.tasks.test_classify import write_images

    file = folder / "stripes.npz"
    if not file.exists():
        write_images(folder)
    start = {"data": {"files": [str(file)]}, "model": {"cnn": {"channels": [4, 8], "convolutions": 1, "dropout": 0.1}}}
    return ClassifyTask(ClassifyConfig.parse(merged(start, settled(sections, steps=100, batch=16))))


def curve(folder: Path, **sections: Any) -> RegressTask:
    """A number that follows from three others."""
    start = {"data": {"files": [str(waves(folder))], "target": "y"}, "model": {"width": 32, "depth": 2}}
    config = RegressConfig.parse(merged(start, settled(sections, steps=300, batch=32)))
    return RegressTask(RegressTask.proposed(config))


def language(folder: Path, cell: str = "gpt", **sections: Any) -> LanguageTask:
    """Which character comes next in made-up sentences."""
    model = {"cell": cell, "width": 32, "heads": 2, "layers": 2 if cell == "gpt" else 1, "context": 24}
    book = written(folder, "book.txt", test_language.text())
    start = {"data": {"files": [str(book)]}, "model": model, "writing": {"length": 20}}
    config = LanguageConfig.parse(merged(start, settled(sections, steps=150, batch=8)))
    return LanguageTask(LanguageTask.proposed(config))


def words(folder: Path, **sections: Any) -> EmbedTask:
    """Vectors of words in scenes on two topics."""
    text = written(folder, "topics.txt", test_embed.text())
    start = {
        "data": {"files": [str(text)], "fewest": 3, "threshold": 1.0},
        "model": {"dimension": 12, "window": 4},
        "training": {"learning_rate": 0.03},
    }
    return EmbedTask(EmbedConfig.parse(merged(start, settled(sections, steps=240, batch=128))))


def pairs(folder: Path) -> Path:
    """Made-up sentences in English and Chinese."""
    return written(folder, "pairs.tsv", "".join(f"{pair.source}\t{pair.target}\n" for pair in made_up_pairs()))


def translator(folder: Path, **sections: Any) -> TranslateTask:
    """Made-up sentences in English and Chinese."""
    start = {
        "data": {"files": [str(pairs(folder))], "source": "en", "target": "zh", "held_out": 20, "near_duplicate": 1.0},
        "tokenizer": {"vocabulary": 350},
        "model": {"d_model": 32, "heads": 2, "feed_forward": 64, "encoder_layers": 2, "decoder_layers": 2},
        "training": {"learning_rate": 3e-3, "average": 0.9},
    }
    return TranslateTask(TranslateConfig.parse(merged(start, settled(sections, steps=150, batch_tokens=256))))


TASKS: dict[str, Callable[..., Task]] = {
    "table": table,
    "images": images,
    "curve": curve,
    "language": language,
    "words": words,
    "translator": translator,
}


def begun_with(task: Task, change: Callable[[nn.Module], None]) -> Task:
    """The task, whose network begins as `change` leaves it: an illness that no field of the config tells of."""
    build = task.build_model

    def build_model() -> nn.Module:
        model = build()
        with torch.no_grad():
            change(model)
        return model

    task.build_model = build_model  # type: ignore[method-assign]
    return task


def trained(task: Task, folder: Path, watcher: Watcher = lambda event: None) -> Run:
    """A training to its end, or to where it diverged; the watcher is told what is found on the way."""
    run = Run.create(folder, task)
    run.append_metrics([{"kind": "data", **task.describe()}])
    with suppress(TrainingError):
        Trainer(run, task, Attending(run, watcher)).train()
    return run


def with_set(task: Task, fields: Mapping[str, Any]) -> Task:
    """A new task of the same kind whose config has these fields changed, as `pellucid cure --with` names them."""
    config = task.config.model_dump()
    for name, value in fields.items():
        *sections, field = name.split(".")
        section = config
        for part in sections:
            section = section[part]
        assert field in section, f"there is no field {name}"
        section[field] = value
    return type(task)(type(task.config).parse(config))  # type: ignore[call-arg]


def lengthened(short: Path) -> Path:
    """The same sentence pairs, one in thirty fourteen times as long."""
    path = short.with_name("long.tsv")
    lines = []
    for number, line in enumerate(short.read_text(encoding="utf-8").splitlines()):
        source, target = line.split("\t")
        lines.append(f"{' '.join([source] * 14)}\t{target * 14}" if number % 30 == 0 else line)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def with_outlier(rows: Path, line: int = 102, value: str = "300") -> Path:
    """The same table with another last number in one line."""
    lines = rows.read_text(encoding="utf-8").splitlines()
    lines[line - 1] = ",".join([*lines[line - 1].split(",")[:-1], value])
    path = rows.with_name("outlier.csv")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
