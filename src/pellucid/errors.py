"""Errors that are for the person: what is wrong, where, and how to mend it.

Every error that a user can cause is a `PellucidError`. Rooms raise them; only `cli/` and `serve/`
turn them into exits and responses.
"""


class PellucidError(Exception):
    """What is wrong and where, in one sentence; `mend` says how to put it right, in another."""

    def __init__(self, message: str, mend: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.mend = mend

    def __str__(self) -> str:
        return self.message


class DataError(PellucidError):
    """A data file cannot be read, or what it holds cannot be trained on."""


class ConfigError(PellucidError):
    """A field of a configuration (TOML file, flag or argument) has a name or value it cannot have."""


class RunError(PellucidError):
    """A run folder is missing, damaged, unfinished, or of another kind than asked for."""


class TrainingError(PellucidError):
    """A training cannot go on: the loss is not finite, memory ran out, nothing to train on."""


FULL = (
    "can't allocate memory",
    "not enough memory",
    "out of memory",
    "cannot allocate memory",
    "bad allocation",
    "size calculation overflowed",
)


def is_of_memory(error: BaseException) -> bool:
    """Whether an error says that there is no memory left: PyTorch has no type of its own for the CPU's."""
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(one in str(error).lower() for one in FULL)
    )


class WorkerError(PellucidError):
    """Of several processes that train together another one failed; it says why, so this one keeps silent."""
