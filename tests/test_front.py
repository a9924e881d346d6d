"""`import pellucid`: its names, whatever else has been imported before."""

import subprocess
import sys

import pytest


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("before", ["pass", "from pellucid.train.loop import Trainer", "import pellucid.api"])
def test_train_is_the_function_and_not_the_room_of_that_name(before: str) -> None:
    done = python(f"{before}\nimport pellucid\npellucid.train\nprint(pellucid.train.__module__)")
    assert (done.stdout, done.stderr) == ("pellucid.api\n", "")


def test_every_public_name_is_there() -> None:
    import pellucid

    assert [name for name in pellucid.__all__ if getattr(pellucid, name) is None] == []


def test_importing_pellucid_loads_neither_torch_nor_pydantic() -> None:
    done = python("import sys, pellucid; print({'torch', 'pydantic', 'plotly'} & set(sys.modules))")
    assert (done.stdout, done.stderr) == ("set()\n", "")


def test_a_name_that_is_not_there_is_said_so() -> None:
    import pellucid

    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        _ = pellucid.trian
