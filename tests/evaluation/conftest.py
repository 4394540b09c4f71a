import runpy
from pathlib import Path

REPLAY = runpy.run_path(str(Path(__file__).parents[1] / "replay" / "conftest.py"))
NAMES = ("make_task", "make_trial", "space", "with_scores", "table_of", "source", "tracking", "settings")
make_task, make_trial, space, with_scores, table_of, source, tracking, settings = (REPLAY[name] for name in NAMES)
