"""How fast `data check` goes through pairs and what memory it takes; and what memory reading and splitting take.

    python bench/data_check.py [--pairs 200000 1000000 5000000] [--prepare 100000] [--write docs/benchmarks.md]

The pairs are those of the default corpus, English to Chinese, drawn again and again, each with a number of its own, so
that none is a duplicate; what training prepares are sentences of words drawn from 50,000, which cluster as little as a
corpus of prose does. Each row is a process of its own, on one core; time is processor time, so that other work on the
machine counts little, and memory is the most that was held beyond what the imports take.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tables import machine_line, replace_section

from pellucid.data.corpus.interface_strings import collect
from pellucid.data.read import read_pairs

GOAL = 50_000  # pairs a second
CHECK = "from pellucid.data.check.whole import check_files as work; arguments = ([path],)"
PREPARE = (
    "from pellucid.tasks.translate import TranslationData, prepare as work; "
    "arguments = (TranslationData(files=[path], source='en', target='zh'),)"
)
MEASURED = """
import json, resource, sys, time
path = sys.argv[1]
{imports}
def held(name):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(name)) / 1000
before, began = held("VmRSS"), time.process_time()
kept = work(*arguments)
print(json.dumps({{"seconds": time.process_time() - began, "most": held("VmHWM") - before}}))
"""


def measured(imports: str, path: Path) -> dict[str, float]:
    command = [sys.executable, "-c", MEASURED.format(imports=imports), str(path)]
    found: dict[str, float] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return found


def corpus_pairs(count: int) -> Iterator[tuple[str, str]]:
    pairs = [(pair.source, pair.target) for pair in read_pairs([collect("zh")]).pairs]
    draw = random.Random(1)
    for number in range(count):
        source, target = draw.choice(pairs)
        yield f"{source} {number}", f"{target} {number}"


def prose(count: int) -> Iterator[tuple[str, str]]:
    draw = random.Random(1)
    words = ["".join(draw.choices("abcdefghijklmnop", k=draw.randint(4, 9))) for _ in range(50_000)]
    signs = [chr(draw.randrange(0x4E00, 0x9000)) for _ in range(3000)]
    for _ in range(count):
        yield " ".join(draw.choices(words, k=draw.randint(6, 14))), "".join(draw.choices(signs, k=draw.randint(8, 22)))


def write_tsv(path: Path, pairs: Iterator[tuple[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write("en\tzh\n")
        file.writelines(f"{source}\t{target}\n" for source, target in pairs)


def write_jsonl(path: Path, pairs: Iterator[tuple[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(json.dumps({"en": a, "zh": b}, ensure_ascii=False) + "\n" for a, b in pairs)


def write_po(path: Path, pairs: Iterator[tuple[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write('msgid ""\nmsgstr ""\n"Language: zh\\n"\n')
        file.writelines(
            f"\nmsgid {json.dumps(a, ensure_ascii=False)}\nmsgstr {json.dumps(b, ensure_ascii=False)}\n"
            for a, b in pairs
        )


def write_tmx(path: Path, pairs: Iterator[tuple[str, str]]) -> None:
    from xml.sax.saxutils import escape

    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write('<?xml version="1.0"?>\n<tmx version="1.4"><header srclang="en"/><body>\n')
        for a, b in pairs:
            sides = "".join(f'<tuv xml:lang="{c}"><seg>{escape(t)}</seg></tuv>' for c, t in (("en", a), ("zh", b)))
            file.write(f"<tu>{sides}</tu>\n")
        file.write("</body></tmx>\n")


FORMATS = {"tsv": write_tsv, "jsonl": write_jsonl, "po": write_po, "tmx": write_tmx}


def checks(folder: Path, counts: list[int]) -> str:
    rows = ["| checked | pairs | pairs a second | most memory | bytes a pair |", "| --- | ---: | ---: | ---: | ---: |"]
    first = counts[0]
    for suffix, count in [*((suffix, first) for suffix in FORMATS), *(("tsv", count) for count in counts[1:])]:
        path = folder / f"pairs.{'zh.' if suffix == 'po' else ''}{suffix}"
        FORMATS[suffix](path, corpus_pairs(count))
        size = path.stat().st_size
        found = measured(CHECK, path)
        path.unlink()
        rate, most = count / found["seconds"], found["most"]
        rows.append(
            f"| {suffix.upper()}, {size / 1e6:,.0f} MB | {count:,} | {rate:,.0f} | {most:,.0f} MB "
            f"| {most * 1e6 / count:,.0f} |"
        )
        print(rows[-1], flush=True)
    return "\n".join(rows)


def preparations(folder: Path, counts: list[int]) -> str:
    rows = [
        "| read, cleaned and split | seconds | most memory | bytes a pair |",
        "| --- | ---: | ---: | ---: |",
    ]
    for count in counts:
        path = folder / "prose.tsv"
        write_tsv(path, prose(count))
        found = measured(PREPARE, path)
        path.unlink()
        most = found["most"]
        rows.append(f"| {count:,} | {found['seconds']:,.0f} | {most:,.0f} MB | {most * 1e6 / count:,.0f} |")
        print(rows[-1], flush=True)
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, nargs="+", default=[200_000, 1_000_000, 5_000_000])
    parser.add_argument("--prepare", type=int, nargs="*", default=[100_000])
    parser.add_argument("--write", type=Path, help="a page to put the tables into")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        parts = [checks(Path(folder), chosen.pairs)]
        if chosen.prepare:
            parts.append(preparations(Path(folder), chosen.prepare))
    text = "\n\n".join([f"The goal is {GOAL:,} pairs a second on one core. {machine_line()}.", *parts])
    if chosen.write:
        replace_section(chosen.write, "bench/data_check.py", text)


if __name__ == "__main__":
    main()
