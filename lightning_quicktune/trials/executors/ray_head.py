"""The head of a Ray cluster, asked by a connection of our own.

Ray itself waits a minute for a head that is gone, and then ends the process without a word of ours.
"""

from __future__ import annotations

import socket
import time

_EVERY_S = 5.0  # between looks
_AWAY_S = 20.0  # that it may be away


class Head:
    """The machine of a cluster that knows of all others.

    Args:
        address: Machine and port, as Ray says them.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self._is_gone = False
        self._asked = time.monotonic()

    def look(self) -> None:
        """As ``check``, if that is a while ago; nothing if it was gone then."""
        if not self._is_gone and time.monotonic() - self._asked > _EVERY_S:
            self.check()

    def check(self) -> None:
        """Blocks until it answers.

        Raises:
            RuntimeError: If it doesn't.
        """
        until = time.monotonic() + _AWAY_S
        while (error := _no_answer(self.address, _AWAY_S)) is not None:
            if time.monotonic() >= until:
                self._is_gone = True
                raise gone(self.address, error) from error
            time.sleep(min(1.0, _AWAY_S))
        self._asked = time.monotonic()


def check_answers(address: str, seconds: float) -> None:
    """Sees that something answers where the user says that a cluster is.

    Args:
        address: Value of ``executor.address``.
        seconds: That it may take.

    Raises:
        ValueError: If it is no address.
        RuntimeError: If nothing answers.
    """
    host, _, port = _parts(address)
    if not host or not port.isdigit():
        raise ValueError(
            f"`executor.address` is {address!r}, but it is `auto`, `local`, or a machine and a port such as "
            "`10.0.0.5:6379`, as `ray start --head` prints it. Correct it."
        )
    if (error := _no_answer(address, seconds)) is not None:
        raise RuntimeError(
            f"`executor.address` is {address}, but nothing answers there ({error}). Start a cluster with "
            "`ray start --head`, or give the address of one that runs."
        ) from error


def _parts(address: str) -> tuple[str, str, str]:
    return address.removeprefix("ray://").rpartition(":")


def _no_answer(address: str, seconds: float) -> OSError | None:
    """What is in the way of reaching an address; none if it answers."""
    host, _, port = _parts(address)
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=seconds).close()
    except OSError as error:
        return error
    return None


def gone(address: str, error: Exception) -> RuntimeError:
    """The error to show for a cluster that was there when its workers began.

    Args:
        address: Machine and port of its head.
        error: What came of asking it.
    """
    return RuntimeError(
        f"The Ray cluster at {address} is gone ({str(error) or type(error).__name__}). Nothing that was recorded is "
        "lost: start the cluster again, then run the same command again, which goes on from the last slices."
    )
