"""``fit``, ``validate``, ``test`` and ``predict``: LightningCLI, with trainer, model and data composed from YAML."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI, SaveConfigCallback
from lightning.pytorch.utilities import rank_zero_warn

from lightning_quicktune.arguments.parser import DEBUG_HELP
from lightning_quicktune.cli.monitored import check_monitored
from lightning_quicktune.compose import StrictLightningParser, quiet_upstream
from lightning_quicktune.finetune.finetuner import Finetuner
from lightning_quicktune.finetune.resuming import read_checkpoint
from lightning_quicktune.surrogate.cost import CostSurrogate
from lightning_quicktune.surrogate.curves.module import CurveSurrogate
from lightning_quicktune.surrogate.performance import PerformanceSurrogate
from lightning_quicktune.tracking.faults import answering
from lightning_quicktune.tracking.lightning_logger import log_folder, log_text

_SUBCOMMANDS = ("fit", "validate", "test", "predict")
_LIGHTNING_FINDS = ("best", "hpc", "last", "registry")  # words that Lightning's Trainer turns into a path


class LogConfig(SaveConfigCallback):
    """Keeps the resolved ``config.yaml``: an artifact of the MLflow run, or a file of the log folder."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "save_to_log_dir": False})

    def save_config(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Logs the YAML once, on rank 0."""
        text = self.parser.dump(self.config, skip_none=False)
        for logger in trainer.loggers:
            log_text(logger, "config.yaml", text)


class QuickTuneCLI(LightningCLI):
    """Composes trainer, model and data from YAML; see ``lightning-quicktune fit --help``."""

    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        """Parses the words of the command line."""
        if isinstance(args, list):
            self.config = parser.parse_args(args)
        else:
            super().parse_arguments(parser, args)

    def _parse_ckpt_path(self) -> None:
        """Refuses a checkpoint that isn't there or can't be read, before any data or weights are."""
        subcommand = self.config.get("subcommand")
        path = str(self.config[subcommand].get("ckpt_path") or "") if subcommand else ""
        if path and path not in _LIGHTNING_FINDS and "://" not in path:
            read_checkpoint(path)
        super()._parse_ckpt_path()

    def after_instantiate_classes(self) -> None:
        """Logs the hyperparameters that a person sorts runs by."""
        config = yaml.safe_load(self.parser.dump(self.config, skip_none=False))[str(self.subcommand)]
        for logger in self.trainer.loggers:
            logger.log_hyperparams(_flat({"model": config["model"], "data": config["data"]}))

    def before_fit(self) -> None:
        """Refuses to watch what is never logged; warns where `last.ckpt` would be that of the last improvement."""
        trainer: Any = self.trainer
        check_monitored(trainer.callbacks, self.model)
        kept = [c for c in self.trainer.checkpoint_callbacks if isinstance(c, ModelCheckpoint)]
        if any(c.save_last and c.monitor for c in kept) and all(c.monitor for c in kept):
            rank_zero_warn(
                "ModelCheckpoint with `monitor` and `save_last` writes `last.ckpt` only where the score improves, so a "
                "run that is killed would go on from its last improvement. Add a second ModelCheckpoint to "
                "`trainer.callbacks` with `init_args: {filename: last}` and without `monitor`, after the first."
            )

    def _run_subcommand(self, subcommand: str) -> None:
        """Takes the adapter off the shared base model, however the run ends."""
        try:
            super()._run_subcommand(subcommand)
        finally:
            if isinstance(self.model, Finetuner):
                self.model.release()

    def after_fit(self) -> None:
        """Keeps a finished surrogate with its MLflow run, as ``runs:/ID/surrogate``."""
        if (
            isinstance(self.model, (PerformanceSurrogate, CostSurrogate, CurveSurrogate))
            and self.trainer.is_global_zero
        ):
            for logger in self.trainer.loggers:
                log_folder(logger, Path(self.model.output), "surrogate")


def run(args: list[str]) -> None:
    """Runs one of the four subcommands.

    Args:
        args: Words from the subcommand on. DDP's launcher gives those of the shell to other ranks.
    """
    quiet_upstream()
    try:
        with answering("the place that `trainer.logger` names", key="trainer.logger"):
            QuickTuneCLI(
                LightningModule,
                LightningDataModule,
                subclass_mode_model=True,
                subclass_mode_data=True,
                seed_everything_default=0,
                auto_configure_optimizers=False,  # the model has its own: `model.init_args.optimizer` and `schedule`
                save_config_callback=LogConfig,
                save_config_kwargs={"overwrite": True},
                parser_class=StrictLightningParser,
                parser_kwargs={
                    "prog": "lightning-quicktune",
                    **{word: {"epilog": DEBUG_HELP} for word in _SUBCOMMANDS},
                },
                args=args,
            )
    except SystemExit as stop:
        if isinstance(stop.__context__, KeyboardInterrupt):  # Lightning exits with 1 on Ctrl-C
            raise KeyboardInterrupt from None
        raise


def _flat(tree: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(tree, dict):
        return {prefix: tree}
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        short = "" if key in ("init_args",) else str(key)
        flat |= _flat(value, ".".join(p for p in (prefix, short) if p))
    return flat
