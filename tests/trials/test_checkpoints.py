import errno
from pathlib import Path

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

    readable = Path.read_bytes

    def unreadable(path):
        if path.name == LAST:
            raise error
        return readable(path)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", unreadable)
        with pytest.raises(type(error)):
            run_trial(plan, 2)
    assert {path.name for path in plan.folder.glob("*.ckpt*")} == {LAST, BEST}
    assert read_trial(plan.folder) == before
    assert run_trial(plan, 2).curve.fidelity == 2


@pytest.mark.parametrize("place", [-4, -6, -8, -12])
def test_a_flipped_bit_at_the_end_of_a_checkpoint_is_never_taken_for_a_read_error(make_plan, place):
    plan = make_plan("trial")
    run_trial(plan, 1)
    raw = bytearray((plan.folder / LAST).read_bytes())
    raw[place] ^= 1
    (plan.folder / LAST).unlink()  # best.ckpt may be the same file
    (plan.folder / LAST).write_bytes(raw)
    assert usable_checkpoint(plan.folder)[1].fidelity == 1
