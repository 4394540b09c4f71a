"""The client of an LLM behind any OpenAI-compatible endpoint."""

from __future__ import annotations

import json
import math
import os
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any

_BUSY = {408, 409, 425, 429, 500, 502, 503, 504}


@dataclass(frozen=True)
class LLMSettings:
    """Which LLM writes, and how it is reached.

    Args:
        model: Name of the model as the endpoint knows it.
        base_url: Address of an OpenAI-compatible endpoint, up to and with its version.
        api_key_env: Environment variable that holds the endpoint's key; the key itself is never written down.
        temperature: Randomness of the answers, from 0.
        max_tokens: Longest answer.
        timeout_s: Seconds to wait for one answer.
        max_tries: Calls before giving up on an endpoint that is busy.
        wait_s: Seconds before the second try; they double with every further one.
    """

    model: str
    base_url: str = "http://127.0.0.1:8000/v1"
    api_key_env: str = "OPENAI_API_KEY"
    temperature: float = 0.7
    max_tokens: int = 2048
    timeout_s: float = 300.0
    max_tries: int = 4
    wait_s: float = 2.0

    def __post_init__(self) -> None:
        for name in ("max_tokens", "max_tries"):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"`llm.{name}` is {getattr(self, name)}, but below 1 no answer can come. Leave `llm.{name}` out to "
                    "use the default."
                )
        for name, least in (("temperature", "at least 0"), ("wait_s", "at least 0"), ("timeout_s", "above 0")):
            value = getattr(self, name)
            if not 0 <= value < math.inf or (name == "timeout_s" and value == 0):
                raise ValueError(f"`llm.{name}` is {value}, but it is a number {least}. Set `llm.{name}` to one.")


class ChatClient:
    """Calls ``/chat/completions``.

    Args:
        settings: Which LLM, and how it is reached.
    """

    def __init__(self, settings: LLMSettings) -> None:
        self.settings = settings

    def complete(self, prompt: str, seed: int) -> str:
        """Answer of the LLM to one prompt.

        Args:
            prompt: What the user says.
            seed: Asks for the same answer again, as far as the endpoint heeds it.

        Raises:
            ConnectionError: If the endpoint can't be reached or stays busy.
            ValueError: If the endpoint refuses the request, or answers something else than a chat completion.
        """
        settings = self.settings
        body = {
            "model": settings.model,
            "messages": [{"role": "user", "content": prompt}],
            "temperature": settings.temperature,
            "max_tokens": settings.max_tokens,
            "seed": seed,
        }
        reply = self._post(json.dumps(body).encode())
        try:
            return str(reply["choices"][0]["message"]["content"] or "")
        except (KeyError, IndexError, TypeError) as error:
            raise ValueError(
                f"{self._url} answered {str(reply)[:200]!r}, which is no chat completion. Set `llm.base_url` to the "
                "address of an OpenAI-compatible endpoint; most end in `/v1`."
            ) from error

    @property
    def _url(self) -> str:
        return self.settings.base_url.rstrip("/") + "/chat/completions"

    def _post(self, body: bytes) -> Any:
        wait_s = self.settings.wait_s
        for tries_left in reversed(range(self.settings.max_tries)):
            try:
                with urllib.request.urlopen(self._request(body), timeout=self.settings.timeout_s) as response:
                    return json.loads(response.read())
            except urllib.error.HTTPError as error:
                with error:
                    reason = f"HTTP {error.code}: {error.read(500).decode(errors='replace')}"
                if error.code not in _BUSY:
                    raise self._refused(error.code, reason) from error
                cause: Exception = error
            except json.JSONDecodeError as error:
                raise ValueError(
                    f"{self._url} did not answer in JSON, so it is no OpenAI-compatible endpoint. "
                    "Set `llm.base_url` to one; most end in `/v1`."
                ) from error
            except (OSError, HTTPException) as error:
                reason, cause = str(getattr(error, "reason", error)) or type(error).__name__, error
            if tries_left:
                time.sleep(wait_s)
                wait_s *= 2
        raise ConnectionError(
            f"{self._url} gave no answer in {self.settings.max_tries} tries ({reason}). Start the server there, or set "
            "`llm.base_url` to one that runs; what was done so far is kept, and the same command goes on from it."
        ) from cause

    def _request(self, body: bytes) -> urllib.request.Request:
        headers = {"Content-Type": "application/json"}
        if key := os.environ.get(self.settings.api_key_env):
            headers["Authorization"] = f"Bearer {key}"
        try:
            return urllib.request.Request(self._url, body, headers)
        except ValueError as error:
            raise ValueError(
                f"`llm.base_url` is {self.settings.base_url!r}, which is no web address. "
                "Write it with its scheme, such as `http://127.0.0.1:8000/v1`."
            ) from error

    def _refused(self, code: int, reason: str) -> ValueError:
        if code in (401, 403):
            advice = f"Put a valid key into the environment variable {self.settings.api_key_env} (`llm.api_key_env`)"
        elif code == 404:
            advice = "Set `llm.base_url` with its version (most end in `/v1`) and `llm.model` as the endpoint lists it"
        else:
            advice = "Check `llm.model`, `llm.max_tokens` and `llm.temperature` against what the endpoint takes"
        return ValueError(f"{self._url} refused the request ({reason}). {advice}.")
