"""How sure a number is: needs nothing of this package."""
