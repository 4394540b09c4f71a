"""Replays search methods on the recorded trials of a meta-dataset: regret, ranks, figures."""
