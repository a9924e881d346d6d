"""Several processes that train one network together, started by `torchrun`; a process alone is its own only worker.

Each worker holds the whole network and takes its share of the rows of every batch. PyTorch's DistributedDataParallel
averages their gradients, so that all make the same update and keep the same weights to the bit. What leaves the
processes (files, scores, output) is the first worker's to do; the others wait and learn what came of it.
"""

import itertools
import os
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NoReturn, TypeVar

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.rendezvous import rendezvous
from torch.nn.parallel import DistributedDataParallel

from pellucid.errors import TrainingError, WorkerError
from pellucid.tasks.task import Batch, Losses, Task

PATIENCE = timedelta(hours=6)  # the others wait while the first evaluates and scores; a lost one is noticed sooner
VARIABLES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")  # by which torchrun tells a process who it is
FAILURES = "failures"  # in the store that all workers see: how many of them have failed

T = TypeVar("T")

_times_joined = itertools.count()  # by this process; the same for all workers


@dataclass(frozen=True, slots=True)
class Workers:
    """This process, number `rank`, among the `size` that train together; `local_rank` of `local_size` on its machine.

    With one worker every method gives back what it was given and nothing is sent. With several, all of them must call
    the same methods in the same order, save `share`, `device` and `threads`, which ask nobody.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def first(self, make: Callable[[], T]) -> T:
        """Have the first worker do something, and all know what came of it."""
        if self.size == 1:
            return make()
        made = [make() if self.is_first else None]
        dist.broadcast_object_list(made, src=0)
        return made[0]  # type: ignore[return-value]

    def gather(self, value: T) -> list[T]:
        """Everyone's value, in the order of ranks."""
        if self.size == 1:
            return [value]
        values: list[T] = [value] * self.size
        dist.all_gather_object(values, value)
        return values

    def sum(self, *numbers: float) -> list[float]:
        """Each number added up over all workers."""
        if self.size == 1:
            return list(numbers)
        total = torch.tensor(numbers, dtype=torch.float64)
        dist.all_reduce(total)
        return total.tolist()

    def any(self, true: bool) -> bool:
        """Whether it is true for at least one worker."""
        return self.sum(true)[0] > 0

    def agree(self, make: Callable[[], object], what: str, mend: str) -> None:
        """Raise TrainingError unless everyone makes the same of `what`; a worker alone makes nothing."""
        if self.size == 1:
            return
        values = self.gather(make())
        different = [rank for rank, value in enumerate(values) if value != values[0]]
        if different:
            raise TrainingError(f"worker {different[0] + 1} of {self.size} has {what} than the first", mend=mend)

    def share(self, batch: Sequence[int]) -> tuple[Sequence[int], bool]:
        """This worker's examples of a batch, and whether they count.

        A batch with fewer rows than workers leaves some without any: such a one takes part with the first row, so
        that all exchange the same gradients, and its part counts for nothing.
        """
        own = batch[self.rank :: self.size]
        return (own, True) if own else (batch[:1], False)

    def weight(self, count: int) -> float:
        """The share of this worker's `count` items in those of all workers: its part of the mean over all of them."""
        return 1.0 if self.size == 1 else count / self.sum(count)[0]

    def objective(self, task: Task, model: nn.Module) -> nn.Module:
        """The task's loss as a module, its gradients averaged over the workers. Source: Li et al., 2020 (DDP).

        DDP groups the gradients anew after its first backward pass. One pass in advance, of which nothing stays, has
        them added up in the same order at every step, whether the training was resumed or not.
        """
        objective = Objective(task, model)
        if self.size == 1:
            return objective
        watched = DistributedDataParallel(objective, forward_sync_buffers=False, gradient_as_bucket_view=True)
        device = next(model.parameters()).device
        buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]  # the averages that batch norm keeps
        carried = task.carried()
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            watched(task.collate(task.epoch(0)[0][:1]).to(device)).total.backward()
        model.zero_grad()
        task.carry(carried)
        for buffer, before in buffers:
            buffer.copy_(before)
        return watched

    def keeping(self, objective: nn.Module, more: bool) -> AbstractContextManager[object]:
        """While `more` batches follow before the step, gradients are kept and not exchanged."""
        return objective.no_sync() if isinstance(objective, DistributedDataParallel) and more else nullcontext()

    def draw_apart(self, seed: int) -> None:
        """Give all but the first worker random numbers of their own, once the weights are drawn alike."""
        if not self.is_first:
            torch.manual_seed(random.Random(f"{seed} worker {self.rank}").getrandbits(63))

    def device(self, name: str) -> torch.device:
        """The device of that name; of several workers each has its own CUDA device. Raises RuntimeError for no name."""
        device = torch.device(name)
        return torch.device("cuda", self.local_rank) if device.type == "cuda" and self.size > 1 else device

    def threads(self) -> int | None:
        """An equal share of this machine's cores, or None, torch's own choice, for a worker alone."""
        return None if self.size == 1 else max(_cores() // self.local_size, 1)


ALONE = Workers()


class Objective(nn.Module):
    """A task's loss as a forward pass, which is what DDP must see to know when a gradient is ready."""

    def __init__(self, task: Task, model: nn.Module) -> None:
        super().__init__()
        self.task, self.model = task, model

    def forward(self, batch: Batch) -> Losses:
        return self.task.loss(self.model, batch)


@contextmanager
def joined() -> Iterator[Workers]:
    """The workers that torchrun started, this one among them; without torchrun, this process alone. May be nested.

    When workers fail, the error of the one that failed first goes on; the others raise WorkerError, as theirs is but
    its consequence or the same. So there is one message, whoever it is that has to give it.
    """
    if not started_together():
        yield ALONE
        return
    if dist.is_initialized():
        yield _this_worker()
        return
    shared, rank, size = next(rendezvous("env://", timeout=PATIENCE))
    # Its own corner for each time, as what an earlier group left there would lead astray.
    store = dist.PrefixStore(f"pellucid/{next(_times_joined)}", shared)  # type: ignore[attr-defined]
    # Numbers and words go by gloo; gradients by nccl where they are on CUDA devices.
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() and dist.is_nccl_available() else "gloo"
    dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=PATIENCE)
    try:
        yield _this_worker()
    except SystemExit:
        dist.destroy_process_group()
        raise
    except (Exception, KeyboardInterrupt) as error:
        # The group is left as it is: others may still wait in it, and it ends with this process.
        if not _is_first_to_fail(store):
            raise WorkerError("another worker failed, and says why") from error
        if _lost_contact(error):
            raise TrainingError(
                "another worker was ended from outside, and the training with it",
                mend="Was memory short? `pellucid resume` goes on from the last saved state.",
            ) from error
        raise
    dist.destroy_process_group()


def leave(code: int) -> NoReturn:
    """End this process; at once if it is still in a group, as gloo, tidying up, would abort it where a peer is gone."""
    if dist.is_initialized():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def started_together() -> bool:
    return all(name in os.environ for name in VARIABLES) and int(os.environ["WORLD_SIZE"]) > 1


def _this_worker() -> Workers:
    rank, size = dist.get_rank(), dist.get_world_size()
    local = (os.environ.get("LOCAL_RANK", rank), os.environ.get("LOCAL_WORLD_SIZE", size))
    return Workers(rank, size, *map(int, local))


def _is_first_to_fail(store: Any) -> bool:
    try:
        return bool(store.add(FAILURES, 1) == 1)
    except RuntimeError:  # the store has ended with the process that failed
        return False


def _lost_contact(error: BaseException) -> bool:
    """Whether the error is of the connection to another worker: gloo has no type of its own for it."""
    return isinstance(error, dist.DistError) or (isinstance(error, RuntimeError) and "gloo" in str(error))


def _cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
