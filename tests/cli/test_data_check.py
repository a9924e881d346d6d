"""`pellucid data check` and `data show` as a person meets them: exit codes, tables that fit, JSON."""

import json
from pathlib import Path

import pytest
from rich.cells import cell_len

from pellucid.run import Run
from pellucid.tasks.translate import TranslateConfig, prepare
from tests.cli.conftest import PAIRS, Command, lines

TABLE = "age,city,price\n30,Rom,\n31;Wien;7\n32,Wien,8\n33,Köln,9,1\n40,KÃ¶ln,inf\n41,Bonn,12\n41,Bonn,12\n"


@pytest.fixture(autouse=True)
def _inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("houses.csv").write_text(TABLE, encoding="utf-8")
    Path("clean.csv").write_text("a,b\n1,x\n2,y\n3,x\n2,x\n", encoding="utf-8")
    Path("t.txt").write_text("\n".join(f"Line {n} of a text\u200b that someone wrote." for n in range(30)))


def test_exit_codes_are_0_without_fault_1_with_and_2_for_what_cannot_be_checked(pellucid: Command) -> None:
    assert pellucid("data", "check", "clean.csv").code == 0
    assert pellucid("data", "check", "clean.csv", "houses.csv").code == 1
    for arguments, said in (
        (("nowhere.csv",), "no such file"),
        (("houses.csv", "--target", "rooms"), "there is no column 'rooms'"),
        (("houses.csv", "--as", "poem"), "no such kind of data"),
        (("houses.csv", "--ignore", "ugly"), "no kind of fault 'ugly'"),
        (("clean.csv", "--delimiter", "ab"), "is not one character"),
    ):
        result = pellucid("data", "check", *arguments)
        assert result.code == 2
        assert said in " ".join(result.err.split())
        assert "Traceback" not in result.err


def test_the_json_names_file_line_column_and_mend_of_each_fault(pellucid: Command) -> None:
    told = json.loads(pellucid("data", "check", "houses.csv", "t.txt", "--json", "--most", "4").out)
    table, text = told["checked"]
    assert {(fault["kind"], fault["line"], fault["column"]) for fault in table["faults"]} == {
        ("missing-value", 2, "price"),
        ("mixed-delimiters", 3, None),
        ("column-count", 5, None),
        ("mojibake", 6, None),
        ("not-finite", 6, "price"),
        ("duplicate-row", 8, None),
    }
    assert all(fault["file"] == "houses.csv" and fault["said"] and fault["mend"] for fault in table["faults"])
    assert (text["kind"], text["counts"], len(text["faults"])) == ("text", {"invisible-character": 30}, 4)
    assert told["faults"] == 36


