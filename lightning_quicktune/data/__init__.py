"""Text files to token batches."""
