"""The prompt of `pellucid translate`, as a person meets it: keys in, a picture of the terminal out."""

import contextvars
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput
from prompt_toolkit.utils import get_cwidth

from pellucid.cli.prompt.desk import Desk, Entry
from pellucid.cli.prompt.history import Texts, history
from pellucid.cli.prompt.session import converse, fragments
from pellucid.cli.prompt.view import shown, transcript, view
from pellucid.cli.prompt.worker import Check
from pellucid.cli.words import words
from pellucid.errors import RunError
from pellucid.generate.decode import TorchEngine
from pellucid.run import Run
from pellucid.see.alternatives import Alternatives, alternatives
from tests.cli.conftest import Command

LANGUAGES = ("en", "zh")
TAB, LEFT, RIGHT, ENTER, ESCAPE = "\t", "\x1b[D", "\x1b[C", "\r", "\x1b"
F1, F2, F3, UP, PAGE_UP, CTRL_C, CTRL_D, CTRL_L = (
    "\x1bOP",
    "\x1bOQ",
    "\x1bOR",
    "\x1b[A",
    "\x1b[5~",
    "\x03",
    "\x04",
    "\x0c",
)
PATIENCE = 30  # seconds for what takes one
Step = tuple[str, Callable[[Desk], object]]  # keys, and when they have had their effect


def paste(text: str) -> str:
    return f"\x1b[200~{text}\x1b[201~"


def done(desk: Desk) -> bool:
    return bool(desk.entries) and not desk.waiting


def no_check(source: str, translation: str) -> Sequence[str]:
    return ()


@pytest.fixture(scope="module")
def run(trained: Path) -> Run:
    return Run.open(trained / "runs" / "en-zh")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PELLUCID_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PELLUCID_LANG", "en")


def apart(work: Callable[[], object]) -> None:
    """In a thread of its own: a browser that other tests have opened keeps an event loop in this one."""
    context = contextvars.copy_context()
    with ThreadPoolExecutor(1) as executor:
        executor.submit(context.run, work).result()


def drive(run: Run, steps: Sequence[Step], check: Check = no_check, kept: bool = True, width: int = 80) -> list[str]:
    """What is on the terminal after each step; the last one is Ctrl-D."""
    desk = Desk()
    seen: list[str] = []
    late: list[str] = []

    def feed() -> None:
        for keys, had_effect in steps:
            pipe.send_text(keys)
            ends = time.monotonic() + PATIENCE
            while not had_effect(desk):
                if time.monotonic() > ends:
                    late.append(repr(keys))
                    break
                time.sleep(0.005)
            seen.append(text(view(desk, LANGUAGES, width, 40)))
        pipe.send_text(CTRL_C + CTRL_C + CTRL_D)

    with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
        feeder = threading.Thread(target=feed)
        feeder.start()
        apart(lambda: converse(desk, run, run.decoding.changed(method="beam", beam=3), check, kept))
        feeder.join()
    assert not late
    return seen


def text(lines: list[list[tuple[str, str]]]) -> str:
    return "\n".join("".join(part for _, part in line) for line in lines)


def squeezed(text: str) -> str:
    """As it is on the screen, wherever lines are broken."""
    return "".join(shown(text).split())


def found(run: Run, source: str) -> list[str]:
    return [one.text for one in run.translations([source], "torch", method="beam", beam=3)[0]]


def test_a_typed_text_is_shown_with_its_translation_and_score(run: Run) -> None:
    (seen,) = drive(run, [("Save the file" + ENTER, done)])
    (best, *_) = run.translations(["Save the file"], "torch", method="beam", beam=3)[0]
    assert "en  Save the file" in seen
    assert squeezed(best.text) in squeezed(seen)
    assert f"1 of 3, score {best.score:.3f}".replace("-", "−") in seen


