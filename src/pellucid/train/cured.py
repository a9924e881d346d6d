"""Where the cures of a run stand and what state a training of one is in: names that the command line needs, too.

By themselves, so that a command that only lists runs need not load what trains them.
"""

FOLDER = ".cures"  # ends the name of the folder beside a run in which its cures stand
OVER = ("original", "done", "failed")  # states of a training that is not made again
