import re
from importlib.resources import files

import pytest

CSS = (files("lightning_quicktune") / "assets" / "page" / "page.css").read_text()
BLOCKS = dict(zip(("light", "dark", "print"), re.findall(r":root \{(.*?)\}", CSS, re.DOTALL), strict=True))


def luminance(colour):
    """Relative luminance, as the Web Content Accessibility Guidelines 2.2 define it."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", BLOCKS)
@pytest.mark.parametrize("ground", ["paper", "raised", "mind"])
@pytest.mark.parametrize("colour", ["ink", "quiet", "chosen", "recipe", "default", "strong", "right", "wrong"])
def test_every_text_can_be_told_from_its_ground(theme, ground, colour):
    colours = dict(re.findall(r"--(\w+): (#\w{6})", BLOCKS[theme]))
    pair = sorted(luminance(colours[name]) for name in (ground, colour))
    assert (pair[1] + 0.05) / (pair[0] + 0.05) >= 4.5
