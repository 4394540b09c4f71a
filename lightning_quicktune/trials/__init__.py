"""Runs configurations on tasks slice by slice: pause, resume, executors, and collections of trials."""