def test_tab_and_digits_choose_among_the_alternatives(run: Run) -> None:
    steps: list[Step] = [
        ("Save the file" + ENTER, done),
        (TAB, lambda desk: desk.listing),
        (TAB, lambda desk: desk.entries[0].chosen == 1),
        ("3", lambda desk: desk.entries[0].chosen == 2),
        (ESCAPE, lambda desk: not desk.listing),
        (ESCAPE + "2", lambda desk: desk.entries[0].chosen == 1),
    ]
    _, listed, second, third, closed, again = drive(run, steps)
    assert re.findall(r"▸ (\d)", listed + second + third + again) == ["1", "2", "3", "2"]
    assert "3 of 3" in closed
    assert [line[5:8].strip() for line in listed.splitlines()[-3:]] == ["▸ 1", "2", "3"]


def test_arrows_on_an_empty_line_show_what_each_word_looked_at(run: Run) -> None:
    steps: list[Step] = [
        ("Save the file" + ENTER, done),
        (RIGHT, lambda desk: desk.word == 0),
        (F2, lambda desk: desk.layer is None),
        (F3, lambda desk: desk.head == 0),
        (RIGHT, lambda desk: desk.word != 0),
        ("abc" + LEFT, lambda desk: True),
    ]
    _, first, mean, head, *_ = drive(run, steps)
    layers = run.config.model.decoder_layers
    assert f"(layer {layers - 1}, mean of its heads)" in " ".join(first.split())
    assert "(mean of all layers, mean of its heads)" in " ".join(mean.split())
    assert "(mean of all layers, head 0)" in " ".join(head.split())
    shares = [float(one) for one in re.findall(r"\d\.\d\d(?=[, ])", first.split("looks at")[1].split("(")[0])]
    assert shares == sorted(shares, reverse=True)
    assert 0.5 < sum(shares) <= 1.01


def test_several_pasted_lines_are_translated_each_by_itself(run: Run) -> None:
    sources = ["Save the file", "Open the window", "你好"]
    steps: list[Step] = [
        (paste("\n".join(sources)), lambda desk: True),
        (ENTER, lambda desk: len(desk.entries) == 3 and done(desk)),
        (PAGE_UP, lambda desk: desk.current == 1),
    ]
    *_, seen = drive(run, steps)
    for source in sources:
        assert squeezed(source) in squeezed(seen)
        assert squeezed(found(run, source)[0]) in squeezed(seen)
    assert "▸en  Open the window" in seen


def test_what_was_typed_comes_back_unless_it_began_with_a_space(run: Run) -> None:
    drive(run, [("Save the file" + ENTER, done), (" secret" + ENTER, lambda desk: desk.entries[0].text == "secret")])
    steps: list[Step] = [(UP + ENTER, lambda desk: desk.entries and desk.entries[0].text == "Save the file")]
    drive(run, steps)
    path = next(Path(os.environ["PELLUCID_CACHE"]).rglob("*.txt"))
    assert "secret" not in path.read_text(encoding="utf-8")
    assert path.stat().st_mode & 0o077 == 0


def test_without_history_nothing_is_written(run: Run) -> None:
    drive(run, [("Save the file" + ENTER, done)], kept=False)
    assert not list(Path(os.environ["PELLUCID_CACHE"]).rglob("*"))


def test_history_is_cut_when_it_grows_long(tmp_path: Path) -> None:
    file = tmp_path / "texts"
    kept = Texts(str(file))
    for number in range(2001):
        kept.store_string(f"text {number}")
    assert len(list(kept.load_history_strings())) == 2001
    left = list(Texts(str(file)).load_history_strings())
    assert left[0] == "text 2000"
    assert len(left) == 1000


