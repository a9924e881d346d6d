"""Whole networks built from `nn/`, each with its config."""
