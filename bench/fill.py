"""Real catalogs that a run has never seen, emptied and filled again: what is filled, refused, kept, and how good it is.

    python bench/fill.py [--run runs/en-zh] [--write docs/translate-files.md]

Takes Chinese gettext catalogs out of packages of the large corpus that the default one, on which the run was trained,
does not hold. All translations are taken out, the file is filled by `pellucid.fill`, and what came of it is held
against the real translations with polib and sacreBLEU: chrF of what was filled, and whether each filled entry holds the
same placeholders, tags and addresses as its source, found by an expression that Pellucid does not use. That nothing but
filled entries has changed is checked too.
"""

import argparse
import re
import tempfile
import time
import zipfile
from pathlib import Path
from typing import NamedTuple

import polib
import sacrebleu
from tables import Cores, machine_line, replace_section

import pellucid
from pellucid.data.corpus.fetch import download
from pellucid.data.corpus.interface_strings import packages
from pellucid.run import Run

PACKAGES = (
    "django-allauth", "django-celery-beat", "django-comments-xtd", "django-debug-toolbar", "django-filer",
    "django-machina", "django-photologue", "django-postman", "django-two-factor-auth", "djangocms-stories",
    "Flask-Security-Too", "Sphinx",
)  # fmt: skip
CATALOG = re.compile(r"/zh(?:_Hans|_CN|_Hans_CN)?/LC_MESSAGES/[^/]+\.po$")
PLACEHOLDER = re.compile(r"%\(\w+\)[a-z]|%[-+0#]*\d*(?:\.\d+)?[a-z]|\{[\w.:!]*\}|<[^<>]+>|https?://[!-~]*[a-zA-Z0-9/]")


class Filled(NamedTuple):
    """One catalog; `safe` counts the filled entries that hold the placeholders of their sources."""

    name: str
    entries: int
    memory: int
    copied: int
    model: int
    refused: int
    safe: int
    chrf: float
    seconds: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", default="runs/en-zh")
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    run = Run.open(arguments.run)
    pins = {package.name: package for package in packages("large")}
    known = {package.name for package in packages("default")}
    rows, cores = [], Cores()
    with tempfile.TemporaryDirectory() as place:
        for name in PACKAGES:
            assert name not in known, f"{name} stands in the default corpus"
            pin = pins[name]
            folder = Path(place) / name
            folder.mkdir()
            with zipfile.ZipFile(download(pin.name, pin.version, pin.sha256, folder)) as wheel:
                inside = max(
                    (one for one in wheel.infolist() if CATALOG.search(one.filename)), key=lambda one: one.file_size
                )
                real = folder / f"{name}.po"
                real.write_bytes(wheel.read(inside))
            rows.append(filled(run, name, real))
            print(rows[-1], flush=True)
    table = "\n".join(told(rows))
    print(table)
    if arguments.write:
        replace_section(arguments.write, "bench/fill.py", f"{table}\n\n{machine_line(cores.obtained())}")


def filled(run: Run, name: str, real: Path) -> Filled:
    emptied, output = real.with_suffix(".empty.po"), real.with_suffix(".filled.po")
    catalog = polib.pofile(str(real))
    for entry in live(catalog):
        clear(entry)
    catalog.save(str(emptied))
    began = time.monotonic()
    summary = pellucid.fill(run, emptied, output)
    seconds = time.monotonic() - began
    assert summary.finished == summary.existing == 0
    proposals = {key(entry): texts(entry) for entry in live(polib.pofile(str(output)))}
    unchanged(emptied, output)
    safe, ours, theirs = 0, [], []
    for entry in live(polib.pofile(str(real))):
        for source, text, reference in zip(sources(entry), proposals[key(entry)], texts(entry), strict=False):
            if not text:
                continue
            safe += sorted(PLACEHOLDER.findall(source)) == sorted(PLACEHOLDER.findall(text))
            if reference and not entry.fuzzy:
                ours.append(text)
                theirs.append(reference)
    chrf = sacrebleu.corpus_chrf(ours, [theirs]).score
    return Filled(
        name, summary.entries, summary.memory, summary.copied, summary.model, summary.refused, safe, chrf, seconds
    )


def told(rows: list[Filled]) -> list[str]:
    head = "| catalog | entries | from memory | copied | by the model | refused | placeholders kept | chrF | seconds |"
    lines = [head, "| --- |" + " ---: |" * 8]
    sums = [sum(row[place] for row in rows) for place in range(1, 7)]  # type: ignore[misc]
    total = Filled("together", *sums, 0.0, sum(row.seconds for row in rows))  # type: ignore[arg-type]
    for row in [*rows, total]:
        done = row.memory + row.copied + row.model
        chrf = f"{row.chrf:.1f}" if row.chrf else ""
        lines.append(
            f"| {row.name} | {row.entries:,} | {row.memory:,} | {row.copied:,} | {row.model:,} | {row.refused:,} "
            f"| {row.safe:,} of {done:,} | {chrf} | {row.seconds:.0f} |"
        )
    return lines


def live(catalog: polib.POFile) -> list[polib.POEntry]:
    return [entry for entry in catalog if not entry.obsolete]


def key(entry: polib.POEntry) -> tuple[str | None, str]:
    return entry.msgctxt, entry.msgid


def texts(entry: polib.POEntry) -> list[str]:
    return list(entry.msgstr_plural.values()) if entry.msgid_plural else [entry.msgstr]


def sources(entry: polib.POEntry) -> list[str]:
    """Of each form: Chinese has one, which takes the plural."""
    return [entry.msgid_plural] * len(entry.msgstr_plural) if entry.msgid_plural else [entry.msgid]


def clear(entry: polib.POEntry) -> None:
    entry.msgstr, entry.msgstr_plural = "", dict.fromkeys(entry.msgstr_plural, "")
    entry.flags = [flag for flag in entry.flags if flag != "fuzzy"]
    entry.previous_msgid = entry.previous_msgctxt = entry.previous_msgid_plural = None


def unchanged(emptied: Path, output: Path) -> None:
    """Taking out again what was filled gives the entries that were there, and the old ones as they were.

    The header may be completed, and a plural form that Chinese has not may go.
    """
    before, after = polib.pofile(str(emptied)), polib.pofile(str(output))
    assert all(entry.fuzzy for entry in live(after) if any(texts(entry)))
    for catalog in (before, after):
        for entry in live(catalog):
            clear(entry)
            entry.msgstr_plural = {}
    assert list(map(str, before)) == list(map(str, after))


if __name__ == "__main__":
    main()
