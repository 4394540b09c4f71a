"""The task model: base-model loading, LoRA, loss, generation metrics, export, and landmarks of the untrained model."""
