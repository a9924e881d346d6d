"""How often the doctor is right: illnesses planted into trainings that are drawn at random, and healthy ones beside.

    PYTHONPATH=. python bench/doctor_hits.py [--draws 4] [--healthy 5] [--seed 2026] [--only NAME,NAME]
        [--keep FOLDER] [--write]

Task, data, depth, width, batch, optimizer, strength of the illness and seed are drawn anew for each training: none of
them is one that a threshold was set on. Each is trained, examined and diagnosed as `pellucid doctor` does. `--write`
puts the table into docs/doctor.md and docs/zh/doctor.md. With `--keep` the runs stay, and what is there is not made
again.
"""

import argparse
import json
import math
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tables import machine_line, replace_section

from pellucid.errors import PellucidError
from pellucid.run import Run
from pellucid.tasks.classify import ClassifyConfig, ClassifyTask
from pellucid.tasks.regress import RegressConfig, RegressTask
from pellucid.tasks.task import Task
from pellucid.tasks.translate import TranslateConfig, TranslateTask
from pellucid.train.diagnosis import diagnose
from pellucid.train.diagnosis.examination import examine
from pellucid.words import sentences
from tests.train.diagnosis import examined_plants as planted
from tests.train.diagnosis import trainings
from tests.train.diagnosis.plants import biased, filled, poisoned, scaled, slow
from tests.train.diagnosis.trainings import merged, settled, trained

ROOT = Path(__file__).parent.parent
PAGES = {"en": ROOT / "docs" / "doctor.md", "zh": ROOT / "docs" / "zh" / "doctor.md"}
Draw = random.Random
Make = Callable[[Draw, Path], Task]


@dataclass(frozen=True)
class Drawn:
    """One training: what is to be found, and how to make it. `read` says whether the examiner has the sick code."""

    illness: str
    name: str
    make: Make
    read: bool = False


def chosen(draw: Draw, **choices: Sequence[Any]) -> dict[str, Any]:
    return {name: draw.choice(list(values)) for name, values in choices.items()}


def between(draw: Draw, low: float, high: float) -> float:
    """A number, by its order of magnitude."""
    return math.exp(draw.uniform(math.log(low), math.log(high)))


def rings(draw: Draw, folder: Path, **sections: Any) -> Task:
    """Three rings, which no straight line tells apart."""
    file = trainings.rings(folder, draw.randint(300, 700), draw.randint(10, 10_000))
    network = chosen(draw, width=(24, 40, 56, 96), depth=(2, 3), dropout=(0.0, 0.05, 0.1))
    training = chosen(draw, batch=(16, 24, 48), steps=(250, 350), seed=range(10, 99), learning_rate=(2e-3, 4e-3))
    data = {"files": [str(file)], "split_seed": draw.randint(2, 99)}
    return trainings.table(folder, **merged({"data": data, "model": {"mlp": network}, "training": training}, sections))


def waves(draw: Draw, folder: Path, **sections: Any) -> Task:
    """A number that follows from three others."""
    file = trainings.waves(folder, draw.randint(300, 700), draw.randint(10, 10_000))
    network = chosen(draw, width=(24, 40, 56, 96), depth=(2, 3), activation=("relu", "tanh", "gelu"))
    training = chosen(draw, batch=(16, 24, 48), steps=(300, 450), seed=range(10, 99), learning_rate=(2e-3, 4e-3))
    data = {"files": [str(file)], "split_seed": draw.randint(2, 99)}
    return trainings.curve(folder, **merged({"data": data, "model": network, "training": training}, sections))


def known(draw: Draw, folder: Path, **sections: Any) -> Task:
    """One of scikit-learn's tables."""
    name = draw.choice(("wine", "breast_cancer", "digits"))
    return table_of(draw, folder, *some_rows(draw, name), **sections)


def some_rows(draw: Draw, name: str) -> tuple[list[list[float]], list[str]]:
    rows, labels = planted.known(name)
    order = draw.sample(range(len(rows)), min(len(rows), 800))
    return [rows[place] for place in order], [labels[place] for place in order]


