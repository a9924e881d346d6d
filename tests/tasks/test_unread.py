"""A setting that nothing reads is said; one that is read, or is as it was, is not."""

from typing import Any

import pytest

from pellucid.config import RunConfig
from pellucid.tasks.classify import ClassifyConfig
from pellucid.tasks.language import LanguageConfig
from pellucid.tasks.regress import RegressConfig
from pellucid.tasks.unread import unread_settings

CASES: dict[str, tuple[type[RunConfig], dict[str, Any], str]] = {
    "the other kind of network": (
        ClassifyConfig,
        {"model": {"kind": "cnn", "mlp": {"depth": 12}}},
        "model.mlp.depth is set to 12 and is not read: model.kind is cnn, not mlp",
    ),
    "what a GPT has": (
        LanguageConfig,
        {"model": {"cell": "lstm", "norm": "post"}},
        "model.norm is set to post and is not read: model.cell is lstm, not gpt",
    ),
    "momentum of plain descent": (
        RegressConfig,
        {"training": {"optimizer": "sgd", "momentum": 0.99}},
        "training.momentum is set to 0.99 and is not read: training.optimizer is sgd, not momentum or nesterov",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_setting_that_nothing_reads_is_said_with_what_would_read_it(case: str) -> None:
    kind, values, said = CASES[case]
    assert unread_settings(kind.parse(values)) == [said]


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (ClassifyConfig, {"model": {"kind": "mlp", "mlp": {"depth": 12}}}),
        (ClassifyConfig, {"model": {"kind": "cnn", "mlp": {"dropout": 0.4}, "cnn": {"dropout": 0.4}}}),
        (ClassifyConfig, {}),
        (LanguageConfig, {"model": {"cell": "gru", "width": 40}}),
        (LanguageConfig, {"model": {"cell": "gpt", "norm": "post"}}),
        (
            RegressConfig,
            {"training": {"optimizer": "nesterov", "momentum": 0.99, "schedule": "step", "step_every": 0.5}},
        ),
    ],
)
def test_what_is_read_is_not_said(kind: type[RunConfig], values: dict[str, Any]) -> None:
    assert unread_settings(kind.parse(values)) == []
