"""`pellucid translate RUN --file app.po -o app.zh.po`: what is filled, what is left alone, and what is said."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.cells import cell_len

from pellucid.api import fill
from pellucid.cli.words import words
from pellucid.data.pairs import Pair
from pellucid.generate.filling import plan as planning
from pellucid.generate.filling.journal import journal_path
from pellucid.run import Run
from pellucid.tasks.translate import prepare
from tests.cli.conftest import Command

RUN = "runs/en-zh"
GREEDY = {"method": "greedy", "beam": 1}
HEAD = """msgid ""
msgstr ""
"Language: {language}\\n"
"Content-Type: text/plain; charset=UTF-8\\n"
"Plural-Forms: nplurals=1; plural=0;\\n"
"""
DONE = """
# A comment of the translator
#: source.c:1
msgid "Done %d"
msgstr   "已完成 %d"

#, fuzzy
msgid "Almost"
msgstr "几乎"

#~ msgid "Gone"
#~ msgstr ""
"""


@pytest.fixture(autouse=True)
def _inside(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").symlink_to(trained / "runs")


@pytest.fixture(scope="module")
def known(trained: Path) -> list[Pair]:
    """Training pairs whose source has one translation."""
    pairs = prepare(Run.open(trained / RUN).config.data).splits.train
    times = [pair.source for pair in pairs]
    return [pair for pair in pairs if times.count(pair.source) == 1 and "\\" not in pair.source]


def catalog(sources: Sequence[str], language: str = "zh_CN", path: str = "app.po") -> Path:
    entries = "".join(f'\nmsgid {json.dumps(source, ensure_ascii=False)}\nmsgstr ""\n' for source in sources)
    Path(path).write_text(HEAD.format(language=language) + DONE + entries, encoding="utf-8")
    return Path(path)


def unfilled(path: str) -> str:
    """A catalog with what was filled taken out again, and what needed review before with it."""
    text = Path(path).read_bytes().decode("utf-8")
    return re.sub(r'#, fuzzy\n(msgid ".*"\n)msgstr ".+"', r'\1msgstr ""', text)


def unknown(count: int) -> list[str]:
    """Sources that no training pair has."""
    return [f"Row {chr(97 + n % 26)}{chr(97 + n // 26)} of the view" for n in range(count)]


def filled(path: str, source: str) -> str:
    text = Path(path).read_text(encoding="utf-8")
    found = re.search(rf"#, fuzzy\nmsgid {re.escape(json.dumps(source, ensure_ascii=False))}\nmsgstr (.*)\n", text)
    assert found is not None, source
    return str(json.loads(found[1]))


def test_what_stands_in_the_training_pairs_is_filled_from_them_and_nothing_else_moves(
    pellucid: Command, known: list[Pair]
) -> None:
    chosen = known[:40]
    catalog([pair.source for pair in chosen])
    result = pellucid("translate", RUN, "--file", "app.po", "-o", "zh.po")
    assert result.code == 0
    assert result.out == ""
    same = [pair for pair in chosen if filled("zh.po", pair.source) == pair.target]
    assert len(same) >= 38  # one that breaks a check is left to the model
    assert unfilled("zh.po") == unfilled("app.po")
    assert Path("zh.po").read_text(encoding="utf-8").startswith(HEAD.format(language="zh_CN") + DONE)


def test_the_summary_is_json_when_it_is_asked_for_and_counts_every_entry(pellucid: Command, known: list[Pair]) -> None:
    catalog([known[0].source, known[0].source, "%d / %d", *unknown(2)])
    result = pellucid("translate", RUN, "--file", "app.po", "-o", "zh.po", "--json", "--method", "greedy")
    told = json.loads(result.out)
    assert (told["entries"], told["finished"], told["existing"], told["memory"], told["copied"]) == (7, 1, 1, 2, 1)
    assert told["model"] + told["refused"] == 2
    assert sum(told["reasons"].values()) >= told["refused"]
    assert (told["left"], told["interrupted"], told["memory_missing"]) == (0, False, "")


def test_a_file_in_another_script_than_the_run_has_learned_is_warned_of_in_one_line(pellucid: Command) -> None:
    catalog(["%d / %d"], language="zh_TW")
    told = json.loads(pellucid("translate", RUN, "--file", "app.po", "-o", "zh.po", "--json").out)
    assert told["variety"] == {"locale": "zh_TW", "kind": "script", "wanted": "Hant", "learned": "Hans"}
    said = pellucid("translate", RUN, "--file", "app.po", "-o", "zh.po", "--overwrite").err
    assert [line for line in said.splitlines() if "zh_TW" in line and "Traditional Chinese" in line]
    catalog(["%d / %d"])
    result = pellucid("translate", RUN, "--file", "app.po", "-o", "zh.po", "--overwrite", "--json")
    assert json.loads(result.out)["variety"] is None


def test_in_place_gives_the_same_file_and_keeps_its_rights(pellucid: Command, known: list[Pair]) -> None:
    path = catalog([pair.source for pair in known[:5]])
    path.chmod(0o640)
    assert pellucid("translate", RUN, "--file", "app.po", "-o", "other.po").code == 0
    assert pellucid("translate", RUN, "--file", "app.po", "-o", "./app.po").code == 0
    assert path.read_bytes() == Path("other.po").read_bytes()
    assert path.stat().st_mode & 0o777 == 0o640
    assert pellucid("translate", RUN, "--file", "app.po", "-o", "app.po").code == 0  # nothing is left to do
    assert path.read_bytes() == Path("other.po").read_bytes()


def test_an_output_that_is_there_is_only_overwritten_when_told_to(pellucid: Command, known: list[Pair]) -> None:
    catalog([known[0].source])
    Path("zh.po").write_text("mine")
    refused = pellucid("translate", RUN, "--file", "app.po", "-o", "zh.po")
    assert refused.code == 2
    assert "--overwrite" in refused.err
    assert Path("zh.po").read_text() == "mine"
    assert pellucid("translate", RUN, "--file", "app.po", "-o", "zh.po", "--overwrite").code == 0
    assert filled("zh.po", known[0].source) == known[0].target


def test_a_file_of_one_language_goes_on_with_the_translation_that_is_there(
    pellucid: Command, known: list[Pair]
) -> None:
    one, two = known[:2]
    Path("en.json").write_text(json.dumps({"a": one.source, "b": {"c": two.source}}), encoding="utf-8")
    Path("zh.json").write_text(json.dumps({"a": "我的"}), encoding="utf-8")
    assert pellucid("translate", RUN, "--file", "en.json", "-o", "zh.json").code == 0
    assert json.loads(Path("zh.json").read_text(encoding="utf-8")) == {"a": "我的", "b": {"c": two.target}}
    refused = pellucid("translate", RUN, "--file", "en.json", "-o", "en.json")
    assert refused.code == 2
    assert "en.zh.json" in refused.err


def test_every_format_is_filled_in_its_own_way(pellucid: Command, known: list[Pair]) -> None:
    source, target = next((p.source, p.target) for p in known if p.source.replace(" ", "").isalpha())
    files = {
        "app.xlf": f'<xliff version="1.2"><file original="a" source-language="en" target-language="zh"><body>'
        f'<trans-unit id="1"><source>{source}</source></trans-unit></body></file></xliff>',
        "strings.xml": f'<resources><string name="a">{source}</string></resources>',
        "app.tsv": f"en\tzh\n{source}\t\n",
        "app.csv": f"en,zh\n{source},\n",
    }
    for name, text in files.items():
        Path(name).write_text(text, encoding="utf-8")
        assert pellucid("translate", RUN, "--file", name, "-o", f"filled.{name}").code == 0, name
        assert target in Path(f"filled.{name}").read_text(encoding="utf-8"), name
    assert 'state="needs-review-translation"' in Path("filled.app.xlf").read_text(encoding="utf-8")


def test_a_run_whose_training_data_is_gone_fills_without_it_and_says_so(
    pellucid: Command, known: list[Pair], trained: Path
) -> None:
    shutil.copytree(trained / RUN, "moved")
    config = Path("moved/config.toml").read_text(encoding="utf-8")
    Path("moved/config.toml").write_text(re.sub(r"files = \[.*\]", 'files = ["gone.tsv"]', config), encoding="utf-8")
    catalog([known[0].source])
    result = pellucid("translate", "moved", "--file", "app.po", "-o", "zh.po", "--method", "greedy", "--json")
    told = json.loads(result.out)
    assert (told["memory"], told["model"] + told["refused"]) == (0, 1)
    assert "gone.tsv" in told["memory_missing"]
    again = pellucid("translate", "moved", "--file", "app.po", "-o", "again.po", "--method", "greedy")
    assert "Without a translation memory: gone.tsv: no such file" in again.err


def test_no_memory_leaves_everything_to_the_model(pellucid: Command, known: list[Pair]) -> None:
    catalog([known[0].source])
    result = pellucid(
        "translate", RUN, "--file", "app.po", "-o", "zh.po", "--no-memory", "--method", "greedy", "--json"
    )
    assert json.loads(result.out)["memory"] == 0


def test_entries_left_empty_are_told_with_their_reason_and_fail_only_a_strict_filling(pellucid: Command) -> None:
    crowded = " and ".join(f"{{placeholder_{n}}}" for n in range(40))  # more than a sentence of the model has slots for
    catalog([crowded])
    arguments = ["translate", RUN, "--file", "app.po", "-o", "zh.po", "--overwrite"]
    told = json.loads(pellucid(*arguments, "--json").out)
    assert (told["refused"], told["reasons"]) == (1, {"too-many-slots": 1})
    lax, strict = pellucid(*arguments), pellucid(*arguments, "--strict")
    assert (lax.code, strict.code) == (0, 1)
    assert re.search(r"left empty +1 +too many placeholders 1", lax.err)
    assert f'msgid "{crowded}"\nmsgstr ""\n' in Path("zh.po").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--file", "app.po"], "-o app.zh.po"),
        (["--file", "none.po", "-o", "zh.po"], "none.po: no such file"),
        (["--file", "de.po", "-o", "zh.po"], "German"),
        (["--file", "app.po", "-o", "app.po/zh.po"], "app.po"),
        (["--file", "app.po", "-o", "runs"], "is a folder"),
        (["--file", "app.po", "-o", "zh.po", "--review", "review.txt"], "neither .html nor .csv"),
        (["--file", "app.po", "-o", "zh.csv", "--review", "zh.csv"], "the file itself"),
        (["--file", "app.po", "-o", "zh.po", "--glossary", "none.tsv"], "none.tsv: no such file"),
        (["--file", "app.po", "-o", "zh.po", "--as", "word"], "no such format"),
        (["--file", "app.po", "-o", "zh.po", "--n-best", "2"], "one translation"),
        (["--glossary", "terms.tsv", "Open"], "for filling a localization file"),
        (["--file", "broken.po", "-o", "zh.po"], "broken.po"),
        (["--file", "broken.xlf", "-o", "zh.xlf"], "broken.xlf"),
    ],
)
def test_a_wrong_wish_gets_one_sentence_and_writes_nothing(pellucid: Command, arguments: list[str], said: str) -> None:
    catalog(["Open"])
    catalog(["Open"], "de", "de.po")
    Path("broken.po").write_bytes(b'msgid "a\nmsgstr \xff')
    Path("broken.xlf").write_text("<xliff><file>")
    before = {path.name for path in Path().iterdir()}
    result = pellucid("translate", RUN, *arguments)
    assert result.code == 2
    assert said in result.err
    assert "Traceback" not in result.err
    assert {path.name for path in Path().iterdir()} == before


def test_a_run_of_another_task_is_refused(pellucid: Command, every_task: Path) -> None:
    catalog(["Open"])
    result = pellucid("translate", every_task / "runs" / "regress", "--file", "app.po", "-o", "zh.po")
    assert result.code == 2
    assert "is a run of regress" in result.err


def test_a_localization_file_can_still_be_translated_line_by_line(pellucid: Command) -> None:
    catalog([])
    result = pellucid("translate", RUN, "--file", "app.po", "--as", "text", "--method", "greedy")
    assert len(result.out.splitlines()) == len(Path("app.po").read_text(encoding="utf-8").splitlines())


def test_a_filling_that_was_stopped_goes_on_to_the_same_bytes(
    known: list[Pair], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "CHUNK", 8)
    path = catalog([*unknown(18), known[0].source])
    whole = fill(RUN, path, "whole.po", **GREEDY)
    looks = iter([False, True])
    stopped = fill(RUN, path, "parts.po", should_stop=lambda: next(looks), **GREEDY)
    assert stopped.interrupted
    assert (stopped.model + stopped.refused, stopped.memory, stopped.left) == (8, 1, 10)
    assert not Path("parts.po").exists()
    assert journal_path(Path("parts.po")).exists()
    ended = fill(RUN, path, "parts.po", **GREEDY)
    assert ended.continued == 8
    assert (ended.model, ended.refused) == (whole.model, whole.refused)
    assert Path("parts.po").read_bytes() == Path("whole.po").read_bytes()
    assert not list(Path().glob(".*pellucid*"))


def test_a_filling_in_place_that_was_stopped_leaves_the_file_as_it_was_and_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(planning, "CHUNK", 4)
    path = catalog(unknown(7))
    before = path.read_bytes()
    fill(RUN, path, "whole.po", **GREEDY)
    looks = iter([False, True])
    assert fill(RUN, path, path, should_stop=lambda: next(looks), **GREEDY).interrupted
    assert path.read_bytes() == before
    assert fill(RUN, path, path, **GREEDY).continued == 4
    assert path.read_bytes() == Path("whole.po").read_bytes()


def test_what_was_done_is_not_used_for_another_way_to_decode(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "CHUNK", 4)
    path = catalog(unknown(7))
    looks = iter([False, True])
    fill(RUN, path, "zh.po", should_stop=lambda: next(looks), **GREEDY)
    again = fill(RUN, path, "zh.po", should_stop=lambda: True, method="greedy", beam=1, max_extra=3)
    assert (again.stale, again.continued) == (True, 0)


def test_reviews_are_written_with_a_near_match_and_every_proposal(pellucid: Command, known: list[Pair]) -> None:
    catalog([known[0].source, f"{known[1].source} xyzzy"])
    arguments = ["--review", "review.html", "--review", "review.csv", "--method", "greedy"]
    assert pellucid("translate", RUN, "--file", "app.po", "-o", "zh.po", *arguments).code == 0
    page = Path("review.html").read_text(encoding="utf-8")
    assert "Plotly" not in page.split("<script>")[1]
    table = Path("review.csv").read_text(encoding="utf-8-sig")
    assert known[1].target in table
    assert "existing" in table
    assert "xyzzy" in table


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_summary_fits_the_terminal_in_both_languages(
    pellucid: Command, known: list[Pair], monkeypatch: pytest.MonkeyPatch, columns: int, language: str
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("PELLUCID_LANG", language)
    catalog([pair.source for pair in known[:3]])
    result = pellucid("translate", RUN, "--file", "app.po", "-o", "zh.po", "--method", "greedy")
    assert words(language)["fill.memory"] in result.err
    assert all(cell_len(line) <= columns for line in result.err.splitlines())


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_sentences_at_hand_and_the_same_command_goes_on(number: int, code: int) -> None:
    catalog(unknown(400))
    command = [sys.executable, "-m", "pellucid", "translate", RUN, "--file", "app.po", "-o"]
    environment = {**os.environ, "PELLUCID_LANG": "en"}
    subprocess.run([*command, "whole.po"], check=True, env=environment)
    started = subprocess.Popen([*command, "parts.po"], stderr=subprocess.PIPE, text=True, env=environment)
    journal, patience = Path(".parts.po.pellucid.jsonl"), time.monotonic() + 120
    while not (journal.exists() and journal.read_bytes().count(b"\n") > 1):
        assert time.monotonic() < patience
        time.sleep(0.02)
    started.send_signal(number)
    _, said = started.communicate(timeout=120)
    assert started.returncode == code
    assert "-o parts.po" in said.split("Go on with:")[1]
    assert not Path("parts.po").exists()
    subprocess.run([*command, "parts.po"], check=True, env=environment)
    assert Path("parts.po").read_bytes() == Path("whole.po").read_bytes()
    assert not journal.exists()
