"""HTML and XML in a text: tags and entities.

The same tags with the same attributes, each as often, well nested where the source is. White space within a tag, the
order of its attributes and their quotes may differ, and attributes that people read (title, alt) may be translated.
`<file name>` is no tag but stands for something by convention, as `<OUTPUT_PATH>` and `<%s>` do: there must be as many
in the translation, where its words may be translated (told). Brackets left over are told.
"""

import re
from collections import Counter
from collections.abc import Iterator

from pellucid.data.integrity.breach import Breach
from pellucid.data.integrity.counts import differences

TAG = re.compile(r"</?[a-zA-Z][^<>]*>|<%[^<>]*%>", re.ASCII)
ENTITY = re.compile(r"&(?:[a-zA-Z]\w*|#\d+|#x[0-9a-fA-F]+);", re.ASCII)
_ATTRIBUTE = re.compile(r"""([\w:.@-]+)(?:\s*=\s*("[^"]*"|'[^']*'|[^\s"'>]+))?""")
_NAME = re.compile(r"</?([a-zA-Z][\w:.-]*)(.*?)(/?)>", re.DOTALL)
# What stands for something; a full-width bracket is one too. No comparison: a < b, x <= y, <- and ->.
ANGLE = re.compile(r"[<〈《＜]/?(?:[^\W\d_]|[%${_])[^<>〈〉《》＜＞\n]*[>〉》＞]")
_ASCII_ANGLE = re.compile(r"</?(?:[^\W\d_]|[%${_])[^<>\n]*>")
_ARROW = re.compile(r"<?[-=]+>|<[-=]+|>=")
_EMPTY = re.compile(r"<([a-zA-Z]\w*)(?:\s[^<>]*)?>(?:\s|\u200b|&nbsp;|&#160;)*</\1\s*>")
_BARE = re.compile(r"&(?!(?:[a-zA-Z]\w*|#\d+|#x[0-9a-fA-F]+);)", re.ASCII)
READ = frozenset({"title", "alt", "placeholder", "aria-label", "label", "summary", "content"})  # by people
VOID = frozenset(
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"]
)
HTML = VOID | frozenset(
    [
        "a",
        "abbr",
        "address",
        "article",
        "aside",
        "audio",
        "b",
        "bdi",
        "bdo",
        "big",
        "blockquote",
        "body",
        "button",
        "canvas",
        "caption",
        "center",
        "cite",
        "code",
        "colgroup",
        "data",
        "datalist",
        "dd",
        "del",
        "details",
        "dfn",
        "dialog",
        "div",
        "dl",
        "dt",
        "em",
        "fieldset",
        "figcaption",
        "figure",
        "font",
        "footer",
        "form",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "head",
        "header",
        "html",
        "i",
        "iframe",
        "ins",
        "kbd",
        "label",
        "legend",
        "li",
        "main",
        "map",
        "mark",
        "menu",
        "meter",
        "nav",
        "noscript",
        "object",
        "ol",
        "optgroup",
        "option",
        "output",
        "p",
        "picture",
        "pre",
        "progress",
        "q",
        "rp",
        "rt",
        "ruby",
        "s",
        "samp",
        "script",
        "section",
        "select",
        "small",
        "span",
        "strike",
        "strong",
        "style",
        "sub",
        "summary",
        "sup",
        "svg",
        "table",
        "tbody",
        "td",
        "template",
        "textarea",
        "tfoot",
        "th",
        "thead",
        "time",
        "tr",
        "tt",
        "u",
        "ul",
        "var",
        "video",
    ]
)


def markup_breaches(source: str, target: str) -> Iterator[Breach]:
    """Tags are grave; of entities those whose loss breaks the markup, such as `<` where `&lt;` stood."""
    if "<" in source or "<" in target:
        yield from _tag_breaches(source, target)
    if "&" in source or "&" in target:
        yield from _entity_breaches(source, target)


