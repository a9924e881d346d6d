"""All that a training must remember to go on exactly where it stood: weights, moments, counters, randomness."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from pellucid.errors import RunError
from pellucid.files import REPLACE
from pellucid.tasks.task import Task
from pellucid.train.flat import Flat


@dataclass
class Counters:
    """Where a training stands. Everything but `seconds` depends on seed and data alone."""

    step: int = 0
    epoch: int = 0
    position: int = 0  # batches of this epoch that are done
    tokens: int = 0  # target tokens so far
    seconds: float = 0.0  # of training so far, over all interruptions
    best: float = float("-inf")  # the best evaluation's headline
    best_step: int = 0
    without_improvement: int = 0  # evaluations since then
    plateau: int = 0  # evaluations without a new best since the best or the last cut of the rate
    cuts: int = 0  # of the rate, made on plateaus
    lowest: float = float("inf")  # the lowest loss of an evaluation
    good: int = 0  # the step of the last evaluation whose loss was a number: the training goes back there first
    sound: int = 0  # of the last one that was the best, or whose loss was near the lowest: there if that does not help
    rollbacks: int = 0  # times that it went back so far; each halves the rate
    metrics_bytes: int = 0  # size of metrics.jsonl when this was saved
    told: int = 0  # of the lines that say that it went back, how many stand there by then


class MovingAverage:
    """An exponential moving average of the weights, which scores better than the weights themselves.

        a <- d a + (1 - d) w,    d = min(decay, (1 + s) / (10 + s)) at step s

    With decay 0 the average is the weights themselves, without a copy.
    Source: Polyak & Juditsky, 1992; the warm-up as in Tensorflow's.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.weights = {name: parameter.detach() for name, parameter in model.named_parameters()}
        self._flat: tuple[Tensor, Tensor] | None = None  # all averages in one tensor, and all weights
        if decay:
            self.weights = {name: weight.clone() for name, weight in self.weights.items()}

    def lie_flat(self, flat: Flat) -> None:
        """Keep the averages in one piece of memory, as the weights are kept, from now on."""
        if self.decay:
            averages, windows = flat.like(list(self.weights.values()))
            self._flat = averages, flat.weights
        else:
            windows = [parameter.detach() for parameter in flat.parameters]
        self.weights = dict(zip(self.weights, windows, strict=True))

    def update(self, model: nn.Module, step: int) -> None:
        if not self.decay:
            return
        decay = min(self.decay, (1 + step) / (10 + step))
        if self._flat is not None:
            averages, weights = self._flat
            averages.lerp_(weights, 1 - decay)
            return
        parameters = [parameter.detach() for parameter in model.parameters()]
        torch._foreach_lerp_(list(self.weights.values()), parameters, 1 - decay)


def pack(
    model: nn.Module,
    average: MovingAverage,
    optimizer: torch.optim.Optimizer,
    counters: Counters,
    own: Sequence[Mapping[str, Tensor]],
    rollbacks: Sequence[Mapping[str, Any]] = (),
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Everything as named tensors and a JSON-able description; `own` is what each worker alone has.

    `rollbacks` are the lines of metrics.jsonl that say when the training went back: what it went back to, older than
    they are, does not hold them.
    """
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    if average.decay:
        tensors |= {f"average.{name}": value for name, value in average.weights.items()}
    for number, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{name}": value for name, value in moments.items()}
    for rank, states in enumerate(own):
        tensors |= {name + _of_worker(rank): state for name, state in states.items()}
    about = {"counters": asdict(counters), "workers": len(own)}
    return tensors, {**about, "rollbacks": list(rollbacks)} if rollbacks else about


def unpack(
    tensors: Mapping[str, Tensor],
    about: Mapping[str, Any],
    model: nn.Module,
    average: MovingAverage,
    optimizer: torch.optim.Optimizer,
    rank: int,
    device: torch.device,
) -> Counters:
    """Put everything back where `pack` took it from; a worker of whom nothing was saved keeps its random state.

    Raises RunError where the state is not of this network and optimizer.
    """
    try:
        counters = Counters(**about["counters"])
        if not all(isinstance(value, int | float) for value in vars(counters).values()):
            raise TypeError("its counters are no numbers")
        model.load_state_dict(_under("model", tensors))
        for name, value in _under("average", tensors).items():
            average.weights[name].copy_(value)
        moments: dict[int, dict[str, Tensor]] = {}
        for key, value in _under("optimizer", tensors).items():
            number, name = key.split(".", 1)
            moments.setdefault(int(number), {})[name] = value
        _check_moments(moments, optimizer)
        optimizer.load_state_dict({**optimizer.state_dict(), "state": moments})
        on_cpu, on_cuda = (tensors.get(name + _of_worker(rank)) for name in ("random.cpu", "random.cuda"))
        if on_cpu is not None:
            torch.set_rng_state(on_cpu)
        if on_cuda is not None and device.type == "cuda":
            torch.cuda.set_rng_state(on_cuda, device)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise RunError(f"the saved state does not fit config.toml ({reason})", mend=REPLACE) from None
    return counters


def _check_moments(moments: Mapping[int, Mapping[str, Tensor]], optimizer: torch.optim.Optimizer) -> None:
    """Raises RunError where what was remembered of a parameter cannot be of this optimizer's."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for number, remembered in moments.items():
        shape = parameters[number].shape if number < len(parameters) else None
        if any(value.dim() and value.shape != shape for value in remembered.values()):
            raise RunError(
                "the saved state is of another optimizer than config.toml names",
                mend='Set training.optimizer there to the one that trained it, such as "adamw".',
            )


def random_state(device: torch.device) -> dict[str, Tensor]:
    """Where this process's random generators stand: the CPU's and that of the device it trains on."""
    states = {"random.cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["random.cuda"] = torch.cuda.get_rng_state(device)
    return states


def carried_state(task: Task) -> dict[str, Tensor]:
    """What the task remembers from step to step, of this worker's share of the batches."""
    return {f"carried.{name}": value for name, value in task.carried().items()}


def carried_of(tensors: Mapping[str, Tensor], rank: int) -> dict[str, Tensor]:
    """What this worker's task remembered when the state was saved.

    Copied, since where a number stands in a file may be no place from which products are computed alike to the bit.
    """
    ending = _of_worker(rank)
    mine = {name: value for name, value in _under("carried", tensors).items() if name.endswith(ending)}
    return {name.removesuffix(ending): value.clone() for name, value in mine.items()}


def _of_worker(rank: int) -> str:
    return f".{rank}" if rank else ""  # the first one's stand where those of a worker alone stand


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    start = prefix + "."
    return {name.removeprefix(start): value for name, value in tensors.items() if name.startswith(start)}
