"""`pellucid see --decode`: what stands on the screen is what was decoded, within the columns, in words and signs."""

import json
import re
from pathlib import Path

import pytest
from rich.cells import cell_len

from pellucid.run import Run
from pellucid.see.decode import decode
from pellucid.see.decoding import Decoding
from tests.cli.conftest import Command, lines

RUN, TEXT = "runs/en-zh", "Save the file %s"


@pytest.fixture(autouse=True)
def _inside(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(trained)


@pytest.fixture(scope="module")
def decoding(trained: Path) -> Decoding:
    return decode(Run.open(trained / RUN), TEXT, beam=3)


def shown(value: float) -> str:
    return f"{value:.3f}".replace("-", "−")


def test_each_position_has_its_block_with_the_text_so_far_and_the_total(pellucid: Command, decoding: Decoding) -> None:
    said = lines(pellucid("see", RUN, TEXT, "--decode", "--beam", 3))
    blocks = [line for line in said if line.startswith("position ")]
    assert said[0] == f"{TEXT} → {decoding.translation}".rstrip() or said[0].startswith(f"{TEXT} →")
    assert len(blocks) == len(decoding.path)
    for line, node in zip(blocks[1:], decoding.path, strict=False):
        assert line.startswith(f"position {node.position + 1} ")
        assert line.endswith(shown(node.total))


def test_a_block_has_the_candidates_with_their_numbers_and_a_sign_for_those_kept(
    pellucid: Command, decoding: Decoding
) -> None:
    said = lines(pellucid("see", RUN, TEXT, "--position", 0, "--beam", 3))
    root = decoding.nodes[0]
    for one in root.candidates:
        found = [
            line for line in said if re.search(rf"{re.escape(shown(one.log_probability))}  +{shown(one.total)}", line)
        ]
        assert found, one
        assert any((line[0] in "★▶■") == (one.node is not None) for line in found)
    for token, share in zip(decoding.source, decoding.attended(root), strict=True):
        assert any(line.startswith(token) and line.rstrip().endswith(shown(share)) for line in said), token


def test_one_position_shows_every_hypothesis_alive_there(pellucid: Command, decoding: Decoding) -> None:
    said = lines(pellucid("see", RUN, TEXT, "--position", 1, "--beam", 3))
    assert sum(line.startswith("position 1 ") for line in said) == len(decoding.alive(1)) == 3


def test_the_tree_holds_every_end_with_its_reason(pellucid: Command, decoding: Decoding) -> None:
    said = " ".join(pellucid("see", RUN, TEXT, "--decode", "--beam", 3).out.replace("│", " ").split())
    leaves = [node for node in decoding.nodes if not decoding.children(node.number)]
    assert len(leaves) > 3
    for node in leaves:
        assert " ".join(node.fate.reason().split()) in said, node.fate.reason()


@pytest.mark.parametrize("columns", [60, 80, 120])
@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("options", [["--beam", "4"], ["--beam", "1", "--head", "0"], ["--method", "sample"]])
def test_nothing_is_wider_than_the_terminal(
    pellucid: Command, monkeypatch: pytest.MonkeyPatch, columns: int, language: str, options: list[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("PELLUCID_LANG", language)
    said = lines(pellucid("see", RUN, TEXT, "--decode", *options, "--force", "0=a"))
    assert max(map(cell_len, said)) <= columns


def test_a_forced_token_stands_beside_what_came_without_it(pellucid: Command, decoding: Decoding) -> None:
    said = pellucid("see", RUN, TEXT, "--beam", 3, "--force", "1=<|end|>").out
    forced = decode(Run.open(RUN), TEXT, {1: "<|end|>"}, beam=3)
    assert f"position 1 is <|end|>, which would have been {decoding.path[1].text}" in " ".join(said.split())
    for number in (decoding.outcome.score, forced.outcome.score, forced.outcome.score - decoding.outcome.score):
        assert shown(number) in said


def test_forcing_what_comes_anyway_says_so(pellucid: Command, decoding: Decoding) -> None:
    said = pellucid("see", RUN, TEXT, "--beam", 3, "--force", f"0={decoding.path[0].text}").out
    assert "The translation is the same" in said


def test_json_holds_the_whole_decoding(pellucid: Command, decoding: Decoding) -> None:
    found = json.loads(pellucid("see", RUN, TEXT, "--decode", "--beam", 3, "--json").out)
    assert found["best"] == [node.number for node in decoding.path]
    assert found["translation"] == decoding.translation
    assert [node["total"] for node in found["tree"]] == [node.total for node in decoding.nodes]
    assert [node["reason"] for node in found["tree"]] == [node.fate.reason() for node in decoding.nodes]
    assert len(found["positions"]) == len({node.position for node in decoding.nodes if node.row is not None})
    (first,) = found["positions"][0]["hypotheses"]
    assert first["attended"] == decoding.attended(decoding.nodes[0])
    assert [one["text"] for one in first["candidates"]] == [one.text for one in decoding.nodes[0].candidates]
    one = json.loads(pellucid("see", RUN, TEXT, "--position", 1, "--beam", 3, "--json").out)
    assert one["positions"] == [found["positions"][1]]


def test_a_decoding_is_saved_with_its_pass_and_shown_from_it(pellucid: Command, tmp_path: Path) -> None:
    path = tmp_path / "pass.safetensors"
    made = pellucid("see", RUN, TEXT, "--decode", "--beam", 3, "--save", path)
    assert lines(pellucid("see", path, "--decode")) == lines(made)
    assert "Into which pieces" in pellucid("see", path).out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--force", "file"], "--force file: not POSITION=TOKEN"),
        (["--force", "x=file"], "--force x=file: not POSITION=TOKEN"),
        (["--force", "0=a", "--force", "0=b"], "position 0 was forced before"),
        (["--force", "0=filefilefile"], "'filefilefile' is no token of the vocabulary"),
        (["--force", "900=a"], "there is no position 900"),
        (["--position", "900"], "there is no position 900"),
        (["--decode", "--head", "9"], "there is no head 9"),
        (["--decode", "--head", "0", "--layer", "9"], "there is no layer 9"),
        (["--decode", "--target", "保存"], "--target was given"),
        (["--beam", "0"], "beam"),
        (["--method", "best"], "method"),
    ],
)
def test_what_is_wrong_is_told_in_a_sentence(pellucid: Command, options: list[str], message: str) -> None:
    result = pellucid("see", RUN, TEXT, *options)
    assert (result.code, result.out) == (2, "")
    assert message in result.err.replace("\n", " ")
    assert "Traceback" not in result.err


def test_a_saved_trace_without_a_decoding_says_how_to_make_one(pellucid: Command, tmp_path: Path) -> None:
    path = tmp_path / "pass.safetensors"
    assert pellucid("see", RUN, TEXT, "--target", "保存", "--save", path).code == 0
    for options in (["--decode"], ["--beam", "3"]):
        result = pellucid("see", path, *options)
        assert result.code == 2
        assert result.err.count("\n") <= 4
