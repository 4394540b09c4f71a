"""Worth of candidates: improvement, what has to be beaten, optional stopping."""
