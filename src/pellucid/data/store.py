"""Pairs by the million: their texts end to end in one temporary file, mapped into memory, not a Python object each.

A pair as an object costs about 400 bytes beside its letters, which is two gigabytes for five million; here it costs 16
bytes, and the texts lie where the system can take them out of memory and back. A pair becomes an object when it is
asked for. Stands between the readers and everything that goes through pairs in order or by number.
"""

import mmap
import tempfile
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import IO, overload

from pellucid.data.pairs import Pair
from pellucid.errors import DataError

IN_MEMORY = 1 << 22  # bytes of text that need no file
ENCODING = ("utf-8", "surrogatepass")


class _Pairs(Sequence[Pair]):
    """What both sequences share: slices are lists, and they equal any sequence of the same pairs."""

    def _at(self, number: int) -> Pair:
        raise NotImplementedError

    @overload
    def __getitem__(self, number: int) -> Pair: ...
    @overload
    def __getitem__(self, number: slice) -> list[Pair]: ...
    def __getitem__(self, number: int | slice) -> Pair | list[Pair]:
        if isinstance(number, slice):
            return [self._at(one) for one in range(*number.indices(len(self)))]
        if number < 0:
            number += len(self)
        if not 0 <= number < len(self):
            raise IndexError(f"pair {number} of {len(self)}")
        return self._at(number)

    def __iter__(self) -> Iterator[Pair]:
        return map(self._at, range(len(self)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or len(self) != len(other):
            return NotImplemented if not isinstance(other, Sequence) else False
        return all(one == two for one, two in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<{len(self)} pairs>"


class PairStore(_Pairs):
    """Pairs in the order in which they were added. Raises DataError if there is no room for them on the disk."""

    def __init__(self, pairs: Iterable[Pair] = ()) -> None:
        self._starts = array("Q", [0])
        self._sources = array("I")  # bytes of each source; the target takes what the origin leaves
        self._targets = array("I")
        self._texts: bytearray | mmap.mmap = bytearray()
        self._waiting = bytearray()
        self._file: IO[bytes] | None = None
        self.extend(pairs)

    def extend(self, pairs: Iterable[Pair]) -> None:
        waiting = self._waiting
        for pair in pairs:
            source, target = pair.source.encode(*ENCODING), pair.target.encode(*ENCODING)
            origin = pair.origin.encode(*ENCODING)
            waiting += source
            waiting += target
            waiting += origin
            self._sources.append(len(source))
            self._targets.append(len(target))
            self._starts.append(self._starts[-1] + len(source) + len(target) + len(origin))
            if len(waiting) > IN_MEMORY:
                self._write()
        if self._file is not None:
            self._write()
            self._texts = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        else:
            self._texts = waiting

    def __len__(self) -> int:
        return len(self._sources)

    def _at(self, number: int) -> Pair:
        start, end = self._starts[number], self._starts[number + 1]
        middle = start + self._sources[number]
        last = middle + self._targets[number]
        texts = self._texts
        return Pair(
            texts[start:middle].decode(*ENCODING), texts[middle:last].decode(*ENCODING), texts[last:end].decode()
        )

    def _write(self) -> None:
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(prefix="pellucid-pairs-")  # noqa: SIM115 (as long as the store)
            self._file.write(self._waiting)
            self._file.flush()
        except OSError as error:
            raise DataError(
                f"{tempfile.gettempdir()}: no room for the pairs ({error.strerror})",
                mend="Set TMPDIR to a folder with room.",
            ) from None
        self._waiting.clear()


class ChosenPairs(_Pairs):
    """Some of other pairs, by number, each changed as it is asked for; 4 bytes a pair."""

    def __init__(
        self, pairs: Sequence[Pair], numbers: "array[int]", changed: Callable[[Pair], Pair] | None = None
    ) -> None:
        self._all, self._numbers, self._changed = pairs, numbers, changed

    def __len__(self) -> int:
        return len(self._numbers)

    def _at(self, number: int) -> Pair:
        pair = self._all[self._numbers[number]]
        return self._changed(pair) if self._changed else pair
