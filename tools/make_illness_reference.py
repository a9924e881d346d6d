"""Write the illnesses that the doctor knows into docs/doctor.md and docs/zh/doctor.md, from its own words."""

import sys
from pathlib import Path

from pellucid.words import sentences

DOCS = Path(__file__).parent.parent / "docs"
PAGES = {"en": DOCS / "doctor.md", "zh": DOCS / "zh" / "doctor.md"}
HEADS = {"en": "| illness | in JSON | why it matters |", "zh": "| 问题 | JSON 中的名称 | 为什么要紧 |"}
BEGIN, END = "<!-- illnesses, written by tools/make_illness_reference.py -->", "<!-- end -->"


def main() -> None:
    """Write both pages; with `--check` only say, by the exit code, whether they are up to date."""
    for language, page in PAGES.items():
        content = page.read_text(encoding="utf-8")
        before, rest = content.split(BEGIN, 1)
        new = f"{before}{BEGIN}\n{illnesses(language)}\n{END}{rest.split(END, 1)[1]}"
        if "--check" not in sys.argv[1:]:
            page.write_text(new, encoding="utf-8")
        elif new != content:
            sys.exit(1)


def illnesses(language: str) -> str:
    """A row for each."""
    words = sentences("pellucid.train.diagnosis.words", f"{language}.json")
    names = [key.removeprefix("illness.") for key in words if key.startswith("illness.")]
    rows = [f"| {words[f'illness.{name}']} | `{name}` | {words[f'why.{name}']} |" for name in names]
    return "\n".join([HEADS[language], "| --- | --- | --- |", *rows])


if __name__ == "__main__":
    main()
