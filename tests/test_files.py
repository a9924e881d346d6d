"""Replacing a folder: the old one or the new one, whole, whatever happens in between."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pellucid.files import UNFINISHED, replacing_folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_new_folder_appears_whole(tmp_path: Path) -> None:
    with replacing_folder(tmp_path / "new") as unfinished:
        (unfinished / "a").write_text("1")
        assert not (tmp_path / "new").exists()
    assert (tmp_path / "new" / "a").read_text() == "1"
    assert names(tmp_path) == ["new"]


def test_a_folder_is_replaced_with_all_that_was_in_it(tmp_path: Path) -> None:
    (tmp_path / "it").mkdir()
    (tmp_path / "it" / "old").write_text("1")
    with replacing_folder(tmp_path / "it") as unfinished:
        (unfinished / "new").write_text("2")
        assert names(tmp_path / "it") == ["old"]
    assert names(tmp_path / "it") == ["new"]
    assert names(tmp_path) == ["it"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt(), ValueError("x")])
def test_a_failure_on_the_way_leaves_the_old_folder_and_nothing_else(error: BaseException, tmp_path: Path) -> None:
    (tmp_path / "it").mkdir()
    (tmp_path / "it" / "old").write_text("1")

    def failing() -> None:
        with replacing_folder(tmp_path / "it") as unfinished:
            (unfinished / "new").write_text("2")
            raise error

    with pytest.raises(type(error)):
        failing()
    assert (tmp_path / "it" / "old").read_text() == "1"
    assert names(tmp_path) == ["it"]
    assert names(tmp_path / "it") == ["old"]


def test_a_process_that_is_killed_leaves_the_old_folder_whole(tmp_path: Path) -> None:
    (tmp_path / "it").mkdir()
    (tmp_path / "it" / "old").write_text("1")
    code = (
        "import os, sys; from pathlib import Path; from pellucid.files import replacing_folder\n"
        "with replacing_folder(Path(sys.argv[1])) as unfinished:\n"
        "    (unfinished / 'new').write_text('2'); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "it")], check=False, env=os.environ)
    assert done.returncode == -signal.SIGKILL
    assert names(tmp_path / "it") == ["old"]
    (left,) = set(names(tmp_path)) - {"it"}
    assert left.startswith(".")
    assert left.endswith(UNFINISHED)  # as a training that goes on in this run clears away
