"""The desk as lines of a terminal, as wide as it is; whatever a color says, a sign or a number says as well."""

import math
from collections.abc import Iterable, Sequence
from itertools import groupby

from prompt_toolkit.utils import get_cwidth

from pellucid.cli.console import one_line
from pellucid.cli.prompt.desk import Desk, Entry
from pellucid.cli.words import say

Fragment = tuple[str, str]  # a style, and a text in it
Line = list[Fragment]

STYLE = {
    "source": "",
    "kept": "underline",
    "chosen": "reverse bold",
    "quiet": "dim",
    "fault": "ansired bold",
    "mark": "bold",
    "share.1": "bg:#deebf7 #000000",
    "share.2": "bg:#9ecae1 #000000",
    "share.3": "bg:#2171b5 #ffffff",
    "share.4": "bg:#08306b #ffffff bold",
    "bottom-toolbar": "noreverse dim",
}
STEPS = (0.05, 0.15, 0.35, 0.6)  # of a share, from which on its shade is the next darker one
BARS = "▁▂▃▄▅▆▇█"
LEAST_BAR = 0.02  # a share below it has no bar
NAMED = 4  # source words named with their shares,
LEAST = 0.01  # unless those are smaller
END = "∎"  # the end of the source, which can be attended as well
ROOM = 4  # lines of the terminal that are not the view's: input, help, and some air


def view(desk: Desk, languages: tuple[str, str], width: int, height: int) -> list[Line]:
    """All lines above the input; entries far from the current one are left out where there is no room for all."""
    if desk.keys:
        return keys(width)
    if not desk.entries:
        return []
    margin = max(map(len, languages)) + 2
    room = max(height - ROOM, 4)

    def lines_of(number: int) -> list[Line]:
        return block(desk, number, languages, margin, width)

    # From the current one outwards, as thousands of lines may have been pasted and few are seen.
    first, after, shown = desk.current, desk.current + 1, lines_of(desk.current)
    while after < len(desk.entries) and len(shown) + len(below := lines_of(after)) + 2 <= room:
        shown, after = shown + below, after + 1
    while first and len(shown) + len(above := lines_of(first - 1)) + 2 <= room:
        shown, first = above + shown, first - 1
    shown = shown[:room]
    if first:
        shown.insert(0, [("class:quiet", say("prompt.above", count=first))])
    if after < len(desk.entries):
        shown.append([("class:quiet", say("prompt.below", count=len(desk.entries) - after))])
    return shown


def block(desk: Desk, number: int, languages: tuple[str, str], margin: int, width: int) -> list[Line]:
    """One entry: the source, its translation, and for the current one what there is to know of it."""
    entry = desk.entries[number]
    current = number == desk.current
    mark = "▸" if current and len(desk.entries) > 1 else " "
    shares = desk.shares() if current else None
    room = max(width - margin - 1, 10)
    rows = source_rows(entry, shares, room)
    lines = labelled(rows, languages[0], margin, mark)
    lines += labelled(target_rows(entry, desk.word if current else None, room), languages[1], margin)
    if not current:
        return lines + labelled(told(faults(entry), room, "class:fault"), "", margin)
    if shares is not None:
        lines += labelled(told([looked_at(desk, shares)], room, "class:quiet"), "", margin)
    if desk.listing:
        lines += labelled(alternatives(entry, room), "", margin)
    elif entry.found:
        lines += labelled(told([numbers(entry)], room, "class:quiet"), "", margin)
    lines += labelled(told(faults(entry), room, "class:fault"), "", margin)
    return lines + labelled(told(notes(entry), room, "class:quiet"), "", margin)


def transcript(entries: Iterable[Entry], languages: tuple[str, str], width: int) -> list[Line]:
    """What stays of finished entries above the prompt: text, translation, and what is wrong with it."""
    margin = max(map(len, languages)) + 2
    room = max(width - margin - 1, 10)
    lines = []
    for entry in entries:
        lines += labelled(source_rows(entry, None, room), languages[0], margin)
        lines += labelled(target_rows(entry, None, room), languages[1], margin)
        lines += labelled(told(faults(entry), room, "class:fault"), "", margin)
    return lines


