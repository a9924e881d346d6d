"""Write the table of the default corpus's packages into docs/data.md.

    python tools/list_corpus_packages.py

Collects the large set into the user's cache (or finds it there), counts each package's pairs, and replaces what
stands between the two marks in docs/data.md.
"""

from pathlib import Path

from pellucid.data.corpus.fetch import cache_folder
from pellucid.data.corpus.interface_strings import SIZES, TARGETS, collect, packages

PAGE = Path(__file__).parents[1] / "docs" / "data.md"
BEGIN, END = "<!-- tools/list_corpus_packages.py -->", "<!-- end -->"


def rows(path: Path) -> int:
    return path.read_text(encoding="utf-8").count("\n") - 1


def main() -> None:
    totals = {(size, target): rows(collect(target, size)) for size in SIZES for target in TARGETS}
    place = cache_folder() / "interface-strings" / "packages"
    lines = ["| set | wheels | MB | en-zh | en-de | en-fr |", "| --- | ---: | ---: | ---: | ---: | ---: |"]
    for size in SIZES:
        chosen = packages(size)
        counts = " | ".join(f"{totals[size, target]:,}" for target in TARGETS)
        lines.append(f"| {size} | {len(chosen)} | {sum(p.megabytes for p in chosen):.1f} | {counts} |")
    lines += ["", "| package | version | licence | MB | en-zh | en-de | en-fr | smallest set |"]
    lines.append("| --- | --- | --- | ---: | ---: | ---: | ---: | --- |")
    for package in packages("large"):
        found = [rows(place / f"{package.name}-{package.version}.en-{target}.tsv") for target in TARGETS]
        counts = " | ".join(f"{count:,}" for count in found)
        facts = f"{package.name} | {package.version} | {package.licence} | {package.megabytes:g}"
        lines.append(f"| {facts} | {counts} | {package.size} |")
    before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN, 1)
    PAGE.write_text(f"{before}{BEGIN}\n" + "\n".join(lines) + f"\n{END}{rest.split(END, 1)[1]}", encoding="utf-8")


if __name__ == "__main__":
    main()
