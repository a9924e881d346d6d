"""Filling a file: what is known already, what is translated, and that a stop costs nothing but the chunk at hand."""

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from pellucid.data.integrity import Breach, breaches
from pellucid.data.localization import Unit
from pellucid.errors import DataError
from pellucid.generate.careful import Proposal
from pellucid.generate.filling import plan as planning
from pellucid.generate.filling.entry import Found, worst_first
from pellucid.generate.filling.fill import Progress, entries_of, proposals_of, translated
from pellucid.generate.filling.journal import journal_path, opened_journal
from pellucid.generate.filling.plan import chunked, plan, sources_of
from pellucid.generate.filling.summary import counted

ABOUT = {"file": "1", "weights": "2"}


def check(source: str, target: str) -> tuple[Breach, ...]:
    return breaches(source, target, "en", "zh")


def unit(number: int, source: str, target: str = "", state: str = "") -> Unit:
    kept = state or ("finished" if target else "untranslated")
    return Unit(number, f"key{number}", number + 1, source, target, kept)  # type: ignore[arg-type]


def units(count: int) -> list[Unit]:
    return [unit(number, f"Text {'x' * (number * 7 % 13)} {chr(97 + number % 26)} of many") for number in range(count)]


class Translator:
    """Turns a text round; keeps what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, texts: Sequence[str]) -> list[Proposal]:
        self.asked += texts
        return [Proposal(text[::-1], -0.5, 0.6, ()) for text in texts]


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "CHUNK", 4)
    monkeypatch.setattr(planning, "WINDOW", 16)


def fill(
    some: Sequence[Unit], path: Path, translator: Translator, chunks: int | None = None, **about: str
) -> dict[str, Found] | None:
    """As the interface does it, with a stop after so many chunks; None if it was stopped."""
    planned = plan(sources_of(some), {}, check)
    seen = []
    with opened_journal(path, {**ABOUT, **about}, planned.sizes) as journal:
        stop = lambda: chunks is not None and len(seen) > chunks  # noqa: E731 (called back by the filling)
        found, is_whole = translated(planned, translator, journal, seen.append, stop)
        if is_whole:
            journal.remove()
    return found if is_whole else None


def test_identical_sources_are_translated_once_and_filled_everywhere(tmp_path: Path) -> None:
    some = [unit(0, "Open it"), unit(1, "Close it"), unit(2, "Open it"), unit(3, "Open it", "打开")]
    translator = Translator()
    found = fill(some, tmp_path / "journal", translator)
    assert found is not None
    assert sorted(translator.asked) == ["Close it", "Open it"]
    assert proposals_of(entries_of(some, found, lambda number, text: True)) == {
        0: "ti nepO",
        1: "ti esolC",
        2: "ti nepO",
    }


def test_the_memory_goes_first_and_passes_over_what_breaks_a_grave_check() -> None:
    times = sources_of([unit(0, "Open %s"), unit(1, "Close"), unit(2, "Quit")])
    known = plan(times, {"Open %s": ("打开", "打开 %s", "开启 %s"), "Close": ("关闭",)}, check).known
    assert known["Open %s"] == Found("memory", "打开 %s", others=("打开", "开启 %s"))
    assert known["Close"].text == "关闭"
    assert "Quit" not in known


def test_what_the_memory_has_none_safe_of_is_left_to_the_model() -> None:
    planned = plan(sources_of([unit(0, "Open %s")]), {"Open %s": ("打开", "%d 打开")}, check)
    assert not planned.known
    assert planned.chunks == [["Open %s"]]


def test_a_translation_from_memory_stands_in_the_white_space_of_the_source() -> None:
    known = plan(sources_of([unit(0, "  Open\n")]), {"Open": ("打开",)}, check).known
    assert known["  Open\n"].text == "  打开\n"


@pytest.mark.parametrize("source", ["%d / %d", "—", "https://example.org/a", "{count} × {price}", "100%"])
def test_a_source_that_holds_nothing_to_translate_is_copied(source: str) -> None:
    assert plan(sources_of([unit(0, source)]), {}, check).known[source] == Found("copied", source)


def test_blank_and_finished_entries_ask_for_nothing() -> None:
    some = [unit(0, " "), unit(1, "Open", "打开"), unit(2, "Save", "保", "needs review")]
    assert not sources_of(some)


def test_chunks_hold_every_source_once_and_like_lengths_together() -> None:
    sources = [str(number) * (number % 9 + 1) for number in range(50)]
    chunks = chunked(sources)
    assert sorted(text for chunk in chunks for text in chunk) == sorted(sources)
    assert [len(text) for text in chunks[0]] == sorted(map(len, sources[:16]))[:4]


@pytest.mark.parametrize("stops", [[0], [1], [2, 1], [1, 1, 1, 1]])
def test_a_filling_that_was_stopped_goes_on_to_the_same_end_and_translates_nothing_twice(
    tmp_path: Path, stops: list[int]
) -> None:
    some = units(23)
    whole, parts = Translator(), Translator()
    expected = fill(some, tmp_path / "whole", whole)
    for chunks in stops:
        assert fill(some, tmp_path / "parts", parts, chunks) is None
    assert fill(some, tmp_path / "parts", parts) == expected
    assert parts.asked == whole.asked
    assert not list(tmp_path.iterdir())


def test_a_journal_cut_short_at_any_byte_is_gone_on_with(tmp_path: Path) -> None:
    some = units(11)
    expected = fill(some, tmp_path / "whole", Translator())
    assert fill(some, tmp_path / "cut", Translator(), 2) is None
    kept = (tmp_path / "cut").read_bytes()
    for size in range(0, len(kept), 29):
        (tmp_path / "cut").write_bytes(kept[:size])
        translator = Translator()
        assert fill(some, tmp_path / "cut", translator) == expected
        assert len(translator.asked) in (3, 7, 11)


@pytest.mark.parametrize(
    "line",
    ["not json", "{}", '{"chunk": 1}', '{"chunk": 1, "found": [1, 2, 3, 4]}', '{"chunk": 1, "found": []}', "[1]"],
)
def test_what_follows_a_damaged_line_of_a_journal_is_done_again(tmp_path: Path, line: str) -> None:
    some = units(11)
    expected = fill(some, tmp_path / "whole", Translator())
    assert fill(some, tmp_path / "parts", Translator(), 2) is None
    head, first, second = (tmp_path / "parts").read_text().splitlines()
    (tmp_path / "parts").write_text("\n".join([head, first, line, second]) + "\n")
    translator = Translator()
    assert fill(some, tmp_path / "parts", translator) == expected
    assert len(translator.asked) == 7


def test_a_journal_of_something_else_is_begun_anew(tmp_path: Path) -> None:
    some = units(11)
    assert fill(some, tmp_path / "journal", Translator(), 1) is None
    planned = plan(sources_of(some), {}, check)
    with opened_journal(tmp_path / "journal", {**ABOUT, "weights": "other"}, planned.sizes) as journal:
        assert journal.stale
        assert not journal.held
    assert len((tmp_path / "journal").read_text().splitlines()) == 1


def test_one_process_at_a_time_fills_a_file(tmp_path: Path) -> None:
    path = journal_path(tmp_path / "app.po")
    assert path.name == ".app.po.pellucid.jsonl"
    with opened_journal(path, ABOUT, []), pytest.raises(DataError, match="another process"):  # noqa: SIM117
        with opened_journal(path, ABOUT, []):
            pass


def test_a_place_that_cannot_be_written_is_told_before_anything_is_done(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"), opened_journal(tmp_path / "file" / "journal", ABOUT, []):
        pass


def test_what_breaks_a_grave_check_or_does_not_fit_stays_empty_and_is_counted_by_reason(tmp_path: Path) -> None:
    some = [unit(0, "Open %s"), unit(1, "Close"), unit(2, "Quit"), unit(3, "Save", "保", "needs review")]
    grave = Breach("placeholder-missing", "%s", "", grave=True)

    def translate(texts: Sequence[str]) -> list[Proposal]:
        given = {"Open %s": Proposal("", -1.0, 0.3, (grave,), "打开"), "Quit": Proposal("", -9.0, 0.0, ())}
        return [given.get(text, Proposal("关闭", -0.1, 0.9, ())) for text in texts]

    planned = plan(sources_of(some), {}, check)
    with opened_journal(tmp_path / "journal", ABOUT, planned.sizes) as journal:
        found, _ = translated(planned, translate, journal)
    entries = entries_of(some, found, lambda number, text: number != 1, check)
    assert proposals_of(entries) == {}
    told = counted(some, entries)
    assert told["reasons"] == {"placeholder-missing": 1, "no proposal": 1, "does not fit": 1}
    assert (told["refused"], told["existing"], told["needs_review"]) == (3, 1, 1)
    assert [entry.unit.number for entry in worst_first(entries)][-1] == 3


def test_progress_ends_at_the_whole_and_counts_entries_not_sources(tmp_path: Path) -> None:
    some = [*units(9), unit(9, units(1)[0].source), unit(10, "%d")]
    planned, seen = plan(sources_of(some), {}, check), list[Progress]()
    with opened_journal(tmp_path / "journal", ABOUT, planned.sizes) as journal:
        translated(planned, Translator(), journal, seen.append)
    assert (seen[0].done, seen[0].total) == (1, 11)
    assert (seen[-1].done, seen[-1].share, seen[-1].left) == (11, 1.0, 0.0)
    assert all(one.done < two.done and one.share < two.share for one, two in pairwise(seen))


def test_a_journal_is_plain_lines_of_json(tmp_path: Path) -> None:
    assert fill(units(9), tmp_path / "journal", Translator(), 1) is None
    head, chunk = map(json.loads, (tmp_path / "journal").read_text().splitlines())
    assert head == ABOUT
    assert [one["state"] for one in chunk["found"]] == ["model"] * 4
