"""Memory: what a training needs, what there is, and what to change where the one is more than the other.

    weights + gradients + optimizer + average + a copy to evaluate + what a batch's forward pass keeps for the backward

All but the last follow from the number of parameters, counted on a network without numbers (PyTorch's meta device)
before a real one is built; the last is measured on one example and taken times as many as a batch holds. A system that
promises more memory than it has ends a process without a word: so it is asked beforehand.
"""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from pellucid.config import TrainingConfig
from pellucid.errors import PellucidError, TrainingError, is_of_memory
from pellucid.tasks.task import Batch, Task
from pellucid.train.aside import aside

FLOAT = 4  # bytes: weights and what goes with them are float32, whatever the products are computed in
MOMENTS = {"adamw": 2, "adam": 2, "rmsprop": 1, "sgd": 0, "momentum": 1, "nesterov": 1}  # numbers for each weight
GIB = 2**30
BEYOND = 2**62  # bytes; more than any machine has
MEMINFO, CGROUP = Path("/proc/meminfo"), Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Need:
    """Bytes that a training takes at once; `batch` is None where it is not known."""

    parameters: int
    weights: int
    gradients: int
    optimizer: int
    copies: int  # the moving average, and the network that is evaluated
    batch: int | None = None

    @property
    def total(self) -> int:
        return self.weights + self.gradients + self.optimizer + self.copies + (self.batch or 0)

    def said(self) -> str:
        """The sum, part by part."""
        parts = [
            f"weights {gib(self.weights)} ({self.parameters:,} parameters)",
            f"gradients {gib(self.gradients)}",
            *([f"optimizer {gib(self.optimizer)}"] if self.optimizer else []),
            f"copies {gib(self.copies)}",
            *([] if self.batch is None else [f"one batch {gib(self.batch)}"]),
        ]
        return f"{' + '.join(parts)} = {gib(self.total)}"


def need_of(model: nn.Module, training: TrainingConfig, batch: int | None = None) -> Need:
    """What a network takes in training; it may be one on the meta device."""
    count = sum(parameter.numel() for parameter in model.parameters())
    if training.optimizer == "muon":  # one number for each weight of a matrix between layers, two for all else
        tables = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
        matrices = {id(m.weight): m.weight for m in model.modules() if isinstance(m, nn.Linear)}
        moments = 2 * count - sum(one.numel() for key, one in matrices.items() if key not in tables)
    else:
        moments = MOMENTS[training.optimizer] * count
    copies = (1 + bool(training.average)) * count
    return Need(count, FLOAT * count, FLOAT * count, FLOAT * moments, FLOAT * copies, batch)


def check_network(task: Task, device: torch.device) -> None:
    """Raises TrainingError, before anything of it is built, where the network alone is more than there is memory."""
    free = free_memory(device)
    need = need_of_network(task)
    if free is not None and need is not None and need.total > free:
        raise too_large(task, need, free, device)


def need_of_network(task: Task) -> Need | None:
    """What its network needs, none of which is built; None where that cannot be told beforehand."""
    try:
        with torch.random.fork_rng([]), torch.device("meta"):
            return need_of(task.build_model(), task.training)
    except PellucidError:
        raise
    except (RuntimeError, TypeError, OverflowError) as error:
        text = str(error).lower()
        return Need(BEYOND, BEYOND, 0, 0, 0) if "overflow" in text or "too large" in text else None
    except (ValueError, AttributeError):
        return None


