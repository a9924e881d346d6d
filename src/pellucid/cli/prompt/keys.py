"""What each key does with the desk. Keys that also write, such as arrows and digits, do it only on an empty line."""

from collections.abc import Callable
from functools import partial

from prompt_toolkit.application import get_app
from prompt_toolkit.enums import DEFAULT_BUFFER
from prompt_toolkit.filters import Condition, Filter, has_focus
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

from pellucid.cli.prompt.desk import Desk

MOST = 9  # alternatives that a digit chooses


def bindings(desk: Desk) -> KeyBindings:
    """Of the prompt, on top of the usual ones for editing and history."""
    found = KeyBindings()
    typing = has_focus(DEFAULT_BUFFER)
    empty = typing & Condition(lambda: not get_app().current_buffer.text)
    open_list = Condition(lambda: desk.listing)
    word_open = Condition(lambda: desk.word is not None)

    def on(*sequence: str, when: Filter = typing) -> Callable[[Callable[[], object]], None]:
        def bind(action: Callable[[], object]) -> None:
            found.add(*sequence, filter=when)(lambda event: action())

        return bind

    on("tab")(lambda: desk.move_alternative(1))
    on("s-tab")(lambda: desk.move_alternative(-1))
    on("right", when=empty)(lambda: desk.move_word(1))
    on("left", when=empty)(lambda: desk.move_word(-1))
    on("pageup")(lambda: desk.move_entry(-1))
    on("pagedown")(lambda: desk.move_entry(1))
    on("f2")(desk.next_layer)
    on("f3")(desk.next_head)
    on("escape", "l", when=word_open)(desk.next_layer)
    on("escape", "h", when=word_open)(desk.next_head)
    on("f1")(lambda: turn_keys(desk))
    on("?", when=empty)(lambda: turn_keys(desk))
    on("escape", when=empty)(desk.close)
    for number in range(MOST):
        digit = str(number + 1)
        on("escape", digit)(partial(desk.choose, number))
        on(digit, when=empty & open_list)(partial(desk.choose, number))

    @found.add("enter", filter=typing)
    def accept(event: KeyPressEvent) -> None:
        event.current_buffer.validate_and_handle()

    @found.add("escape", "enter", filter=typing)
    def new_line(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    @found.add("c-c", filter=typing)
    @found.add("<sigint>")
    def clear(event: KeyPressEvent) -> None:
        """The line; if there is none, what waits to be translated; else what is open."""
        if event.current_buffer.text:
            event.current_buffer.reset()
        elif not desk.drop_waiting():
            desk.close()

    return found


def turn_keys(desk: Desk) -> None:
    desk.keys = not desk.keys
