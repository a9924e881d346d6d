"""Write docs/command-line.md from the commands themselves, so that the two cannot differ. Run by `make docs`."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.main import get_command

from pellucid.cli.main import app

PAGE = Path(__file__).parent.parent / "docs" / "command-line.md"

HEAD = """\
# Command line

<!-- Written by tools/make_command_reference.py from the code; changes here are lost. -->

Every command explains itself with `--help`. Where another program may read the result, there is `--json`. When the
output is not a terminal, nothing is printed but the result. An error says what is wrong, where, and how to mend it,
and the exit code is then not 0. `pellucid --install-completion` teaches your shell to complete commands and options.
"""


def main() -> None:
    """Write the page; with `--check` only say, by the exit code, whether it is up to date."""
    page = HEAD + "".join(described(words, command) for words, command in leaves(get_command(app), ["pellucid"]))
    if "--check" in sys.argv[1:]:
        sys.exit(not PAGE.exists() or PAGE.read_text(encoding="utf-8") != page)
    PAGE.write_text(page, encoding="utf-8")


def leaves(command: Any, words: list[str]) -> Iterator[tuple[list[str], Any]]:
    """Every command that does something, with the words that call it."""
    if not hasattr(command, "commands"):
        yield words, command
        return
    for name, inner in command.commands.items():
        yield from leaves(inner, [*words, name])


def described(words: list[str], command: Any) -> str:
    """One section: what the command does, its examples, its arguments and options."""
    help = (command.help or "").replace("\\[", "[")  # escaped for Rich, which would take it for a style
    paragraphs = [" ".join(part.split()) for part in help.split("\n\n")]
    examples = [part.removeprefix("Example: ") for part in paragraphs if part.startswith("Example: ")]
    text = [part for part in paragraphs if not part.startswith("Example: ")]
    rows = "".join(row(parameter) for parameter in command.params if parameter.name != "help")
    return "\n".join(
        [
            f"\n## {' '.join(words)}\n",
            "\n\n".join(text) + "\n",
            "```console\n" + "".join(f"$ {example}\n" for example in examples) + "```\n",
            f"| | what it is | default |\n| --- | --- | --- |\n{rows}",
        ]
    )


def row(parameter: Any) -> str:
    argument = parameter.param_type_name == "argument"
    name = (parameter.metavar or parameter.name) if argument else ", ".join(parameter.opts)
    default = parameter.default
    shown = "" if default is None or default is False or callable(default) or default in ((), []) else f"`{default}`"
    return f"| `{name}` | {parameter.help} | {'required' if parameter.required else shown} |\n"


if __name__ == "__main__":
    main()
