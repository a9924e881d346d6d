"""The task classify: what it reads, what it minimizes, and that a training resumes to the same bits."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from pellucid.config import read_toml
from pellucid.data.samples import read_sample_table
from pellucid.errors import ConfigError, DataError, PellucidError
from pellucid.models.cnn import Cnn
from pellucid.models.mlp import MLP
from pellucid.run import Run
from pellucid.tasks.classify import ClassifyConfig, ClassifyTask
from pellucid.train.loop import Trainer

CLOCKED = ("seconds", "tokens_per_second", "loading", "matmul")  # what depends on the clock, not on the training


def write_images(folder: Path, count: int = 120, classes: int = 3) -> Path:
    """Stripes whose distance is the class, under noise: something that a small network learns."""
    generator = np.random.default_rng(0)
    labels = np.arange(count) % classes
    rows = np.arange(8)[None, :, None] + generator.integers(0, 8, (count, 1, 1))
    images = 120 * (rows % (labels[:, None, None] + 2) == 0) + generator.integers(0, 100, (count, 8, 8))
    np.savez(folder / "stripes.npz", images=images.astype(np.uint8), labels=labels)
    return folder / "stripes.npz"


@pytest.fixture(scope="session")
def stripes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp("images"))


def config_of(stripes: Path, **sections: Any) -> ClassifyConfig:
    training = {"steps": 24, "batch": 16, "evaluate_every": 8, "threads": 1, **sections.pop("training", {})}
    return ClassifyConfig.parse(
        {
            "data": {"files": [str(stripes)]},
            "model": {"cnn": {"channels": [4], "dropout": 0.2}},
            "augmentation": {"preset": "light", "noise": 0.05},
            "training": training,
            **sections,
        }
    )


MakeRun = Callable[..., tuple[Run, ClassifyTask]]


@pytest.fixture
def make_run(stripes: Path, tmp_path: Path) -> MakeRun:
    def make(name: str = "run", **sections: Any) -> tuple[Run, ClassifyTask]:
        task = ClassifyTask(config_of(stripes, **sections))
        return Run.create(tmp_path / name, task), task

    return make


def tensors_of(run: Run) -> dict[str, torch.Tensor]:
    saved = run.load_state()
    assert saved is not None
    return saved[0]


def test_a_training_with_augmentation_dropout_and_batch_norm_resumes_to_the_same_bits(make_run: MakeRun) -> None:
    whole, task = make_run("whole")
    Trainer(whole, task).train()
    cut, _ = make_run("cut")
    for stop in (1, 5, 8, 19):
        trainer = Trainer(cut, Run.open(cut.path).task)  # everything read again, as after a kill
        trainer.should_stop = lambda stop=stop, trainer=trainer: trainer.counters.step >= stop
        trainer.train()
        assert trainer.counters.step == stop
    Trainer(cut, Run.open(cut.path).task).train()
    ours, theirs = tensors_of(cut), tensors_of(whole)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert (cut.path / "model.safetensors").read_bytes() == (whole.path / "model.safetensors").read_bytes()
    untimed = [[{k: v for k, v in line.items() if k not in CLOCKED} for line in run.metrics()] for run in (cut, whole)]
    assert untimed[0] == untimed[1]


def test_the_averages_of_batch_norm_are_in_the_state_and_in_the_averaged_model(make_run: MakeRun) -> None:
    run, task = make_run(training={"average": 0.9})
    trainer = Trainer(run, task)
    trainer.train()
    name = "stages.0.convolutions.0.norm.running_var"
    buffer = dict(trainer.model.named_buffers())[name]
    assert not torch.equal(buffer, torch.ones_like(buffer))
    assert torch.equal(tensors_of(run)[f"model.{name}"], buffer)
    averaged = trainer.averaged_model().state_dict()
    assert torch.equal(averaged[name], buffer)
    weight = "output.weight"
    assert not torch.equal(averaged[weight], trainer.model.state_dict()[weight])


def test_training_learns_what_the_stripes_say(make_run: MakeRun) -> None:
    run, task = make_run(training={"steps": 120, "evaluate_every": 40}, augmentation={})
    Trainer(run, task).train()
    tested = task.test(run.model)
    assert tested["systems"]["model"]["value"] > tested["systems"]["frequent"]["value"] + 30
    assert sum(map(sum, tested["confusion"])) == tested["examples"] == len(task.data.sides.test)


def test_the_same_examples_in_the_same_epoch_are_the_same_tensors_in_any_order(make_run: MakeRun) -> None:
    _, task = make_run()
    first, second = task.epoch(0), task.epoch(1)
    assert sorted(number for batch in first for number in batch) == list(range(len(task.data.sides.train)))
    batch = first[2]
    torch.manual_seed(99)
    together = task.collate(batch).tensors["inputs"]
    alone = torch.cat([task.collate([number]).tensors["inputs"] for number in reversed(batch)]).flip(0)
    assert torch.equal(together, alone)
    count = len(task.data.sides.train)
    same = [number for number in second[0] if number - count == second[0][0] - count]
    again = task.collate([same[0] - count]).tensors["inputs"]
    assert not torch.equal(task.collate(same).tensors["inputs"], again)  # another epoch, another picture


def test_images_are_standardized_by_the_training_side(make_run: MakeRun) -> None:
    _, task = make_run(augmentation={})
    inputs = task.inputs(task.data.sides.train)
    assert inputs.mean().item() == pytest.approx(0, abs=1e-5)
    assert inputs.std(correction=0).item() == pytest.approx(1, abs=1e-4)
    assert torch.equal(task.collate(list(range(10))).tensors["inputs"], inputs[:10])


@pytest.mark.parametrize(
    ("weights", "expected"),
    [("none", [1.0, 1, 1]), ("balanced", None), ({"0": 3.0}, [3.0, 1, 1])],
)
def test_the_loss_is_pytorchs_cross_entropy_with_the_weights(
    stripes: Path, weights: Any, expected: list[float] | None
) -> None:
    task = ClassifyTask(config_of(stripes, class_weights=weights, label_smoothing=0.1))
    model = task.build_model().eval()
    batch = task.collate(list(range(12)))
    labels = batch.tensors["labels"]
    counts = task.data.labels[torch.tensor(task.data.sides.train)].bincount()
    chosen = torch.tensor(expected) if expected else counts.sum() / (3 * counts)
    logits = model(batch.tensors["inputs"])
    # Label smoothing by hand: 0.9 on the truth, 0.1 shared by all, each class weighed as itself.
    target = 0.9 * F.one_hot(labels, 3) + 0.1 / 3
    by_hand = -(target * chosen * logits.log_softmax(1)).sum(1).mean()
    losses = task.loss(model, batch)
    torch.testing.assert_close(losses.total, by_hand)
    assert losses.count == 12


def test_every_class_is_on_every_side_in_its_share(stripes: Path) -> None:
    task = ClassifyTask(config_of(stripes))
    for one in task.describe()["classes"]:
        assert (one["train"], one["dev"], one["test"]) == (28, 6, 6)
    sides = task.data.sides
    assert sorted([*sides.train, *sides.dev, *sides.test]) == list(range(120))


def test_equal_images_stand_on_one_side_and_are_told(tmp_path: Path) -> None:
    with np.load(write_images(tmp_path)) as arrays:
        images, labels = arrays["images"], arrays["labels"]
    np.savez(tmp_path / "twice.npz", images=np.concatenate([images] * 2), labels=np.concatenate([labels] * 2))
    task = ClassifyTask(config_of(tmp_path / "twice.npz"))
    assert task.describe()["notes"] == [{"kind": "twice", "count": 120}]
    for side in (task.data.sides.train, task.data.sides.dev, task.data.sides.test):
        assert {number % 120 for number in side} == {number % 120 for number in side if number < 120}
    assert not {n % 120 for n in task.data.sides.train} & {n % 120 for n in task.data.sides.test}


def test_changed_data_is_refused(make_run: MakeRun, stripes: Path, tmp_path: Path) -> None:
    run, task = make_run()
    assert Run.open(run.path).task.fingerprint() == task.fingerprint()
    other = write_images(tmp_path, count=150)
    values = read_toml(run.path / "config.toml")
    values["data"]["files"] = [str(other)]
    with pytest.raises(DataError, match="not those that this run was trained on"):
        ClassifyTask(ClassifyConfig.parse(values), task.form)


def test_the_config_that_is_written_says_what_was_found(make_run: MakeRun) -> None:
    run, task = make_run()
    settled = Run.open(run.path).config
    assert settled.model.kind == "cnn"
    assert settled.data.fingerprint == task.data.fingerprint
    assert isinstance(Run.open(run.path).kind.network(settled, run.path), Cnn)


def test_without_steps_or_budget_it_goes_by_epochs(stripes: Path) -> None:
    assert ClassifyConfig.parse({}).training.epochs == 40
    assert ClassifyConfig.parse({"training": {"budget": "10s"}}).training.epochs is None
    assert ClassifyConfig.parse({"training": {"steps": 3}}).training.epochs is None


def test_images_may_be_read_by_an_mlp(stripes: Path) -> None:
    task = ClassifyTask(config_of(stripes, model={"kind": "mlp"}))
    model = task.build_model()
    assert isinstance(model, nn.Sequential)
    assert model(task.inputs([0, 1])).shape == (2, 3)
    assert task.test(model)["fully_connected"] is None


def write_table(path: Path, rows: int = 90) -> Path:
    generator = np.random.default_rng(0)
    lines = ["size,colour,kind"]
    for number in range(rows):
        kind = ("ant", "bee")[number % 2]
        colour = "black" if generator.random() < (0.9, 0.2)[number % 2] else "yellow"
        lines.append(f"{generator.normal(2 + number % 2 * 2):.3f},{colour},{kind}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_a_table_is_read_by_an_mlp_with_its_columns_kept(tmp_path: Path) -> None:
    table = write_table(tmp_path / "insects.csv")
    values = {"data": {"files": [str(table)], "target": "kind"}, "training": {"steps": 30, "threads": 1}}
    task = ClassifyTask(ClassifyConfig.parse(values))
    model = task.build_model()
    assert isinstance(model, MLP)
    assert task.form.classes == ("ant", "bee")
    task.keep(tmp_path)
    kept = ClassifyTask.network(task.config, tmp_path)
    assert [p.shape for p in kept.parameters()] == [p.shape for p in model.parameters()]
    described = task.describe()
    assert described["columns"] == ["size", "colour=black", "colour=yellow"]
    assert described["shape"] == [3]


@pytest.mark.parametrize(
    ("sections", "says"),
    [
        ({"data": {"files": ["TABLE"]}}, "which column is to be predicted"),
        ({"data": {"files": ["TABLE"], "target": "sort"}}, "no column 'sort'"),
        ({"data": {"files": ["TABLE"], "target": "size"}}, "different texts|at least 3 are needed"),
        ({"data": {"files": ["TABLE"], "target": "kind"}, "model": {"kind": "cnn"}}, "read by an mlp|data is a table"),
        ({"data": {"files": ["sample:dogs"]}}, "no such sample"),
        ({"data": {"files": ["TABLE"], "target": "kind"}, "class_weights": {"wasp": 2}}, "no class 'wasp'"),
    ],
)
def test_what_cannot_be_trained_on_is_told(tmp_path: Path, sections: dict[str, Any], says: str) -> None:
    table = str(write_table(tmp_path / "insects.csv"))
    data = {**sections["data"], "files": [table if f == "TABLE" else f for f in sections["data"]["files"]]}
    with pytest.raises(PellucidError, match=says) as error:
        ClassifyTask(ClassifyConfig.parse({**sections, "data": data}))
    assert error.value.mend


def test_one_example_of_a_class_is_told(tmp_path: Path) -> None:
    table = write_table(tmp_path / "insects.csv")
    with table.open("a", encoding="utf-8") as file:
        file.write("1.0,black,wasp\n")
    values = {"data": {"files": [str(table)], "target": "kind"}}
    with pytest.raises(DataError, match="class wasp has 1 example; at least 3 are needed"):
        ClassifyTask(ClassifyConfig.parse(values))


def test_no_data_is_told_before_anything_is_read() -> None:
    with pytest.raises(ConfigError, match="no data to train on"):
        ClassifyTask.proposed(ClassifyConfig.parse({}))


def test_the_samples_are_scikit_learns_own() -> None:
    from sklearn import datasets

    digits = datasets.load_digits()
    task = ClassifyTask(ClassifyConfig.parse({"data": {"files": ["sample:digits"]}}))
    assert task.data.labels.tolist() == digits.target.tolist()
    expected = torch.from_numpy(digits.images * 255 / 16).round().to(torch.uint8)
    assert torch.equal(task.data.inputs[:, 0], expected)
    for name, theirs in (("wine", datasets.load_wine()), ("breast-cancer", datasets.load_breast_cancer())):
        table = read_sample_table(f"sample:{name}")
        assert np.array([list(map(float, row[:-1])) for row in zip(*table.columns, strict=True)]).tolist() == (
            theirs.data.tolist()
        )
        numbers = {label: number for number, label in enumerate(dict.fromkeys(table.columns[-1]))}
        renumbered = np.unique(theirs.target, return_index=True)[1].argsort().argsort()
        assert [numbers[label] for label in table.columns[-1]] == [int(renumbered[t]) for t in theirs.target]
