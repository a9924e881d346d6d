"""Word vectors: what the loss is, that like words come near, that a run goes on to the same bits."""

import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from pellucid import api
from pellucid.errors import DataError
from pellucid.generate.neighbours import nearest, parsed
from pellucid.models.skipgram import SkipGram, one_hot
from pellucid.run import Run
from pellucid.see.subjects.embed import trace_of
from pellucid.tasks.embed import EmbedConfig, EmbedTask, counted_vectors, words_of
from pellucid.tasks.word_similarity import cosine_in, judged_pairs, share_right

TOPICS = {"sea": "ship sail wave salt harbour anchor", "field": "plough wheat barn horse hay furrow"}
COMMON = [f"the{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]


def text(scenes: int = 60, seed: int = 1) -> str:
    """Scenes, each on one of two topics, in common words."""
    draw = random.Random(seed)
    written = []
    for number in range(scenes):
        words = TOPICS["sea" if number % 2 else "field"].split()
        body = " ".join(draw.choice(words if draw.random() < 0.6 else COMMON) for _ in range(120))
        written.append(f"SCENE {number}\n{body}\n")
    return "\n".join(written)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "topics.txt"
    path.write_text(text(), encoding="utf-8")
    return path


def config(file: Path, **training: object) -> EmbedConfig:
    return EmbedConfig.parse(
        {
            "data": {"files": [str(file)], "fewest": 3, "threshold": 1.0},
            "model": {"dimension": 12, "window": 4},
            "training": {
                "steps": 240,
                "batch": 128,
                "evaluate_every": 80,
                "learning_rate": 0.03,
                "threads": 1,
                **training,
            },
        }
    )


@pytest.fixture(scope="module")
def run(file: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return api.train(config(file), tmp_path_factory.mktemp("runs") / "topics")


def test_a_one_hot_vector_times_the_table_is_the_words_row() -> None:
    model = SkipGram(7, 4)
    words = torch.tensor([0, 6, 3])
    assert torch.equal(one_hot(words, 7) @ model.word.weight, model.word(words))


def test_the_loss_is_that_of_a_classifier_of_neighbours() -> None:
    """Against PyTorch's own binary cross-entropy over the same logits."""
    model = SkipGram(9, 5)
    torch.nn.init.normal_(model.neighbour.weight)
    torch.nn.init.normal_(model.word.weight)
    word, near, drawn = torch.tensor([1, 2]), torch.tensor([3, 4]), torch.tensor([[5, 6, 7], [8, 0, 1]])
    vectors, others = model.word.weight[word], torch.cat([near[:, None], drawn], 1)
    logits = torch.einsum("pd,pkd->pk", vectors, model.neighbour.weight[others])
    right = torch.tensor([[1.0, 0, 0, 0]] * 2)
    expected = F.binary_cross_entropy_with_logits(logits, right, reduction="none").sum(1)
    torch.testing.assert_close(model(word, near, drawn), expected)


def test_words_of_one_topic_come_near_each_other(run: Run) -> None:
    words = json.loads((run.path / "words.json").read_text())["words"]
    table = words_of(run.model)
    for topic in TOPICS.values():
        own = set(topic.split())
        for word in own:
            assert {near.word for near in nearest(table, words, word, 4)} <= own


def test_the_judge_finds_the_topics_and_the_model_agrees_with_it(run: Run) -> None:
    (tested,) = [line for line in run.metrics() if line["kind"] == "test"]
    for one in tested["judged"]:
        assert any({one["word"], one["related"]} <= set(topic.split()) for topic in TOPICS.values())
    assert tested["systems"]["model"] > 0.95
    assert tested["systems"]["one-hot"] == 0.5


def test_related_pairs_share_scenes_more_often_than_chance_has_it() -> None:
    draw = random.Random(2)
    scenes = [[draw.randrange(100, 120) + 20 * (number % 2) for _ in range(30)] for number in range(40)]
    judged = judged_pairs(scenes, 140)
    group = torch.zeros(140, 3)
    group[:100, 0] = group[100:120, 1] = group[120:140, 2] = 1
    assert bool((group[judged.first] == group[judged.second]).all())
    alike = (group[judged.first] == group[judged.other]).all(1).float()
    assert float(alike.mean()) < 0.5
    assert share_right(judged, cosine_in(group)) == pytest.approx(float(1 - 0.5 * alike.mean()))


def test_counted_vectors_come_from_the_same_matrix_as_numpys_decomposition(file: Path) -> None:
    task = EmbedTask(config(file))
    words = len(task.vocabulary.words)
    vectors = counted_vectors(task.grams["train"], words, 4)
    counts = np.zeros((words, words))
    for examples in task.grams["train"].epoch(0, 64):
        for a, b in zip(*(side.tolist() for side in task.grams["train"].pairs(torch.tensor(examples))), strict=True):
            counts[a, b] += 1
    rows = counts.sum(1, keepdims=True)
    matrix = np.log(np.maximum(counts * counts.sum() / (rows * rows.T), 1))
    left, values, _ = np.linalg.svd(matrix)
    expected = torch.tensor(left[:, :4] * np.sqrt(values[:4]), dtype=torch.float32)
    torch.testing.assert_close(vectors @ vectors.T, expected @ expected.T, atol=0.05, rtol=0.05)


def test_a_training_that_was_stopped_goes_on_to_the_same_bits(file: Path, run: Run, tmp_path: Path) -> None:
    steps = 0

    def after_seventy(event: object = None) -> bool:
        nonlocal steps
        steps += 1
        return steps == 70

    stopped = api.train(config(file), tmp_path / "stopped", should_stop=after_seventy)
    assert stopped.status == "stopped"
    resumed = api.resume(stopped.path)
    saved = [one.load_state() for one in (run, resumed)]
    assert saved[0] is not None
    assert saved[1] is not None
    assert all(torch.equal(saved[0][0][name], saved[1][0][name]) for name in saved[0][0])
    assert (run.path / "model.safetensors").read_bytes() == (resumed.path / "model.safetensors").read_bytes()


def test_a_changed_text_is_noticed(run: Run, file: Path, tmp_path: Path) -> None:
    changed = run.config.changed(data={**run.config.data.model_dump(), "files": [str(tmp_path / "other.txt")]})
    (tmp_path / "other.txt").write_text(text(seed=2), encoding="utf-8")
    with pytest.raises(DataError, match="not those that this run was trained on"):
        EmbedTask(changed)


def test_the_trace_of_a_pair_agrees_with_the_fused_values_and_with_autograd(run: Run) -> None:
    trace = trace_of(run, "ship sail")
    named = {step.name: step.value for step in trace.steps}
    assert torch.equal(
        named["one_hot_times_table"], named["word.vector"]
    )  # one-hot times table, beside the row looked up
    for step in list(trace.steps):
        trace.open(step)
    assert max(step.difference or 0.0 for step in trace.steps) < 1e-6
    model = run.model
    model.zero_grad()
    steps = {step.name: step for step in trace.steps}
    drawn = steps["drawn"].value
    words = [trace.about["source"], trace.about["neighbour"]]
    assert words == ["ship", "sail"]
    loss = model(steps["word"].value, steps["neighbour"].value, drawn).mean()
    loss.backward()
    torch.testing.assert_close(steps["word.weight"].gradient, model.word.weight.grad)
    torch.testing.assert_close(steps["neighbour.weight"].gradient, model.neighbour.weight.grad)


@pytest.mark.parametrize(
    ("asked", "terms"),
    [
        ("king", [(1, "king")]),
        ("king - man + woman", [(1, "king"), (-1, "man"), (1, "woman")]),
        ("King −man", [(1, "king"), (-1, "man")]),
        ("- man", [(-1, "man")]),
        ("well-fed", [(1, "well-fed")]),
    ],
)
def test_a_sum_of_words_is_read(asked: str, terms: list[tuple[int, str]]) -> None:
    assert parsed(asked) == terms


@pytest.mark.parametrize("asked", ["", "king -", "king man", "king - + man", "+"])
def test_what_is_no_sum_of_words_is_refused(asked: str) -> None:
    with pytest.raises(DataError, match=r"missing|no sign|two signs"):
        parsed(asked)


def test_the_nearest_to_a_sum_is_found_as_its_formula_says() -> None:
    draw = torch.Generator().manual_seed(4)
    table = torch.randn(30, 6, generator=draw)
    words = [f"w{number}" for number in range(30)]
    units = table / table.norm(dim=1, keepdim=True)
    asked = units[3] - units[5] + units[9]
    cosines = units @ (asked / asked.norm())
    cosines[[3, 5, 9]] = -2
    found = nearest(table, words, "w3 - w5 + w9", 3)
    assert [near.word for near in found] == [words[i] for i in cosines.topk(3).indices]
    assert found[0].cosine == pytest.approx(float(cosines.max()), abs=1e-6)
    dots = table @ table[7]
    dots[7] = -torch.inf
    assert [near.word for near in nearest(table, words, "w7", 3, "dot")] == [words[i] for i in dots.topk(3).indices]
    with pytest.raises(DataError, match="has no vector") as refused:
        nearest(table, words, "w33")
    assert "w3" in str(refused.value.mend)
