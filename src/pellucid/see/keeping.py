"""How a capture keeps values: without copying them, as long as nothing else can write into their memory.

A value shares the memory of the tensor that the model computed. It is copied just before an operation writes into
that memory, and at the end of the pass if anything but the trace still holds it. Every tensor counts the writes into
its memory; where the count at the end shows a write that was not seen coming, the pass is taken again with copies.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from pellucid.see.operation import Step

# How many tensors hold a memory; without it (it is none of PyTorch's public functions) all values are copied.
HOLDERS = getattr(torch._C, "_storage_Use_Count", None)


class FullError(BaseException):
    """More would be kept than is allowed before it has been counted; no model that catches exceptions stops it."""


class UnseenWriteError(Exception):
    """A value was written into by something that the capture did not see."""


class Keeping:
    """Holds the values of steps.

    `precision` is the format in which wider numbers are kept; `wanted` says of each step, in order, whether its value
    is kept, None means all; with `counting` none is, only shapes; beyond `most` bytes FullError is raised.
    """

    def __init__(
        self,
        precision: torch.dtype | None = None,
        wanted: Sequence[bool] | None = None,
        counting: bool = False,
        copying: bool = False,
        most: int | None = None,
    ) -> None:
        self.precision, self.wanted, self.counting, self.most = precision, wanted, counting, most
        self.copying = copying or HOLDERS is None
        self.bytes = 0
        self._versions: list[tuple[Step, Tensor, int]] = []
        self._sharing: dict[int, list[Step]] = {}
        self._listed = 0

    def wants(self, number: int) -> bool:
        """Whether the value of the step of that number is kept."""
        if self.counting:
            return False
        return self.wanted is None or (number < len(self.wanted) and self.wanted[number])

    def hold(self, step: Step, tensor: Tensor, copy: bool = False, shares: bool = False) -> None:
        """Give the step its value, a copy if asked for; `shares` says that its memory is already counted."""
        value = tensor.detach()
        if self.narrows(value):
            step.narrowed = value.dtype
            value = value.to(self.precision)
        elif copy or self.copying or value.is_inference():
            value = value.clone()
        else:
            self._versions.append((step, value, value._version))
        step.held = value
        self.bytes += value.nbytes if copy or not shares or step.narrowed else 0
        if self.most is not None and self.bytes > self.most:
            raise FullError

    def narrows(self, value: Tensor) -> bool:
        """Whether a value is kept in fewer bits than it has; single numbers never are."""
        return (
            self.precision is not None
            and value.is_floating_point()
            and self.precision.itemsize < value.itemsize
            and value.numel() > 1
        )

    def hold_gradient(self, step: Step, gradient: Tensor) -> None:
        gradient = gradient.detach()
        if self.narrows(gradient):
            step.narrowed_gradient = gradient.dtype
            gradient = gradient.to(self.precision)
        elif self.copying:
            gradient = gradient.clone()
        step.held_gradient = gradient

    def before_writing(self, tensor: Tensor, steps: Sequence[Step]) -> None:
        """Copy what is held in memory that is about to be written into."""
        if self.counting:
            return
        for step in steps[self._listed :]:
            self._sharing.setdefault(memory(step.held), []).append(step)
        self._listed = len(steps)
        for step in self._sharing.pop(memory(tensor), ()):
            step.held = step.held.clone()

    def check(self) -> None:
        """Raises UnseenWriteError if a value is no longer what it was."""
        if any(step.held is value and value._version != version for step, value, version in self._versions):
            raise UnseenWriteError

    def finish(self, steps: Sequence[Step]) -> None:
        """Copy what others hold as well, and views that keep a larger memory alive."""
        shared = [(step, "held") for step, value, _ in self._versions if step.held is value]
        shared += [(step, "held_gradient") for step in steps if step.held_gradient is not None]
        self._versions.clear()
        self._sharing.clear()
        if self.copying:
            return
        assert HOLDERS is not None
        held: dict[int, tuple[torch.UntypedStorage, list[tuple[Step, str]]]] = {}
        for step, name in shared:
            storage = getattr(step, name).untyped_storage()
            held.setdefault(storage._cdata, (storage, []))[1].append((step, name))
        storage = None
        for storage, holders in held.values():
            others = HOLDERS(storage._cdata) - len(holders) - 1  # one is `storage` itself
            if others or storage.nbytes() > sum(getattr(step, name).nbytes for step, name in holders):
                for step, name in holders:
                    setattr(step, name, getattr(step, name).clone())


def memory(tensor: Tensor) -> int:
    return 0 if tensor.is_meta else tensor.untyped_storage().data_ptr()