def check_batch(task: Task, model: nn.Module, device: torch.device, share: int = 1) -> None:
    """Raises TrainingError where a batch (of which `share` workers take one part each) is more than what is left."""
    free = free_memory(device)
    if free is None:
        return
    weights = sum(one.numel() * one.element_size() for one in model.parameters())
    need = need_of(model, task.training, kept_by(task, model) // share)
    if need.total - weights > free:  # these are built
        raise too_large(task, need, free + weights, device)


def kept_by(task: Task, model: nn.Module) -> int:
    """About how many bytes a forward pass of a batch keeps: those of one example, times what a batch is of it."""
    examples = max((list(batch) for batch in task.epoch(0)[:4]), key=len)
    device = next(model.parameters()).device
    own = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with aside(task, model) as apart:
        one, whole = apart.collate(examples[:1]), apart.collate(examples)
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            losses = apart.loss(model, one.to(device))
        del losses
    return round(sum(kept.values()) * _cells(whole) / max(_cells(one), 1))


def _cells(batch: Batch) -> int:
    return sum(tensor.numel() for tensor in batch.tensors.values())


@contextmanager
def told_if_full(task: Task, device: torch.device) -> Iterator[None]:
    """What is raised where memory runs out becomes a TrainingError with the arithmetic."""
    full = False
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_of_memory(error):
            raise
        full = True
    if full:  # after the error and all that it holds is gone
        need = need_of_network(task)
        if device.type == "cuda":
            torch.cuda.empty_cache()
        raise too_large(task, need, free_memory(device), device)


def too_large(task: Task, need: Need | None, free: int | None, device: torch.device) -> TrainingError:
    """The error to raise: the sum, what there is, and what to change."""
    where = "on the GPU" if device.type == "cuda" else "in memory"
    there = "" if free is None else f", and {gib(free)} are free {where}"
    if need is None:
        return TrainingError(f"memory ran out{there}", mend=_mend(task, network=False))
    alone = need.batch is None and (free is None or need.total <= free)
    rest = ", besides what a batch keeps" if alone else ""
    text = f"this training needs {need.said()}{rest}{there}"
    if need.weights >= BEYOND:
        text = f"this network has more weights than any machine holds{there}"
    fits = need.batch is not None or alone
    return TrainingError(text, mend=_mend(task, network=not (fits and need.total - (need.batch or 0) <= (free or 0))))


def _mend(task: Task, network: bool) -> str:
    """What to change: the batch if the network would fit, otherwise the network."""
    model = getattr(task.config, "model", None)
    names = [name for name in ("preset", "d_model", "width", "dimension", "layers", "depth") if hasattr(model, name)]
    smaller = f"a smaller network ({', '.join(f'model.{name}' for name in names)})" if names else "a smaller network"
    if hasattr(task.config, "tokenizer"):
        smaller += " or vocabulary (tokenizer.vocabulary)"
    if network:
        return f"Choose {smaller}, or train where there is more memory."
    batch = "batch_tokens" if hasattr(task.training, "batch_tokens") else "batch"
    return f"Take smaller batches (training.{batch}) and more of them a step (training.accumulate), or {smaller}."


def free_memory(device: torch.device) -> int | None:
    """Bytes that this process can still take: of a GPU, or of the machine, its container and its own limit."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    found = [free for free in (_of_machine(), _of_container(), _of_process()) if free is not None]
    return min(found) if found else None


def _of_machine() -> int | None:
    return _fields(MEMINFO).get("MemAvailable")


def _of_container() -> int | None:
    """What a container (cgroup 2) may still take; cached files give way."""
    try:
        most = (CGROUP / "memory.max").read_text().strip()
        used = int((CGROUP / "memory.current").read_text())
        stat = dict(line.split() for line in (CGROUP / "memory.stat").read_text().splitlines())
        return None if most == "max" else max(int(most) - used + int(stat.get("inactive_file", 0)), 0)
    except (OSError, ValueError):
        return None


def _of_process() -> int | None:
    """What `ulimit -v` leaves."""
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    used = _fields(Path("/proc/self/status")).get("VmSize")
    return None if limit == resource.RLIM_INFINITY or used is None else max(limit - used, 0)


def _fields(path: Path) -> dict[str, int]:
    """Bytes by name, of a file of lines such as `MemAvailable:  1024 kB`."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return {}
    parts = [line.replace(":", " ").split() for line in lines]
    return {part[0]: int(part[1]) * 1024 for part in parts if len(part) == 3 and part[2] == "kB" and part[1].isdigit()}


def gib(count: int) -> str:
    """12.5 GiB; 340 MiB; below that 0.3 MiB."""
    if count >= GIB:
        return f"{count / GIB:,.1f} GiB"
    return f"{count / 2**20:,.0f} MiB" if count >= 10 * 2**20 else f"{count / 2**20:.2g} MiB"
