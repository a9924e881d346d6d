"""Pairs as JSON, one object a line.

Each is {"en": ..., "zh": ...}, {"translation": {"en": ..., "zh": ...}} or {"source": ..., "target": ...}.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pellucid.data.languages import known_language
from pellucid.data.pairs import Pair
from pellucid.data.textfile import read_lines
from pellucid.errors import DataError


def read_jsonl(
    path: Path, wanted: tuple[str | None, str | None]
) -> tuple[tuple[str | None, str | None], Iterator[Pair]]:
    """The languages that the first line's keys name and the pairs. Raises DataError naming file and line."""
    objects = _objects(path)
    first = next(objects, None)
    if first is None:
        return (None, None), iter(())
    keys = languages_of_keys(first[1], wanted, f"{path}, line {first[0]}")

    def pairs() -> Iterator[Pair]:
        yield _pair(first[1], keys, path, first[0])
        for number, entry in objects:
            yield _pair(entry, keys, path, number)

    if keys == ("source", "target"):
        return (None, None), pairs()
    return tuple(known.code if (known := known_language(key)) else None for key in keys), pairs()  # type: ignore[return-value]


def languages_of_keys(entry: dict[str, Any], wanted: tuple[str | None, str | None], where: str) -> tuple[str, str]:
    """The keys of source and target. Raises DataError if an object does not have them."""
    if "source" in entry and "target" in entry:
        return "source", "target"
    codes = {known.code: key for key in entry if (known := known_language(key))}
    first = wanted[0] or next((code for code in codes if code != wanted[1]), None)
    second = wanted[1] or next((code for code in codes if code != first), None)
    if first not in codes or second not in codes:
        raise DataError(
            f"{where}: expected a text under two languages or under source and target, "
            f"found {', '.join(entry) or 'none'}",
            mend='Write each pair as {"en": "Save", "zh": "保存"}, or check --from and --to.',
        )
    return codes[first], codes[second]


def _pair(entry: dict[str, Any], keys: tuple[str, str], path: Path, number: int) -> Pair:
    texts = [entry.get(key) for key in keys]
    for key, text in zip(keys, texts, strict=True):
        if not isinstance(text, str):
            raise DataError(f"{path}, line {number}: {key!r} is {text!r}, not a text", mend="Each side is a string.")
    return Pair(str(texts[0]), str(texts[1]), f"{path.name}:{number}")


def entry_of(line: str) -> Any:
    """What a line holds; of an object with a `translation`, as the datasets library writes them, that. Raises
    ValueError, with what is wrong in a few words, if it is not JSON.
    """
    try:
        entry = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(error.msg) from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if isinstance(entry, dict) and isinstance(entry.get("translation"), dict):
        return entry["translation"]
    return entry


def _objects(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in read_lines(path):
        if not line.strip():
            continue
        try:
            entry = entry_of(line)
        except ValueError as error:
            raise DataError(f"{path}, line {number}: not JSON ({error})", mend="One JSON object a line.") from None
        if not isinstance(entry, dict):
            raise DataError(
                f"{path}, line {number}: a {type(entry).__name__}, not an object", mend="One object a line."
            )
        yield number, entry
