"""What of a run is looked at: one module a task, whose `trace_of` takes a pass of one of the task's own inputs."""
