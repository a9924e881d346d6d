"""What is wrong with one pair by itself: its sides swapped, untranslated, of unequal length, with markup left in.

Made to be silent on texts as people write them: names stay as they are in a translation, a date has other numbers, a
catalog has tags where its program shows them. Nearly every pair passes by a few quick looks.
"""

import re
from collections import Counter
from typing import Any

from pellucid.data.check.characters import MOJIBAKE
from pellucid.data.filters import CUSHION, FEWEST_LETTERS, Limits, length_ratio, wrong_script
from pellucid.data.integrity.check import breaches
from pellucid.data.languages import Language, script_share
from pellucid.data.pairs import Pair
from pellucid.data.slots import FORMAT

Faults = list[tuple[str, dict[str, Any]]]

LONG = 5000  # characters of a side; no paragraph is so long, and training takes 400
LONGEST_STAND_IN = 40  # characters
COPIED = 4  # words in a row that are as in the source
MOST_SWAPPED = 0.7  # share of its letters that a side has in the other's script
CJK_WIDTH = 2.5
# Words that make a sentence, and those that a program's buttons are named by; no name is made of them alone.
SENTENCE_WORDS = (
    "a an the and with your you this that is are was were has have not will can cannot could please when which if of"
)
BUTTON_WORDS = (
    "open save close cancel delete remove add edit search yes next back here there more less new now select choose "
    "show hide enter sign create update change settings all file files"
)
IN_SENTENCES = frozenset(SENTENCE_WORDS.split())
ORDINARY = IN_SENTENCES | frozenset(BUTTON_WORDS.split())
FEWEST_WORDS = 3  # of a sentence
# The commonest words of languages in Latin letters, by which two of them are told apart.
USUAL = {
    "en": "the and of to in is you that it for with are this be not your have from can will was by or an as at",
    "de": "der die das und nicht ist sie ein eine zu den mit von für auf im dem des wird werden kann sich oder auch",
    "fr": "le la les des et est une du dans pour que qui vous pas sur avec ce cette sont au ou votre être par",
    "es": "el la los las y es una del en para que con por se su no un está son al o como más este esta",
    "it": "il lo la gli e è una del della di in per che con non si sono un questo questa al o come più dei",
    "pt": "o os as e é uma do da de em para que com não se um são ao ou como mais este esta dos das no na",
    "nl": "de het een en is niet van op te dat in voor met zijn u wordt kan of dit deze aan bij naar om",
    "pl": "w na i jest nie do się z że to dla o od po przez lub ma są za może być tego ten",
    "sv": "och att det som en på är av för med den till inte om ett har du kan eller från denna",
    "cs": "a je v na se to že s z do pro není jako by o k nebo ve za jsou být tento",
}
WORD = re.compile(r"[^\W\d_]+")
TAG = re.compile(r"</?([A-Za-z][A-Za-z0-9]*)(?:\s[^<>]*)?/?>|<!--")
# Of a page's making, which no sentence needs, and of its text, which a program may show.
LAYOUT_TAGS = "html head body meta link script style table tbody tr td th div font iframe form center"
TEXT_TAGS = (
    "a abbr b big br blockquote code dd del dl dt em h1 h2 h3 h4 hr i img ins kbd label li ol p "
    "pre q s samp small span strong sub sup tt u ul var"
)
LAYOUT = frozenset(LAYOUT_TAGS.split())
TAGS = LAYOUT | frozenset(TEXT_TAGS.split())
# What no `<file>` of a command's usage has.
MADE = re.compile(r"</[A-Za-z]|<[A-Za-z]\w*\s[^<>]*=|<(?:br|hr|img|p)\b|<!--")
CITED = re.compile(r"`[^`]*`|[\"'“‘«]\s?<[^<>]*>\s?[\"'”’»]")  # tags that a text speaks about
DOUBLE = re.compile(r"&amp;(?:[A-Za-z]{2,8}|#\d{1,6}|#x[0-9A-Fa-f]{1,5});")
ENTITY = re.compile(r"&(?:amp|lt|gt|quot|apos|#0?39|#x27|#34);")
SIGNS = {"&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": '"'}
QUESTIONS = re.compile(r"\?{3,}|(?:\? ){3,}")
ESCAPED = re.compile(r"\\u[0-9a-fA-F]{4}|\\x[0-9a-fA-F]{2}|&#x?[0-9A-Fa-f]{4,6};")
STAND_IN = re.compile(
    r"\W*(?:todo|tbd|tba|fixme|xxx+|untranslated|undefined|translation (?:missing|needed|required)|"
    r"(?:not|needs?) translat(?:ed|ion)|lorem ipsum.*|待翻译|需要?翻译|尚未翻译)\W*",
    re.IGNORECASE,
)
MIXED_WORD = re.compile("[A-Za-z](?=[\u0410-\u044f])|[\u0410-\u044f](?=[A-Za-z])")
MIXED = re.compile("[A-Za-z\u0400-\u045f]+")
ALIKE = re.compile("[ABCEHKMOPTXaceopxyi]+|[АВСЕНКМОРТХасеорхуі]+")  # of Latin, of Cyrillic letters
RUN = re.compile(rf"[A-Za-z]{{2,}}(?:[ ,]{{1,2}}[A-Za-z]{{2,}}){{{COPIED - 1},}}")
PARTS = re.compile(
    r"<[^<>]*>|https?://\S+|[%$]?\{[^{}]*\}|%\(\w+\)[a-z]|%[\d$]*[a-z]|`[^`]*`"
)  # what is copied rightly
NUMBER = re.compile(r"(?<![\w.%$\\{&#-])\d++(?:[.,:]\d++)*+(?![\w$}%]|[.:-]\w)", re.ASCII)
CODE = re.compile(r"[/\\=_@;\d\[\]|]|\w\.\w")
NOTHING_BUT_WORDS = re.compile(r"[A-Za-z' ]+[.:!?…]*")
PLACES = re.compile(r"[%{}$<@]")
PROSE = re.compile(r"\n|[\"'“‘]|.{60}")  # braces round text, such as a wiki's, rather than a name
TAG_NAMES = re.compile(r"</?[A-Za-z][A-Za-z0-9]*")
SOMETHING = re.compile(r"[&<%{}$@\\?]")
DIGITS = re.compile(r"\d+")
FOREIGN = re.compile("[\u0370-\u1dff\u2c00-\ud7ff\uf900-\ufaff\ufb1d-\ufdff\ufe70-\ufefc\uff66-\uffdc]")
HAN = re.compile("[\u3400-\u9fff\uf900-\ufaff]")


