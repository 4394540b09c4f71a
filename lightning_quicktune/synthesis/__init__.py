"""Documents become a question-answer task: chunks, facts, twelve pairs a fact, checks."""