@pytest.mark.parametrize("language", ["en", "zh"])
def test_faults_are_told_within_eighty_columns(
    language: str, pellucid: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PELLUCID_LANG", language)
    printed = pellucid("data", "check", "houses.csv", "t.txt").out.split("\n")
    assert all(cell_len(line) <= 80 for line in printed)
    assert any("mixed-delimiters" in line for line in printed)
    assert any("27" in line for line in printed)  # of 30 places three are shown


def test_an_equal_row_is_named_by_its_line_as_the_fault_is(pellucid: Command) -> None:
    Path("twice.csv").write_text("a,b\n1,x\n2,y\n3,z\n2,y\n", encoding="utf-8")
    told = " ".join(pellucid("data", "check", "twice.csv").out.split())
    assert "line 5" in told
    assert "the same as line 3" in told


def test_kinds_that_are_ignored_are_not_told(pellucid: Command) -> None:
    assert pellucid("data", "check", "t.txt", "--ignore", "invisible-character").code == 0


def test_pairs_are_checked_by_the_filters_of_training(pellucid: Command) -> None:
    Path("p.tsv").write_text("en\tzh\nSave\t保存\nOpen\tOpen\nClose\t\nSave\t保存\n", encoding="utf-8")
    told = json.loads(pellucid("data", "check", "p.tsv", "--json").out)["checked"][0]
    assert told["kind"] == "pairs"
    assert {(fault["kind"], fault["line"]) for fault in told["faults"]} >= {
        ("identical-sides", 3),
        ("empty-side", 4),
        ("duplicate-pair", 5),
    }
    assert pellucid("data", "check", PAIRS, "--from", "en", "--to", "zh").code in (0, 1)


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("files", [["clean.csv"], ["t.txt", "--as", "text"], ["sample:digits"], ["sample:wine"]])
def test_what_other_data_hold_is_shown(
    files: list[str], language: str, pellucid: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("t.txt").write_text("A line of text for everyone.\n" * 100)
    monkeypatch.setenv("PELLUCID_LANG", language)
    assert all(cell_len(line) <= 80 for line in lines(pellucid("data", "show", *files)))


def test_what_tables_images_and_texts_hold_is_json_too(pellucid: Command) -> None:
    table = json.loads(pellucid("data", "show", "clean.csv", "--json").out)
    assert table["rows"] == 4
    number, category = table["columns"]
    assert (number["kind"], number["lowest"], number["mean"], number["highest"]) == ("number", 1.0, 2.0, 3.0)
    assert category["frequent"] == [{"text": "x", "rows": 3}, {"text": "y", "rows": 1}]
    images = json.loads(pellucid("data", "show", "sample:digits", "--json").out)
    assert (images["images"], images["width"], len(images["classes"])) == (1797, 8, 10)
    assert sum(one["images"] for one in images["classes"]) == 1797
    Path("t.txt").write_text("A line of text.\n" * 200)
    text = json.loads(pellucid("data", "show", "t.txt", "--json").out)
    assert text["characters"] == 3200
    assert text["works"][0]["words"] == 800


PLANTED = (
    "en\tzh\nSave the cafÃ©\t保存咖啡馆\nClose 25 lids\t关上 52 个盖子\nOpen the box\t\n关闭窗口\tClose the window\n"
)


@pytest.mark.parametrize("columns", ["80", "120"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_pairs_are_mended_and_what_was_done_is_told_within_the_width(
    columns: str, language: str, pellucid: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PELLUCID_LANG", language)
    monkeypatch.setenv("COLUMNS", columns)
    Path("p.tsv").write_text(PLANTED, encoding="utf-8")
    result = pellucid("data", "check", "p.tsv", "--fix", "-o", "clean.tsv")
    assert result.code == 1  # a number that differs stays
    said = result.out.split("\n")
    assert all(cell_len(line) <= int(columns) for line in said if "clean.tsv" not in line)
    assert Path("clean.tsv").read_text(encoding="utf-8").split("\n")[1:-1] == [
        "Save the café\t保存咖啡馆",
        "Close 25 lids\t关上 52 个盖子",
        "Close the window\t关闭窗口",
    ]
    assert Path("clean.tsv.report.csv").read_text(encoding="utf-8").count("\n") == 5
    assert pellucid("data", "check", "clean.tsv", "--ignore", "number-differs").code == 0


def test_the_json_of_mending_counts_what_was_done(pellucid: Command) -> None:
    Path("p.tsv").write_text(PLANTED, encoding="utf-8")
    told = json.loads(pellucid("data", "check", "p.tsv", "--fix", "-o", "clean.jsonl", "--json").out)
    assert told["fixed"] == {
        "file": "clean.jsonl",
        "pairs": 3,
        "mended": {"mojibake": 1, "swapped-sides": 1},
        "dropped": {"empty-side": 1},
        "stays": {"number-differs": 1},
    }


def test_mending_says_what_it_needs(pellucid: Command) -> None:
    Path("p.tsv").write_text(PLANTED, encoding="utf-8")
    for arguments, said in (
        (("p.tsv", "--fix"), "belong together"),
        (("p.tsv", "-o", "clean.tsv"), "belong together"),
        (("p.tsv", "--fix", "-o", "clean.xlsx"), "not written as .xlsx"),
        (("houses.csv", "--fix", "-o", "clean.tsv"), "only sentence pairs"),
        (("houses.csv", "--held-out", "p.tsv"), "only sentence pairs"),
        (("p.tsv", "--held-out", "nowhere.tsv"), "no such file"),
    ):
        result = pellucid("data", "check", *arguments)
        assert result.code == 2
        assert said in " ".join(result.err.split())
        assert not Path("clean.tsv").exists()


def test_held_out_pairs_are_those_of_a_file_or_of_a_run(pellucid: Command) -> None:
    Path("p.tsv").write_text("en\tzh\nClose the window\t关闭窗口\nMove a box\t移动箱子\n", encoding="utf-8")
    Path("test.tsv").write_text("en\tzh\nClose the window\t关上窗户\n", encoding="utf-8")
    told = json.loads(pellucid("data", "check", "p.tsv", "--held-out", "test.tsv", "--json").out)["checked"][0]
    assert [(fault["kind"], fault["line"]) for fault in told["faults"]] == [("held-out-leak", 2)]
    config = TranslateConfig.parse({"data": {"files": [str(PAIRS)], "source": "en", "target": "zh", "held_out": 10}})
    Run(Path("run")).save_config(config)
    held = prepare(config.data).splits.test[0]
    Path("p.tsv").write_text(f"en\tzh\nMove a box\t移动箱子\n{held.source}\t{held.references[0]}\n", encoding="utf-8")
    told = json.loads(pellucid("data", "check", "p.tsv", "--held-out", "run", "--json").out)["checked"][0]
    assert [(fault["kind"], fault["line"]) for fault in told["faults"]] == [("held-out-leak", 3)]
    assert "run, test" in told["faults"][0]["said"]
