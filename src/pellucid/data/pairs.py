"""What the readers yield and everything after them handles: a sentence and its translation."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pair:
    """One sentence, one translation of it, and where it stood (`app.po:214`)."""

    source: str
    target: str
    origin: str = ""


@dataclass(frozen=True, slots=True)
class Example:
    """One sentence with all its known translations: several pairs in training, several references in evaluation."""

    source: str
    references: tuple[str, ...]
    origin: str = ""
