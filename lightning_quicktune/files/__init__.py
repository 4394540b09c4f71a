"""Whatever must survive a kill: whole writes, locks, JSON lines."""