def table_of(draw: Draw, folder: Path, rows: Any, labels: Any, kind: Any = ClassifyTask, **sections: Any) -> Any:
    file = planted.written_rows(folder / f"rows-{draw.randint(0, 10**9)}.csv", rows, labels)
    network = chosen(draw, width=(24, 48, 96), depth=(1, 2), dropout=(0.0, 0.1))
    training = chosen(draw, batch=(16, 32, 48), steps=(200, 300), seed=range(10, 99))
    start = {"model": {"mlp": network}, "training": training, "data": {"split_seed": draw.randint(2, 99)}}
    return planted.rows_task(file, kind, **merged(start, sections))


def images(draw: Draw, folder: Path, **sections: Any) -> Task:
    """Stripes of several widths, in files that hold a test side of their own."""
    file = stripes(draw, folder)
    network = chosen(draw, channels=([4, 8], [6, 12], [8, 8]), convolutions=(1, 2), dropout=(0.0, 0.1))
    training = chosen(draw, batch=(12, 16, 24), steps=(100, 150), seed=range(10, 99))
    start = {"data": {"files": [str(file)]}, "model": {"cnn": network}, "training": training}
    return ClassifyTask(
        ClassifyConfig.parse(
            merged(start, settled(merged({"training": training}, sections), steps=100, batch=16)),
        )
    )


def stripes(draw: Draw, folder: Path, shift: int = 0) -> Path:
    generator, found = np.random.default_rng(draw.randint(0, 10**6)), {}
    for side, count, more in (("train", draw.choice((150, 240)), 0), ("test", 60, shift)):
        labels = np.arange(count) % 3
        rows = np.arange(10)[None, :, None] + generator.integers(0, 8, (count, 1, 1))
        pixels = 100 * (rows % (labels[:, None, None] + 2) == 0) + generator.integers(0, 60, (count, 10, 10)) + more
        found |= {f"x_{side}": pixels.clip(0, 255).astype(np.uint8), f"y_{side}": labels}
    path = folder / f"stripes-{draw.randint(0, 10**9)}.npz"
    np.savez(path, **found)
    return path


def text(cells: Sequence[str] = ("gpt", "rnn", "lstm", "gru")) -> Callable[..., Task]:
    def make(draw: Draw, folder: Path, **sections: Any) -> Task:
        cell = draw.choice(cells)
        model = {"width": draw.choice((24, 40, 48)), "layers": draw.choice((1, 2)), "heads": draw.choice((2, 4))}
        training = chosen(draw, batch=(6, 10, 12), steps=(200, 300), seed=range(10, 99))
        return trainings.language(folder, cell, **merged({"model": model, "training": training}, sections))

    return make


def words(draw: Draw, folder: Path, **sections: Any) -> Task:
    model = chosen(draw, dimension=(8, 16, 24), window=(3, 5), negatives=(4, 8))
    training = chosen(draw, batch=(64, 96, 160), steps=(220, 300), seed=range(10, 99))
    return trainings.words(folder, **merged({"model": model, "training": training}, sections))


def sentence_pairs(draw: Draw, folder: Path, **sections: Any) -> Task:
    model = chosen(draw, d_model=(24, 32, 48), encoder_layers=(1, 2), decoder_layers=(1, 2), feed_forward=(48, 96))
    training = chosen(draw, batch_tokens=(192, 256, 384), steps=(80, 110), seed=range(10, 99))
    return trainings.translator(folder, **merged({"model": model, "training": training}, sections))


HEALTHY: dict[str, Make] = {
    "rings": rings,
    "waves": waves,
    "known tables": known,
    "stripes": images,
    "text": text(),
    "words": words,
    "sentences": sentence_pairs,
}


def faster(make: Callable[..., Task], usual: float, low: float, high: float) -> Make:
    """A rate that is so many times the usual one."""

    def planted_rate(draw: Draw, folder: Path) -> Task:
        return make(draw, folder, training={"learning_rate": float(f"{usual * between(draw, low, high):.3g}")})

    return planted_rate


def after(make: Callable[..., Task], plant: Callable[[Draw], Callable[[Task], Task]], **sections: Any) -> Make:
    """An illness that no field tells of."""
    return lambda draw, folder: plant(draw)(make(draw, folder, **sections))


