"""`pellucid train embed`, `neighbours` and the export of vectors, as a person meets them."""

import json
from pathlib import Path

import numpy as np
import pytest

from pellucid.run import Run
from pellucid.tasks.embed import words_of
from tests.cli.conftest import Command
from tests.tasks.test_embed import text


@pytest.fixture
def trained(pellucid: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("topics.txt").write_text(text(), encoding="utf-8")
    done = pellucid(
        *("train", "embed", "topics.txt", "--steps", "60", "--dimension", "12", "--fewest", "3", "--threads", "1"),
        *("--batch", "128", "--set", "data.threshold=0.05"),
    )
    assert done.code == 0, done.err
    assert "this model" in done.out
    assert max(map(len, done.out.splitlines())) <= 80
    return Path("runs/topics-words")


def test_words_are_trained_asked_for_and_taken_elsewhere(pellucid: Command, trained: Path) -> None:
    near = json.loads(pellucid("neighbours", trained, "ship", "--count", "3", "--json").out)
    assert len(near) == 3
    shown = pellucid("neighbours", "topics-words", "ship", "-", "sail", "+", "hay")
    assert "ship - sail + hay" in shown.out
    wrong = pellucid("neighbours", trained, "shop")
    assert wrong.code == 2
    assert "Spelled alike: ship" in wrong.err
    assert "no such measure" in pellucid("neighbours", trained, "ship", "--by", "feel").err
    done = pellucid("export", trained, "--to", "word2vec", "-o", "vectors.txt")
    assert done.code == 0
    head, *rows = Path("vectors.txt").read_text(encoding="utf-8").splitlines()
    assert head == f"{len(rows)} 12"
    table = np.array([[float(value) for value in row.split(" ")[1:]] for row in rows], dtype=np.float32)
    assert np.array_equal(table, words_of(Run.open(trained).model).numpy())
    assert "is a run of embed" in pellucid("translate", trained, "text").err
    assert "is a run of embed" in pellucid("export", trained, "--to", "onnx").err
    assert "embed topics" in pellucid("runs").out
    assert (trained / "report.html").stat().st_size > 1e6


def test_a_text_in_which_no_words_are_related_is_not_given_a_score(
    pellucid: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("flat.txt").write_text("the ship and the sea and a hay cart on the road\n" * 2000, encoding="utf-8")
    done = pellucid("train", "embed", "flat.txt", "--steps", "5", "--dimension", "8", "--threads", "1")
    assert done.code == 0, done.err
    assert "cannot be said" in done.out
    assert "one-hot" not in done.out
    page = Path("runs/flat-words/report.html").read_text(encoding="utf-8")
    assert "no two words share enough scenes" in page
    assert "this model" not in page.split('id="neighbours"')[0]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "no text to train on"),
        (("missing.txt",), "no such file"),
        (("short.txt",), "at least"),
        (("topics.txt", "--map", "globe"), "map is 'globe'"),
        (("sample:nothing",), "no such text"),
    ],
)
def test_wrong_input_is_told_in_a_sentence(
    pellucid: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("topics.txt").write_text(text(4), encoding="utf-8")
    Path("short.txt").write_text("a few words\n" * 3, encoding="utf-8")
    done = pellucid("train", "embed", *arguments)
    assert done.code == 2
    assert sentence in done.err
    assert "Traceback" not in done.err
    assert not Path("runs").exists()
