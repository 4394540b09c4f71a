"""Rotary embeddings of a GGUF file: how their frequencies are scaled beyond the length of the first training."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

_LOW, _HIGH = 1.0, 4.0  # of every Llama 3.1, 3.2 and 3.3
_FAR_APART = 1e-4


class UnknownMeaningError(ValueError):
    """A GGUF file says of its model what can't be set in Transformers; the text goes on after "because"."""


class Facts:
    """What a GGUF file says of its model, and which of it has not been looked at yet.

    Args:
        architecture: Of the model, as the file names it.
        values: Every key of the file that begins with its architecture, without that.
        tensors: Names of all weights.
        rotary: Frequency factors, by the name of their tensor.
    """

    def __init__(
        self,
        architecture: str,
        values: Mapping[str, Any],
        tensors: set[str],
        rotary: Mapping[str, NDArray[np.float64]],
    ) -> None:
        self.architecture = architecture
        self.tensors = tensors
        self.rotary = rotary
        self._left = dict(values)

    def take(self, name: str) -> Any:
        """The value of a key, which is looked at by this, or none."""
        return self._left.pop(name, None)

    def left(self) -> dict[str, Any]:
        """Keys that nothing has looked at."""
        return dict(self._left)

    def key(self, name: str) -> str:
        """The name of a key in the file."""
        return f"{self.architecture}.{name}"


def set_rope(config: Any, rope: dict[str, Any], facts: Facts) -> None:
    """Sets how positions are scaled: by one factor (linear, YaRN), or by one for each frequency (longrope, Llama 3.1).

    Args:
        config: The model's configuration.
        rope: Its rotary settings; changed in place.
        facts: What the file says.

    Raises:
        UnknownMeaningError: If no setting of Transformers scales like that.
    """
    _set_scaling(config, rope, facts)
    _set_factors(config, rope, facts)


def _set_scaling(config: Any, rope: dict[str, Any], facts: Facts) -> None:
    kind, factor = facts.take("rope.scaling.type"), facts.take("rope.scaling.factor")
    kind = kind or ("linear" if factor not in (None, 1.0) else "none")
    if facts.architecture == "phi3" and kind in ("none", "longrope"):
        if kind == "longrope" and not facts.rotary:
            raise UnknownMeaningError(f"`{facts.key('rope.scaling.type')}` is longrope, and its factors are missing")
        return
    original, attention = facts.take("rope.scaling.original_context_length"), facts.take("rope.scaling.attn_factor")
    if kind == "none":
        return
    if kind not in ("linear", "yarn") or not factor or not rope:
        raise UnknownMeaningError(f"`{facts.key('rope.scaling.type')}` is {kind}, with the factor {factor}")
    rope.update(rope_type=kind, factor=float(factor))
    if kind == "yarn":
        rope["original_max_position_embeddings"] = int(original or round(config.max_position_embeddings / factor))
        for name, ours in (("yarn_beta_fast", "beta_fast"), ("yarn_beta_slow", "beta_slow")):
            if (value := facts.take(f"rope.scaling.{name}")) is not None:
                rope[ours] = value
        spread, extra = facts.take("rope.scaling.yarn_ext_factor"), facts.take("rope.scaling.yarn_attn_factor")
        if spread not in (None, 1.0) or extra not in (None, 1.0):
            raise UnknownMeaningError("it changes how YaRN mixes frequencies (`yarn_ext_factor`, `yarn_attn_factor`)")
        if attention not in (None, 1.0):
            rope["attention_factor"] = float(attention) * (0.1 * math.log(factor) + 1)
    elif attention not in (None, 1.0):
        raise UnknownMeaningError(f"`{facts.key('rope.scaling.attn_factor')}` is {attention}, without YaRN")


def _set_factors(config: Any, rope: dict[str, Any], facts: Facts) -> None:
    long, short = (facts.rotary.get(f"rope_factors_{length}.weight") for length in ("long", "short"))
    if long is not None and short is not None:
        if facts.architecture != "phi3":
            raise UnknownMeaningError(f"it has long and short rotary factors, as a {facts.architecture}")
        original = int(facts.take("rope.scaling.original_context_length") or config.original_max_position_embeddings)
        config.original_max_position_embeddings = original
        rope.update(
            rope_type="longrope",
            long_factor=[float(factor) for factor in long],
            short_factor=[float(factor) for factor in short],
            original_max_position_embeddings=original,
        )
        if (attention := facts.take("rope.scaling.attn_factor")) is not None:
            rope["attention_factor"] = float(attention)
    elif facts.architecture == "phi3":
        original = facts.take("rope.scaling.original_context_length")
        attention = facts.take("rope.scaling.attn_factor")
        if attention not in (None, 1.0):
            raise UnknownMeaningError(f"`{facts.key('rope.scaling.attn_factor')}` is {attention}, without factors")
        if original is not None:
            config.original_max_position_embeddings = int(original)
    if (factors := facts.rotary.get("rope_freqs.weight")) is not None:
        if facts.architecture != "llama":
            raise UnknownMeaningError(f"it has rotary factors, with the architecture {facts.architecture}")
        rope.update(_llama3(np.asarray(factors, dtype=np.float64), rope, config))


def _llama3(factors: NDArray[np.float64], rope: Mapping[str, Any], config: Any) -> dict[str, Any]:
    """The settings of Llama 3.1 that give these factors: long waves by one factor, short ones not at all.

    Between the two the factor follows from the length of the first training, which so can be read off.
    """
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    waves = 2 * math.pi * rope["rope_theta"] ** (np.arange(0, head, 2) / head)
    if np.allclose(factors, 1.0):
        return {}
    factor = float(factors.max())
    between = (factors > 1 + _FAR_APART) & (factors < factor * (1 - _FAR_APART))
    if between.any():
        smooth = (1 / factors[between] - 1 / factor) / (1 - 1 / factor)
        candidates = waves[between] * (_LOW + smooth * (_HIGH - _LOW))
        originals = [float(np.median(candidates))]
    else:
        originals = [2.0**power for power in range(20, 3, -1)]
    for original in originals:
        settings = {"factor": factor, "original_max_position_embeddings": round(original)}
        if np.allclose(_llama3_factors(waves, factor, round(original)), factors, rtol=_FAR_APART):
            return {"rope_type": "llama3", "low_freq_factor": _LOW, "high_freq_factor": _HIGH, **settings}
    raise UnknownMeaningError("its rotary factors (`rope_freqs`) aren't those of any Llama 3")


def _llama3_factors(waves: NDArray[np.float64], factor: float, original: float) -> NDArray[np.float64]:
    smooth = ((original / waves - _LOW) / (_HIGH - _LOW)).clip(0, 1)
    return np.asarray(1 / ((1 - smooth) / factor + smooth))
