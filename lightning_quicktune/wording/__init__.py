"""Words for people: tables in Markdown, and the name that was meant."""
