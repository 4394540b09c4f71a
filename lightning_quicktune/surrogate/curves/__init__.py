"""Learning curves of other tasks as the prior of a new one: what ``curve_transfer`` conditions on."""
