"""What tables, images and texts hold, in a few numbers, before anything is trained on them (`data show`)."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from pellucid.data.columns import Table, is_missing
from pellucid.data.images import SIDES, Images
from pellucid.data.schema import DECIMAL_COMMA, INFINITE, MOSTLY, NUMBER
from pellucid.data.works import Work

FREQUENT = 3  # of a column's texts, of a text's lines
ROWS = 5  # of a table
SIDE_NAMES = {number: name for name, number in reversed(SIDES.items())}


def survey_table(table: Table) -> dict[str, Any]:
    """Each column: whether it holds numbers, how many values differ or are missing, its extent; and a few rows."""
    columns = [_column(name, cells) for name, cells in zip(table.names, table.columns, strict=True)]
    step = max(len(table) // ROWS, 1)
    return {
        "rows": len(table),
        "columns": columns,
        "samples": [table.row(n) for n in range(0, len(table), step)][:ROWS],
    }


def survey_images(images: Images) -> dict[str, Any]:
    """How many of each class, on which sides the files themselves put them, their size and brightness."""
    counts = Counter(images.labels.tolist())
    sides = Counter(images.sides.tolist())
    _, channels, height, width = images.pixels.shape
    return {
        "images": len(images),
        "width": width,
        "height": height,
        "channels": channels,
        "brightness": round(float(images.pixels.float().mean()) / 255, 4),
        "classes": [{"name": name, "images": counts[number]} for number, name in enumerate(images.classes)],
        "sides": {SIDE_NAMES[side]: count for side, count in sorted(sides.items()) if side in SIDE_NAMES},
    }


def survey_texts(works: Sequence[Work]) -> dict[str, Any]:
    """Each text: its characters, lines and words; and which characters there are, the most frequent first."""
    characters: Counter[str] = Counter()
    for work in works:
        characters.update(work.text)
    return {
        "characters": characters.total(),
        "different": len(characters),
        "alphabet": "".join(sign for sign, _ in characters.most_common()),
        "works": [
            {
                "name": work.name,
                "characters": len(work.text),
                "lines": work.text.count("\n"),
                "words": len(work.text.split()),
                "noticed": work.noticed,
            }
            for work in works
        ],
    }


def _column(name: str, cells: Sequence[str]) -> dict[str, Any]:
    there = [cell for cell in cells if not is_missing(cell)]
    numbers = [float(cell) for cell in there if NUMBER.fullmatch(cell)]
    written = sum(bool(DECIMAL_COMMA.fullmatch(cell) or INFINITE.fullmatch(cell)) for cell in there)
    counts = Counter(there)
    facts: dict[str, Any] = {"name": name, "missing": len(cells) - len(there), "different": len(counts)}
    if numbers and len(numbers) + written > MOSTLY * len(there):
        mean = sum(numbers) / len(numbers)
        return {**facts, "kind": "number", "lowest": min(numbers), "mean": mean, "highest": max(numbers)}
    frequent = [{"text": text, "rows": count} for text, count in counts.most_common(FREQUENT)]
    return {**facts, "kind": "category", "frequent": frequent}
