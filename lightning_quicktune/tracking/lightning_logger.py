"""Texts as artifacts of whatever logger a Lightning trainer has."""

from __future__ import annotations

from pathlib import Path

from lightning.pytorch.loggers import Logger, MLFlowLogger


def log_text(logger: Logger, name: str, text: str) -> None:
    """Keeps a text with the run of a logger.

    Args:
        logger: An artifact of the run under MLflow; a file in the log folder of any other logger that has one.
        name: File name of the text.
        text: What to keep.
    """
    if isinstance(logger, MLFlowLogger):
        logger.experiment.log_text(logger.run_id, text, name)
        return
    folder = getattr(logger, "log_dir", None)
    if folder is not None:
        Path(folder).mkdir(parents=True, exist_ok=True)
        (Path(folder) / name).write_text(text, encoding="utf-8")


def log_folder(logger: Logger, folder: Path, artifact_path: str) -> None:
    """Keeps a folder with the run of a logger; loggers other than MLflow's have no place for it.

    Args:
        logger: Whose run.
        folder: What to keep.
        artifact_path: Where it goes within the run: ``runs:/ID/artifact_path`` from now on.
    """
    if isinstance(logger, MLFlowLogger):
        logger.experiment.log_artifacts(logger.run_id, str(folder), artifact_path)