class Sides:
    """The checks of one pair, for its two languages."""

    def __init__(self, source: Language, target: Language) -> None:
        self.languages = source, target
        self.codes = source.code, target.code
        self.apart = not source.scripts & target.scripts
        self.limits = Limits()
        self.latin = tuple(language.scripts == {"LATIN"} for language in self.languages)
        self.han = tuple(language.scripts == {"CJK"} for language in self.languages)
        usual = [frozenset(USUAL.get(language.code, "").split()) for language in self.languages]
        self.usual = usual[0] - usual[1], usual[1] - usual[0]
        self.by_words = not self.apart and all(self.usual)

    def faults(self, source: str, target: str, trimmed: bool = True, singular: bool = False) -> Faults:
        """Kinds and what is to be said of each. `trimmed`: white space at the ends is a slip.

        `singular`: of a plural entry, whose singular may say "one" where another language has a placeholder.
        """
        one, other = source.strip(), target.strip()
        if not one or not other:
            return [("empty-side", {})] if trimmed or one or other else []
        found: Faults = []
        if trimmed:
            if len(one) != len(source) or len(other) != len(target):
                found.append(("outer-space", {}))
        elif source.endswith("\n") != target.endswith("\n") or source.startswith("\n") != target.startswith("\n"):
            found.append(("outer-space", {}))
        if one == other:
            if self.is_ordinary(one):
                found.append(("identical-sides", {}))
            return found
        plain, lengths = (one.isascii(), other.isascii()), (len(one), len(other))
        if max(lengths) > LONG:
            found.append(("long-side", {"characters": max(lengths)}))
        if not self._of_like_length(lengths, plain):
            ratio = length_ratio(Pair(one, other))
            if ratio > self.limits.max_ratio:
                found.append(("length-ratio", {"times": f"{ratio:.1f}"}))
        if not (self._in_place(one, 0, plain[0]) and self._in_place(other, 1, plain[1])):
            found += self._scripts(one, other)
        if self.by_words and self._told_swapped(one, other):
            found.append(("swapped-sides", {}))
        if SOMETHING.search(one) or SOMETHING.search(other):
            found += self._signs(one, other) if not singular else []
        if (ours := DIGITS.findall(one)) != (theirs := DIGITS.findall(other)) and sorted(ours) != sorted(theirs):
            found += _numbers(one, other)
        if lengths[1] < min(lengths[0], LONGEST_STAND_IN) and _is_stand_in(one, other):
            found.append(("stand-in", {}))
        if self.apart and self.latin[0] and not plain[1] and other.count(" ") >= COPIED - 1:
            found += _copied(one, other)
        for text, ascii_only, han in zip((one, other), plain, self.han, strict=True):
            if not (ascii_only or han) and _is_mixed(text):
                found.append(("mixed-script-word", {}))
        return found

    def is_ordinary(self, text: str) -> bool:
        """Whether a text that is the same on both sides has words that must be translated, and is no name or code."""
        if self.languages[0].code != "en":
            words = WORD.findall(PARTS.sub(" ", text))
            return len(words) >= COPIED and sum(word.islower() for word in words) >= COPIED - 1
        words = [word.lower() for word in WORD.findall(PARTS.sub(" ", text))]
        if not words or CODE.search(text) or text.isupper():
            return False
        return (all(word in ORDINARY for word in words) and NOTHING_BUT_WORDS.fullmatch(text) is not None) or (
            len(words) >= FEWEST_WORDS and any(word in IN_SENTENCES for word in words)
        )

    def swapped(self, source: str, target: str) -> bool:
        """Whether each side is in the other's language, as far as letters tell."""
        return (
            script_share(source, self.languages[1]) >= MOST_SWAPPED
            and script_share(target, self.languages[0]) >= MOST_SWAPPED
            and script_share(source, self.languages[0]) < 1 - MOST_SWAPPED
            and any(map(str.isalpha, source))
            and sum(map(str.isalpha, target)) > 1
        )

    def _of_like_length(self, lengths: tuple[int, int], plain: tuple[bool, bool]) -> bool:
        """By a quick look: whatever its letters, neither side is too long. False does not say that one is."""
        (one, other), most = lengths, self.limits.max_ratio
        wide_one, wide_other = (one if plain[0] else CJK_WIDTH * one), (other if plain[1] else CJK_WIDTH * other)
        return wide_one + CUSHION <= most * (other + CUSHION) and wide_other + CUSHION <= most * (one + CUSHION)

    def _in_place(self, text: str, side: int, plain: bool) -> bool:
        """By a quick look: a side is in its language's letters. False does not say that it is not."""
        if self.latin[side]:
            return plain or not FOREIGN.search(text)
        return self.han[side] and HAN.search(text) is not None

    def _scripts(self, one: str, other: str) -> Faults:
        if self.apart and self.swapped(one, other):
            return [("swapped-sides", {})]
        if MOJIBAKE.search(one) or MOJIBAKE.search(other):
            return []  # told as what it is
        # What the target has from its source, such as names, says nothing about its language.
        known = {word.lower() for word in WORD.findall(one)}
        words = [word for word in WORD.findall(PARTS.sub(" ", other)) if word.lower() not in known]
        rest = " ".join(w for w in words if not any(stem.startswith(w.lower()) for stem in known))
        if len(words) < 2 and rest[:1].isupper() and any(word.lower() in known for word in WORD.findall(other)):
            rest = ""  # a name, written in full
        own = " ".join(WORD.findall(PARTS.sub(" ", one)))
        if sum(map(str.isalpha, rest)) < FEWEST_LETTERS:
            rest = ""
        pair = Pair(own, rest or "0")
        if rest and wrong_script(pair, self.languages, self.limits.min_script_share) and _in_words(rest):
            return [("wrong-script", {})]
        if wrong_script(Pair(own, "0"), self.languages, self.limits.min_script_share):
            return [("wrong-script", {})]
        return []

    def _told_swapped(self, one: str, other: str) -> bool:
        """By the commonest words of the two languages: each side has some of the other's, and none of its own."""
        first, second = set(WORD.findall(one.lower())), set(WORD.findall(other.lower()))
        return (
            len(first & self.usual[1]) > 1
            and len(second & self.usual[0]) > 1
            and not first & self.usual[0]
            and not second & self.usual[1]
        )

    def _signs(self, one: str, other: str) -> Faults:
        found = self._breaches(one, other) if PLACES.search(one) or PLACES.search(other) else []
        if "&" in one or "&" in other:
            double = DOUBLE.search(one) or DOUBLE.search(other)
            if double:
                found.append(("double-escaped", {"sign": double.group()}))
            elif escaped := _escaped(one, other):
                found.append(("escaped-sign", {"sign": escaped}))
        if "<" in one or "<" in other:
            tags = [_tags(text) if MADE.search(text) else [] for text in (one, other)]
            layout = [any(tag in LAYOUT or tag == "!" for tag in side) for side in tags]
            if bool(tags[0]) != bool(tags[1]) or any(layout):
                text = one if layout[0] or not tags[1] else other
                sign = next((tag.group() for tag in TAG.finditer(text) if _tags(tag.group())), "")
                found.append(("html-left", {"sign": sign}))
        if "?" in other and (lost := QUESTIONS.search(other)) and not QUESTIONS.search(one):
            found.append(("lost-characters", {"sign": lost.group()}))
        if "\\" in other or "\\" in one or "&#" in other:
            codes = [ESCAPED.findall(text) for text in (one, other)]
            if bool(codes[0]) != bool(codes[1]):
                found.append(("escape-left", {"sign": (codes[0] or codes[1])[0]}))
        return found

    def _breaches(self, one: str, other: str) -> Faults:
        """What a program would trip over, as integrity/ says it; asked only where the quick look finds a difference."""
        same = sorted(FORMAT.findall(one)) == sorted(FORMAT.findall(other))
        if same and sorted(TAG_NAMES.findall(one)) == sorted(TAG_NAMES.findall(other)):
            return []
        grave = [
            breach
            for breach in breaches(one, other, *self.codes)
            if breach.grave and not (breach.wanted and one.count(breach.wanted) == other.count(breach.wanted))
        ]
        places = (breach for breach in grave if breach.kind.startswith(("placeholder", "icu")))
        differs = next((one for one in places if not PROSE.search(one.wanted or one.found)), None)
        if differs:
            return [("placeholder-differs", {"said": differs.said()})]
        differs = next((breach for breach in grave if breach.kind.startswith("tag")), None)
        if differs and TAG_NAMES.search(one) and TAG_NAMES.search(other):
            return [("tag-differs", {"said": differs.said()})]
        return []