def source_rows(entry: Entry, shares: Sequence[float] | None, room: int) -> list[Line]:
    """The words of the source; each attended one shaded, with a bar beneath."""
    if entry.found is None:
        return told([entry.text], room, "class:source")
    pieces = []
    for number, word in enumerate(entry.found.source):
        at_end = number == len(entry.found.source) - 1
        if at_end and shares is None:
            continue
        style = "class:kept" if word.copied else "class:source"
        style += shade(shares[number]) if shares else ""
        pieces.append((style, " " + END if at_end else shown(word.text), number))
    lines = []
    for row in wrapped(pieces, room):
        lines.append(plain(row))
        if shares is not None:
            bars = [("class:quiet", bar(text, shares[number])) for _, text, number in row]
            lines.append(bars)
    return lines


def target_rows(entry: Entry, chosen: int | None, room: int) -> list[Line]:
    """The words of the translation, the chosen one set off; or why there is none."""
    if entry.failure:
        return told([entry.failure], room, "class:fault")
    alternative = entry.alternative
    if alternative is None:
        return [[("class:quiet", "…")]]
    if not alternative.words:
        return [[("class:quiet", say("prompt.nothing"))]]
    pieces = [
        (
            "class:chosen" if number == chosen else "class:kept" if word.copied else "class:mark",
            shown(word.text),
            number,
        )
        for number, word in enumerate(alternative.words)
    ]
    if chosen is not None and not alternative.words[chosen].text.strip():
        pieces[chosen] = ("class:chosen", "␣", chosen)
    return [plain(row) for row in wrapped(pieces, room)]


def looked_at(desk: Desk, shares: Sequence[float]) -> str:
    """The source words most attended, with their shares, and of which layer and head these are."""
    entry = desk.entry
    assert entry is not None
    assert entry.found is not None
    assert desk.word is not None
    best = sorted(range(len(shares)), key=lambda number: -shares[number])[:NAMED]
    named = [
        (entry.found.source[number].text.strip() or END, shares[number]) for number in best if shares[number] >= LEAST
    ]
    looks = say("prompt.between").join(f"{text} {share:.2f}" for text, share in named)
    layer, head = desk.layer_shown(), desk.head
    where = say(
        "prompt.where",
        layer=say("prompt.all_layers") if layer is None else say("prompt.layer", layer=layer),
        head=say("prompt.all_heads") if head is None else say("prompt.head", head=head),
    )
    return say("prompt.looks", word=desk.words()[desk.word].text.strip(), source=looks, where=where)


def alternatives(entry: Entry, room: int) -> list[Line]:
    """All of them with their numbers, the chosen one marked."""
    assert entry.found is not None
    heads = say("prompt.score"), "p"
    columns = [
        (score(one.score), probability(one.log_probability), "✗" if said else " ")
        for one, said in zip(entry.found.found, entry.faults, strict=True)
    ]
    widths = [max(get_cwidth(head), *(get_cwidth(row[number]) for row in columns)) for number, head in enumerate(heads)]
    left = max(room - sum(widths) - 10, 8)
    texts = [one_line(shown(one.text), left) or say("prompt.nothing") for one in entry.found.found]
    widest = max(map(get_cwidth, texts))
    lines: list[Line] = [
        [
            (
                "class:quiet",
                " " * (widest + 4) + "".join("  " + to_right(*one) for one in zip(heads, widths, strict=True)),
            )
        ]
    ]
    for number, (text, row) in enumerate(zip(texts, columns, strict=True)):
        here = number == entry.chosen
        cells = "".join("  " + to_right(cell, wide) for cell, wide in zip(row[:2], widths, strict=True))
        lines.append(
            [
                ("class:mark" if here else "class:quiet", f"{'▸' if here else ' '}{number + 1:2} "),
                ("class:mark" if here else "", text + " " * (widest - get_cwidth(text))),
                ("class:quiet", cells),
                ("class:fault", f" {row[2]}"),
            ]
        )
    return lines


def numbers(entry: Entry) -> str:
    """Of the translation shown."""
    assert entry.found is not None
    assert entry.alternative is not None
    count = len(entry.found.found)
    values = {"score": score(entry.alternative.score), "p": probability(entry.alternative.log_probability)}
    if count == 1:
        return say("prompt.numbers", **values)
    return say("prompt.numbers_of", number=entry.chosen + 1, count=count, **values)


def faults(entry: Entry) -> list[str]:
    return [f"✗ {one}" for one in entry.faults[entry.chosen]] if entry.faults else []


