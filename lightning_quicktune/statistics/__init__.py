"""Intervals and tests of how sure a mean is, of numbers alone."""
