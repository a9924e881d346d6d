"""Slots: what must be copied letter for letter is taken out before the model sees the text, and put back after.

A small model spells rare strings wrongly (`PYTHONPATH` came out as `PATHONPONHHONYNN`). So placeholders, tags,
addresses, numbers and code-like words are replaced by numbered slots, each one token; the same string has the same
slot on both sides, and the model learns where a slot goes instead of how its letters go. Names written in capitals
(`CSRF`, `QoS`) are copied when they are rare; frequent ones often have a translation (`VAT`, `TV`), and the model can
learn them like any word. Stands between the text and the tokenizer.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

SLOTS = 16  # slots of one sentence; what comes after the sixteenth different string stays as it is
FIRST = 0xE000  # the private-use characters that stand for slots inside a text
CHARACTERS = "".join(chr(FIRST + number) for number in range(SLOTS))

# Each way begins with its sign, and what must not stand before it comes after: so the search skips to the next sign,
# which makes it five times as fast (data/integrity asks it of every pair; bench/translate_checks.py).
FORMAT = re.compile(
    r"""
    %\(\w+\)[-+ 0\#]*\d*(?:\.\d+)?[diouxXeEfFgGcrs]   # %(name)s
  | %\([\w.:-]+\)[-+ 0\#]*\d*(?:\.\d+)?[diouxXeEfFgGcrs]  # %(node.name)s
  | %\d+\$[-+ 0\#',]*\d*(?:\.\d+)?(?:hh|h|ll|l|q|j|z|t|L)[diouxXeEfFgGaAcsp]  # %1$ld
  | %\d+\$[-+ 0\#]*\d*(?:\.\d+)?[a-zA-Z@]             # %1$s
  | %[-+0\#]*\d*(?:\.\d+)?(?:hh|h|ll|l|z)?[diouxXeEfFgGcsr@](?![a-zA-Z])  # %s, %02d, %.1f
  | %[-+0\#',]*(?:\d+|\*)?(?:\.(?:\d+|\*))?(?:hh|h|ll|l|q|j|z|t|L)?[diouxXeEfFgGaAcsp@](?![a-zA-Z])  # %,d, %*d
  | %[ds](?=(?:px|[KMGT]?i?[Bo]|ms|s|x|h|m|d)(?![a-zA-Z]))  # %dpx, %sMB
  | %[-+0\#]*\d*\.\d+(?:ll|l|L)?[eEfFgG]              # %.3fs: nobody writes a precision without meaning one
  | %0\d+(?:ll|l|z)?[dioxXu]                          # %02dh
  | %(?<![\d}]%)(?<![\d}][\s\xa0\u202f]%)[-+0\#]*\d*(?:hh|h|ll|l|z|j)?[dsfiugxX]
    (?=(?:[KMGTPE]?i?[Bbo](?:it|yte)?s?(?:ps|/s)?|[kMGT]?(?:Hz|W|Wh|V|A)|[kcmnuµ]?m|[mnuµ]?s|secs?|mins?|hrs?
       |[dhwyxKMGT]|p[xt]|r?em|[dp]pi|fps|rpm|dB|st|nd|rd|th)(?![a-zA-Z]))  # %uKB, %dmin, %dth
  | %(?<=[A-Za-z]%)(?:ll|l)?[dsiuf](?=[a-zA-Z])       # copy%dof
  | %(?<![\w%}$]%)(?<![\d}][\s\xa0\u202f]%)(?!(?:t?age|ile|wise)s?(?![a-z]))[a-z][a-zA-Z_]*[a-zA-Z](?![\w%])  # %title
  | %(?<![\w%}]%)[A-Za-z_]\w*[A-Za-z_]%(?![\w%])       # %APPDATA%
  | %%                                                # a literal % in a format string
  | %(?<![\d%]%)(?:L?\d{1,2}|n)(?![\w$])              # %1, %n
  | %(?<![\d}%]%)\{[^{}\s]+\}                         # %{name}
  | \{%[^{}]*%\}                                      # {% url %}
  | \{\$[^{}]*\$\}                                    # {$ name $}
  | \{\{[^{}]*\}\}                                    # {{name}}
  | \$\{\{[^{}]*\}\}                                  # ${{ name }}
  | \{[^{}\s]*\}                                      # {0}, {name}, {value:.2f}
  | \$\{[^{}\s]*\}                                    # ${name}
  | \{\s*\w+\s*,\s*(?:number|date|time|spellout|ordinal|duration)\s*(?:,[^{}]*)?\}  # {total, number}
  | \{\ [$-]?\w[\w.-]*\ \}                            # { name }, { $name }
  | \[%key:[^\[\]]*%\]                                # [%key:common::state%]
  | \$t\([^()]*\)                                     # $t(key)
  | @(?<![\w@]@)(?:\.\w+)?:(?:\w+(?:[.-]\w+)*|\([\w.-]+\)|\{[^{}]*\})  # @:key, @.lower:key
  | \$[A-Za-z_]\w*                                    # $name
    """,
    re.VERBOSE | re.ASCII,
)
MARKUP = re.compile(
    r"""
    </?[a-zA-Z][^<>]*>                                # <b>, </b>, <a href="...">
  | <%[^<>]*%>                                        # <%= name %>
  | <(?:%[^<>%\s]+|[%$]?\{[^{}<>\s]*\}|\$\w+)>        # <%s>, <{name}>
  | &(?:[a-zA-Z]+|\#\d+|\#x[0-9a-fA-F]+);             # &nbsp;
    """,
    re.VERBOSE | re.ASCII,
)
PLACEHOLDER = re.compile(f"{FORMAT.pattern}|{MARKUP.pattern}", re.VERBOSE | re.ASCII)
ADDRESS = re.compile(
    r"""
    (?:https?|ftp)://[^\s<>"']*[^\s<>"'.,;:!?)\]]     # an address
  | [\w.+-]+@[\w-]+(?:\.[\w-]+)+                      # mail
    """,
    re.VERBOSE | re.ASCII,
)
WORD = re.compile(
    r"""
    `[^`\n]+`                                         # quoted code
  | (?<![\w/])(?:~?/[\w.*-]+){2,}/?                   # /etc/hosts
  | (?<!\w)--?[a-z][\w-]*(?:=\S+)?(?=[\s,.;:)]|$)     # --flag
  | (?<![\w.])[A-Za-z]\w*(?:_\w+)+                    # snake_case, PYTHON_PATH
  | (?<![\w.])[a-z]+[A-Z]\w*                          # camelCase
  | (?<![\w.])[A-Za-z_][\w-]+(?:\.[A-Za-z_][\w-]+)+(?:\(\))?  # module.name, file.txt
  | (?<![\w-])[A-Za-z]+-?\d[\w-]*(?!\w)               # IPv6, SHA-256
    """,
    re.VERBOSE | re.ASCII,
)
NUMBER = re.compile(
    r"""
    (?<![\w.,-])\d+(?:[.,:/x-]\d+)*(?!\w|-[a-zA-Z])  # 12, 3.5, 10:30, 1920x1080
  | (?<![\w-])\d+(?:\.\d+)?(?!st|nd|rd|th)[A-Za-z]{1,4}(?!\w)  # 5GHz, 4K
    """,
    re.VERBOSE | re.ASCII,
)
NAME = re.compile(r"(?<!\w)(?:[A-Z]{2,}s?|[A-Za-z]*[a-z][A-Z][A-Za-z]*)(?!\w)")  # CSRF, URLs, QoS, iOS, OpenStack
_SLOT = re.compile(f"[{CHARACTERS}]")
_ANY = re.compile(
    "|".join(f"(?:{kind.pattern})" for kind in (_SLOT, PLACEHOLDER, ADDRESS, WORD, NUMBER)), re.VERBOSE | re.ASCII
)


@dataclass(frozen=True, slots=True)
class Slotted:
    """A text with slots in the places of `strings`: slot n stands for string n.

    `complete` is False where more strings had to be copied than there are slots, so that some stayed in the text.
    """

    text: str
    strings: tuple[str, ...]
    complete: bool = True


def take_out(text: str, is_word: Callable[[str], bool] = lambda name: True) -> Slotted:
    """Replace everything that must be copied by slots; the same string again gets the same slot again.

    Names are taken out too unless `is_word` says of one that the model knows it, or the whole text is in capitals.
    """
    strings: dict[str, int] = {}
    shouted = text.upper() == text
    left: list[str] = []

    def slot(found: re.Match[str]) -> str:
        string = found.group()
        if string not in strings:
            if len(strings) == SLOTS:
                left.append(string)
                return string
            strings[string] = len(strings)
        return CHARACTERS[strings[string]]

    def name_slot(found: re.Match[str]) -> str:
        return found.group() if shouted or is_word(found.group()) else slot(found)

    slotted = NAME.sub(name_slot, _ANY.sub(slot, text))
    return Slotted(slotted, tuple(strings), not left)


def take_out_same(text: str, strings: tuple[str, ...]) -> str:
    """Replace the given strings (the source's) in `text` (its translation) by the source's slots.

    Longest first, and a number only where it is not part of a longer one, so that `1` is not cut out of `10`.
    """
    for number, string in sorted(enumerate(strings), key=lambda item: -len(item[1])):
        text = _standing_alone(string).sub(CHARACTERS[number], text)
    return text


def put_back(text: str, strings: tuple[str, ...]) -> str:
    """Replace slots by the strings they stand for; a slot that has none is dropped."""

    def string(found: re.Match[str]) -> str:
        number = ord(found.group()) - FIRST
        return strings[number] if number < len(strings) else ""

    return _SLOT.sub(string, text)


def placeholders(text: str) -> list[str]:
    """The placeholders, tags and entities of a text, sorted: a faithful translation holds the same ones."""
    return sorted(PLACEHOLDER.findall(text))


def _standing_alone(string: str) -> re.Pattern[str]:
    before = r"(?<![A-Za-z0-9_.])" if string[0].isalnum() else ""
    after = r"(?![A-Za-z0-9_])" if string[-1].isalnum() else ""
    return re.compile(before + re.escape(string) + after)
