"""Many adapters on one frozen base model, trained and scored in one pass over its weights."""
