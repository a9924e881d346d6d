"""Reading text files: what is no text is refused with its place, what is merely odd is made alike and counted."""

import gzip
from pathlib import Path

import pytest

from pellucid.data.works import FEWEST, read_works, tidied
from pellucid.errors import DataError

LINE = "It was the best of times, it was the worst of times.\n"
TEXT = LINE * (FEWEST // len(LINE) + 1)


def written(folder: Path, content: bytes | str, name: str = "text.txt") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    ("content", "message", "mend"),
    [
        (TEXT.encode() + "caf\xe9\n".encode("latin-1"), r"text.txt, line \d+: byte 4 \(0xe9\) is not UTF-8", "iconv"),
        (TEXT.encode() + b"a\0b\n", r"text.txt, line \d+: holds a NUL byte", "not a text file"),
        (b"%PDF-1.7\n" + TEXT.encode(), "text.txt: is a PDF file, not text", "plain text"),
        (b"PK\3\4" + TEXT.encode(), r"text.txt: is a zip archive \(a .docx", "plain text"),
        (b"", "text.txt: is empty", "Leave it out"),
        (b" \n\n\t\n", "text.txt: is empty", "Leave it out"),
        (LINE, r"text.txt: 53 characters in all; training needs at least 2,000", "Add text"),
        ("a" * 5000, "text.txt: holds only the character 'a'", "nothing to predict"),
    ],
)
def test_a_planted_fault_is_named_with_its_place_and_how_to_mend_it(
    content: bytes | str, message: str, mend: str, tmp_path: Path
) -> None:
    path = written(tmp_path, content)
    with pytest.raises(DataError, match=message) as caught:
        read_works([path])
    assert mend in caught.value.mend


@pytest.mark.parametrize(
    ("content", "noticed"),
    [
        (TEXT.replace("\n", "\r\n"), {"carriage returns": TEXT.count("\n")}),
        (TEXT.replace("\n", "\r"), {"carriage returns": TEXT.count("\n")}),
        (LINE + "\ufeff" + TEXT, {"byte order marks": 1}),
        ("\ufeff" + TEXT, {}),
        (TEXT + "\f" + LINE, {"form feeds": 1}),
        (TEXT + "caf\ufffd\n", {"damaged characters": 1}),
        (TEXT + "\x1b[0m\n", {"control characters": 1}),
    ],
)
def test_what_is_odd_but_readable_is_made_alike_and_counted(
    content: str, noticed: dict[str, int], tmp_path: Path
) -> None:
    (work,) = read_works([written(tmp_path, content)])
    assert work.noticed == noticed
    assert "\r" not in work.text
    assert "\ufeff" not in work.text
    assert work.text.startswith("It was the best of times, it was the worst of times.\n")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_one_text_is_the_same_in_each_encoding_that_is_read(encoding: str, tmp_path: Path) -> None:
    chinese = "春眠不觉晓，处处闻啼鸟。\n夜来风雨声，花落知多少。\n" * 90
    (work,) = read_works([written(tmp_path, chinese.encode(encoding))])
    assert work.text == chinese


def test_a_folder_gives_its_text_files_once_each_in_order(tmp_path: Path) -> None:
    for name, content in (("b.txt", TEXT), ("a.md", TEXT + "a"), ("c.png", "no"), ("d.txt", TEXT)):
        written(tmp_path, content, name)
    (tmp_path / "e.txt.gz").write_bytes(gzip.compress((TEXT + "e").encode()))
    works = read_works([tmp_path, tmp_path / "*.txt"])
    assert [Path(work.name).name for work in works] == ["a.md", "b.txt", "e.txt.gz"]


@pytest.mark.parametrize("name", ["absent.txt", "*.absent", "sample:milton", "sample:shakespeare:first"])
def test_a_name_that_leads_nowhere_is_said(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no such|no file matches"):
        read_works([name if name.startswith("sample") else tmp_path / name])


GUTENBERG = """The Project Gutenberg EBook of A Tale, by Someone

Title: A Tale

*** START OF THIS PROJECT GUTENBERG EBOOK A TALE ***

Produced by Volunteers

{text}
*** END OF THIS PROJECT GUTENBERG EBOOK A TALE ***

Updated editions will replace the previous one. Section 1. General Terms of Use
"""


def test_project_gutenbergs_header_and_licence_are_left_out_and_counted() -> None:
    work = tidied("tale", GUTENBERG.format(text=TEXT))
    assert work.text == TEXT
    assert work.noticed["Project Gutenberg's own characters"] > 200


def test_the_default_texts_are_the_archives_77_works_without_a_word_of_project_gutenberg() -> None:
    works = read_works(["sample:shakespeare"])
    assert len(works) == 77
    assert sum(work.name.endswith("(folio)") for work in works) == 35
    assert not [work.name for work in works if "gutenberg" in work.text.lower() or "\r" in work.text]
    assert next(w.text for w in works if w.name == "shakespeare/hamlet").startswith("HAMLET, PRINCE OF DENMARK\n")
    assert len(read_works(["sample:shakespeare:modern"])) == 42
