"""The console command: dispatches on its first word and imports what that word needs, when it runs."""

from __future__ import annotations

import atexit
import gc
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from lightning_quicktune.presets.places import brought

SUBCOMMANDS = {
    "tune": "dataset + base model + budget -> the best adapter, by transfer from earlier tasks",
    "recommend": "the configurations to try first, with predicted curve and cost, without training any",
    "fit": "train the finetuning model on a dataset, or a surrogate on a meta-dataset",
    "validate": "measure one on its validation split",
    "test": "measure one on its test split",
    "predict": "write generated answers, or a surrogate's predictions",
    "chat": "talk to what a search found",
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
_ONE_LINE = ("tune", "recommend", "inspect")  # they tell of `--help=all` themselves


def usage() -> str:
    """What ``lightning-quicktune --help`` prints, for the width of the terminal."""
    from lightning_quicktune.cli.short_help import listed_subcommands

    return "\n".join(
        [
            "usage: lightning-quicktune SUBCOMMAND [options]",
            "",
            "Finds the finetuning recipe for your dataset",
            "and language model by transfer from earlier",
            "finetuning runs.",
            "",
            "  lightning-quicktune tune shop.jsonl --model smollm2 --time 10m",
            "",
            "subcommands:",
            *listed_subcommands(list(SUBCOMMANDS.items())),
            "",
            "`SUBCOMMAND --help` tells the options of one;",
            "`--debug` after any shows where in the code an",
            "error came from.",
        ]
    )


def main(args: Sequence[str] | None = None) -> int:
    """Runs the command line; whoever reads its output may stop reading at any time.

    Args:
        args: Words after the program's name; those of the shell if left out.

    Returns:
        Exit status: 0 if all went well; 2 for a mistake in the command, a setting or a file that they name, which fails
        until it is mended; 1 for what could not be done here or now, such as without a GPU; 130 for Ctrl-C.
    """
    words = [brought(word) for word in (sys.argv[1:] if args is None else args)]
    try:
        status = _dispatch(words)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python would complain when it ends
        return 0
    return status


def _dispatch(words: list[str]) -> int:
    """Answers what needs no subcommand, or runs one."""
    if not words or words[0] in ("-h", "--help"):
        sys.stdout.write(usage() + "\n")
        return 0
    if words[0] == "--version":
        from lightning_quicktune import __version__

        sys.stdout.write(f"lightning-quicktune {__version__}\n")
        return 0
    if words[0] not in SUBCOMMANDS:
        return _unknown(words[0])
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch is loaded: threads that wait leave the core
    atexit.register(gc.freeze)  # or Python's end collects four times what torch and its friends have made: seconds
    debug = "--debug" in words
    return _run(words[0], [word for word in words[1:] if word != "--debug"], debug)


def _run(subcommand: str, options: list[str], debug: bool) -> int:
    """Runs one subcommand; a mistake of the user ends with one sentence, and with a traceback if asked for."""
    options = _with_help(subcommand, options)
    try:
        if subcommand == "predict" and any(word.partition("=")[0] == "--prompt" for word in options):
            import_module("lightning_quicktune.cli.prompts").answer_prompts(options)
        elif subcommand in _LIGHTNING:
            import_module("lightning_quicktune.cli.lightning").run([subcommand, *options])
        else:
            import_module(f"lightning_quicktune.cli.{_MODULES.get(subcommand, subcommand)}").run(options)
    except BrokenPipeError:
        raise
    except SystemExit as end:
        if debug and end.code not in (0, None):
            _show_traceback(end)
        raise
    except Exception as error:
        from lightning_quicktune.cli.mistakes import exit_status, sentence

        said = sentence(error)
        if said is None:
            raise
        if debug:
            _show_traceback(error)
        sys.stderr.write(f"lightning-quicktune {subcommand}: {said}\n")
        return exit_status(error)
    except KeyboardInterrupt:
        how = "`--ckpt_path` with its last checkpoint" if subcommand in _LIGHTNING else "the same command"
        sys.stderr.write(f"lightning-quicktune {subcommand}: interrupted; {how} goes on where it stopped\n")
        return 130
    return 0


def _with_help(subcommand: str, options: list[str]) -> list[str]:
    """Answers ``--help`` at once where one screen is enough; ``--help=all`` goes to the parser."""
    from lightning_quicktune.cli.short_help import ALL, short_help

    if {"-h", "--help"} & set(options) and (text := short_help(subcommand)):
        sys.stdout.write(text)
        raise SystemExit(0)
    return ["--help" if word == ALL and subcommand not in _ONE_LINE else word for word in options]


def _show_traceback(error: BaseException) -> None:
    import traceback

    traceback.print_exception(error)


def _unknown(word: str) -> int:
    from lightning_quicktune.arguments.names import closest_name

    close = closest_name(word, SUBCOMMANDS)
    hint = f" Did you mean `{close}`?" if close else ""
    sys.stderr.write(f"lightning-quicktune: there is no subcommand `{word}`.{hint}\n\n{usage()}\n")
    return 2