def test_a_folder_that_cannot_be_written_costs_only_the_history(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PELLUCID_CACHE", str(tmp_path / "file" / "cache"))
    kept = history()
    kept.append_string("Save")
    assert kept.get_strings() == ["Save"]


def test_ctrl_c_clears_the_line_and_does_not_leave(run: Run) -> None:
    (*_, seen) = drive(run, [("abc", lambda desk: True), (CTRL_C + "Open" + ENTER, done)])
    assert "en  Open" in seen


def test_what_is_wrong_with_a_translation_stands_under_it(run: Run) -> None:
    def check(source: str, translation: str) -> Sequence[str]:
        return [f"{source} is not {translation}"]

    (seen,) = drive(run, [("Save" + ENTER, done)], check)
    assert "✗ Save is not" in seen
    assert "has no such fault" not in seen


def test_the_first_alternative_without_a_fault_is_named(run: Run) -> None:
    first, second, *_ = found(run, "Save the file")
    assert first != second

    def check(source: str, translation: str) -> Sequence[str]:
        return ["a fault"] if translation == first else []

    (seen,) = drive(run, [("Save the file" + ENTER, done)], check)
    assert "Alternative 2 has no such fault (Tab)." in seen


def test_the_keys_are_told_on_a_question_mark_and_in_both_languages(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    shown, hidden, again = drive(
        run, [("?", lambda desk: desk.keys), (F1, lambda desk: not desk.keys), (F1, lambda desk: desk.keys)]
    )
    assert "Ctrl-D" in shown
    assert hidden == ""
    assert shown == again
    english, chinese = (words(one)["prompt.keys"].splitlines() for one in ("en", "zh"))
    assert len(english) == len(chinese)
    assert all(line.count("|") == 1 for line in english + chinese)


def test_every_help_line_fits_eighty_columns() -> None:
    for language in ("en", "zh"):
        for key, sentence in words(language).items():
            if key.startswith("prompt.help"):
                assert get_cwidth(" " + sentence.format(count=99)) <= 80, key


def test_a_model_that_cannot_be_opened_ends_the_prompt_with_its_reason(run: Run, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    for name in ("config.toml", "tokenizer.json"):
        (broken / name).write_bytes((run.path / name).read_bytes())
    (broken / "model.safetensors").write_bytes((run.path / "model.safetensors").read_bytes()[:1000])
    with pytest.raises(RunError, match="damaged"), create_pipe_input() as pipe:  # noqa: SIM117
        with create_app_session(input=pipe, output=DummyOutput()):
            apart(lambda: converse(Desk(), Run.open(broken), run.decoding, no_check))


def test_what_is_kept_is_underlined_while_it_is_typed() -> None:
    found = fragments("Open %s in {path}, and %s", lambda name: True)
    assert "".join(part for _, part, *_ in found) == "Open %s in {path}, and %s"
    assert [part for style, part, *_ in found if style] == ["%s", "{path}", "%s"]


SOURCES = ("你好，世界😀 {name}", "Open\x1b[31m the \t file of\n %s " * 3, "x" * 150)


@pytest.fixture(scope="module")
def looked(run: Run) -> list[Alternatives]:
    model, config = TorchEngine(run.model).model, run.decoding.changed(beam=2, max_ratio=0.5)
    return [alternatives(model, run.tokenizer, source, config) for source in SOURCES]


@given(st.integers(0, 2), st.integers(40, 120), st.integers(8, 40), st.booleans(), st.integers(0, 9))
@settings(max_examples=60)
def test_no_line_is_wider_than_the_terminal_and_none_holds_a_control_character(
    looked: list[Alternatives], number: int, width: int, height: int, listing: bool, word: int
) -> None:
    source, alternatives = SOURCES[number], looked[number]
    faults = tuple(("a fault " * 20,) for _ in alternatives.found)
    waiting, failed = Entry(source), Entry(source, failure="It is broken " * 9)
    desk = Desk([waiting, failed, Entry(source, alternatives, faults=faults)], current=2, listing=listing)
    desk.word = word if word < len(desk.words()) else None
    for line in (*view(desk, LANGUAGES, width, height), *transcript(desk.entries, LANGUAGES, width)):
        whole = "".join(part for _, part in line)
        assert get_cwidth(whole) <= width
        assert whole.isprintable()


# --- a real terminal -------------------------------------------------------------------------------------------------


class Terminal:
    """A process at a pseudo-terminal; `seen` is all that it wrote."""

    def __init__(self, process: subprocess.Popen[bytes], descriptor: int) -> None:
        self.process, self.descriptor, self.seen = process, descriptor, ""

    def wait_for(self, *wanted: str, redraw: str = "") -> None:
        """Until all of this is on the screen; `redraw` are keys that make the process draw all of it anew."""
        ends = time.monotonic() + PATIENCE
        while not all(one in plain(self.seen) for one in wanted):
            assert time.monotonic() < ends, plain(self.seen)
            if not self.read() and redraw:
                self.type(redraw)

    def read(self) -> bool:
        """Whether there was something to read."""
        if not select.select([self.descriptor], [], [], 0.3)[0]:
            return False
        try:
            new = os.read(self.descriptor, 1 << 16).decode(errors="replace")
        except OSError:  # what Linux gives when the other side is closed
            new = ""
        self.seen += new
        if "\x1b[6n" in new:
            os.write(self.descriptor, b"\x1b[1;1R")  # as a terminal says where its cursor stands
        return bool(new)

    def type(self, keys: str) -> None:
        self.seen = ""
        os.write(self.descriptor, keys.encode())

    def ended(self) -> int:
        ends = time.monotonic() + PATIENCE
        while self.process.poll() is None:
            assert time.monotonic() < ends, plain(self.seen)
            self.read()
        self.read()
        return self.process.returncode


def plain(seen: str) -> str:
    """Without colors and moves of the cursor."""
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", seen)


@contextmanager
def terminal(folder: Path, columns: int, **environment: str) -> Iterator[Terminal]:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "pellucid", "translate", "runs/en-zh", "--beam", "3"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=folder,
        env={**os.environ, **environment},
        start_new_session=True,
    )
    os.close(theirs)
    try:
        yield Terminal(process, ours)
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def test_a_person_at_a_terminal_types_looks_and_leaves(trained: Path, run: Run) -> None:
    with terminal(trained, 80, TERM="xterm", NO_COLOR="1") as screen:
        screen.wait_for("en ›", "Loading the model")  # before there is a model
        screen.type("Open" + ENTER)
        screen.wait_for("score", "Tab alternatives", redraw=CTRL_L)
        assert not re.search(r"\x1b\[[0-9;]*(?:3|4|9)[0-8](?:;|m)", screen.seen)  # no color
        screen.type(RIGHT)
        screen.wait_for("looks at", "F2 layer", redraw=CTRL_L)
        screen.type(CTRL_D)
        assert screen.ended() == 0
        assert squeezed(found(run, "Open")[0]) in squeezed(plain(screen.seen))
        assert "Traceback" not in plain(screen.seen)


@pytest.mark.slow
def test_a_dumb_terminal_has_a_plain_line_to_type_in(trained: Path, run: Run) -> None:
    with terminal(trained, 80, TERM="dumb") as screen:
        screen.wait_for("Type a sentence")
        screen.type("Open\n")
        screen.wait_for(*found(run, "Open")[0].split()[:1])
        screen.type(CTRL_D)
        assert screen.ended() == 0
        assert "\x1b" not in screen.seen


def test_lines_of_a_pipe_are_translated_without_a_prompt(
    trained: Path, run: Run, pellucid: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(trained)
    (tmp_path / "lines").write_text("Open\n")
    with (tmp_path / "lines").open() as lines:
        monkeypatch.setattr(sys, "stdin", lines)
        result = pellucid("translate", "runs/en-zh", "--beam", "3")
    assert result.out == " ".join(found(run, "Open")[0].splitlines()) + "\n"
    assert result.err == ""
