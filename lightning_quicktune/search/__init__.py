"""Searchers (ask and tell), acquisition functions, and the loop that spends a budget over an executor."""