def flipped_labels(draw: Draw, folder: Path) -> Task:
    rows, labels = some_rows(draw, draw.choice(("breast_cancer", "digits", "wine")))
    given, _ = planted.flipped(labels, draw.uniform(0.12, 0.28), draw.randint(0, 10**6))
    return table_of(draw, folder, rows, given)


def shuffled_rows(draw: Draw, folder: Path) -> Task:
    rows, labels = some_rows(draw, draw.choice(("breast_cancer", "digits")))
    draw.shuffle(labels)
    return table_of(draw, folder, rows, labels, model={"mlp": {"width": 128}})


def leaked_rows(draw: Draw, folder: Path) -> Task:
    rows, labels = some_rows(draw, draw.choice(("breast_cancer", "digits", "wine")))
    again = draw.sample(range(len(rows)), len(rows) // draw.choice((4, 6)))
    numbered = [[number, *row] for number, row in enumerate([*rows, *(rows[n] for n in again)])]
    return table_of(draw, folder, numbered, [*labels, *(labels[n] for n in again)])


def rare_class(draw: Draw, folder: Path) -> Task:
    rows, labels = planted.blobs(rare=draw.randint(24, 40), often=draw.randint(1200, 1800), seed=draw.randint(1, 10**6))
    return table_of(draw, folder, rows, labels)


def outlying(draw: Draw, folder: Path) -> Task:
    file = trainings.waves(folder, draw.randint(350, 600), draw.randint(10, 10_000))
    lines = file.read_text(encoding="utf-8").splitlines()
    for place in draw.sample(range(1, len(lines)), len(lines) // 25):
        *cells, y = lines[place].split(",")
        lines[place] = ",".join([*cells, f"{float(y) + draw.choice((-1, 1)) * draw.uniform(20, 60):.3f}"])
    sick = file.with_name(f"outlying-{draw.randint(0, 10**9)}.csv")
    sick.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return waves(draw, folder, data={"files": [str(sick)]})


def few_rows(draw: Draw, folder: Path) -> Task:
    """Two hundred rows, much noise, and a large network."""
    if draw.random() < 0.5:
        start = {"data": {"files": ["sample:diabetes"], "split_seed": draw.randint(2, 99)}}
        network = {"width": draw.choice((192, 320)), "depth": draw.choice((2, 4)), "dropout": 0.0}
        sections = {"model": network, "training": {"weight_decay": 0.0, "seed": draw.randint(9, 99), "patience": 0}}
        config = merged(start, settled(sections, steps=draw.choice((700, 1000))))
        return RegressTask(RegressTask.proposed(RegressConfig.parse(config)))
    rows, labels = planted.blobs(rare=100, often=100, seed=draw.randint(1, 10**6))
    network = {"width": draw.choice((192, 320)), "depth": 3, "dropout": 0.0}
    training = {"weight_decay": 0.0, "steps": 600, "patience": 0}
    return table_of(draw, folder, rows, labels, model={"mlp": network}, training=training)


def held_back(draw: Draw, folder: Path) -> Task:
    kind = draw.choice(("dropout", "l2", "narrow", "straight"))
    if kind == "dropout":
        return waves(draw, folder, model={"dropout": draw.choice((0.85, 0.9, 0.95)), "activation": "relu"})
    if kind == "l2":
        return waves(draw, folder, training={"l2": between(draw, 1.0, 10.0)})
    if kind == "narrow":
        return table_of(draw, folder, *some_rows(draw, "digits"), model={"mlp": {"width": 1, "dropout": 0.0}})
    return rings(draw, folder, model={"mlp": {"depth": 0}})


def shifted(draw: Draw, folder: Path) -> Task:
    """Test images that are brighter than those in training."""
    return images(draw, folder, data={"files": [str(stripes(draw, folder, draw.randint(70, 120)))]})


def exchanged(share: tuple[float, float]) -> Make:
    """Targets of some sentences given to others."""

    def make(draw: Draw, folder: Path) -> Task:
        healthy = sentence_pairs(draw, folder)
        lines = [line.split("\t") for line in (folder / "pairs.tsv").read_text(encoding="utf-8").splitlines()]
        if share[1] < 1:
            lines += [[f"please {a}", f"请{b}"] for a, b in lines] + [[f"do not {a}", f"不要{b}"] for a, b in lines]
        wrong = draw.sample(range(len(lines)), round(draw.uniform(*share) * len(lines)))
        targets = [lines[n][1] for n in wrong]
        for n, target in zip(wrong, targets[1:] + targets[:1], strict=True):
            lines[n][1] = target
        file = folder / f"exchanged-{draw.randint(0, 10**9)}.tsv"
        file.write_text("".join(f"{source}\t{target}\n" for source, target in lines), encoding="utf-8")
        steps = 450 if share[1] < 1 else 150
        sections = {"data": {"files": [str(file)], "fingerprint": None}, "training": {"steps": steps}}
        return TranslateTask(TranslateConfig.parse(merged(healthy.config.model_dump(), sections)))

    return make


def of_kind(kind: Any, make: Callable[..., Task], **sections: Any) -> Make:
    return lambda draw, folder: kind(make(draw, folder, **sections).config)


def digits_of(kind: Any, **sections: Any) -> Make:
    return lambda draw, folder: table_of(draw, folder, *some_rows(draw, "digits"), kind, **sections)


def many_layers(draw: Draw, folder: Path) -> Task:
    depth = {"depth": draw.randint(9, 22), "activation": "sigmoid", "dropout": 0.0}
    return rings(draw, folder, model={"mlp": depth}) if draw.random() < 0.5 else waves(draw, folder, model=depth)


def early_end(draw: Draw, folder: Path) -> Task:
    make = draw.choice((rings, waves))
    cut = {"schedule": "step", "step_every": draw.uniform(0.05, 0.15), "step_factor": draw.uniform(0.02, 0.06)}
    return make(draw, folder, training=cut)


def lengthened(draw: Draw, folder: Path) -> Task:
    file = trainings.lengthened(trainings.pairs(folder))
    training = {"steps": draw.randint(6, 12), "batch_tokens": draw.choice((6144, 8192)), "evaluate_every": 4}
    return sentence_pairs(draw, folder, data={"files": [str(file)]}, training=training)


def standing(draw: Draw, folder: Path) -> Task:
    """So short that the loss has not left its first level."""
    network = {"depth": draw.choice((2, 3)), "activation": "sigmoid", "dropout": 0.0, "width": draw.choice((24, 40))}
    return rings(draw, folder, model={"mlp": network}, training={"steps": draw.choice((150, 220))})


def spiked(draw: Draw, folder: Path) -> Task:
    return poisoned(draw.randint(60, 150), between(draw, 40, 200))(rings(draw, folder))


DEEP: dict[str, Any] = {"training": {"warmup": 0.0, "optimizer": "adamw", "steps": 100}}
SICK: list[Drawn] = [
    Drawn("vanishing_gradients", "9 to 22 sigmoid layers", many_layers),
    Drawn(
        "exploding_gradients",
        "weights begun 4 to 9 times too large",
        lambda draw, folder: scaled(draw.uniform(4, 9))(
            waves(draw, folder, model={"depth": draw.randint(6, 10), "activation": "relu"})
        ),
    ),
    Drawn(
        "dead_relus",
        "rings, a layer's biases far below 0",
        after(rings, lambda draw: biased(-between(draw, 6, 40), f"layers.{draw.randint(0, 1)}")),
    ),
    Drawn(
        "dead_relus",
        "waves, a layer's biases far below 0",
        after(
            waves,
            lambda draw: biased(-between(draw, 8, 40), f"layers.{draw.randint(0, 1)}"),
            model={"activation": "relu"},
        ),
    ),
    Drawn(
        "saturated_activations",
        "tanhs begun 20 to 60 times too large",
        after(waves, lambda draw: scaled(draw.uniform(20, 60)), model={"activation": "tanh"}),
    ),
    Drawn(
        "saturated_attention",
        "attention begun too large",
        lambda draw, folder: text(("gpt",))(
            draw, folder, training={"initialization": "normal", "initialization_std": draw.uniform(0.9, 1.5)}
        ),
    ),
    Drawn(
        "vanishing_in_time",
        "recurrent weights begun too small",
        after(text(("rnn",)), lambda draw: scaled(between(draw, 0.05, 0.25), "from_state")),
    ),
    Drawn(
        "saturated_gates",
        "gates begun too large",
        after(text(("lstm", "gru")), lambda draw: scaled(between(draw, 12, 40), "recurrent")),
    ),
    Drawn("plateau", "two sigmoid layers", standing),
    Drawn(
        "bad_initialization",
        "rings, all weights 0",
        lambda draw, folder: rings(draw, folder, training={"initialization": "zeros"}),
    ),
    Drawn("bad_initialization", "waves, all weights equal", after(waves, lambda draw: filled(draw.uniform(0.02, 0.1)))),
    Drawn(
        "no_warmup",
        "sentences, post-norm at full speed",
        lambda draw, folder: sentence_pairs(
            draw,
            folder,
            model={"norm": "post", "encoder_layers": draw.choice((3, 4)), "decoder_layers": 3},
            **merged(DEEP, {"training": {"learning_rate": between(draw, 4e-3, 8e-3)}}),
        ),
    ),
    Drawn(
        "no_warmup",
        "text, post-norm at full speed",
        lambda draw, folder: text(("gpt",))(
            draw,
            folder,
            model={"norm": "post", "layers": 4},
            **merged(DEEP, {"training": {"learning_rate": between(draw, 4e-3, 8e-3)}}),
        ),
    ),
    Drawn("learning_rate_too_high", "rings, rate x 300 to 3,000", faster(rings, 3e-3, 300, 3000)),
    Drawn("learning_rate_too_high", "waves, rate x 300 to 3,000", faster(waves, 3e-3, 300, 3000)),
    Drawn("learning_rate_too_high", "stripes, rate x 300 to 3,000", faster(images, 3e-3, 300, 3000)),
    Drawn("learning_rate_too_high", "text, rate x 300 to 3,000", faster(text(), 5e-3, 300, 3000)),
    Drawn("learning_rate_too_high", "words, rate x 300 to 3,000", faster(words, 3e-2, 300, 3000)),
    Drawn("learning_rate_too_high", "sentences, rate x 300 to 3,000", faster(sentence_pairs, 3e-3, 300, 3000)),
    Drawn("learning_rate_too_low", "rings, rate / 200 to 3,000", faster(rings, 3e-3, 1 / 3000, 1 / 200)),
    Drawn("learning_rate_too_low", "waves, rate / 200 to 3,000", faster(waves, 3e-3, 1 / 3000, 1 / 200)),
    Drawn("learning_rate_too_low", "text, rate / 200 to 3,000", faster(text(), 5e-3, 1 / 3000, 1 / 200)),
    Drawn("learning_rate_too_low", "sentences, rate / 200 to 3,000", faster(sentence_pairs, 3e-3, 1 / 3000, 1 / 200)),
    Drawn("schedule_ends_early", "a schedule in steep steps", early_end),
    Drawn("loss_spikes", "one poisoned batch", spiked),
    Drawn("padding_dominates", "a few sentences that are much longer", lengthened),
    Drawn("slow_data", "each batch takes 20 ms", after(waves, lambda draw: slow, training={"steps": 60})),
    Drawn("overfitting", "a large network on few rows", few_rows),
    Drawn("underfitting", "held back, or too small", held_back),
    Drawn("class_imbalance", "one row in fifty is of the other class", rare_class),
    Drawn("label_noise", "12 to 28% of the labels flipped", flipped_labels),
    Drawn("mispaired", "15 to 25% of the sentences with another one's target", exchanged((0.15, 0.25))),
    Drawn("outliers", "4% of the numbers out of all bounds", outlying),
    Drawn("leakage", "rows that stand on two sides", leaked_rows),
    Drawn("shift", "test images that are brighter", shifted),
    Drawn("unrelated", "shuffled labels", shuffled_rows),
    Drawn("unrelated", "shuffled sentences", exchanged((1.0, 1.0))),
    Drawn(
        "unused",
        "inputs of other rows",
        digits_of(
            planted.OthersInputs, model={"mlp": {"width": 192, "depth": 2, "dropout": 0.0}}, training={"steps": 450}
        ),
    ),
    Drawn(
        "trained_in_evaluation_mode",
        "model.train() forgotten",
        digits_of(planted.InEvaluationMode, model={"mlp": {"dropout": 0.3}}),
    ),
    Drawn(
        "evaluated_in_training_mode",
        "model.eval() forgotten",
        digits_of(planted.EvaluatedInTrainingMode, model={"mlp": {"dropout": 0.3}}),
    ),
    Drawn("padding_counted", "padding counted in the loss", of_kind(planted.PaddingCounted, sentence_pairs), read=True),
]


def result_of(one: Drawn, number: int, seed: int, keep: Path | None) -> dict[str, Any]:
    """Train one, diagnose it, and say what was found, first to last, and what was said on the way."""
    draw = Draw(f"{seed} {one.illness} {one.name} {number}")
    with tempfile.TemporaryDirectory() as held:
        folder = keep / f"{one.illness}-{one.name}-{number}".replace(" ", "_").replace("/", "d") if keep else Path(held)
        kept = folder / "result.json"
        folder.mkdir(parents=True, exist_ok=True)
        task = one.make(draw, folder)
        said: list[str] = []

        def watch(event: Mapping[str, Any]) -> None:
            if event["kind"] == "finding":
                said.append(event["illness"])

        if kept.exists():
            run, said = Run(folder / "run"), json.loads(kept.read_text(encoding="utf-8"))["said"]
        else:
            run = trained(task, folder / "run", watch)
        try:
            examination = examine(run, task if one.read else None)
        except PellucidError:  # a training that diverged before its first evaluation has no model
            examination = None
        findings = diagnose(run, examination)["findings"]
        found = {"found": [finding["illness"] for finding in findings], "said": said}
        kept.write_text(json.dumps(found), encoding="utf-8")
        return found


def table(rows: Sequence[tuple[Drawn, Sequence[dict[str, Any]]]], language: str) -> str:
    """A row for each kind of training."""
    words_ = sentences("pellucid.train.diagnosis.words", f"{language}.json")
    heads = {
        "en": "| illness | planted as | trainings | found | found first | others beside |",
        "zh": "| 问题 | 植入方式 | 训练次数 | 找到 | 排在第一 | 同时报出的其他问题 |",
    }
    lines = [heads[language], "| --- | --- | ---: | ---: | ---: | --- |"]
    for one, results in rows:
        named = sum(one.illness in result["found"] for result in results)
        first = sum(result["found"][:1] == [one.illness] for result in results)
        others = Counter(other for result in results for other in result["found"] if other != one.illness)
        beside = ", ".join(f"`{name}` {count}" for name, count in others.most_common())
        title = words_[f"illness.{one.illness}"].split(": ")[0].split("：")[0]
        how = one.name if language == "en" else PLANTED_ZH.get(one.name, one.name)
        lines.append(f"| {title} | {how} | {len(results)} | {named} | {first} | {beside} |")
    return "\n".join(lines)


PLANTED_ZH = {
    "9 to 22 sigmoid layers": "9 到 22 个 sigmoid 层",
    "weights begun 4 to 9 times too large": "初始权重大 4 到 9 倍",
    "rings, a layer's biases far below 0": "环形数据，某层偏置远低于 0",
    "waves, a layer's biases far below 0": "波形数据，某层偏置远低于 0",
    "tanhs begun 20 to 60 times too large": "tanh 网络初始权重大 20 到 60 倍",
    "attention begun too large": "注意力初始权重过大",
    "rings, all weights 0": "环形数据，权重全为 0",
    "waves, all weights equal": "波形数据，权重全部相等",
    "sentences, post-norm at full speed": "句子，后归一化且无预热",
    "text, post-norm at full speed": "文本，后归一化且无预热",
    "rings, rate x 300 to 3,000": "环形数据，学习率 × 300 到 3,000",
    "waves, rate x 300 to 3,000": "波形数据，学习率 × 300 到 3,000",
    "stripes, rate x 300 to 3,000": "条纹图像，学习率 × 300 到 3,000",
    "text, rate x 300 to 3,000": "文本，学习率 × 300 到 3,000",
    "words, rate x 300 to 3,000": "词向量，学习率 × 300 到 3,000",
    "sentences, rate x 300 to 3,000": "句子，学习率 × 300 到 3,000",
    "rings, rate / 200 to 3,000": "环形数据，学习率 ÷ 200 到 3,000",
    "waves, rate / 200 to 3,000": "波形数据，学习率 ÷ 200 到 3,000",
    "text, rate / 200 to 3,000": "文本，学习率 ÷ 200 到 3,000",
    "sentences, rate / 200 to 3,000": "句子，学习率 ÷ 200 到 3,000",
    "a schedule in steep steps": "学习率阶梯陡降",
    "one poisoned batch": "一个被污染的批次",
    "a few sentences that are much longer": "少数句子长得多",
    "each batch takes 20 ms": "每个批次要等 20 毫秒",
    "a large network on few rows": "大网络，少量数据",
    "held back, or too small": "约束过强，或网络太小",
    "one row in fifty is of the other class": "另一类只占五十分之一",
    "12 to 28% of the labels flipped": "12% 到 28% 的标签被改错",
    "15 to 25% of the sentences with another one's target": "15% 到 25% 的句子配了别句的译文",
    "4% of the numbers out of all bounds": "4% 的目标值远远出界",
    "rows that stand on two sides": "同一行出现在两边",
    "test images that are brighter": "测试图像偏亮",
    "shuffled labels": "标签打乱",
    "shuffled sentences": "译文打乱",
    "inputs of other rows": "输入换成了别的行",
    "model.train() forgotten": "忘了 model.train()",
    "model.eval() forgotten": "忘了 model.eval()",
    "padding counted in the loss": "填充计入损失",
    "recurrent weights begun too small": "循环权重初始过小",
    "gates begun too large": "门的初始权重过大",
    "two sigmoid layers": "两个 sigmoid 层",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=4, help="trainings of each kind of illness")
    parser.add_argument("--healthy", type=int, default=5, help="healthy trainings of each kind")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--only", default="", help="illnesses, and `healthy`")
    parser.add_argument("--keep", type=Path, default=None)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    only = [name for name in given.only.split(",") if name]
    began = time.perf_counter()
    well: list[dict[str, Any]] = []
    for name, make in HEALTHY.items() if not only or "healthy" in only else ():
        for number in range(given.healthy):
            result = result_of(Drawn("healthy", name, make), number, given.seed, given.keep)
            well.append(result)
            print(f"healthy  {name} {number}: {result['found']}  on the way: {result['said']}", flush=True)
    rows = []
    for one in SICK:
        if only and one.illness not in only:
            continue
        results = [result_of(one, number, given.seed, given.keep) for number in range(given.draws)]
        rows.append((one, results))
        print(f"{one.illness}  {one.name}: {[result['found'] for result in results]}", flush=True)
    print(table(rows, "en"))
    false = [result for result in well if result["found"]]
    print(f"healthy: {len(well)} trainings, {len(false)} with a finding; {time.perf_counter() - began:.0f} s")
    if given.write:
        write(rows, well)


def write(rows: Sequence[tuple[Drawn, Sequence[dict[str, Any]]]], well: Sequence[dict[str, Any]]) -> None:
    """Both pages."""
    count = sum(len(results) for _, results in rows)
    named = sum(one.illness in result["found"] for one, results in rows for result in results)
    first = sum(result["found"][:1] == [one.illness] for one, results in rows for result in results)
    false = Counter(name for result in well for name in result["found"])
    live = sum(bool(set(result["said"]) - set(result["found"])) for result in well)
    alarms = sum(bool(result["found"]) for result in well)
    beside = ", ".join(f"`{name}` {times}" for name, times in false.most_common())
    said = {
        "en": f"Of {count} sick trainings the illness was found by name in {named} and stood first in {first}. Of "
        f"{len(well)} healthy ones {alarms} had a finding{f' ({beside})' if beside else ''}; in {live} something was "
        "said on the way that no longer held at the end.",
        "zh": f"在 {count} 次有问题的训练中，{named} 次准确报出了所植入的问题，其中 {first} 次排在第一位。"
        f"{len(well)} 次健康的训练中，{alarms} 次有误报{f'（{beside}）' if beside else ''}；"
        f"{live} 次在训练途中报出的问题到结束时已不成立。",
    }
    for language, page in PAGES.items():
        replace_section(page, "hits", f"{said[language]}\n\n{table(rows, language)}\n\n{machine_line()}")


if __name__ == "__main__":
    main()
