"""What replays say of search methods: regret, ranks, comparison, figures, report."""
