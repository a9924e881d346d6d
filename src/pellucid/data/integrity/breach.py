"""A breach: something of a text that its translation does not hold as it must."""

from dataclasses import dataclass

from pellucid.words import sentences, spoken

LONGEST = 80  # characters of what was wanted and found that are shown


@dataclass(frozen=True, slots=True)
class Breach:
    """One difference that should not be. `kind` is a stable id; `wanted` stands in the source, `found` in the target.

    `grave` says that the program, or the person before it, would trip over it: such a translation is never written.
    What is not grave is told, because people have good reasons for it now and then.
    """

    kind: str
    wanted: str
    found: str
    grave: bool

    def said(self, language: str | None = None) -> str:
        """What is wrong, in one sentence."""
        return words(language)[self.kind].format(wanted=_shown(self.wanted), found=_shown(self.found))


def words(language: str | None = None) -> dict[str, str]:
    """The sentences for all kinds, in the person's language or another."""
    return sentences("pellucid.data.integrity", f"words.{language or spoken()}.json")


def _shown(text: str) -> str:
    """On one line, what cannot be seen written out, cut where it is long."""
    escaped = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}
    shown = "".join(
        sign if sign.isprintable() else escaped.get(sign, f"\\u{ord(sign):04x}") for sign in text[: LONGEST + 1]
    )
    return shown if len(text) <= LONGEST else f"{shown[:LONGEST]}…"
