from typing import get_args

from lightning_quicktune.evaluation.figure import _OTHERS, _STYLES
from lightning_quicktune.search.names import SearcherName


def test_every_method_has_a_line_of_its_own():
    assert set(get_args(SearcherName)) <= _STYLES.keys()
    assert len({*_STYLES.values(), *_OTHERS}) == len(_STYLES) + len(_OTHERS)
