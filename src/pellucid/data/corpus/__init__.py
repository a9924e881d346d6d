"""Corpora that Pellucid can fetch by itself, from packages that the installer knows."""
