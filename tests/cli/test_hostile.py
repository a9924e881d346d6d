"""Hostile and damaged files of a run: refused with a sentence, no code run, no memory taken, by every command."""

import json
import os
import random
import resource
import shutil
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from pellucid.cli.main import main
from pellucid.errors import PellucidError
from pellucid.files import write_tensors
from pellucid.run import Run
from pellucid.train.loop import Trainer
from tests.cli.conftest import PAIRS, TINY, Command
from tests.hostile import Hostile, all_of

RUN = "runs/en-zh"
OTHERS = 15  # of so many files one that a command does not need: it does all its work then
FEW = 10  # of so many files one is tried in the fast suite
ROOM = 400 << 20  # bytes that opening a file of a few kilobytes may take besides what is there


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run that was stopped: two states, snapshots, an export."""
    place = tmp_path_factory.mktemp("victim")
    before, arguments = Path.cwd(), sys.argv
    os.chdir(place)
    told = ["--steps", "4", "--record", "every=2", "--set", "training.evaluate_every=2", "--set", "data.held_out=20"]
    try:
        for command in (["train", "translate", str(PAIRS), *told, *TINY], ["export", RUN]):
            sys.argv = ["pellucid", *command]
            with pytest.raises(SystemExit) as stop:
                main()
            assert not stop.value.code
    finally:
        os.chdir(before)
        sys.argv = arguments
    metrics = place / RUN / "metrics.jsonl"
    lines = [line for line in metrics.read_text().splitlines(keepends=True) if json.loads(line)["kind"] != "test"]
    metrics.write_text("".join(line for line in lines if json.loads(line)["kind"] != "end"))
    shutil.rmtree(place / RUN / "state")
    (place / RUN / "state").mkdir()
    (place / RUN / "diagnosis.json").unlink()
    run = Run.open(place / RUN)
    task = run.task
    shutil.rmtree(place / RUN / "recorded")
    trainer = Trainer(run, task)
    trainer.should_stop = lambda: trainer.counters.step >= 3
    trainer.train()
    return place


def opened(run: Path, hostile: Hostile) -> object:
    """What uses the file, as commands do."""
    if hostile.file.startswith("state"):
        return Trainer(Run.open(run), Run.open(run).task)
    if hostile.file.startswith("recorded"):
        return [Run.open(run).at(step) for step in Run.open(run).recorded_steps()]
    if hostile.file.startswith("ctranslate2"):
        return Run.open(run).translate(["Save"], engine="ctranslate2")
    return Run.open(run).translate(["Save the file"], engine="torch")


def planted(place: Path, hostile: Hostile, work: Path) -> Path:
    """A copy of the run in which the file is what it should not be; of states all."""
    run = work / "run"
    shutil.rmtree(run, ignore_errors=True)
    shutil.copytree(place / RUN, run)
    if hostile.file.startswith("state"):
        for state in (run / "state").glob("step-*"):
            state.unlink()
    (run / hostile.file).write_bytes(hostile.content)
    return run


def apart(act: Callable[[], Any]) -> Any:
    """What `act` gives, as JSON, in a process that may take little more memory than it has."""
    reading, writing = os.pipe()
    if child := os.fork():
        os.close(writing)
        with os.fdopen(reading) as pipe:
            told = pipe.read()
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0, told[-3000:]
        return json.loads(told)
    code = 1
    try:
        size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size + ROOM, size + ROOM))
        content = json.dumps(act()).encode()
        code = 0
    except BaseException:
        content = traceback.format_exc().encode()
    with os.fdopen(writing, "wb") as pipe:
        pipe.write(content)
    os._exit(code)


@pytest.mark.parametrize("each", [FEW, pytest.param(1, marks=pytest.mark.slow)])
def test_each_of_200_hostile_files_is_refused_with_a_sentence_and_without_memory(
    each: int, victim: Path, tmp_path: Path
) -> None:
    """All of them in the slow suite; one in so many, from another one on each time, in the fast."""
    mark = tmp_path / "code was run"
    every = all_of(victim / RUN, mark)
    assert len({(one.file, one.what) for one in every}) == len(every) >= 200

    begin = random.SystemRandom().randrange(each)
    print(f"begins with number {begin}")

    def try_all() -> list[str]:
        wrong = []
        for hostile in every[begin::each]:
            run = planted(victim, hostile, tmp_path)
            name = f"{hostile.file}, {hostile.what}"
            began = time.process_time()
            try:
                opened(run, hostile)
                wrong.append(f"{name}: opened")
            except PellucidError as error:
                if "\n" in str(error) or not error.mend or len(str(error)) > 600:
                    wrong.append(f"{name}: {error}")
            except BaseException as error:
                wrong.append(f"{name}: {type(error).__name__} {error}"[:300])
            if time.process_time() - began > 5:
                wrong.append(f"{name}: took {time.process_time() - began:.1f} s")
        return wrong

    assert apart(try_all) == []
    assert not mark.exists()


COMMANDS: dict[str, list[str]] = {
    "translate": ["translate", RUN, "Save the file", "--engine", "torch"],
    "see": ["see", RUN, "Save the file"],
    "evaluate": ["evaluate", RUN],
    "export": ["export", RUN, "--to", "safetensors-hf"],
    "doctor": ["doctor", RUN],
    "report": ["report", RUN],
    "resume": ["resume", RUN],
    "predict": ["predict", RUN, "table.csv"],
    "generate": ["generate", RUN, "Save"],
    "neighbours": ["neighbours", RUN, "save"],
    "find-rate": ["find-rate", RUN],
    "runs": ["runs"],
}
ALWAYS = {  # what a command cannot do without, as far as it is damaged
    "config.toml": set(COMMANDS) - {"runs", "report", "doctor"},
    "model.safetensors": {"translate", "see", "evaluate", "export"},
    "tokenizer.json": {"translate", "see", "evaluate", "export", "resume"},
}


def needs(command: str, hostile: Hostile) -> bool:
    return command in ALWAYS.get(hostile.file, set()) or (command == "resume" and hostile.file.startswith("state"))


def told_by(command: str, hostile: Hostile, victim: Path, work: Path, pellucid: Command) -> str:
    """Run a command on a run with the file; what is wrong with how it took it."""
    run = planted(victim, hostile, work)
    shutil.rmtree(work / "runs", ignore_errors=True)
    run.rename((work / "runs").mkdir() or work / "runs" / "en-zh")
    result = pellucid(*COMMANDS[command])
    name = f"{command}: {hostile.file}, {hostile.what}: code {result.code}: {result.err[-300:]}"
    fine = (0, 1, 2) if command == "doctor" else (0, 2)  # 1: it found an illness
    if "Traceback" in result.err + result.out or result.code not in fine:
        return name
    if needs(command, hostile) and not (result.code == 2 and result.err.startswith("error:")):
        return name
    return ""


@pytest.mark.parametrize("command", ["translate", "resume"])  # all commands: the slow test below
def test_a_command_says_in_a_sentence_what_is_damaged(
    command: str, victim: Path, tmp_path: Path, pellucid: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    every = all_of(victim / RUN, tmp_path / "code was run")
    needed = [file for file, commands in ALWAYS.items() if command in commands]
    chosen = [next(one for one in every if one.file == file and "pickle" in one.what) for file in needed]
    wrong = [told_by(command, one, victim, tmp_path, pellucid) for one in chosen]
    assert [one for one in wrong if one] == []
    assert not (tmp_path / "code was run").exists()


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_takes_every_hostile_file_that_it_needs_and_some_others_with_a_sentence(
    command: str, victim: Path, tmp_path: Path, pellucid: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    every = all_of(victim / RUN, tmp_path / "code was run")
    chosen = [one for number, one in enumerate(every) if needs(command, one) or number % OTHERS == 0]
    wrong = [told_by(command, one, victim, tmp_path, pellucid) for one in chosen]
    assert [one for one in wrong if one] == []
    assert not (tmp_path / "code was run").exists()


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_weights_that_are_no_numbers_are_told_when_the_model_is_opened(
    bad: float, victim: Path, tmp_path: Path, pellucid: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(victim / "runs", tmp_path / "runs")
    monkeypatch.chdir(tmp_path)
    run = Run.open(RUN)
    weights = {name: one.clone() for name, one in run.model.state_dict().items()}
    name = next(iter(weights))
    weights[name].view(-1)[0] = bad
    write_tensors(Path(RUN) / "model.safetensors", weights, {"step": 2})
    result = pellucid("translate", RUN, "Save")
    assert result.code == 2
    assert f"1 of its {len(weights)} tensors hold what is no number, {name} first" in result.err


def test_a_state_with_good_checksums_and_nonsense_in_it_is_refused(victim: Path, tmp_path: Path) -> None:
    from pellucid.files import read_tensors

    shutil.copytree(victim / RUN, tmp_path / "run")
    run = Run.open(tmp_path / "run")
    task = run.task
    newest = sorted((run.path / "state").glob("step-*"))[-1]
    tensors, about = read_tensors(newest)
    first = next(name for name in tensors if name.startswith("model."))
    nonsense: dict[str, tuple[dict[str, torch.Tensor], dict[str, Any]]] = {
        "no counters": (tensors, {}),
        "a counter that is a text": (tensors, {"counters": {**about["counters"], "step": "x"}}),
        "a counter of no name": (tensors, {"counters": {**about["counters"], "evil": 1}}),
        "a weight less": ({name: one for name, one in tensors.items() if name != first}, about),
        "a weight of another shape": ({**tensors, first: torch.zeros(2, 2)}, about),
        "a moment of no parameter": ({**tensors, "optimizer.x.y": torch.zeros(2)}, about),
        "a moment of parameter 9999": ({**tensors, "optimizer.9999.exp_avg": torch.zeros(2)}, about),
        "a random state of no size": ({**tensors, "random.cpu": torch.zeros(3, dtype=torch.uint8)}, about),
        "a random state of floats": ({**tensors, "random.cpu": torch.zeros(5056)}, about),
    }
    for held, said in nonsense.values():
        for path in (run.path / "state").glob("step-*"):
            path.unlink()
        write_tensors(newest, held, said)
        with pytest.raises(PellucidError, match="saved state"):
            Trainer(run, task)