def _tags(text: str) -> list[str]:
    """The names of HTML's own tags, in small letters; "!" for a comment."""
    names = ((tag.group(1) or "!").lower() for tag in TAG.finditer(CITED.sub(" ", text)))
    return [name for name in names if name in TAGS or name == "!"]


def _escaped(one: str, other: str) -> str:
    """An entity on one side whose sign stands bare on the other."""
    for text, beside in ((one, other), (other, one)):
        for entity in ENTITY.findall(text):
            sign = SIGNS.get(entity, "'")
            if entity not in beside and (sign in beside if sign not in "<>" else bool(TAG.search(beside))):
                return str(entity)
    return ""


def _is_stand_in(one: str, other: str) -> bool:
    return bool(STAND_IN.fullmatch(other)) and not STAND_IN.fullmatch(one)


def _numbers(one: str, other: str) -> Faults:
    """A number on each side that the other lacks: one was changed. What is only missing may be written as a word."""
    ours, theirs = (Counter(_runs(text)) for text in (one, other))
    if ours == theirs:
        return []
    lacking, added = ours - theirs, theirs - ours
    if lacking.total() == 1 and added.total() == 1 and ours.total() == theirs.total():
        return [("number-differs", {"one": next(iter(lacking)), "other": next(iter(added))})]
    return []


