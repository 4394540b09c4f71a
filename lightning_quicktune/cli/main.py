"""The console command: dispatches on its first word and imports what that word needs, when it runs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

SUBCOMMANDS = {
    "tune": "dataset + base model + budget -> the best adapter, by transfer from earlier tasks",
    "recommend": "the configurations to try first, with predicted curve and cost, without training any",
    "fit": "train the finetuning model on a dataset, or a surrogate on a meta-dataset",
    "validate": "measure one on its validation split",
    "test": "measure one on its test split",
    "predict": "write generated answers, or a surrogate's predictions",
    "collect": "run trials of a search space over many tasks and record them: the meta-dataset",
    "import": "a table of learning curves from elsewhere -> a meta-dataset",
    "describe": "a meta-dataset: tasks, costs, what agrees between tasks, importance of hyperparameters",
    "evaluate": "replay search methods on a meta-dataset: regret, ranks, figure",
    "export": "checkpoint -> adapter folder or merged model; a recipe -> settings of another trainer",
    "inspect": "a dataset: decoded tokens with the loss mask, what stops training, lengths, meta-features",
    "synthesize": "documents -> a question-answer dataset, through a language model",
}
_MODULES = {"import": "import_table"}  # `import` is no name that Python could import from
_LIGHTNING = ("fit", "validate", "test", "predict")


def usage() -> str:
    """What ``lightning-quicktune --help`` prints."""
    width = max(map(len, SUBCOMMANDS))
    lines = [f"  {name:<{width}}  {does}" for name, does in SUBCOMMANDS.items()]
    return "\n".join(
        [
            "usage: lightning-quicktune SUBCOMMAND [options]",
            "",
            "Finds the finetuning recipe for your dataset and language model by transfer from earlier finetuning runs.",
            "",
            "subcommands:",
            *lines,
            "",
            "`lightning-quicktune SUBCOMMAND --help` tells the options of one.",
        ]
    )


def main(args: Sequence[str] | None = None) -> int:
    """Runs the command line.

    Args:
        args: Words after the program's name; those of the shell if left out.

    Returns:
        Exit status: 0 if all went well, 2 for a mistake in the command, 1 for what could not be done, 130 for Ctrl-C.
    """
    words = list(sys.argv[1:] if args is None else args)
    if not words or words[0] in ("-h", "--help"):
        sys.stdout.write(usage() + "\n")
        return 0
    if words[0] == "--version":
        from lightning_quicktune import __version__

        sys.stdout.write(f"lightning-quicktune {__version__}\n")
        return 0
    if words[0] not in SUBCOMMANDS:
        return _unknown(words[0])
    try:
        if words[0] in _LIGHTNING:
            import_module("lightning_quicktune.cli.lightning").run(None if args is None else words)
        else:
            import_module(f"lightning_quicktune.cli.{_MODULES.get(words[0], words[0])}").run(words[1:])
    except (ValueError, TypeError, OSError, RuntimeError) as error:
        sys.stderr.write(f"lightning-quicktune {words[0]}: {error}\n")
        return 1
    except KeyboardInterrupt:
        how = "`--ckpt_path` with its last checkpoint" if words[0] in _LIGHTNING else "the same command"
        sys.stderr.write(f"lightning-quicktune {words[0]}: interrupted; {how} goes on where it stopped\n")
        return 130
    return 0


def _unknown(word: str) -> int:
    from difflib import get_close_matches

    close = get_close_matches(word, SUBCOMMANDS, 1)
    hint = f" Did you mean `{close[0]}`?" if close else ""
    sys.stderr.write(f"lightning-quicktune: there is no subcommand `{word}`.{hint}\n\n{usage()}\n")
    return 2
