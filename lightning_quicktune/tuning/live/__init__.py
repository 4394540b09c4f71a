"""What a tuning shows while it runs: a panel, plain lines, TensorBoard's files and MLflow's runs."""