def _runs(text: str) -> list[str]:
    """The runs of digits of its numbers: 0.5 and 0,5 are written with the same."""
    return [run for number in NUMBER.findall(text) for run in DIGITS.findall(number)]


def _is_mixed(text: str) -> bool:
    """Whether a word is of one script but for letters that look like those of the other."""
    if not MIXED_WORD.search(text):
        return False
    for word in MIXED.findall(PARTS.sub(" ", text)):
        latin = "".join(sign for sign in word if sign.isascii())
        cyrillic = "".join(sign for sign in word if not sign.isascii())
        few = min((latin, cyrillic), key=len)
        if few and len(word) > 2 and ALIKE.fullmatch(few):
            return True
    return False


def _copied(one: str, other: str) -> Faults:
    """A run of words, some of which only sentences have, that stands in both: commands and names have none."""
    if not RUN.search(other):
        return []
    for run in RUN.findall(PARTS.sub(" ", other)):
        words = WORD.findall(run)
        small = sum(word.islower() for word in words)
        if run in one and small >= COPIED - 1 and any(word in IN_SENTENCES for word in words):
            return [("untranslated-part", {"part": run})]
    return []


def _in_words(rest: str) -> bool:
    """Words in small letters: no abbreviation, name or code."""
    return any(word.islower() or word[1:].islower() for word in rest.split())
