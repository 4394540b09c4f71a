"""Trials of many tasks as tables: schema, import and export, splits by task, and batches for the surrogates."""