def _tag_breaches(source: str, target: str) -> Iterator[Breach]:
    wanted, found = TAG.findall(source), TAG.findall(target)
    tags = [tag for tag in wanted if _is_markup(tag, source)]
    others = [tag for tag in found if _is_markup(tag, target) or tag in tags]
    if tags != others:
        yield from differences("tag", map(_normal, tags), map(_normal, others), grave=True)
        same = Counter(map(_normal, tags)) == Counter(map(_normal, others))
        if same and _is_nested(tags) and not _is_nested(others):
            yield Breach("tag-nesting", " ".join(tags), " ".join(others), grave=True)
    if "</" in target:
        for element in Counter(_emptied(target)) - Counter(_emptied(source)):
            yield Breach("tag-empty", "", f"<{element}>", grave=False)
    yield from _angle_breaches(_without(tags, source), _without(others, target), bool(tags))


def _angle_breaches(source: str, target: str, has_tags: bool) -> Iterator[Breach]:
    """Of texts without their tags: what stands in angle brackets, and brackets that are left over."""
    if "<" not in source and ">" not in source and "<" not in target and ">" not in target:
        return
    wanted, found = _ASCII_ANGLE.findall(source), _ASCII_ANGLE.findall(target)
    if wanted != found:
        one, other = Counter(wanted), Counter(found)
        every = len(ANGLE.findall(target)) if wanted else len(found)
        translated = len(wanted) == every and not any(string in one for string in other - one)
        yield from differences("angle", wanted, found, grave=bool(wanted) and not translated)
    if wanted or has_tags or ("<" not in source and ">" not in source):
        left, over = (_ARROW.sub("", _ASCII_ANGLE.sub("", text)) for text in (source, target))
        for sign in "<>":
            if over.count(sign) != left.count(sign):
                at = max(over.find(sign), 0)
                yield Breach("angle-broken", sign, over[max(at - 6, 0) : at + 6], grave=False)


def _without(tags: list[str], text: str) -> str:
    for tag in dict.fromkeys(tags):
        text = text.replace(tag, " ")
    return text


def _emptied(text: str) -> list[str]:
    """The elements with nothing but white space, or elements of that kind, in them."""
    names: list[str] = []
    while True:
        found: list[str] = _EMPTY.findall(text)
        if not found:
            return names
        names += found
        text = _EMPTY.sub("", text)


def _is_markup(tag: str, text: str) -> bool:
    """An HTML element, or one that the text itself closes, or that has an attribute."""
    match = _NAME.fullmatch(tag)
    if match is None:
        return True
    name, rest, closed = match.groups()
    return name.lower() in HTML or bool(closed) or "=" in rest or (not rest.strip() and f"</{name}>" in text)


def _normal(tag: str) -> str:
    match = _NAME.fullmatch(tag)
    if match is None or tag.startswith("</"):
        return re.sub(r"\s+", "", tag) if tag.startswith("</") else tag
    name, rest, closed = match.groups()
    attributes = []
    for key, value in _ATTRIBUTE.findall(rest):
        shown = "" if key.lower() in READ else value.strip("\"'")
        attributes.append(f'{key}="{shown}"' if value else key)
    slash = "/" if closed and name.lower() not in VOID else ""
    return f"<{' '.join([name, *sorted(attributes)])}{slash}>"


def _is_nested(tags: list[str]) -> bool:
    """Whether every element is closed, in the opposite order of its opening."""
    opened: list[str] = []
    for tag in tags:
        match = _NAME.fullmatch(tag)
        if match is None or match[3] or match[1].lower() in VOID:
            continue
        if not tag.startswith("</"):
            opened.append(match[1])
        elif not opened or opened.pop() != match[1]:
            return False
    return not opened


def _entity_breaches(source: str, target: str) -> Iterator[Breach]:
    wanted, found = ENTITY.findall(source), ENTITY.findall(target)
    if wanted == found:
        return
    grave = {"&lt;", "&gt;"}
    if "&amp;" in wanted and len(_BARE.findall(target)) > len(_BARE.findall(source)):
        grave.add("&amp;")
    for breach in differences("entity", wanted, found, grave=False):
        string = breach.wanted or breach.found
        yield Breach(breach.kind, breach.wanted, breach.found, grave=string in grave)
    for string in {*wanted} - {*found}:
        if re.search(rf"{re.escape(string[:-1])}(?![\w;])|&\s+{re.escape(string[1:])}", target):
            yield Breach("entity-broken", string, string[:-1], grave=True)
