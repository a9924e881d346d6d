"""What is copied letter for letter: addresses of the web and of mail, and words that look like code.

An address that a person would follow or write to and that is changed leads nowhere: grave. One left out, or a word
of code written another way, is told: people do so with good reason now and then.
"""

import re
import string
from collections import Counter
from collections.abc import Iterator

from pellucid.data.integrity.breach import Breach
from pellucid.data.integrity.counts import differences
from pellucid.data.integrity.markup import TAG
from pellucid.data.slots import ADDRESS, FORMAT, WORD

# A sign that all but plain words have, then what stands round it: so the search skips from sign to sign.
_MAYBE = re.compile(
    r"[@`_/.:\-0-9A-Z](?:(?<=[@`_])|(?<=:)(?=//)|(?<=/)(?=\w)|(?<=-)(?=-?[a-z])|(?<=\w\.)(?=\w)|(?<=[a-z][A-Z])"
    r"|(?<=[A-Za-z]\d)|(?<=[A-Za-z]-\d))"
)
_HOST = re.compile("://|@")
_SIGNS = re.compile("[%{$@\\[]")
_LETTER = re.compile(r"[A-Za-z]")
_OF_WORDS = frozenset(string.ascii_letters + string.digits + "_")
_FOREIGN = re.compile(r"[^\x21-\x7e]")


def copied_breaches(source: str, target: str) -> Iterator[Breach]:
    if not (_MAYBE.search(source) or _MAYBE.search(target)):
        return
    bare, other = _without_placeholders(source), _without_placeholders(target)
    if _HOST.search(bare) or _HOST.search(other):
        wanted, found = _addresses(bare), _addresses(other)
        changed = bool(Counter(found) - Counter(wanted))
        yield from differences("address", wanted, found, grave=changed)
        bare, other = ADDRESS.sub(" ", bare), ADDRESS.sub(" ", other)
    for word in dict.fromkeys(quoted.strip("`") for quoted in WORD.findall(bare)):
        if not _LETTER.search(word) or " " in word:
            continue  # quoted words of people rather than of a program
        count, there = _times(word, bare), _times(word, other)
        if there < count:
            yield Breach("code-missing", word, "", grave=False)
        elif there > count:
            yield Breach("code-extra", "", word, grave=False)


def _without_placeholders(text: str) -> str:
    text = TAG.sub(" ", text) if "<" in text else text
    return FORMAT.sub(" ", text) if _SIGNS.search(text) else text


def _addresses(text: str) -> list[str]:
    """Cut at the first sign that is none of an address, as Chinese goes on without a space."""
    found = (_FOREIGN.split(address)[0].rstrip(".,;!?)]`*") for address in ADDRESS.findall(text))
    return [address for address in found if not address.endswith("//")]


def _times(word: str, text: str) -> int:
    """How often the word stands there, not within a longer one."""
    count, at = 0, text.find(word)
    while at >= 0:
        end = at + len(word)
        alone = text[at - 1 : at] not in _OF_WORDS and text[end : end + 1] not in _OF_WORDS
        count += alone
        at = text.find(word, end if alone else at + 1)
    return count
