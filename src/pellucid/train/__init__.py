"""Batches and a model become a loss, a gradient, an update, a checkpoint."""
