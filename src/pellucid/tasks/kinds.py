"""The tasks that there are, each imported when it is needed: a config's field `task` names one."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pellucid.errors import ConfigError

if TYPE_CHECKING:
    from pellucid.config import RunConfig
    from pellucid.tasks.task import Task

TASKS = {  # name: its module, its config and its Task
    "translate": ("pellucid.tasks.translate", "TranslateConfig", "TranslateTask"),
    "regress": ("pellucid.tasks.regress", "RegressConfig", "RegressTask"),
    "language": ("pellucid.tasks.language", "LanguageConfig", "LanguageTask"),
    "embed": ("pellucid.tasks.embed", "EmbedConfig", "EmbedTask"),
    "classify": ("pellucid.tasks.classify", "ClassifyConfig", "ClassifyTask"),
}


def config_class(name: object) -> "type[RunConfig]":
    """Raises ConfigError if there is no such task."""
    found: type[RunConfig] = _of(name, 1)
    return found


def task_class(name: object) -> "type[Task]":
    """Raises ConfigError if there is no such task."""
    found: type[Task] = _of(name, 2)
    return found


def known(name: object) -> str:
    """The name of a task. Raises ConfigError if there is no such task: nothing of another name is imported."""
    if not isinstance(name, str) or name not in TASKS:
        raise ConfigError(f"task is {name!r}: there is no such task", mend=f"There are {', '.join(TASKS)}.")
    return name


def _of(name: object, place: int) -> Any:
    names = TASKS[known(name)]
    return getattr(import_module(names[0]), names[place])
