"""Whether the Hugging Face hub can be reached, asked once: its own client tries for half a minute for every file."""

from __future__ import annotations

import time

_TIMEOUT_S = 5.0
_HOLDS_S = 60.0  # how long the answer is believed
_answers: dict[str, tuple[float, bool]] = {}  # by endpoint: when it was asked, and whether nobody answered


def is_hub_away() -> bool:
    """Whether nobody answers at the hub, so that only what was fetched before can be had."""
    from huggingface_hub import constants, get_session

    now = time.monotonic()
    asked_at, is_away = _answers.get(constants.ENDPOINT, (now - _HOLDS_S, True))
    if now - asked_at >= _HOLDS_S:
        try:
            get_session().head(constants.ENDPOINT, timeout=_TIMEOUT_S)
            is_away = False
        except Exception:  # whatever keeps it from answering: the network, or an offline mode that was asked for
            is_away = True
        _answers[constants.ENDPOINT] = time.monotonic(), is_away
    return is_away
