"""What is seen of each task: one input of it, passed through the run's model, as a trace. One module a task."""
