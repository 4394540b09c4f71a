"""Predictors of scores and costs, learned from the trials of earlier tasks."""
