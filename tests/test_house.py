"""The house as it was drawn: who may import whom, and what may stand in no file of it."""

import ast
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "pellucid"

# For each room the rooms under it. Ground is what all but nn may stand on.
GROUND = {"errors", "files", "lines", "config", "words"}
UNDER: dict[str, set[str]] = {
    "errors": set(),
    "files": {"errors"},
    "lines": {"errors"},
    "config": {"errors"},
    "words": set(),
    "nn": set(),
    "data": GROUND,
    "models": GROUND | {"nn"},
    "generate": GROUND | {"data", "nn", "models"},
    "tasks": GROUND | {"data", "nn", "models", "generate"},
    "run": GROUND | {"data", "nn", "models", "generate", "tasks"},
    "train": GROUND | {"data", "nn", "models", "generate", "tasks", "run"},
    "see": GROUND | {"data", "nn", "models", "generate", "tasks", "run"},
    "adapt": GROUND | {"data", "nn", "models", "generate", "tasks", "run"},
    "api": GROUND | {"data", "nn", "models", "generate", "tasks", "run", "train", "see", "adapt"},
    "__init__": GROUND | {"data", "nn", "models", "generate", "tasks", "run", "train", "see", "adapt", "api"},
    "cli": GROUND | {"data", "nn", "models", "generate", "tasks", "run", "train", "see", "adapt", "api", "__init__"},
    "__main__": {"cli"},
}
MODULES = sorted(SOURCE.rglob("*.py"))
TEXTS = sorted(
    path
    for pattern in ("*", ".ci/*", "src/**/*", "tests/**/*", "docs/**/*", "tools/**/*", "bench/**/*", "examples/**/*")
    for path in ROOT.glob(pattern)
    if path.suffix in {".py", ".md", ".toml", ".yml", ".yaml", ".cff", ".sh", ".txt", ".tsv", ".css", ".js", ".html"}
    or path.name in {"Makefile", "run", "requirements.lock"}
    if path.is_file() and path != Path(__file__)
)
OF_ONE_MACHINE = re.compile(r"(?<![\w.])/(?:work|root|home|opt|Users)/[\w.]|file://")


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def room_of(path: Path) -> str:
    first = path.relative_to(SOURCE).parts[0]
    return first.removesuffix(".py")


def imports_of(path: Path) -> list[str]:
    """Full names of all that a module imports, wherever in it the import stands."""
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name(path)}, line {node.lineno}: a relative import"
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names


def rooms_imported_by(path: Path) -> set[str]:
    parts = [full.split(".") for full in imports_of(path) if full.split(".")[0] == "pellucid"]
    known = [part[1] if len(part) > 1 and part[1] in UNDER else "__init__" for part in parts]
    return set(known) - {room_of(path)}


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_a_room_imports_only_rooms_under_it(path: Path) -> None:
    room = room_of(path)
    assert room in UNDER, f"{name(path)}: a room that ARCHITECTURE does not have"
    assert rooms_imported_by(path) <= UNDER[room]


@pytest.mark.parametrize("path", [p for p in MODULES if room_of(p) == "nn"], ids=name)
def test_nn_imports_torch_and_nothing_else_from_outside(path: Path) -> None:
    outside = {full.split(".")[0] for full in imports_of(path)} - set(sys.stdlib_module_names)
    assert outside <= {"torch", "jaxtyping", "pellucid"}


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_no_module_imports_numpy_or_pickle(path: Path) -> None:
    assert not {full.split(".")[0] for full in imports_of(path)} & {"numpy", "pickle", "torchvision"}


@pytest.mark.parametrize("path", [p for p in MODULES if room_of(p) != "cli"], ids=name)
def test_only_the_command_line_prints_or_exits(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    assert not called & {"print", "exit", "quit", "input"}
    assert "sys.exit" not in imports_of(path)


@pytest.mark.parametrize("path", TEXTS, ids=name)
def test_no_file_speaks_of_one_machines_folders(path: Path) -> None:
    found = OF_ONE_MACHINE.search(path.read_text(encoding="utf-8"))
    assert found is None, f"{name(path)}: {found and found.group()}"


def test_no_locked_package_is_torch_or_comes_with_its_cuda_build() -> None:
    locked = re.findall(r"^([\w.-]+)==", (ROOT / "requirements.lock").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert len(locked) > 50
    assert not [package for package in locked if re.match(r"torch|nvidia|cuda|triton", package)]


def test_there_are_at_most_twelve_core_dependencies() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert len(project["dependencies"]) <= 12
