"""What holds for every test: shapes in `nn` are checked as it runs, one CPU thread, the same random numbers."""

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager

# One thread a process, and in those that tests start: the networks here are too small to gain from a second, and
# threads that wait for each other on a busy machine cost more than ten times what they save. Read when torch loads.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import hypothesis
import pytest
import torch
from jaxtyping import config, install_import_hook

# Before anything imports pellucid.nn: from here on each annotated shape there is checked at every call.
install_import_hook("pellucid.nn", "beartype.beartype")

torch.set_num_threads(1)

# No test is timed: the first call of a kernel on a busy machine takes longer than any honest deadline.
hypothesis.settings.register_profile("untimed", hypothesis.settings.default, deadline=None)
hypothesis.settings.load_profile("untimed")


@pytest.fixture(autouse=True)
def _same_random_numbers_each_time() -> None:
    random.seed(0)
    torch.manual_seed(0)


@contextmanager
def shapes_unchecked() -> Iterator[None]:
    """For tracing a model: a length is then a symbol, which the checks take for a wrong type."""
    config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        config.update("jaxtyping_disable", False)
