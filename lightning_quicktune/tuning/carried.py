"""The chosen settings for other trainers, as texts that a person may copy."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from lightning.pytorch import seed_everything

from lightning_quicktune.compose import FitConfig, build
from lightning_quicktune.trials.task_setup import task_objects

_FILES = {"trl": "train.py", "axolotl": "axolotl.yaml", "llamafactory": "llamafactory.yaml"}


def carried_over(fit: FitConfig) -> dict[str, str]:
    """The settings of each other trainer that can train this, by its name; ``export --as`` writes all that they need.

    Args:
        fit: The fit YAML.
    """
    from lightning_quicktune.finetune.elsewhere.carried import carry
    from lightning_quicktune.finetune.elsewhere.trl import write_trl
    from lightning_quicktune.finetune.elsewhere.yaml_trainers import write_yaml

    composed = build(fit)
    seed_everything(composed.seed, verbose=False)
    module, data = task_objects(fit)
    texts = {}
    try:
        carried = carry(module, composed.trainer, data, composed.seed)
        for trainer, file in _FILES.items():
            with TemporaryDirectory() as folder:
                if trainer == "trl":
                    write_trl(carried, Path(folder))
                else:
                    write_yaml(trainer, carried, Path(folder))
                texts[trainer] = (Path(folder) / file).read_text(encoding="utf-8")
    except ValueError:  # no other trainer can do that
        return {}
    finally:
        module.release()
    return texts
