"""Searchers (ask and tell), what earlier tasks taught them, and the loop that spends a budget over an executor."""
