"""What a network is for. A task joins a source of examples, a model family, a loss and metrics."""
