"""Two workers train a network with batch norm, and one with a carried state: what is as with one, and what is not."""

import json
import os
import random
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from workers_of_tasks import task_of

from pellucid.api import next_step
from pellucid.run import Run
from pellucid.train.loop import Trainer

SCRIPT = Path(__file__).with_name("workers_of_tasks.py")
SECONDS = 120  # after which a process that hangs is given up
TRAINING = {"steps": 12, "evaluate_every": 12, "learning_rate": 0.01, "threads": 1, "precision": "float32"}


def wanted(place: Path, task: str, data: str, model: dict[str, Any], batch: int) -> dict[str, Any]:
    held_out = {"held_out": 0.1} if task == "language" else {}
    training = {**TRAINING, "batch": batch}
    return {"task": task, "data": {"files": [str(place / data)], **held_out}, "model": model, "training": training}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which two workers have done all that workers_of_tasks.py does."""
    np = pytest.importorskip("numpy")
    folder = tmp_path_factory.mktemp("place")
    images = np.random.default_rng(0).integers(0, 256, (80, 8, 8), dtype=np.uint8)
    np.savez(folder / "i.npz", images=images, labels=np.arange(80) % 3)
    draw = random.Random(1)
    (folder / "t.txt").write_text("\n".join(" ".join(draw.choices(("one", "two", "three"), k=9)) for _ in range(200)))
    cnn = {"channels": [3, 4], "convolutions": 1, "dropout": 0.0}
    rnn = {"cell": "rnn", "width": 12, "layers": 1, "context": 10, "dropout": 0.0}
    for name, values in {
        "pictures-none": wanted(folder, "classify", "i.npz", {"cnn": {**cnn, "norm": "none"}}, 15),
        "pictures-batch": wanted(folder, "classify", "i.npz", {"cnn": {**cnn, "norm": "batch"}}, 15),
        "texts": wanted(folder, "language", "t.txt", rnn, 5),
    }.items():
        (folder / name).mkdir()
        (folder / f"{name}.json").write_text(json.dumps(values), encoding="utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    environment = {**os.environ, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    command = [sys.executable, str(SCRIPT), str(folder)]
    processes = [subprocess.Popen(command, env={**environment, "RANK": rank}) for rank in "01"]
    assert [process.wait(timeout=SECONDS) for process in processes] == [0, 0]
    return folder


@pytest.fixture(scope="module")
def alone(place: Path) -> Run:
    """The training of the texts by one process."""
    task = task_of(place / "texts.json")
    run = Run.create(place / "alone", task)
    Trainer(run, task).train()
    return run


def test_without_batch_norm_gradients_of_two_workers_are_those_of_the_whole_batch(place: Path) -> None:
    task = task_of(place / "pictures-none.json")
    torch.manual_seed(1)
    model = task.build_model()
    task.loss(model, task.collate(task.epoch(0)[0])).total.backward()
    for rank in (0, 1):
        shared, _ = torch.load(place / "pictures-none" / f"gradients.{rank}.pt")
        for name, parameter in model.named_parameters():
            torch.testing.assert_close(shared[name], parameter.grad, rtol=1e-4, atol=1e-7)


def test_with_batch_norm_gradients_are_the_mean_over_the_workers_shares(place: Path) -> None:
    """Each worker normalizes by its own rows, as if they were a batch of their own."""
    task = task_of(place / "pictures-batch.json")
    batch = list(task.epoch(0)[0])
    torch.manual_seed(1)
    model = task.build_model()
    averages = []
    first = {name: buffer.clone() for name, buffer in model.named_buffers()}
    for share in (batch[0::2], batch[1::2]):
        model.load_state_dict(first, strict=False)
        (task.loss(model, task.collate(share)).total * len(share) / len(batch)).backward()
        averages.append({name: buffer.clone() for name, buffer in model.named_buffers()})
    whole = task.build_model()
    whole.load_state_dict({**model.state_dict(), **first})
    task.loss(whole, task.collate(batch)).total.backward()
    assert len(averages[0]) > 0
    for rank in (0, 1):
        shared, buffers = torch.load(place / "pictures-batch" / f"gradients.{rank}.pt")
        for name, parameter in model.named_parameters():
            torch.testing.assert_close(shared[name], parameter.grad, rtol=1e-4, atol=1e-6)
        for name, buffer in buffers.items():
            torch.testing.assert_close(buffer, averages[rank][name])
    kernel = "stages.0.convolutions.0.convolution.weight"
    assert not torch.allclose(whole.get_parameter(kernel).grad, model.get_parameter(kernel).grad, rtol=1e-2)


def weights_of(run: Path) -> dict[str, torch.Tensor]:
    saved = Run.open(run).load_state()
    assert saved is not None
    return {name: value for name, value in saved[0].items() if name.startswith("model.")}


def assert_same_bits(folder: Path) -> None:
    whole, stopped = (Run.open(folder / name).load_state() for name in ("whole", "stopped"))
    assert whole is not None
    assert stopped is not None
    assert whole[0].keys() == stopped[0].keys()
    assert [name for name in whole[0] if not torch.equal(whole[0][name], stopped[0][name])] == []


def test_workers_of_a_network_with_batch_norm_keep_the_same_weights_and_resume_to_the_same_bits(place: Path) -> None:
    ours, theirs = (torch.load(place / "pictures-batch" / f"weights.{rank}.pt") for rank in (0, 1))
    assert [name for name in ours if not torch.equal(ours[name], theirs[name]) and "running" not in name] == []
    assert_same_bits(place / "pictures-batch")


def test_workers_that_carry_a_state_stand_where_one_stands_and_resume_to_the_same_bits(place: Path, alone: Run) -> None:
    ours, theirs = weights_of(place / "texts" / "whole"), weights_of(alone.path)
    for name, value in theirs.items():
        torch.testing.assert_close(ours[name], value, rtol=1e-3, atol=1e-5)
    assert_same_bits(place / "texts")


def test_the_next_step_of_workers_that_carry_a_state_is_of_all_their_rows(place: Path, alone: Run) -> None:
    ours, theirs = next_step(Run.open(place / "texts" / "whole")), next_step(alone)
    for name, gradient in theirs.gradients.items():
        torch.testing.assert_close(ours.gradients[name], gradient, rtol=1e-2, atol=1e-4)
    assert ours.rows[0].names == theirs.rows[0].names
