"""What displays itself in a notebook: a trace, its parts, and lists of them.

The drawing is `pellucid.see.notebook`'s; it is loaded when a notebook asks, not before.
"""

from typing import Any, TypeVar

Part = TypeVar("Part")


class Displayed:
    """Has the two methods by which Jupyter, VS Code and others ask an object for its looks."""

    def _repr_html_(self) -> str:
        from pellucid.see.notebook import html

        return html(self)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/plain": str(self), "text/html": self._repr_html_()}


class Listed(Displayed, list[Part]):
    """A list whose members a notebook shows as one table."""

    def __str__(self) -> str:
        return "\n".join(map(str, self))
