"""The command line: one file a command. The only place that prints or exits.

Heavy modules (torch, tokenizers, plotly) are imported inside the commands, so that `--help` is quick.
"""
