"""Errors that are a matter for the person at the shell: their sentence, and the exit status they end with."""

from __future__ import annotations

from lightning_quicktune.arguments.origin import is_ours, own_words

_EXTRAS = ("optuna", "ray")  # packages that an extra of the same name installs
_OF_WHAT_WAS_GIVEN = (ValueError, TypeError, FileNotFoundError, FileExistsError, NotADirectoryError)
_OF_THE_USER = (*_OF_WHAT_WAS_GIVEN, OSError, RuntimeError)


def sentence(error: Exception) -> str | None:
    """What is told of an error in place of its traceback; none where it is a fault of the program.

    Args:
        error: What ended a subcommand.
    """
    if isinstance(error, ImportError) and (error.name or "").partition(".")[0] == "lightning_quicktune":
        return None
    if isinstance(error, ModuleNotFoundError) and error.name:
        return _missing_package(error.name.partition(".")[0])
    if isinstance(error, ImportError) and is_ours(error):
        return str(error)
    if isinstance(error, ImportError):
        return f"{_in_one_line(error)} Install what is missing, then run the same command again."
    if isinstance(error, _OF_THE_USER):
        return own_words(error)
    if _is_of_the_trainer(error):
        return _of_the_trainer(_in_one_line(error))
    return None


def exit_status(error: Exception) -> int:
    """2 where a word, a setting or a file that they name must change before it can work; 1 for what could not be done.

    Args:
        error: One that ``sentence`` has words for.
    """
    if _is_of_the_trainer(error):
        return 1 if _is_lacking(str(error)) else 2
    return 2 if isinstance(error, _OF_WHAT_WAS_GIVEN) else 1


def _is_of_the_trainer(error: Exception) -> bool:
    """Whether Lightning's Trainer refused something; Lightning is not loaded here."""
    return any(kind.__name__ == "MisconfigurationException" for kind in type(error).__mro__)


def _is_lacking(reason: str) -> bool:
    """Whether the Trainer lacks a device, which is no mistake on another machine."""
    return "backend" in reason or "accelerator" in reason.lower()


def _missing_package(name: str) -> str:
    command = f"pip install 'lightning-quicktune[{name}]'" if name in _EXTRAS else f"pip install {name}"
    return (
        f"The package `{name}` is needed for this and is not installed. Install it, for example by `{command}`, then "
        "run the same command again."
    )


def _of_the_trainer(reason: str) -> str:
    if _is_lacking(reason):
        return (
            f"`trainer.accelerator` can't be had on this machine: {reason} Run it where there is one, or set "
            "`trainer.accelerator: cpu` and `trainer.precision: 32-true`."
        )
    return f"{reason} Correct that under `trainer` in the YAML, or as an option `--trainer.NAME`."


def _in_one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if text.endswith((".", "!", "?")) else f"{text}."
