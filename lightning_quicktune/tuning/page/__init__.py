"""The page of a search: what it shows, its figures, its text."""
