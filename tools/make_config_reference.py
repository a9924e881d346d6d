"""Write docs/configuration.md from the configs in the code, so that the two cannot differ. Run by `make docs`."""

import sys
import types
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
from pydantic.fields import FieldInfo

from pellucid.config import Config
from pellucid.tasks.kinds import TASKS, config_class

PAGE = Path(__file__).parent.parent / "docs" / "configuration.md"

HEAD = """\
# Configuration

<!-- Written by tools/make_config_reference.py from the code; changes here are lost. -->

One TOML file is one run. Each field has a default, so that a file holds only what differs:

```toml
{example}
```

`pellucid train translate --config examples/en-zh.toml` takes such a file; flags override it, and
`--set section.field=value` overrides any field. A run's folder keeps its own `config.toml` with every field written
out, so that a run can be repeated. A field that does not exist is refused, with the nearest one that does; a wrong
value is refused with what is allowed.
"""


def main() -> None:
    """Write the page; with `--check` only say, by the exit code, whether it is up to date."""
    page = reference()
    if "--check" in sys.argv[1:]:
        sys.exit(not PAGE.exists() or PAGE.read_text(encoding="utf-8") != page)
    PAGE.write_text(page, encoding="utf-8")


def reference() -> str:
    """The whole page: the fields of each task's config, translate's first."""
    example = (PAGE.parent.parent / "examples" / "en-zh.toml").read_text(encoding="utf-8").strip()
    parts = [HEAD.format(example=example), fields(config_class("translate"), "##")]
    for task in TASKS:
        if task != "translate":
            parts += [
                f"## A run of {task}\n",
                f'It begins with `task = "{task}"`.\n',
                fields(config_class(task), "###"),
            ]
    return "\n".join(parts)


def fields(config: type[Config], level: str) -> str:
    """The fields that stand outside any section, then one table a section."""
    alone = {name: field for name, field in config.model_fields.items() if not section(field)}
    return "\n".join([f"{level} At the top of the file\n", table(alone), *sections(config, level)])


def sections(config: type[Config], level: str, within: str = "") -> list[str]:
    """One table a section, and one for each section within it."""
    parts = []
    for name, field in config.model_fields.items():
        model = section(field)
        if model is not None:
            alone = {name: field for name, field in model.model_fields.items() if not section(field)}
            parts += [f"{level} [{within}{name}]\n", f"{' '.join((model.__doc__ or '').split())}\n", table(alone)]
            parts += sections(model, level, f"{within}{name}.")
    return parts


def section(field: FieldInfo) -> type[Config] | None:
    """The config that a field holds, if it holds one."""
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, Config) else None


def table(fields: dict[str, FieldInfo]) -> str:
    rows = [f"| `{name}` | {kind(field)} | {default(field)} | {field.description} |" for name, field in fields.items()]
    return "\n".join(["| field | kind | default | what it is |", "| --- | --- | --- | --- |", *rows]) + "\n"


def kind(field: FieldInfo) -> str:
    """In words: `whole number, at least 1`."""
    return ", ".join([words(field.annotation), *bounds(field)])


def words(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return " or ".join(f"`{value}`" for value in get_args(annotation))
    if get_origin(annotation) is Annotated:  # a part of a union, with bounds of its own
        part, field = get_args(annotation)
        return " ".join([words(part), *bounds(field)])
    if get_origin(annotation) in (Union, types.UnionType):
        return " or ".join(words(part) for part in get_args(annotation) if part is not type(None))
    if get_origin(annotation) in (list, tuple):
        return "list of " + words(get_args(annotation)[0])
    if get_origin(annotation) is dict:
        return f"{words(get_args(annotation)[1])} for each name"
    return {str: "text", int: "whole number", float: "number", bool: "true or false"}[annotation]


def bounds(field: FieldInfo) -> list[str]:
    found = []
    for bound in field.metadata:
        if isinstance(bound, annotated_types.Ge):
            found.append(f"at least {bound.ge}")
        elif isinstance(bound, annotated_types.Gt):
            found.append(f"more than {bound.gt}")
        elif isinstance(bound, annotated_types.Le):
            found.append(f"at most {bound.le}")
        elif isinstance(bound, annotated_types.Lt):
            found.append(f"less than {bound.lt}")
    return found


def default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    return "not set" if value is None else "none" if value == [] else f"`{value}`"


if __name__ == "__main__":
    main()
