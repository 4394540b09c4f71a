import textwrap

import pytest

from lightning_quicktune.replay.closure import closure

SOURCES = {
    "__init__.py": "",
    "start.py": '''
        """What it is."""
        from typing import TYPE_CHECKING
        import numpy as np
        if TYPE_CHECKING:
            from pack.only_types import A
        def build(name, other):
            match name:
                case "one" | "first":
                    from pack.one import One
                case "two":
                    import pack.two
                case _:
                    from pack import rest
            match other:
                case "free":
                    from pack.free import f
    ''',
    "one.py": "import scipy.stats\nfrom pack.room import thing\nSCRIPT = 'worker.py'",
    "two.py": "",
    "rest.py": "",
    "free.py": "",
    "only_types.py": "",
    "worker.py": "from pack.left_out.any import x",
    "left_out/any.py": "",
    "room/__init__.py": "from pack.room.thing import y",
    "room/thing.py": "from pack import one",
}


@pytest.fixture
def package(tmp_path):
    for name, text in SOURCES.items():
        path = tmp_path / "pack" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    return tmp_path / "pack"


@pytest.mark.parametrize(
    ("cases", "wanted"),
    [
        ({"two"}, {"two.py"}),
        ({"first"}, {"one.py", "worker.py", "room/__init__.py", "room/thing.py"}),
        ({"three"}, {"rest.py"}),
    ],
)
def test_what_is_imported_for_a_case_counts_and_nothing_else(package, cases, wanted):
    found = closure(package, ["start.py"], {"one", "first", "two", "three"}, cases, ["left_out", "__init__.py"])
    assert set(found.sources) == {"start.py", "free.py"} | wanted  # `free` is no name that is known
    assert {"numpy"} <= found.libraries
    assert ("scipy" in found.libraries) == ("first" in cases)
    assert "What it is" not in found.sources["start.py"]
