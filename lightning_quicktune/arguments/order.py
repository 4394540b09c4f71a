"""The order in which words of a command line count: files first, then what was typed as an option."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path


def files_first(words: Sequence[str], config_flags: Collection[str]) -> list[str]:
    """The same words with every ``--config FILE`` before all options, in the order in which the files were given.

    A file that an option takes for a whole group (``--budget budget.yaml``) is put before the options of that group
    (``--budget.seconds 60``). All else keeps its place.

    Args:
        words: Words after the subcommand.
        config_flags: The flags that take a whole configuration, as in ``{"-c", "--config"}``.
    """
    pairs = with_values(words)
    files = [pair for pair in pairs if _is_config(pair, config_flags)]
    ordered: list[list[str]] = []
    for pair in (pair for pair in pairs if pair not in files):
        flag, value = _split(pair)
        below = [place for place, other in enumerate(ordered) if _split(other)[0].startswith(f"{flag}.")]
        if flag.startswith("--") and value is not None and below and Path(value).is_file():
            ordered.insert(below[0], pair)
        else:
            ordered.append(pair)
    return [word for pair in files + ordered for word in pair]


def without_value(words: Sequence[str], flag: str) -> str | None:
    """The first flag that is ``flag`` or of its group and that no value follows, if there is one.

    Args:
        words: Words after the subcommand.
        flag: A flag, as in ``--budget``.
    """
    for pair in with_values(words):
        given, value = _split(pair)
        if value is None and (given == flag or given.startswith(f"{flag}.")):
            return given
    return None


def _is_config(pair: Sequence[str], config_flags: Collection[str]) -> bool:
    joined = pair[0][:2] in config_flags and not pair[0].startswith("--")  # -cFILE
    return joined or pair[0].partition("=")[0] in config_flags


def with_values(words: Sequence[str]) -> list[list[str]]:
    """Each flag with its value, the word after it that is no flag; other words stand alone.

    Args:
        words: Words after the subcommand.
    """
    pairs: list[list[str]] = []
    for word in words:
        if (
            pairs
            and pairs[-1][0].startswith("-")
            and "=" not in pairs[-1][0]
            and len(pairs[-1]) == 1
            and _is_value(word)
        ):
            pairs[-1].append(word)
        else:
            pairs.append([word])
    return pairs


def _is_value(word: str) -> bool:
    return not word.startswith("--") and not (word.startswith("-") and word[1:2].isalpha())


def _split(pair: Sequence[str]) -> tuple[str, str | None]:
    flag, equals, value = pair[0].partition("=")
    return flag, value if equals else pair[1] if len(pair) > 1 else None
