"""The report of a language model: what was measured stands in it in both languages, and no text becomes markup."""

import json
from pathlib import Path
from typing import Any

import pytest

from pellucid.see.report import write_report
from pellucid.see.report.memory import write_memory

HOSTILE = "</script><img src=x onerror=alert(1)>\u2028"


def metrics() -> list[dict[str, Any]]:
    model = {"bits_per_character": 2.34, "low": 2.3, "high": 2.4}
    counted = {name: {"bits_per_character": 3.0} for name in ("unigram", "ngram", "zlib", "lzma")}
    sample = {"prompt": HOSTILE, "text": HOSTILE, "seed": 1}
    data = {
        "kind": "data",
        "files": ["book"],
        "works": [{"name": HOSTILE, "characters": 9000}],
        "noticed": {"carriage returns": 3, "damaged characters": 1},
        "characters": {"train": 8000, "dev": 400, "test": 600},
        "by": "works",
        "editions": [["a", "b"]],
        "held_out": {"dev": [HOSTILE], "test": ["c"]},
        "seen_before": 0.001,
        "pieces": "characters",
        "vocabulary": 60,
        "train": 8000,
        "characters_per_token": 1.0,
        "unknown": 0,
        "batches": 7,
        "samples": [HOSTILE],
    }
    plan = {"kind": "plan", "parameters": 600_000, "steps": 20, "precision": "float32", "tokens_per_second": 9}
    scores = {"bits_per_character": 2.5, "perplexity": 5.6}
    return [
        data,
        {**plan, "threads": 2, "matmul": {}},
        *(
            {"kind": "step", "step": n, "loss": 3.0 / n, "learning_rate": 1e-3, "gradient_norm": 1.0}
            | {"tokens_per_second": 10, "seconds": n, "tokens": n, "padding": 0.0}
            for n in range(1, 21)
        ),
        {"kind": "evaluation", "step": 20, "loss": 1.7, "scores": scores, "samples": [sample], "best": True},
        {"kind": "end", "step": 20, "seconds": 60.0, "reason": "steps done", "best_step": 20},
        {
            "kind": "test",
            "split": "test",
            "characters": 600,
            "tokens": 600,
            "perplexity": 5.08,
            "systems": {"model": model, **counted},
            "passage": {"tokens": [HOSTILE, "a"], "bits": [9.5, 0.5]},
            "samples": [sample],
        },
    ]


@pytest.fixture
def page(tmp_path: Path) -> str:
    config = (
        'task = "language"\n[data]\nfiles = ["book"]\n[model]\ncell = "lstm"\n[writing]\ntemperature = 0.8\nseed = 1\n'
    )
    (tmp_path / "config.toml").write_text(config, encoding="utf-8")
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in metrics()), encoding="utf-8")
    return write_report(tmp_path).read_text(encoding="utf-8")


def test_the_verdict_says_bits_per_character_beside_counts_and_compressors_in_both_languages(page: str) -> None:
    for part in (
        "2.340",
        "An LSTM",
        "一个 LSTM",
        "0.66 bits fewer than counts",
        "比连续五字符计数少 0.66 比特",
        "zlib",
    ):
        assert part in page
    assert "2.300–2.400" in page


def test_size_and_time_are_said_in_each_language(page: str) -> None:
    assert "600,000 parameters, 1.0 min of training" in page
    assert "600,000 个参数，训练 1.0 分钟" in page


def test_a_token_is_shaded_by_its_bits_and_at_most_so_far_that_it_can_be_read(page: str) -> None:
    assert 'title="9.5 bits" style="background:color-mix(in srgb,rgb(var(--pos)) 70%,transparent)"' in page
    assert 'title="0.5 bits" style="background:color-mix(in srgb,rgb(var(--pos)) 4%,transparent)"' in page


def test_no_text_of_a_person_becomes_markup(page: str) -> None:
    assert "<img src=x" not in page
    assert page.count("&lt;img src=x onerror=alert(1)&gt;") >= 5


def test_what_was_noticed_in_reading_and_what_was_held_out_is_told(page: str) -> None:
    for part in ("carriage returns, read as line ends", "损坏的字符", "Held out", "0.10% of the test side"):
        assert part in page


def test_the_memory_page_says_how_far_each_network_recalls(tmp_path: Path) -> None:
    found = {
        "accuracy": {"rnn": [1.0, 0.5], "lstm": [1.0, 0.95], "gpt": [0.99, 0.99]},
        "gradient": {"rnn": [0.5, 0.0], "lstm": [0.6, 0.1], "gpt": [0.1, 0.1]},
        "microseconds": {"rnn": [50.0, 50.0], "lstm": [20.0, 10.0], "gpt": [90.0, 30.0]},
        "distances": (2, 8),
        "lengths": (16, 64),
        "steps": 400,
        "chance": 0.125,
    }
    page = write_memory(tmp_path / "memory.html", found).read_text(encoding="utf-8")
    assert "up to k = 2, by the LSTM up to k = 8, by the Transformer up to k = 8" in page
    assert page.count('id="plot-') == 3
