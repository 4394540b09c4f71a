from lightning_quicktune.evaluation.code import code_fingerprint


def test_the_fingerprint_follows_what_replays_depend_on(tmp_path):
    sources = ("metadataset/latent.py", "space/numeric.py", "search/pool.py", "surrogate/curves/prior.py")
    for name in (*sources, "evaluation/replay.py", "evaluation/report.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("a = 1\n")
    found = {code_fingerprint(tmp_path)}
    (tmp_path / "evaluation/report.py").write_text("a = 2\n")
    assert {code_fingerprint(tmp_path)} == found
    for name in (*sources, "evaluation/replay.py"):
        (tmp_path / name).write_text("a = 2\n")
        found.add(code_fingerprint(tmp_path))
    assert len(found) == 6
    assert code_fingerprint() not in found
