"""``synthesize``: documents to a question-answer dataset, through a language model."""

from __future__ import annotations

import sys

from lightning_quicktune.cli.parsing import parse_settings


def run(args: list[str]) -> None:
    """Runs the subcommand."""
    from lightning_quicktune.synthesis.synthesize import SynthesisSettings, synthesize

    folder = synthesize(parse_settings("synthesize", SynthesisSettings, args))
    sys.stdout.write(f"Written to {folder}\n")
