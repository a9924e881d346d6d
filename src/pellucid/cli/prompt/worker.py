"""The model, opened and used in a thread of its own, so that the prompt is there at once and never stands still."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from pellucid.errors import PellucidError

if TYPE_CHECKING:
    from pellucid.cli.prompt.desk import Entry
    from pellucid.generate.config import DecodingConfig
    from pellucid.run import Run

Check = Callable[[str, str], Sequence[str]]  # a text and its translation -> what is wrong, in words


class Worker:
    """Translates entries one after another; `changed` is called, from its thread, whenever there is news.

    `failure` is what kept the model from being opened, or what no one foresaw.
    """

    def __init__(self, run: "Run", config: "DecodingConfig", check: Check, changed: Callable[[], None]) -> None:
        self.run, self.config, self.check, self.changed = run, config, check, changed
        self.ready = False
        self.failure: BaseException | None = None
        self._model: Any = None
        self._pool = ThreadPoolExecutor(1)
        self._pool.submit(self._watched, self._open)

    def translate(self, entry: "Entry") -> None:
        self._pool.submit(self._watched, lambda: self._translate(entry))

    def leave(self) -> None:
        """Whatever still waits is dropped; what is being translated ends first."""
        self._pool.shutdown(cancel_futures=True)

    def _watched(self, job: Callable[[], None]) -> None:
        if self.failure is None:
            try:
                job()
            except BaseException as error:  # it is raised again where it can be told
                self.failure = error
        self.changed()

    def _open(self) -> None:
        from pellucid.generate.decode import TorchEngine

        # Loaded here too, so that the first text does not wait for it.
        from pellucid.see import alternatives  # noqa: F401

        self._model = TorchEngine(self.run.model).model
        _ = self.run.tokenizer
        self.ready = True

    def _translate(self, entry: "Entry") -> None:
        from pellucid.see.alternatives import alternatives

        if not entry.wanted:
            return
        try:
            found = alternatives(self._model, self.run.tokenizer, entry.text, self.config)
        except PellucidError as error:
            entry.failure = f"{error.message}. {error.mend}".strip()
            return
        entry.faults = tuple(tuple(self.check(entry.text, one.text)) for one in found.found)
        entry.found = found
