"""Images as pixels with a class each, wherever they were read from: those that are there twice, or show nothing."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from pellucid.data.check.fault import Findings
from pellucid.data.check.targets import check_classes
from pellucid.data.images import Images

Part = tuple[str, Tensor, Sequence[str | None]]  # the name of an array or file, its pixels, the class of each image


def check_pixels(
    parts: Sequence[Part], findings: Findings, path: Path | None = None, classes: Sequence[str] | None = None
) -> dict[str, int]:
    """Check images that were read: `path` is the file that all parts are arrays of; without, each is a file."""
    counts: Counter[str] = Counter()
    first: dict[str, tuple[str, int]] = {}
    seen: dict[tuple[tuple[int, ...], bytes], tuple[str, int, str | None]] = {}
    for name, pixels, labels in parts:
        flat = pixels.flatten(1)
        plain = (flat.amin(1) == flat.amax(1)).tolist()
        for number, (one, label) in enumerate(zip(pixels, labels, strict=False)):
            where: dict[str, Any] = {"file": path or name, "row": number, "column": name if path else None}
            if label is not None:
                counts[label] += 1
                first.setdefault(label, (name, number))
            if plain[number]:
                findings.add("one-colour", text=f"{pixels.size(3)} x {pixels.size(2)}", **where)
            key = (tuple(one.shape), one.numpy().tobytes())
            known = seen.setdefault(key, (name, number, label))
            if known[:2] != (name, number) and label is not None and known[2] is not None:
                kind = "duplicate-picture" if known[2] == label else "picture-in-two-classes"
                before = f"{known[0]}[{known[1]}]"
                findings.add(kind, text=label, first=before, other=known[2], **where)
    wanted = list(classes) if classes is not None else _without_gap(counts)
    for name in wanted:
        if counts and name not in counts:
            findings.add("empty-class", file=path or parts[0][0], text=name)
    check_classes(counts, findings, path or findings.name)
    return {"images": sum(len(pixels) for _, pixels, _ in parts), "classes": len(counts)}


def check_read_images(images: Images, findings: Findings) -> dict[str, int]:
    """The same of images that were read already, such as a sample."""
    named = [images.classes[label] for label in images.labels.tolist()]
    return check_pixels([(findings.name, images.pixels, named)], findings, classes=images.classes)


def _without_gap(counts: Counter[str]) -> list[str]:
    """The class numbers up to the highest, where classes are numbered."""
    if not counts or not all(name.isdigit() for name in counts):
        return []
    highest = max(map(int, counts))
    return [str(number) for number in range(highest)] if highest <= 2 * len(counts) else []
