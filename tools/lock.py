"""Write requirements.lock: every package that Pellucid needs but PyTorch, at one version, with the hashes of its files.

PyTorch stands apart, because which build of it is right (CPU or CUDA) depends on the machine: the Makefile installs
it first and alone. What PyTorch itself needs is in the lock. Run by `make lock`, which provides pip-tools.
"""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import requires
from itertools import chain
from pathlib import Path

ROOT = Path(__file__).parent.parent
LOCK = ROOT / "requirements.lock"
OF_TORCH = re.compile(r"(torch|triton|nvidia-[\w-]+|cuda-[\w-]+)==")
HEADER = "# Written by `make lock` from pyproject.toml. PyTorch is not in here: see CONTRIBUTING.md.\n"


def wanted() -> list[str]:
    """What pyproject.toml asks for (build, core, extras) and what the installed PyTorch asks for, without PyTorch."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = project["project"]["optional-dependencies"].values()
    names = [*project["build-system"]["requires"], *project["project"]["dependencies"], *chain.from_iterable(extras)]
    of_torch = [line for line in requires("torch") or [] if ";" not in line]  # with a marker: extras, CUDA, Triton
    return [line for line in [*names, *of_torch] if re.match(r"[A-Za-z0-9_.-]+", line)[0].lower() != "torch"]


def main() -> None:
    """Compile the lock; `--upgrade` moves every version to the newest that fits."""
    command = [sys.executable, "-m", "piptools", "compile", "--quiet", "--generate-hashes", "--allow-unsafe"]
    command += ["--strip-extras", "--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links"]
    command += ["--no-emit-trusted-host", "--no-emit-options", *sys.argv[1:], "--output-file", str(LOCK), "-"]
    subprocess.run(command, input="\n".join(wanted()), text=True, check=True)
    LOCK.write_text(HEADER + without_torch(LOCK.read_text(encoding="utf-8").removeprefix(HEADER)), encoding="utf-8")


def without_torch(lock: str) -> str:
    """What others that need PyTorch bring in with it is left out again: PyTorch and the parts of its CUDA build."""
    entries = re.split(r"^(?=\S)", lock, flags=re.MULTILINE)
    return "".join(entry for entry in entries if not OF_TORCH.match(entry))


if __name__ == "__main__":
    main()
