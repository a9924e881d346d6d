"""One number, or one tensor, of `pellucid see`: --at."""

from rich.text import Text

from pellucid.cli.console import out
from pellucid.cli.opened import Opened, View


def print_address(opened: Opened, view: View, address: str) -> None:
    explanation = opened.trace.explain(address, view.backward)
    out.print(Text(explanation.exact if view.exact else explanation.text()))
