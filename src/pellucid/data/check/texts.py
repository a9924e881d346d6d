"""Text files to learn a language from: what is there twice, what nobody wrote, and lines as no text has them."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pellucid.data.check.characters import check_characters
from pellucid.data.check.fault import Findings
from pellucid.data.check.lines import checked_lines
from pellucid.data.works import BEGINS, BINARY, ENDS, Work, text_paths

LONG_LINE = 10_000  # characters; the longest paragraphs of novels have about 5,000
ALMOST_EMPTY = 100  # characters that are no space
STRETCH = 800  # characters that are the same a second time: no refrain and no list of persons is so long
BOILERPLATE = re.compile(
    f"{BEGINS.pattern}|{ENDS.pattern}"
    r"|Project Gutenberg(?:-tm|™)? (?:License|Literary Archive|eBook of)|www\.gutenberg\.(?:org|net)"
    r"|This eBook is for the use of anyone anywhere|Permission is hereby granted, free of charge"
    r"|[Ll]icensed under the (?:Apache|MIT|GNU|BSD|Creative Commons)|Online Distributed Proofread(?:ing|ers)",
    re.MULTILINE,
)
MARKUP = re.compile(
    r"</?(?:html|head|body|div|span|p|br|table|tr|td|ul|ol|li|a|script|style|font|img)\b[^<>]*>|&(?:nbsp|amp|lt|gt|quot|#\d+);"
)
WRITTEN_IN_MARKUP = (".md", ".rst")


@dataclass
class Stretches:
    """Where stretches of lines were first seen, over all files of one input."""

    first: dict[int, tuple[str, int]] = field(default_factory=dict)
    whole: dict[int, str] = field(default_factory=dict)


def check_texts(name: str, findings: Findings) -> dict[str, int]:
    """Check a file, a folder or a pattern; returns how much it holds. Raises DataError if there is no such file."""
    stretches = Stretches()
    size = {"files": 0, "lines": 0, "characters": 0}
    for path in text_paths(name):
        lines = _lines(path, findings)
        _check(str(path), lines, findings, stretches, path.suffix in WRITTEN_IN_MARKUP)
        size["files"] += 1
        size["lines"] += len(lines)
        size["characters"] += sum(len(text) + 1 for _, text in lines)
    return size


def check_works(works: Iterable[Work], findings: Findings) -> dict[str, int]:
    """The same of texts that were read and prepared already, such as a sample."""
    stretches = Stretches()
    size = {"files": 0, "lines": 0, "characters": 0}
    for work in works:
        lines = list(enumerate(work.text.splitlines(), start=1))
        for number, text in lines:
            check_characters(findings, work.name, number, text)
        _check(work.name, lines, findings, stretches, False)
        size["files"] += 1
        size["lines"] += len(lines)
        size["characters"] += len(work.text)
    return size


def _lines(path: Path, findings: Findings) -> list[tuple[int, str]]:
    if path.is_file():
        with path.open("rb") as file:
            start = file.read(8)
        kind = next((kind for mark, kind in BINARY.items() if start.startswith(mark)), None)
        if kind and path.suffix != ".gz":
            findings.add("not-text", file=path, text=kind)
            return []
    lines = list(checked_lines(path, findings, ends=True))
    if sum(len(text) - text.count(" ") for _, text in lines) < ALMOST_EMPTY:
        findings.add("almost-empty", file=path, fewest=ALMOST_EMPTY)
    return lines


def _check(name: str, lines: Sequence[tuple[int, str]], findings: Findings, stretches: Stretches, markup: bool) -> None:
    for number, text in lines:
        if len(text) > LONG_LINE:
            findings.add("long-line", file=name, line=number, text=text, characters=len(text))
        if found := BOILERPLATE.search(text):
            findings.add("boilerplate", file=name, line=number, text=text[found.start() :])
        if not markup and (tag := MARKUP.search(text)):
            findings.add("markup", file=name, line=number, text=tag.group())
    whole = hash("\n".join(text.rstrip() for _, text in lines if text.strip()))
    if any(text.strip() for _, text in lines):
        before = stretches.whole.setdefault(whole, name)
        if before != name:
            findings.add("duplicate-file", file=name, first=before)
            return
    _check_stretches(name, [(number, text.strip()) for number, text in lines if text.strip()], findings, stretches)


def _check_stretches(name: str, lines: Sequence[tuple[int, str]], findings: Findings, stretches: Stretches) -> None:
    """Runs of whole lines, of STRETCH characters at least, that were there before; each told once, at its beginning."""
    until, end, length = -1, 0, 0
    for start, (number, text) in enumerate(lines):
        while end < len(lines) and length < STRETCH:
            length += len(lines[end][1])
            end += 1
        if length < STRETCH:
            return
        key = hash("\n".join(line for _, line in lines[start:end]))
        place = stretches.first.setdefault(key, (name, number))
        if place != (name, number):
            if start > until:
                findings.add("repeated-stretch", file=name, line=number, text=text, first=f"{place[0]}:{place[1]:,}")
            until = end
        length -= len(text)
