"""A finished surrogate as a folder: ``weights.safetensors`` and ``surrogate.json``."""

import hashlib
import json
from pathlib import Path

from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from lightning_quicktune.files.whole import write_whole
from lightning_quicktune.surrogate.card import SurrogateCard
from lightning_quicktune.surrogate.cost_model import CostModel
from lightning_quicktune.surrogate.curves.model import CurveModel
from lightning_quicktune.surrogate.performance_model import PerformanceModel

WEIGHTS, CARD = "weights.safetensors", "surrogate.json"
SCHEMA_VERSION = 6  # what was written before is refused: surrogates are trained again in minutes

Model = PerformanceModel | CostModel | CurveModel


def save_surrogate(model: Model, folder: str | Path) -> Path:
    """Writes a surrogate. Each file is replaced at once, and the JSON holds the digest of the weights it belongs to.

    Args:
        model: The trained surrogate.
        folder: Where; other files in it are left alone.

    Returns:
        The folder.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    weights = save_tensors({name: tensor.contiguous() for name, tensor in model.state_dict().items()})
    record = {
        "schema_version": SCHEMA_VERSION,
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
        **model.card.to_dict(),
    }
    write_whole(folder / WEIGHTS, weights)
    write_whole(folder / CARD, json.dumps(record, indent=1).encode())
    return folder


def read_performance(source: str | Path) -> PerformanceModel:
    """Reads a performance surrogate whatever it was made for; see ``read_surrogate``."""
    model = read_surrogate(source)
    if not isinstance(model, PerformanceModel):
        raise ValueError(_other_kind(source, model, "performance"))
    return model


def read_cost(source: str | Path) -> CostModel:
    """Reads a cost surrogate whatever it was made for; see ``read_surrogate``."""
    model = read_surrogate(source)
    if not isinstance(model, CostModel):
        raise ValueError(_other_kind(source, model, "cost"))
    return model


def read_curves(source: str | Path) -> CurveModel:
    """Reads a surrogate of learning curves whatever it was made for; see ``read_surrogate``."""
    model = read_surrogate(source)
    if not isinstance(model, CurveModel):
        raise ValueError(_other_kind(source, model, "curves"))
    return model


def read_surrogate(source: str | Path) -> Model:
    """Reads a surrogate whatever it was made for.

    Args:
        source: Folder of the artifact.

    Raises:
        FileNotFoundError: If the folder is not a surrogate.
        ValueError: If the artifact is damaged or of another schema version.
    """
    folder = Path(source)
    missing = [name for name in (CARD, WEIGHTS) if not (folder / name).is_file()]
    if missing:
        raise FileNotFoundError(
            f"{folder} is not a surrogate: it lacks {', '.join(missing)}. Give the folder that "
            "`lightning-quicktune fit` wrote to `model.init_args.output`."
        )
    record = json.loads((folder / CARD).read_text())
    if record.get("schema_version") != SCHEMA_VERSION:
        raise ValueError(
            f"{folder / CARD} has schema version {record.get('schema_version')!r}, but this package reads version "
            f"{SCHEMA_VERSION}: train the surrogate again with `lightning-quicktune fit`."
        )
    weights = (folder / WEIGHTS).read_bytes()
    if hashlib.sha256(weights).hexdigest() != record["weights_sha256"]:
        raise ValueError(
            f"{folder / WEIGHTS} is not the file that {CARD} describes: the artifact was damaged, or its writing "
            "interrupted. Copy it again, or train the surrogate again."
        )
    return _build(SurrogateCard.from_dict(record), weights)


def _build(card: SurrogateCard, weights: bytes) -> Model:
    tensors = load_tensors(weights)
    if card.kind == "curves":
        return CurveModel.from_state_dict(card, tensors)
    if card.kind == "cost":
        cost = CostModel(card)
        cost.load_state_dict(tensors)
        return cost
    performance = PerformanceModel(card, len(tensors.get("support_latent", ())))
    performance.load_state_dict(tensors)
    return performance


def _other_kind(source: str | Path, model: Model, wanted: str) -> str:
    return (
        f"{source} holds a {model.card.kind} surrogate, but a {wanted} surrogate is needed here. "
        "The folders may have been swapped: give the other one."
    )
