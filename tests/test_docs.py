"""What README and docs say is tried: Python is run, commands are held against the real ones, links against files."""

import io
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.conftest import shapes_unchecked

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
TWINS = [("README.md", "README.zh-CN.md"), ("docs/index.md", "docs/zh/index.md")]
PAGES_IN_BOTH = (
    "first-steps",
    "by-hand",
    "regress",
    "language",
    "classify",
    "embed",
    "cures",
    "doctor",
    "data-check",
    "several-processes",
    "compare",
    "bad-luck",
    "translate-files",
)
TWINS += [(f"docs/{page}.md", f"docs/zh/{page}.md") for page in PAGES_IN_BOTH]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"(?<!`)`(pellucid [^`\n]+|make [^`\n]+)`(?!`)")
LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")
PLAIN_TOOLS = {"cat", "source", "git", "cp"}


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path, language: str) -> list[str]:
    return [body for kind, body in BLOCK.findall(page.read_text(encoding="utf-8")) if kind == language]


def pieces_of_python(page: Path) -> Iterator[tuple[str, str | None]]:
    """Each block of Python, and what it prints, where a block of text stands directly below it."""
    text = page.read_text(encoding="utf-8")
    found = list(BLOCK.finditer(text))
    for piece, below in zip(found, [*found[1:], None], strict=True):
        told = below is not None and below[1] == "text" and not text[piece.end() : below.start()].strip()
        if piece[1] == "python":
            yield piece[2], below[2] if below is not None and told else None


