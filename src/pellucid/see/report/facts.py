"""What a run folder says of its training, gathered for the page: read from config.toml and metrics.jsonl alone."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pellucid.errors import RunError
from pellucid.run import Run

Line = Mapping[str, Any]


@dataclass
class Facts:
    """One training's lines by kind, as metrics.jsonl holds them; what has not happened yet is None or empty."""

    name: str
    config: str
    settings: Mapping[str, Any]
    data: Line | None = None
    plan: Line | None = None
    test: Line | None = None
    end: Line | None = None
    network: Line | None = None
    diagnosis: Line | None = None
    steps: list[Line] = field(default_factory=list)
    evaluations: list[Line] = field(default_factory=list)
    statistics: list[Line] = field(default_factory=list)
    rollbacks: list[Line] = field(default_factory=list)

    @property
    def task(self) -> str:
        return str(self.settings.get("task", "translate"))

    @property
    def run(self) -> str:
        """How commands name it."""
        return f"runs/{self.name}"

    @property
    def over(self) -> bool:
        """Whether there is nothing left to resume."""
        return self.end is not None and self.end["reason"] != "interrupted"


def gather(folder: Path) -> Facts:
    """Raises RunError if the folder is not a run."""
    try:
        config = (folder / "config.toml").read_text(encoding="utf-8")
        settings = tomllib.loads(config)
    except OSError:
        raise RunError(
            f"{folder}: not a run folder; it holds no config.toml", mend="Name the folder of a training."
        ) from None
    except (ValueError, RecursionError) as error:
        raise RunError(f"{folder}/config.toml: {error}", mend="Write it as the training wrote it.") from None
    facts = Facts(folder.resolve().name, config, settings)
    for line in Run(folder).metrics():
        match line["kind"]:
            case "step":
                facts.steps.append(line)
            case "evaluation":
                facts.evaluations.append(line)
            case "statistics":
                facts.statistics.append(line)
            case "rollback":
                facts.rollbacks.append(line)
            case "data" | "plan" | "network" | "test" | "end":
                setattr(facts, line["kind"], line)
    facts.diagnosis = Run(folder).diagnosis()
    return facts
