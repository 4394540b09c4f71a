"""``tune``: search over live trials by transfer from earlier tasks, and the report of it."""
