"""The tasks of the built-in suite by name, and their files."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from lightning_quicktune.files.whole import write_whole
from lightning_quicktune.suite.generate import generate
from lightning_quicktune.suite.task_spec import TaskSpec
from lightning_quicktune.wording.spelling import did_you_mean

_META_TRAINING = (
    TaskSpec("suite-companies-names", "companies", "name", n_facts=30, seed=101),
    TaskSpec("suite-companies-mixed", "companies", "mixed", n_facts=48, seed=102, label_noise=0.1),
    TaskSpec("suite-companies-phrases", "companies", "phrase", n_facts=12, seed=109, answer_form="sentence"),
    TaskSpec("suite-companies-dates", "companies", "date", n_facts=45, seed=110, wording="across", label_noise=0.1),
    TaskSpec("suite-minerals-labels", "minerals", "label", n_facts=40, seed=103, label_noise=0.3),
    TaskSpec("suite-minerals-numbers", "minerals", "number", n_facts=24, seed=104),
    TaskSpec("suite-minerals-mixed", "minerals", "mixed", n_facts=120, seed=111),
    TaskSpec("suite-minerals-phrases", "minerals", "phrase", n_facts=24, seed=112, label_noise=0.5),
    TaskSpec("suite-statutes-dates", "statutes", "date", n_facts=20, seed=105, label_noise=0.1),
    TaskSpec("suite-statutes-phrases", "statutes", "phrase", n_facts=36, seed=106, wording="far"),
    TaskSpec("suite-statutes-names", "statutes", "name", n_facts=60, seed=113, wording="across", n_distractors=1),
    TaskSpec("suite-medicines-names", "medicines", "name", n_facts=40, seed=107, wording="far", label_noise=0.3),
    TaskSpec("suite-medicines-numbers", "medicines", "number", n_facts=16, seed=114, label_noise=0.2, n_distractors=2),
    TaskSpec(
        "suite-medicines-labels", "medicines", "label", n_facts=72, seed=115, wording="far", label_noise=0.5, told=True
    ),
    TaskSpec("suite-towns-dates", "towns", "date", n_facts=30, seed=116, wording="far"),
    TaskSpec("suite-towns-labels", "towns", "label", n_facts=120, seed=117, label_noise=0.2),
    TaskSpec("suite-ships-names", "ships", "name", n_facts=12, seed=118, wording="far", label_noise=0.5),
    TaskSpec("suite-ships-mixed", "ships", "mixed", n_facts=60, seed=119, label_noise=0.4, n_distractors=1, told=True),
    TaskSpec("suite-birds-labels", "birds", "label", n_facts=24, seed=120, wording="across", answer_form="sentence"),
    TaskSpec(
        "suite-birds-numbers", "birds", "number", n_facts=80, seed=121, label_noise=0.1, n_distractors=2, told=True
    ),
    TaskSpec("suite-operas-labels", "operas", "label", n_facts=100, seed=122, label_noise=0.5),
    TaskSpec("suite-operas-mixed", "operas", "mixed", n_facts=36, seed=123, wording="far", answer_form="sentence"),
)
_META_TEST = (
    TaskSpec("suite-towns-mixed", "towns", "mixed", n_facts=60, seed=108, label_noise=0.2),
    TaskSpec("suite-ships-labels", "ships", "label", n_facts=60, seed=124, label_noise=0.4, n_distractors=2, told=True),
    TaskSpec("suite-birds-names", "birds", "name", n_facts=36, seed=125, label_noise=0.1),
    TaskSpec("suite-operas-numbers", "operas", "number", n_facts=30, seed=126, n_distractors=2),
    TaskSpec("suite-engines-names", "engines", "name", n_facts=24, seed=127, label_noise=0.2),
    TaskSpec(
        "suite-engines-mixed", "engines", "mixed", n_facts=90, seed=128, wording="across", n_distractors=1, told=True
    ),
    TaskSpec("suite-festivals-dates", "festivals", "date", n_facts=16, seed=129, answer_form="sentence"),
    TaskSpec("suite-festivals-phrases", "festivals", "phrase", n_facts=48, seed=130, wording="far", label_noise=0.3),
)

META_TRAINING_TASKS = tuple(spec.name for spec in _META_TRAINING)
META_TEST_TASKS = tuple(spec.name for spec in _META_TEST)  # engines and festivals are asked about here alone
BUILTIN_TASKS = {spec.name: spec for spec in (*_META_TRAINING, *_META_TEST)}


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
        raise ValueError(
            f"There is no built-in task `{name}`. Built-in tasks are: {', '.join(BUILTIN_TASKS)}. "
            f"For files of your own, give their folder instead.{did_you_mean(name, BUILTIN_TASKS)}"
        )
    spec = BUILTIN_TASKS[name]
    splits = generate(spec)
    task_folder = Path(folder) / name
    task_folder.mkdir(parents=True, exist_ok=True)
    for split, records in splits.items():
        lines = (json.dumps(record, ensure_ascii=False) + "\n" for record in records)
        write_whole(task_folder / f"{split}.jsonl", "".join(lines).encode())
    meta = {
        "origin": "built-in suite of lightning-quicktune: invented knowledge, made by a seeded generator",
        "licence": "Apache-2.0",
        "spec": asdict(spec),
        "records": {split: len(records) for split, records in splits.items()},
    }
    write_whole(task_folder / "meta.json", (json.dumps(meta, indent=2) + "\n").encode())
    return task_folder
