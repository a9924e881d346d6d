"""Layers, from a neuron to a Transformer block. Imports torch and nothing else of pellucid."""
