"""Which examples a step was made of, and where they came from: the batches of a training, gone through again."""

from collections.abc import Iterator, Sequence
from functools import lru_cache

from pellucid.errors import PellucidError
from pellucid.run import Run


class Origins:
    """Where the examples of a step's batches stood, as the task says it: file and line.

    A task gives the same batches for the same epoch, so that a step tells which they were. The data is read when first
    asked for; if it cannot be read any more, nothing is known of any step.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self._epoch = lru_cache(maxsize=2)(lambda number: run.task.epoch(number))
        self._ends: list[int] = []  # of each epoch gone through, how many batches there were by then

    def __call__(self, step: int) -> list[str]:
        accumulate = int(self.run.config.training.accumulate)
        try:
            numbers = [number for batch in self._batches((step - 1) * accumulate, accumulate) for number in batch]
            return list(dict.fromkeys(self.run.task.origin(int(number)) for number in numbers))
        except PellucidError:
            return []

    def _batches(self, first: int, count: int) -> Iterator[Sequence[int]]:
        """`count` batches of the training from its batch number `first` on."""
        for number in range(first, first + count):
            while not self._ends or self._ends[-1] <= number:
                before = self._ends[-1] if self._ends else 0
                self._ends.append(before + len(self._epoch(len(self._ends))))
            epoch = next(place for place, end in enumerate(self._ends) if number < end)
            yield self._epoch(epoch)[number - (self._ends[epoch - 1] if epoch else 0)]
