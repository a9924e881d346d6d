"""What the benchmark scripts share: writing a table into its place in a Markdown page."""

from pathlib import Path


def replace_section(page: Path, name: str, text: str) -> None:
    """Put `text` between `<!-- name -->` and the next `<!-- end -->` of `page`."""
    begin, end = f"<!-- {name} -->", "<!-- end -->"
    content = page.read_text(encoding="utf-8")
    if begin not in content:
        raise SystemExit(f"{page} holds no line {begin}")
    before, rest = content.split(begin, 1)
    page.write_text(f"{before}{begin}\n{text}\n{end}{rest.split(end, 1)[1]}", encoding="utf-8")
