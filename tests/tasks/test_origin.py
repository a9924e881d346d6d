"""Of every training example a task can say where it stood: file and line."""

import random
from pathlib import Path

import pytest

from pellucid.data.works import tidied
from pellucid.tasks.classify import ClassifyConfig, ClassifyTask
from pellucid.tasks.embed import EmbedConfig, EmbedTask
from pellucid.tasks.language import LanguageConfig, LanguageTask
from pellucid.tasks.regress import RegressConfig, RegressTask
from pellucid.tasks.translate import TranslateConfig, TranslateTask

WORDS = ["king", "queen", "night", "sword", "love", "come", "go", "see", "hear", "tell", "give", "take", "from", "over"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("origin")
    draw = random.Random(1)
    lines = [" ".join(draw.choice(WORDS) for _ in range(8)) for _ in range(1200)]
    (folder / "text.txt").write_text("\n".join(lines) + "\n")
    rows = [f"{draw.random():.6f},{draw.random():.6f},{number % 2}" for number in range(120)]
    (folder / "rows.csv").write_text("\n".join(["a,b,y", *rows]) + "\n")
    pairs = [
        f"{' '.join(draw.sample(WORDS, 4))}\t{'词' * draw.randint(1, 9)}{'句' * draw.randint(1, 9)}" for _ in range(90)
    ]
    pairs[5] = " ".join(["long"] * 60) + "\t长"
    (folder / "pairs.tsv").write_text("\n".join(pairs) + "\n")
    return folder


def line(origin: str, path: Path) -> str:
    """What stands where an origin says."""
    assert path.name in origin, origin
    number = int(origin.replace(":", " ").split()[-1])
    return path.read_text().splitlines()[number - 1]


@pytest.mark.parametrize("kind", ["characters", "bpe"])
def test_a_stretch_of_text_begins_in_the_line_that_it_is_said_to(folder: Path, kind: str) -> None:
    task = LanguageTask(LanguageConfig.parse({"data": {"files": [str(folder / "text.txt")]}, "pieces": {"kind": kind}}))
    for start in (0, 1000, 5003):
        first = task.pieces.decode(task.ids[start : start + 30].tolist()).split("\n")[0]
        assert first in line(task.origin(start), folder / "text.txt")


def test_a_word_stands_in_the_line_that_it_is_said_to(folder: Path) -> None:
    task = EmbedTask(EmbedConfig.parse({"data": {"files": [str(folder / "text.txt")]}}))
    for example in task.epoch(3)[0][:20]:
        word = task.grams["train"].thinned(3).words[example % len(task.grams["train"].words)]
        assert task.vocabulary.words[int(word)] in line(task.origin(example), folder / "text.txt").split()


def test_a_row_of_a_table_is_told_by_its_line(folder: Path) -> None:
    path = folder / "rows.csv"
    classify = ClassifyTask(ClassifyConfig.parse({"data": {"files": [str(path)], "target": "y"}}))
    regress = RegressTask(RegressTask.proposed(RegressConfig.parse({"data": {"files": [str(path)], "target": "y"}})))
    for example in (0, 17, len(classify.data.sides.train) + 17):
        label = int(classify.collate([example]).tensors["labels"])
        assert line(classify.origin(example), path).endswith(classify.form.classes[label])
    truth = float(regress.truth[regress.sides.train[3]])
    assert float(line(regress.origin(3), path).split(",")[2]) == truth


def test_a_pair_is_told_by_its_line_although_longer_ones_are_left_out(folder: Path) -> None:
    path = folder / "pairs.tsv"
    task = TranslateTask(
        TranslateConfig.parse(
            {
                "data": {"files": [str(path)], "source": "en", "target": "zh", "held_out": 5, "max_ratio": 1e9},
                "tokenizer": {"vocabulary": 400},
                "model": {"d_model": 16, "heads": 2, "feed_forward": 16, "max_length": 32},
            }
        )
    )
    for example in (0, 30, len(task.examples) - 1):
        ids = task.examples.target.rows([example], 0)[0].tolist()
        assert task.tokenizer.decode(ids) == line(task.origin(example), path).split("\t")[1]


def test_lines_of_a_file_count_those_that_were_left_out_of_it() -> None:
    head = "Some title\n*** START OF THE PROJECT GUTENBERG EBOOK X ***\n\nProduced by someone\n\n"
    body = "".join(f"line {number} of the tale\n" for number in range(300))
    whole = head + body + "*** END OF THE PROJECT GUTENBERG EBOOK X ***\nlicence\n"
    work = tidied("tale.txt", whole)
    place = work.text.index("line 123 of")
    expected = whole.splitlines().index("line 123 of the tale") + 1
    assert work.origin(place) == f"tale.txt, line {expected}"
