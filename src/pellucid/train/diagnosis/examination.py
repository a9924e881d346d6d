"""The examination: what only the model and the data together can say. Made after a training, on request."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Examination:
    """What was measured on a run's best weights. Losses are of single examples, in evaluation mode, in nats."""
