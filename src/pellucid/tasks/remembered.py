"""What a run's own training pairs remember: translations of the very same source, and the nearest source.

Reads the run's data again. A run whose data is gone, as on another machine, remembers nothing and says why.
"""

from collections.abc import Collection
from functools import cached_property
from itertools import islice

from pellucid.data.pairs import Pair
from pellucid.data.read import missing_corpora
from pellucid.errors import DataError
from pellucid.tasks.memory import TranslationMemory, known_translations
from pellucid.tasks.translate import PreparedData, TranslateConfig, prepare


class Remembered:
    """The training pairs of a run, read when they are first asked for; nothing is fetched from a network."""

    def __init__(self, config: TranslateConfig) -> None:
        self.config = config
        self.missing = ""  # why there are none; empty while nothing is known of that

    @cached_property
    def _data(self) -> PreparedData | None:
        data = self.config.data
        missing = missing_corpora(data.files, data.target or "zh")
        if missing:
            self.missing = f"{', '.join(missing)}: not on this machine; `pellucid corpus interface-strings` fetches it"
            return None
        try:
            return prepare(data)
        except DataError as error:
            self.missing = str(error)
            return None

    def translations(self, sources: Collection[str]) -> dict[str, tuple[str, ...]]:
        """Of each of these sources that stands in training, its translations, the most frequent first."""
        if self._data is None:
            return {}
        return known_translations(self._data.splits.train, self._data.reading.pairs, sources)

    def targets(self, most: int) -> list[str]:
        """At most so many of the translations that the run was trained on."""
        return [pair.target for pair in islice(self._data.splits.train, most)] if self._data else []

    @cached_property
    def _memory(self) -> TranslationMemory | None:
        return TranslationMemory(self._data.splits.train) if self._data else None

    def nearest(self, source: str) -> tuple[Pair, float] | None:
        """The training pair whose source is nearest, and how near it is."""
        return self._memory.nearest(source) if self._memory else None
