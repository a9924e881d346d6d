"""What lies before the person: the texts of the last input with their translations, and what is chosen of them.

Nothing here draws or reads a key; each method is one thing that a key does.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pellucid.see.alternatives import Alternative, Alternatives
    from pellucid.see.joining import Word


@dataclass(eq=False)
class Entry:
    """A text, what was found for it (None while it waits), or why nothing was.

    `chosen` is the number of the alternative shown; `faults` says of each alternative what is wrong with it.
    One that is not `wanted` any more need not be translated.
    """

    text: str
    found: "Alternatives | None" = None
    failure: str = ""
    faults: tuple[tuple[str, ...], ...] = ()
    chosen: int = 0
    wanted: bool = True

    @property
    def done(self) -> bool:
        return self.found is not None or bool(self.failure)

    @property
    def alternative(self) -> "Alternative | None":
        return self.found.found[self.chosen] if self.found else None


@dataclass
class Desk:
    """`current` is the entry that keys speak to, `word` the word of its translation that is looked at.

    `layer` and `head` are those whose attention is shown; None is the mean over all, and `layer` -1 the last.
    """

    entries: list[Entry] = field(default_factory=list)
    current: int = 0
    word: int | None = None
    listing: bool = False
    keys: bool = False
    layer: int | None = -1
    head: int | None = None

    @property
    def entry(self) -> Entry | None:
        return self.entries[self.current] if self.entries else None

    @property
    def waiting(self) -> int:
        return sum(not entry.done for entry in self.entries)

    def lay(self, texts: list[str]) -> tuple[list[Entry], list[Entry]]:
        """New texts come, finished ones go. Returns both: the new entries, and those that were done with."""
        new = [Entry(text) for text in texts]
        gone = [entry for entry in self.entries if entry.done]
        self.entries = [entry for entry in self.entries if not entry.done] + new
        self.current, self.word, self.listing, self.keys = max(len(self.entries) - 1, 0), None, False, False
        return new, gone

    def drop_waiting(self) -> bool:
        """Forget what is not translated yet. Returns whether there was any."""
        waited = self.waiting > 0
        for entry in self.entries:
            entry.wanted = entry.done
        self.entries = [entry for entry in self.entries if entry.done]
        self.current = max(len(self.entries) - 1, 0)
        return waited

    def close(self) -> bool:
        """Put away keys, alternatives and the chosen word. Returns whether anything was open."""
        opened = self.keys or self.listing or self.word is not None
        self.keys, self.listing, self.word = False, False, None
        return opened

    def move_entry(self, by: int) -> None:
        last = len(self.entries) - 1
        moved = min(max(self.current + by, 0), max(last, 0))
        if moved != self.current:
            self.current, self.word = moved, None

    def move_alternative(self, by: int) -> None:
        """The first time the list is only opened, so that nobody loses the best one from sight."""
        entry = self.entry
        if entry is None or entry.found is None:
            return
        if not self.listing:
            self.listing = True
            return
        self.choose((entry.chosen + by) % len(entry.found.found))

    def choose(self, number: int) -> None:
        entry = self.entry
        if entry is None or entry.found is None or not 0 <= number < len(entry.found.found):
            return
        self.listing = True
        if number != entry.chosen:
            entry.chosen, self.word = number, None

    def move_word(self, by: int) -> None:
        """From no word to the first or the last one, and past the ends to none again."""
        words = self.words()
        if not words:
            return
        if self.word is None:
            self.word = 0 if by > 0 else len(words) - 1
            return
        moved = self.word + by
        self.word = moved if 0 <= moved < len(words) else None

    def next_layer(self) -> None:
        """Last, first, second ..., the mean over all, last."""
        entry = self.entry
        if entry is None or entry.found is None or self.word is None:
            return
        layers = entry.found.layers
        now = self.layer_shown()
        order: list[int | None] = [*range(layers), None]
        self.layer = order[(order.index(now) + 1) % len(order)]

    def next_head(self) -> None:
        """The mean over all, first, second ..., the mean."""
        entry = self.entry
        if entry is None or entry.found is None or self.word is None:
            return
        order: list[int | None] = [None, *range(entry.found.heads)]
        self.head = order[(order.index(self.head) + 1) % len(order)]

    def layer_shown(self) -> int | None:
        entry = self.entry
        if self.layer != -1 or entry is None or entry.found is None:
            return self.layer
        return entry.found.layers - 1

    def words(self) -> "tuple[Word, ...]":
        """Of the translation that is shown."""
        entry = self.entry
        alternative = entry.alternative if entry else None
        return alternative.words if alternative else ()

    def shares(self) -> list[float] | None:
        """How much of its attention the chosen word gave to each word of the source; None if none is chosen."""
        entry = self.entry
        if entry is None or entry.found is None or entry.alternative is None or self.word is None:
            return None
        word = entry.alternative.words[self.word]
        return entry.found.shares(entry.alternative, word, self.layer_shown(), self.head)
