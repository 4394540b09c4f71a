"""Simulation of searches on recorded trials: pools, divisions of tasks, lessons, simulated time, results."""
