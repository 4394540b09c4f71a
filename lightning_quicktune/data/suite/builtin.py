"""The tasks of the built-in suite by name, and their files."""

from __future__ import annotations

import difflib
import json
import os
from dataclasses import asdict
from pathlib import Path

from lightning_quicktune.data.suite.generate import generate
from lightning_quicktune.data.suite.task_spec import TaskSpec

BUILTIN_TASKS: dict[str, TaskSpec] = {
    spec.name: spec
    for spec in (
        TaskSpec("suite-companies-names", "companies", "name", n_facts=30, seed=101),
        TaskSpec("suite-companies-mixed", "companies", "mixed", n_facts=48, seed=102, label_noise=0.1),
        TaskSpec("suite-minerals-labels", "minerals", "label", n_facts=40, seed=103, label_noise=0.3),
        TaskSpec("suite-minerals-numbers", "minerals", "number", n_facts=24, seed=104),
        TaskSpec("suite-statutes-dates", "statutes", "date", n_facts=20, seed=105, label_noise=0.1),
        TaskSpec("suite-statutes-phrases", "statutes", "phrase", n_facts=36, seed=106, wording="far"),
        TaskSpec("suite-medicines-names", "medicines", "name", n_facts=40, seed=107, wording="far", label_noise=0.3),
        TaskSpec("suite-towns-mixed", "towns", "mixed", n_facts=60, seed=108, label_noise=0.2),
    )
}


def write_task(name: str, folder: Path) -> Path:
    """Writes one built-in task as files; whatever is there under its name is replaced.

    Args:
        name: A task of ``BUILTIN_TASKS``.
        folder: Where the task's own folder is made.

    Returns:
        The task's folder, with ``train.jsonl``, ``validation.jsonl``, ``test.jsonl`` and ``meta.json``.

    Raises:
        ValueError: If there is no such task.
    """
    if name not in BUILTIN_TASKS:
        closest = difflib.get_close_matches(name, BUILTIN_TASKS, n=1, cutoff=0.0)[0]
        raise ValueError(
            f"There is no built-in task `{name}`. Built-in tasks are: {', '.join(BUILTIN_TASKS)}. "
            f"The closest is `{closest}`; for files of your own, give their folder instead."
        )
    spec = BUILTIN_TASKS[name]
    splits = generate(spec)
    task_folder = Path(folder) / name
    task_folder.mkdir(parents=True, exist_ok=True)
    for split, records in splits.items():
        lines = (json.dumps(record, ensure_ascii=False) + "\n" for record in records)
        _write_atomically(task_folder / f"{split}.jsonl", "".join(lines))
    meta = {
        "origin": "built-in suite of lightning-quicktune: invented knowledge, made by a seeded generator",
        "licence": "Apache-2.0",
        "spec": asdict(spec),
        "records": {split: len(records) for split, records in splits.items()},
    }
    _write_atomically(task_folder / "meta.json", json.dumps(meta, indent=2) + "\n")
    return task_folder


def _write_atomically(path: Path, text: str) -> None:
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    temporary.write_text(text, encoding="utf-8", newline="\n")
    os.replace(temporary, path)
