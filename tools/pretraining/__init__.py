"""Pretraining of the nano base models from scratch."""
