"""Which errors are a matter for the person at the shell, and what is said of them."""

from __future__ import annotations

from lightning_quicktune.arguments.origin import own_words

_PACKAGES_BY_EXTRA = {"optuna": "optuna"}
_OF_THE_USER = (ValueError, TypeError, OSError, RuntimeError)


def sentence(error: Exception) -> str | None:
    """What is told of an error in place of its traceback; none where it is a fault of the program.

    Args:
        error: What ended a subcommand.
    """
    if isinstance(error, ModuleNotFoundError):
        return _missing_package(error)
    if isinstance(error, ImportError):
        return f"{_in_one_line(error)} Install what is missing, then run the same command again."
    if isinstance(error, _OF_THE_USER):
        return own_words(error)
    if any(kind.__name__ == "MisconfigurationException" for kind in type(error).__mro__):  # Lightning is not loaded here
        return _of_the_trainer(_in_one_line(error))
    return None


def _missing_package(error: ModuleNotFoundError) -> str | None:
    name = (error.name or "").partition(".")[0]
    if name in ("", "lightning_quicktune"):
        return None
    extra = _PACKAGES_BY_EXTRA.get(name)
    command = f"pip install 'lightning-quicktune[{extra}]'" if extra else f"pip install {name}"
    return (
        f"The package `{name}` is needed for this and is not installed. Install it, for example by `{command}`, then run "
        "the same command again."
    )


def _of_the_trainer(reason: str) -> str:
    if "backend" in reason or "accelerator" in reason.lower():
        return (
            f"`trainer.accelerator` can't be had on this machine: {reason} Run it where there is one, or set "
            "`trainer.accelerator: cpu` and `trainer.precision: 32-true`."
        )
    return f"{reason} Correct that under `trainer` in the YAML, or as an option `--trainer.NAME`."


def _in_one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if text.endswith((".", "!", "?")) else f"{text}."
