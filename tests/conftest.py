"""What holds for every test: shapes in `nn` are checked as it runs, two cores are enough, the same random numbers."""

import os
import random

import pytest
import torch
from jaxtyping import install_import_hook

# Before anything imports pellucid.nn: from here on each annotated shape there is checked at every call.
install_import_hook("pellucid.nn", "beartype.beartype")

# Two threads that wait for each other, times two workers of pytest-xdist, would stand in each other's way.
torch.set_num_threads(1 if "PYTEST_XDIST_WORKER" in os.environ else 2)


@pytest.fixture(autouse=True)
def _same_random_numbers_each_time() -> None:
    random.seed(0)
    torch.manual_seed(0)
