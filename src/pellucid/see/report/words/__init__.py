"""The words of the page in English and Chinese: each text stands in it twice, and style shows one of the two.

`shell.*.json` holds what every report says; `TASK.*.json` what one task adds, or says otherwise.
"""

from collections.abc import Mapping
from functools import lru_cache
from html import escape
from typing import Any, Protocol

from pellucid.words import LANGUAGES, filled, sentences


class Both(Protocol):
    """Gives HTML of a sentence in both languages, values escaped."""

    def __call__(self, key: str, /, **values: Any) -> str: ...


@lru_cache
def words(task: str, language: str) -> dict[str, str]:
    """All that a task's report may say: its own words before those of the shell."""
    found = (sentences("pellucid.see.report.words", f"{name}.{language}.json") for name in ("shell", task))
    shell, own = found
    return {**shell, **own}


def both_of(task: str, more: Mapping[str, Mapping[str, str]] | None = None) -> Both:
    """How a task's report says a sentence: `both = both_of("translate")`, then both("next.own").

    `more` has the words of one page alone, by language and key.
    """

    def both(key: str, /, **values: Any) -> str:
        said = {language: {**words(task, language), **(more or {}).get(language, {})}[key] for language in LANGUAGES}
        safe = {name: escape(str(value)) for name, value in values.items()}
        return "".join(
            f'<span class="{language}" lang="{language}">{filled(escape(text, quote=False), safe)}</span>'
            for language, text in said.items()
        )

    return both