def with_blocks(language: str) -> list[Path]:
    return [page for page in PAGES if blocks(page, language)]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like the reader's: the examples, made short, `pairs.tsv`, `lines.txt`, and the run `runs/en-zh`."""
    import pellucid

    place = tmp_path_factory.mktemp("reader")
    shutil.copytree(ROOT / "examples", place / "examples")
    shutil.copy(ROOT / "examples" / "pairs.tsv", place)
    (place / "lines.txt").write_text("Open the file.\n", encoding="utf-8")
    (place / "terms.tsv").write_text("file\t文件\n", encoding="utf-8")
    short = (place / "examples" / "en-zh.toml").read_text(encoding="utf-8")
    assert 'budget = "1m"' in short
    settled = 'steps = 20\nprecision = "float32"'  # not as fast as the machine of the moment makes it
    (place / "examples" / "en-zh.toml").write_text(short.replace('budget = "1m"', settled), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        pellucid.train("examples/en-zh.toml")
    assert (place / "runs" / "en-zh").is_dir()
    return place


@pytest.mark.parametrize("page", with_blocks("python"), ids=name)
def test_python_in_the_docs_runs_and_prints_what_stands_below_it(
    page: Path, place: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shutil.copytree(place, tmp_path / "place")
    monkeypatch.chdir(tmp_path / "place")
    names: dict[str, Any] = {"__name__": "docs"}
    torch.set_printoptions(profile="default")
    with shapes_unchecked():  # a page may export
        for code, told in pieces_of_python(page):
            printed = io.StringIO()
            with redirect_stdout(printed):
                exec(compile(code, name(page), "exec"), names)
            assert told is None or printed.getvalue() == told
    torch.set_printoptions(profile="default")


def test_the_python_example_runs(
    place: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(place, tmp_path / "place")
    monkeypatch.chdir(tmp_path / "place")
    runpy.run_path("examples/train_in_python.py", run_name="__main__")
    assert re.search(r"model: chrF \d", capsys.readouterr().out)


@pytest.mark.parametrize("page", with_blocks("toml"), ids=name)
def test_toml_in_the_docs_is_a_valid_configuration(page: Path) -> None:
    from pellucid.tasks.kinds import config_class

    for text in blocks(page, "toml"):
        values = tomllib.loads(text)
        config_class(values.get("task", "translate")).parse(values, where=name(page))


def shell_commands(page: Path) -> Iterator[list[str]]:
    """Each command of the page's shell blocks and of the commands named in its text, as its words."""
    text = page.read_text(encoding="utf-8")
    lines = [line for kind in ("console", "bash") for body in blocks(page, kind) for line in body.splitlines()]
    typed = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    for line in [*typed, *SPAN.findall(BLOCK.sub("", text))]:
        for part in re.split(r"[|;]|&&", line):
            words = shlex.split(re.sub(r"[<>] *\S+", "", part), comments=True)
            if words:
                yield words


COMMANDS = [
    pytest.param(words, id=f"{name(page)}: {' '.join(words)}")
    for page in PAGES
    for words in shell_commands(page)
    if words[0] not in PLAIN_TOOLS
]


@pytest.mark.parametrize("words", [c for c in COMMANDS if c.values[0][0] == "pellucid"])
def test_commands_in_the_docs_are_accepted_by_the_command_line(words: list[str]) -> None:
    from typer.main import get_command

    from pellucid.cli.main import app

    command: Any = get_command(app)
    rest = words[1:]
    while hasattr(command, "commands") and rest and not rest[0].startswith("-"):
        assert rest[0] in command.commands, f"there is no command {rest[0]!r}; there are {sorted(command.commands)}"
        command, rest = command.commands[rest[0]], rest[1:]
    if hasattr(command, "commands") or not rest or "--help" in rest:
        known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
        assert {word for word in rest if word.startswith("-")} <= known
        return
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        command.make_context(words[0], list(rest))


@pytest.mark.parametrize("words", [c for c in COMMANDS if c.values[0][0] == "pellucid"])
def test_files_named_in_commands_exist(words: list[str], place: Path) -> None:
    read = [word for before, word in pairwise(words) if before not in ("--output", "-o")]
    files = [word for word in read if re.search(r"^[\w.-]+(/[\w.-]+)*\.(tsv|toml|txt)$|^runs/en-zh$", word)]
    assert [file for file in files if not (place / file).exists()] == []


@pytest.mark.parametrize("words", [c for c in COMMANDS if c.values[0][0] == "make"])
def test_make_targets_and_settings_in_the_docs_exist(words: list[str]) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for word in words[1:]:
        setting = re.match(r"([A-Z_]+)=", word)
        assert re.search(rf"^{setting[1]} \?=" if setting else rf"^{re.escape(word)}:", makefile, re.MULTILINE), word


def test_no_other_tool_is_asked_for_in_the_docs() -> None:
    assert {c.values[0][0] for c in COMMANDS} <= {"pellucid", "make"}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    local = [link for link in LINK.findall(text) if not re.match(r"https?:|mailto:", link)]
    assert [link for link in local if not (page.parent / link).exists()] == []


@pytest.mark.parametrize(("english", "chinese"), TWINS)
def test_the_chinese_page_has_the_same_parts_as_the_english_one(english: str, chinese: str) -> None:
    ours, theirs = ((ROOT / path).read_text(encoding="utf-8") for path in (english, chinese))
    assert BLOCK.findall(ours) == BLOCK.findall(theirs)
    part = re.compile(r"^(#+ |\| |- |\d+\. |!\[)", re.MULTILINE)
    assert part.findall(BLOCK.sub("", ours)) == part.findall(BLOCK.sub("", theirs))


@pytest.mark.parametrize("what", ["config", "command", "illness"])
def test_the_reference_pages_are_what_the_code_says(what: str) -> None:
    script = f"make_{what}_reference.py"
    done = subprocess.run([sys.executable, str(ROOT / "tools" / script), "--check"], check=False)
    assert done.returncode == 0, f"run tools/{script}"


def test_sizes_in_the_docs_are_the_models_own() -> None:
    from pellucid.models.parameters import count_parameters
    from pellucid.models.translator import PRESETS, Translator, TranslatorConfig

    rows = re.findall(r"^\| `(\w+)` \|.*\| ([\d,]+) \|$", (ROOT / "docs" / "model.md").read_text("utf-8"), re.MULTILINE)
    written = {preset: int(number.replace(",", "")) for preset, number in rows}
    with torch.device("meta"):
        counted = {p: count_parameters(Translator(TranslatorConfig.parse({"preset": p}), 8000)) for p in PRESETS}
    assert written == counted
