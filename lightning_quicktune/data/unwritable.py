"""Records that a template can't write as they are, all of them at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lightning.pytorch.utilities import rank_zero_warn

from lightning_quicktune.data.encode import Encoder
from lightning_quicktune.data.split_names import SplitName
from lightning_quicktune.data.tokens import TokenRecord
from lightning_quicktune.data.turns import BadRecordError, Record

SHOWN_PLACES = 5
SHOWN_REASONS = 20


class Unwritable:
    """Encodes records and keeps those that can't be, by reason."""

    def __init__(self) -> None:
        self._places: dict[str, list[str]] = {}
        self._total = 0

    @property
    def count(self) -> int:
        """How many there are."""
        return sum(map(len, self._places.values()))

    @property
    def problems(self) -> list[str]:
        """One line for each record, with file and line."""
        return [f"{place}: {reason}" for reason, places in self._places.items() for place in places]

    def encoded(self, records: Iterable[Record], encoder: Encoder) -> list[tuple[Record, TokenRecord]]:
        """Encodes what can be encoded.

        Args:
            records: Records of one split.
            encoder: What encodes them.

        Returns:
            Records with their tokens, in order.
        """
        pairs = []
        for record in records:
            self._total += 1
            try:
                pairs += encoder.pairs(record)
            except BadRecordError as error:
                self._places.setdefault(str(error), []).append(record.where)
        return pairs

    def check(self, left: Mapping[SplitName, int], *, skip: bool) -> None:
        """Refuses what can't be written, or says that it is left out.

        Args:
            left: How many records of each split can be written.
            skip: Whether to leave out the others.

        Raises:
            ValueError: If there are any and they may not be left out, or nothing is left of a split.
        """
        if not self._places:
            return
        listed = [f"  {reason} ({_counted(places)})" for reason, places in self._places.items()]
        more = [f"  and {len(listed) - SHOWN_REASONS} more reasons"] if len(listed) > SHOWN_REASONS else []
        lines = "\n".join([*listed[:SHOWN_REASONS], *more])
        message = f"{self.count} of {self._total} records can't be written for the model:\n{lines}\n"
        emptied = [name for name, count in left.items() if count == 0]
        if skip and not emptied:
            rank_zero_warn(f"{message}They are left out, because `data.init_args.reading.on_bad_record` is skip.")
            return
        if emptied:
            raise ValueError(f"{message}Without them nothing is left in {' and '.join(emptied)}.")
        raise ValueError(f"{message}Or set `data.init_args.reading.on_bad_record: skip` to leave them out.")


def _counted(places: list[str]) -> str:
    more = f" and {len(places) - SHOWN_PLACES} more" if len(places) > SHOWN_PLACES else ""
    return f"{', '.join(places[:SHOWN_PLACES])}{more}"
