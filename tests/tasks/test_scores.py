"""Scores against what can be worked out by hand."""

from pellucid.tasks.scores import full_scores


def test_an_interval_is_found_where_only_some_resamples_score_zero() -> None:
    scores = full_scores(["x"] * 5, ["甲乙丙丁", "q", "q", "z", "y"], [("甲乙丙丁",), *[("丁丙",)] * 4], "zh")
    for measure in ("chrf", "bleu", "exact"):
        assert scores[measure]["low"] == 0.0
        assert scores[measure]["low"] < scores[measure]["value"] < scores[measure]["high"]
    assert scores["exact"]["value"] == 20.0


def test_perfect_translations_score_100_with_an_interval_of_no_width() -> None:
    texts = ["Open the file now.", "Close the other window."]
    scores = full_scores(texts, texts, [(text,) for text in texts], "de")
    for measure in ("chrf", "bleu", "exact"):
        assert [round(scores[measure][end], 2) for end in ("low", "value", "high")] == [100.0, 100.0, 100.0]
