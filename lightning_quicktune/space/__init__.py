"""The search space: declare it in YAML, sample and encode it, and know which YAML keys a value sets."""
