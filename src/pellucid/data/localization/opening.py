"""Which format a localization file is of, and its document."""

import re
from pathlib import Path

from pellucid.data.languages import known_language, language, languages_in_name
from pellucid.data.localization.android import language_of_folder, open_strings
from pellucid.data.localization.document import Document
from pellucid.data.localization.json_texts import open_texts
from pellucid.data.localization.po import open_catalog
from pellucid.data.localization.table import open_table
from pellucid.data.localization.xliff import open_xliff
from pellucid.errors import DataError

BY_SUFFIX = {
    ".po": "po",
    ".pot": "po",
    ".xliff": "xliff",
    ".xlf": "xliff",
    ".json": "json",
    ".arb": "json",
    ".tsv": "table",
    ".tab": "table",
    ".csv": "table",
}
HEAD = 1 << 16  # bytes of an .xml file in which its root element stands
ONE_LANGUAGE = ("json", "android")  # formats that hold one language a file


def format_of(path: Path) -> str | None:
    """The format of a localization file by its suffix, and of an .xml file by its content; None if it is none."""
    suffix = path.suffix.lower()
    if suffix != ".xml":
        return BY_SUFFIX.get(suffix)
    try:
        with path.open("rb") as file:
            head = file.read(HEAD).replace(b"\0", b"")
    except OSError:
        return None
    root = re.search(rb"<(?![?!])(?:[\w.-]+:)?([\w.-]+)", re.sub(rb"<!--.*?-->", b"", head, flags=re.DOTALL))
    return {b"resources": "android", b"xliff": "xliff"}.get(root[1]) if root else None


def is_localization(path: str | Path) -> bool:
    """Whether `open_document` knows the format of a file."""
    return format_of(Path(path)) is not None


def open_document(
    path: str | Path,
    source: str | None = None,
    target: str | None = None,
    *,
    translated: str | Path | None = None,
    delimiter: str | None = None,
    kind: str | None = None,
) -> Document:
    """Read a localization file: PO, XLIFF 1.2 and 2.0, JSON, Android's strings.xml, or a table.

    `source` and `target` are language codes, for what the file does not say. `translated` is, for a format that holds
    one language a file, the translation so far, whose texts are finished. `kind` is the format where the name does not
    say it. Raises DataError if the file cannot be read or is between other languages than asked for.
    """
    path = Path(path)
    kind = kind or format_of(path)
    if kind is None:
        if path.suffix.lower() == ".xml" and not path.exists():
            raise DataError(f"{path}: no such file", mend="Check the name.")
        raise DataError(
            f"{path}: not a localization file that is known here",
            mend=f"Known are {', '.join(BY_SUFFIX)}, and .xml with Android's <resources> or XLIFF in it.",
        )
    if translated is not None and kind not in ONE_LANGUAGE:
        raise DataError(
            f"{translated}: a translation so far was given, but {path} holds both languages itself",
            mend="Leave it out; what is translated in the file stays.",
        )
    for code in (source, target):
        if code:
            language(code)
    so_far = Path(translated) if translated is not None else None
    document = _opened(kind, path, source, target or _named(path, so_far, kind), so_far, delimiter)
    _agree(document, source, target)
    return document


def _opened(
    kind: str, path: Path, source: str | None, target: str | None, translated: Path | None, delimiter: str | None
) -> Document:
    if kind == "po":
        return open_catalog(path, source, target)
    if kind == "table":
        return open_table(path, source, target, delimiter)
    if kind == "xliff":
        return open_xliff(path, source, target)
    if kind == "android":
        return open_strings(path, source, target, translated)
    return open_texts(path, source, target, translated)


def _named(path: Path, translated: Path | None, kind: str) -> str | None:
    """The target language that a file's name gives: of one language a file, the name of the translation so far."""
    if kind == "android":
        return language_of_folder(translated) if translated else None
    if kind in ONE_LANGUAGE:
        found = languages_in_name(translated) if translated else []
    else:
        found = languages_in_name(path)
        found = found if kind != "table" or len(found) == 2 else []
    return found[-1] if found else None


def _agree(document: Document, source: str | None, target: str | None) -> None:
    """Raises DataError if the file names another language than asked for."""
    for flag, asked, there in (
        ("from", source, document.source_language),
        ("into", target, document.target_language),
    ):
        wanted, found = known_language(asked or ""), known_language(there or "")
        if wanted and found and wanted is not found:
            raise DataError(
                f"{document.path}: is {flag} {found.english}, not {wanted.english}",
                mend=f"Take another file, or what translates {flag} {found.english}.",
            )
