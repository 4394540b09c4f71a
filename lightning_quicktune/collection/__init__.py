"""Many trials of many tasks: which there are, workers that share them, and parts that move between machines."""