def notes(entry: Entry) -> list[str]:
    """Which alternative has no fault, what must be copied letter for letter, and whether the text was cut."""
    if entry.found is None:
        return []
    found = []
    if faults(entry) and (sound := [number for number, said in enumerate(entry.faults, 1) if not said]):
        found.append(say("prompt.sound", number=sound[0]))
    if entry.found.kept:
        found.append(say("prompt.kept", strings=say("prompt.between").join(entry.found.kept)))
    return found + ([say("prompt.cut")] if entry.found.cut else [])


def keys(width: int) -> list[Line]:
    """What each key does."""
    rows = [line.split("|") for line in say("prompt.keys").splitlines()]
    side = max(get_cwidth(key) for key, _ in rows) + 2
    lines: list[Line] = []
    for key, what in rows:
        first, *others = told([what], max(width - side - 3, 10), "")
        lines.append([("class:mark", " " + key + " " * (side - get_cwidth(key))), *first])
        lines += [[("", " " * (side + 1)), *one] for one in others]
    return lines


def score(value: float) -> str:
    return f"{value:.3f}".replace("-", "−")


def probability(logarithm: float) -> str:
    """Three decimals, and of a small one its power of ten."""
    value = math.exp(logarithm)
    return f"{value:.3f}" if value >= 0.0005 else f"{value:.0e}".replace("-", "−")


def shade(share: float) -> str:
    """A darker one for a larger share; none for a small one."""
    step = sum(share >= least for least in STEPS)
    return f" class:share.{step}" if step else ""


def bar(text: str, share: float) -> str:
    """As wide as the text, its height the share; nothing beneath the space in front."""
    sign = " " if share < LEAST_BAR else BARS[min(int(share * len(BARS)), len(BARS) - 1)]
    return "".join((" " if one == " " else sign) * max(get_cwidth(one), 0) for one in text)


def shown(text: str) -> str:
    """On one line, and nothing in it that a terminal would obey."""
    return "".join(one if one.isprintable() else "␤" if one == "\n" else " " for one in text)


def labelled(rows: Sequence[Line], label: str, margin: int, mark: str = " ") -> list[Line]:
    """Behind a margin; the first of them has the mark and the label in it."""
    gaps = [mark + label + " " * (margin - get_cwidth(label)), *(" " * (margin + 1) for _ in rows[1:])]
    return [[("class:quiet", gap), *row] for gap, row in zip(gaps, rows, strict=False)]


def told(sentences: Sequence[str], room: int, style: str) -> list[Line]:
    """Each from a line of its own on."""
    lines = []
    for sentence in sentences:
        words = [word if number == 0 else " " + word for number, word in enumerate(sentence.split(" "))]
        lines += [plain(row) for row in wrapped([(style, shown(word), 0) for word in words], room)]
    return lines


def plain(row: Sequence[tuple[str, str, int]]) -> Line:
    """Without the space in front of a shaded word being shaded too."""
    line: Line = []
    for style, text, _ in row:
        bare = text.lstrip(" ")
        line += [("", text[: len(text) - len(bare)]), (style, bare)]
    return [fragment for fragment in line if fragment[1]]


def wrapped(pieces: Iterable[tuple[str, str, int]], room: int) -> list[list[tuple[str, str, int]]]:
    """Rows of at most `room` columns: broken between pieces, and within one that is wider than a row."""
    rows: list[list[tuple[str, str, int]]] = [[]]
    used = 0
    for style, text, number in pieces:
        for part in parts(text, room):
            if used and used + get_cwidth(part) > room:
                rows.append([])
                used = 0
            part = part if used else part.lstrip(" ")
            if part:
                rows[-1].append((style, part, number))
                used += get_cwidth(part)
    return rows if rows[-1] or len(rows) == 1 else rows[:-1]


def parts(text: str, room: int) -> list[str]:
    """A text that is wider than a row in pieces that are not."""
    if get_cwidth(text) <= room:
        return [text]
    columns = 0
    numbered = []
    for one in text:
        wide = get_cwidth(one)
        if columns % room + wide > room:  # a wide character is not cut in two
            columns += room - columns % room
        numbered.append((columns // room, one))
        columns += wide
    return ["".join(one for _, one in group) for _, group in groupby(numbered, key=lambda pair: pair[0])]


def to_right(text: str, wide: int) -> str:
    return " " * (wide - get_cwidth(text)) + text
