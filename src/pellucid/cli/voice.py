"""One voice for several processes: of those that torchrun started, only the first prints."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path


@contextmanager
def one_voice() -> Iterator[None]:
    """Join the other workers before anything can fail; all but the first are silent, unless one has an error to tell.

    Without torchrun nothing happens, and nothing is imported.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield
        return
    from pellucid.train.parallel import joined

    with joined() as workers:
        if workers.is_first:
            yield
            return
        with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
            yield
