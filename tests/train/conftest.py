"""A tiny translation task on made-up pairs, and runs of it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pellucid.data.pairs import Pair
from pellucid.run import Run
from pellucid.tasks.translate import TranslateConfig, TranslateTask

VERBS = {
    "open": "打开",
    "close": "关闭",
    "save": "保存",
    "delete": "删除",
    "print": "打印",
    "copy": "复制",
    "find": "查找",
}
THINGS = {"file": "文件", "window": "窗口", "page": "页面", "folder": "文件夹", "image": "图片", "table": "表格"}
HOW = {"now": "立即", "later": "稍后", "again": "再次", "quickly": "快速", "twice": "两次"}


def made_up_pairs() -> list[Pair]:
    """210 sentences such as `open the window again`."""
    return [
        Pair(f"{verb} the {thing} {how}", f"{how_zh}{verb_zh}{thing_zh}")
        for verb, verb_zh in VERBS.items()
        for thing, thing_zh in THINGS.items()
        for how, how_zh in HOW.items()
    ]


def tiny_config(pairs: Path, **training: object) -> TranslateConfig:
    return TranslateConfig.parse(
        {
            "data": {"files": [str(pairs)], "source": "en", "target": "zh", "held_out": 20, "near_duplicate": 1.0},
            "tokenizer": {"vocabulary": 350},
            "model": {"d_model": 32, "heads": 2, "feed_forward": 64, "encoder_layers": 1, "decoder_layers": 1},
            "training": {
                "steps": 24,
                "batch_tokens": 256,
                "learning_rate": 3e-3,
                "precision": "float32",
                "threads": 1,
                "evaluate_every": 8,
                "watch": 5,
                **training,
            },
        }
    )


@pytest.fixture(scope="session")
def pairs_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "pairs.tsv"
    path.write_text("".join(f"{pair.source}\t{pair.target}\n" for pair in made_up_pairs()), encoding="utf-8")
    return path


@pytest.fixture
def make_run(pairs_file: Path, tmp_path: Path) -> Callable[..., tuple[Run, TranslateTask]]:
    """A new run folder, its plan settled, and its task."""

    def make(name: str = "run", **training: object) -> tuple[Run, TranslateTask]:
        task = TranslateTask(tiny_config(pairs_file, **training))
        return Run.create(tmp_path / name, task), task

    return make
