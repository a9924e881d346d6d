"""What a training needs of memory is reckoned beforehand and told; where it runs out, so is what to change."""

import resource
from pathlib import Path
from typing import Any

import pytest
import torch

from pellucid.errors import TrainingError
from pellucid.run import Run
from pellucid.train import room
from pellucid.train.loop import Trainer
from pellucid.train.optimizer import make_optimizer
from pellucid.train.plan import make_plan
from pellucid.train.room import Need, check_batch, check_network, free_memory, kept_by, need_of, told_if_full
from tests.train.diagnosis.trainings import TASKS, curve, translator

CPU = torch.device("cpu")


@pytest.mark.parametrize("optimizer", ["muon", "adamw", "adam", "rmsprop", "sgd", "momentum", "nesterov"])
@pytest.mark.parametrize("average", [0.0, 0.9])
def test_the_sum_is_that_of_the_tensors_that_a_training_holds(optimizer: str, average: float, tmp_path: Path) -> None:
    task = translator(tmp_path, training={"optimizer": optimizer, "average": average})
    model = task.build_model()
    task.loss(model, task.collate(list(task.epoch(0)[0]))).total.backward()
    held = make_optimizer(model, task.training)
    held.step()
    need = need_of(model, task.training)

    def bytes_of(tensors: Any) -> int:
        return sum(one.numel() * one.element_size() for one in tensors)

    parameters = list(model.parameters())
    moments = [one for state in held.state.values() for one in state.values() if torch.is_tensor(one) and one.dim()]
    assert need.weights == bytes_of(parameters)
    assert need.gradients == bytes_of(one.grad for one in parameters)
    assert need.optimizer == bytes_of(moments)
    assert need.copies == (2 if average else 1) * need.weights


@pytest.mark.parametrize("name", TASKS)
def test_a_network_without_numbers_has_the_same_sum(name: str, tmp_path: Path) -> None:
    task = TASKS[name](tmp_path)
    before = torch.get_rng_state()
    assert room.need_of_network(task) == need_of(task.build_model(), task.training)
    torch.set_rng_state(before)
    room.need_of_network(task)
    assert torch.equal(torch.get_rng_state(), before)


def test_what_a_batch_keeps_is_about_what_its_forward_pass_leaves_behind(tmp_path: Path) -> None:
    """Held against what autograd's graph of the whole batch holds."""
    task = translator(tmp_path)
    model = task.build_model()
    batch = list(task.epoch(0)[0])
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = task.loss(model.eval(), task.collate(batch)).total
    weights = sum(one.untyped_storage().nbytes() for one in model.parameters())
    whole = sum(kept.values()) - weights
    assert loss.isfinite()
    assert 0.5 * whole < kept_by(task, model) < 2 * whole


@pytest.mark.parametrize(
    ("sections", "says"),
    [
        ({"model": {"d_model": 65536, "heads": 2}}, "parameters) + gradients 384.2 GiB + optimizer 384.3 GiB"),
        ({"model": {"d_model": 2**40, "heads": 2}}, "more weights than any machine holds"),
        ({"model": {"feed_forward": 2**33}}, "GiB"),
    ],
)
def test_a_network_that_is_too_large_is_refused_before_it_is_built(
    sections: dict[str, Any], says: str, tmp_path: Path
) -> None:
    task = translator(tmp_path, **sections)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(TrainingError) as caught:
        make_plan(task)
    assert says in str(caught.value)
    assert "free in memory" in str(caught.value)
    assert "model.d_model" in caught.value.mend
    assert "tokenizer.vocabulary" in caught.value.mend
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kB


def test_a_batch_that_is_too_large_is_refused_with_the_sum_and_what_to_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = translator(tmp_path)
    model = task.build_model()
    need = need_of(model, task.training, kept_by(task, model))
    monkeypatch.setattr(room, "free_memory", lambda device: need.total - need.weights)
    check_batch(task, model, CPU)
    monkeypatch.setattr(room, "free_memory", lambda device: need.total - need.weights - 1)
    with pytest.raises(TrainingError, match="one batch") as caught:
        check_batch(task, model, CPU)
    assert "training.batch_tokens" in caught.value.mend
    assert "training.accumulate" in caught.value.mend
    check_batch(task, model, CPU, share=2)  # each of two workers takes half


def test_memory_that_runs_out_in_a_step_is_told_with_the_sum(tmp_path: Path) -> None:
    task = curve(tmp_path)
    run = Run.create(tmp_path / "run", task)
    loss = task.loss

    def greedy(model: Any, batch: Any) -> Any:
        if model.training and trainer.counters.step == 3:
            torch.empty(2**58, dtype=torch.uint8)
        return loss(model, batch)

    task.loss = greedy  # type: ignore[method-assign]
    task.shortcut = lambda model: None  # type: ignore[method-assign]
    trainer = Trainer(run, task)
    with pytest.raises(TrainingError, match=r"this training needs weights .* \+ gradients .* = .*besides") as caught:
        trainer.train()
    assert "Take smaller batches (training.batch)" in caught.value.mend
    assert run.has_state


def test_any_other_error_stays_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="shapes"), told_if_full(curve(tmp_path), CPU):
        raise RuntimeError("shapes differ")
    with pytest.raises(TrainingError, match="this training needs"), told_if_full(curve(tmp_path), CPU):
        raise MemoryError


def test_free_memory_is_the_least_of_machine_container_and_the_process_own_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "meminfo").write_text("MemTotal:  9000 kB\nMemAvailable:   5000 kB\n")
    (tmp_path / "memory.max").write_text("4000000\n")
    (tmp_path / "memory.current").write_text("3000000\n")
    (tmp_path / "memory.stat").write_text("anon 5\ninactive_file 500000\n")
    monkeypatch.setattr(room, "MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(room, "CGROUP", tmp_path)
    assert free_memory(CPU) == 1_500_000
    (tmp_path / "memory.max").write_text("max\n")
    assert free_memory(CPU) == 5000 * 1024
    monkeypatch.setattr(room.resource, "getrlimit", lambda which: (1, 1))
    assert free_memory(CPU) == 0


def test_where_nothing_is_known_of_memory_nothing_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "free_memory", lambda device: None)
    task = translator(tmp_path, model={"d_model": 65536, "heads": 2})
    check_network(task, CPU)


def test_a_need_adds_up() -> None:
    need = Need(10, 40, 40, 80, 40, 100)
    assert need.total == 300
    assert need.said().count("+") == 4
