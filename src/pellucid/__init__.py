"""Pellucid: train a small network of your own, use it, and open every number of it.

    import pellucid
    run = pellucid.train("run.toml")
    run.translate(["Save changes before closing?"])

Names are loaded when they are first used, so that `import pellucid` costs nothing.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pellucid.api import compare, cure, export, fill, find_rate, open_run, resume, train
    from pellucid.data.read import read_pairs
    from pellucid.errors import PellucidError
    from pellucid.run import Run
    from pellucid.tasks.translate import TranslateConfig

__version__ = "0.1.0"
__all__ = [
    "PellucidError",
    "Run",
    "TranslateConfig",
    "compare",
    "cure",
    "export",
    "fill",
    "find_rate",
    "open_run",
    "read_pairs",
    "resume",
    "train",
]

_HOMES = {
    "train": "api",
    "resume": "api",
    "open_run": "api",
    "export": "api",
    "fill": "api",
    "find_rate": "api",
    "cure": "api",
    "compare": "api",
    "read_pairs": "data.read",
    "PellucidError": "errors",
    "Run": "run",
    "TranslateConfig": "tasks.translate",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'pellucid' has no attribute {name!r}")
    return getattr(import_module(f"pellucid.{_HOMES[name]}"), name)


class _Front(ModuleType):
    """Keeps public names what they are: importing the room `train` would otherwise put it in the function's place."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Front
