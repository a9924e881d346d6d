"""The prompt itself: a line to type in, the last translations above it, and a line of help below."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app
from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import FormattedText, StyleAndTextTuples
from prompt_toolkit.lexers import Lexer
from prompt_toolkit.shortcuts import print_formatted_text
from prompt_toolkit.styles import Style

from pellucid.cli.prompt.desk import Desk
from pellucid.cli.prompt.history import history
from pellucid.cli.prompt.keys import bindings
from pellucid.cli.prompt.view import STYLE, Line, transcript, view
from pellucid.cli.prompt.worker import Check, Worker
from pellucid.cli.words import say
from pellucid.data.slots import CHARACTERS, take_out

if TYPE_CHECKING:
    from pellucid.generate.config import DecodingConfig
    from pellucid.run import Run

STYLES = Style.from_dict(STYLE)
ALONE = 0.05  # seconds after which Esc is Esc, and not the beginning of another key


def converse(desk: Desk, run: "Run", config: "DecodingConfig", check: Check, kept: bool = True) -> None:
    """Read texts and show their translations until Ctrl-D; `kept` says whether the history outlives the session.

    Raises what kept the model from being opened.
    """
    languages = run.languages
    session: PromptSession[str] = PromptSession(
        message=lambda: above(desk, languages),
        lexer=Kept(lambda: worker),
        history=history(kept),
        key_bindings=bindings(desk),
        bottom_toolbar=lambda: help_line(desk, worker),
        style=STYLES,
        include_default_pygments_style=False,
        multiline=True,
        erase_when_done=True,
        reserve_space_for_menu=0,
    )
    session.app.ttimeoutlen = session.app.timeoutlen = ALONE

    def news() -> None:
        """From the worker's thread: draw again, or end with what went wrong."""
        loop = session.app.loop
        if session.app.is_running and loop is not None:
            loop.call_soon_threadsafe(end_if_failed if worker.failure else session.app.invalidate)

    def end_if_failed() -> None:
        if worker.failure and session.app.is_running and not session.app.is_done:
            session.app.exit(exception=worker.failure)

    worker = Worker(run, config, check, news)
    try:
        while True:
            typed = session.prompt(pre_run=end_if_failed)
            texts = [line.strip() for line in typed.splitlines() if line.strip()]
            if not texts:
                continue
            new, gone = desk.lay(texts)
            leave_behind(transcript(gone, languages, session.output.get_size().columns))
            for entry in new:
                worker.translate(entry)
    except EOFError:
        desk.drop_waiting()
        leave_behind(transcript(desk.entries, languages, session.output.get_size().columns))
    finally:
        worker.leave()


def above(desk: Desk, languages: tuple[str, str]) -> StyleAndTextTuples:
    """The view, and the prompt of the input line."""
    size = get_app().output.get_size()
    return [*joined(view(desk, languages, size.columns, size.rows)), ("class:quiet", f" {languages[0]} › ")]


def joined(lines: list[Line]) -> StyleAndTextTuples:
    return [fragment for line in lines for fragment in (*line, ("", "\n"))]


def leave_behind(lines: list[Line]) -> None:
    if lines:
        print_formatted_text(FormattedText(joined(lines)), style=STYLES, end="")


def help_line(desk: Desk, worker: Worker) -> str:
    """What can be done now, in one line."""
    if desk.waiting:
        return " " + say("prompt.help.waiting" if worker.ready else "prompt.help.loading", count=desk.waiting)
    if get_app().current_buffer.text:
        return " " + say("prompt.help.typing")
    if desk.keys:
        return " " + say("prompt.help.keys")
    if desk.word is not None:
        return " " + say("prompt.help.word")
    entry = desk.entry
    if desk.listing and entry is not None and entry.found is not None:
        return " " + say("prompt.help.list", count=min(len(entry.found.found), 9))
    if entry is not None:
        return " " + say("prompt.help.result")
    return " " + say("prompt.help.begin" if worker.ready else "prompt.help.loading", count=0)


class Kept(Lexer):
    """Underlines in the input what will be kept letter for letter."""

    def __init__(self, worker: Callable[[], Worker]) -> None:
        self._worker = worker

    def lex_document(self, document: Document) -> Callable[[int], StyleAndTextTuples]:
        worker = self._worker()
        known: Any = worker.run.tokenizer.is_word if worker.ready else lambda name: True

        def line(number: int) -> StyleAndTextTuples:
            return fragments(document.lines[number], known) if number < len(document.lines) else []

        return line


def fragments(text: str, is_word: Callable[[str], bool]) -> StyleAndTextTuples:
    """A text in pieces, with the style of what is kept."""
    slotted = take_out(text, is_word)
    found: StyleAndTextTuples = []
    for one in slotted.text:
        number = CHARACTERS.find(one)
        found.append(("", one) if number < 0 else ("class:kept", slotted.strings[number]))
    return found
