"""A recipe carried to other trainers: TRL, LLaMA-Factory and Axolotl."""
