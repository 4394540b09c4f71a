import errno

import pytest

from lightning_quicktune.trials.checkpoints import BEST, LAST, drop_checkpoints, usable_checkpoint
from lightning_quicktune.trials.runner import run_trial
from lightning_quicktune.trials.storage import read_trial


def test_a_damaged_checkpoint_is_put_aside_and_said(tmp_path, caplog):
    (tmp_path / LAST).write_bytes(b"half a file")
    assert usable_checkpoint(tmp_path)[0] is None
    assert (tmp_path / "last.ckpt.damaged").read_bytes() == b"half a file"
    assert "is damaged" in caplog.text
    assert "it is now last.ckpt.damaged" in caplog.text
    drop_checkpoints(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "error", [OSError(errno.EIO, "Input/output error"), OSError(errno.EMFILE, "Too many open files"), MemoryError()]
)
def test_a_checkpoint_that_cannot_be_read_now_is_left_alone(make_plan, monkeypatch, error):
    plan = make_plan("trial")
    before = run_trial(plan, 1)

    def unreadable(*args, **kwargs):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr("lightning_quicktune.finetune.resuming.zipfile.ZipFile", unreadable)
        with pytest.raises(type(error)):
            run_trial(plan, 2)
    assert {path.name for path in plan.folder.glob("*.ckpt*")} == {LAST, BEST}
    assert read_trial(plan.folder) == before
    assert run_trial(plan, 2).curve.fidelity == 2
