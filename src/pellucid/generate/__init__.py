"""A trained model and a prompt become tokens, and tokens become text."""
