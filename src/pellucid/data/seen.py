"""Which texts were met before, in a few bytes each: a table of hashes, so that millions of pairs stay within memory.

A Python set of five million texts takes over a gigabyte; here a text takes 16 bytes of a table that is never more than
two thirds full. Texts are told apart by 64 bits of hash: among five million the chance that any two are taken for one
is below one in a million.
"""

from array import array

FIRST_SIZE = 1 << 12
WORD = (1 << 64) - 1
HALF = (1 << 32) - 1


class Seen:
    """Where each key was first met, and a value that was there."""

    def __init__(self) -> None:
        self.count = 0
        self._make(FIRST_SIZE)

    def first(self, key: int, place: int, value: int = 0) -> tuple[int, int] | None:
        """The place and value of the first time; None if it is this one, which is kept. place < 2^32."""
        key = key & WORD or 1
        value &= HALF
        keys, mask = self.keys, self.mask
        slot = key & mask
        while found := keys[slot]:
            if found == key:
                return self.places[slot], self.values[slot]
            slot = (slot + 1) & mask
        keys[slot], self.places[slot], self.values[slot] = key, place, value
        self.count += 1
        if self.count * 3 > (mask + 1) * 2:
            self._grow()
        return None

    @property
    def bytes(self) -> int:
        """What the table takes."""
        return 16 * (self.mask + 1)

    def _make(self, size: int) -> None:
        self.mask = size - 1
        self.keys = array("Q", bytes(8 * size))
        self.places = array("I", bytes(4 * size))
        self.values = array("I", bytes(4 * size))

    def _grow(self) -> None:
        keys, places, values = self.keys, self.places, self.values
        self._make(2 * (self.mask + 1))
        mask = self.mask
        for key, place, value in zip(keys, places, values, strict=True):
            if key:
                slot = key & mask
                while self.keys[slot]:
                    slot = (slot + 1) & mask
                self.keys[slot], self.places[slot], self.values[slot] = key, place, value
