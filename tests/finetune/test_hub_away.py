"""A hub that nobody answers at, as without a network."""

import re
import socket
import time

import huggingface_hub
import pytest

from lightning_quicktune.data import hub_reach
from lightning_quicktune.finetune.base_model import BaseModelSettings, load_config, load_tokenizer
from lightning_quicktune.finetune.source import missing_weights


@pytest.fixture
def away(monkeypatch):
    """Lets the hub be a port of this machine that nobody listens at, nor can before the test has ended."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", f"http://127.0.0.1:{taken.getsockname()[1]}")
        monkeypatch.setattr(hub_reach, "_answers", {})
        yield


@pytest.mark.parametrize("load", [load_config, load_tokenizer])
@pytest.mark.usefixtures("away")
def test_a_model_that_was_not_fetched_before_is_refused_within_seconds(load):
    with pytest.raises(FileNotFoundError):
        load(BaseModelSettings("nobody/nothing"))  # which imports what it needs
    hub_reach._answers.clear()
    began = time.monotonic()
    with pytest.raises(FileNotFoundError, match=r"of `nobody/nothing` can't be loaded: .*hub id that this machine can"):
        load(BaseModelSettings("nobody/nothing"))
    assert time.monotonic() - began < 10


@pytest.mark.usefixtures("away")
def test_that_is_said_before_any_library_is_loaded(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = r"`nobody/nothing` was not fetched before, and http://127.0.0.1:\d+ can't be reached\. Start again where"
    assert re.search(words, missing_weights("nobody/nothing"))
    (tmp_path / "nobody" / "nothing").mkdir(parents=True)
    assert missing_weights("nobody/nothing") is None
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *asked: "/cache/config.json")
    assert missing_weights("nobody/other") is None


@pytest.mark.usefixtures("away")
def test_the_hub_is_asked_again_after_a_while(monkeypatch):
    assert hub_reach.is_hub_away()
    asked = []

    class Session:
        def head(self, url, timeout):
            asked.append((url, timeout))

    monkeypatch.setattr(huggingface_hub, "get_session", Session)
    assert hub_reach.is_hub_away()
    assert asked == []
    monkeypatch.setattr(hub_reach, "_HOLDS_S", 0.0)
    assert not hub_reach.is_hub_away()
    assert asked == [(huggingface_hub.constants.ENDPOINT, 5.0)]
