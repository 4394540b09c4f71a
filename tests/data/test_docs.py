import json
import re
from pathlib import Path

import pytest
import yaml

from lightning_quicktune.data.turns import BadRecordError
from lightning_quicktune.data.wanted import UnwantedRecordError

PAGE = Path(__file__).parents[2] / "docs" / "data.md"
ROWS = re.findall(r"^\| ([^|]+) \| `(\{.*\})` \| (.+) \|$", PAGE.read_text(), re.MULTILINE)


def test_the_page_names_the_tools():
    assert len(ROWS) > 25


@pytest.mark.parametrize(("raw", "here"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_each_export_is_read_or_refused_as_the_page_says(raw, here, parse):
    record, settings = json.loads(raw), {}
    if here.startswith("read with"):
        settings = yaml.safe_load(re.search("`(.+)`", here)[1])
    if here != "read":
        with pytest.raises(UnwantedRecordError if "unwanted" in here else BadRecordError):
            parse(record)
    if here.startswith("read"):
        assert parse(record, **settings).record.answer in ("The pilot.", "The pilot", "Yes.", "Not said.")
