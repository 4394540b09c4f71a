"""How sure a mean is: intervals and tests, of numbers alone."""
