"""Findings are listed, pinned and run without this package; running them needs the network and is left to the tool."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FINDINGS = ROOT / "findings"
SCRIPTS = sorted(FINDINGS.glob("*.sh"))


def findings(*words, folder=FINDINGS):
    return subprocess.run(
        [ROOT / "tools" / "findings", *words],
        env={**os.environ, "FINDINGS": str(folder)},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_finding_says_what_it_is_and_pins_what_it_runs(script):
    assert os.access(script, os.X_OK)
    text = script.read_text()
    first, said = text.splitlines()[:2]
    assert first == "#!/usr/bin/env bash"
    assert re.fullmatch(r"# \S+ ?\S* [\d.]+('s)? .{20,}\.", said)
    (packages,) = re.findall(r"--target packages \\\n  (.*) \|\| exit 2", text)
    pins = dict(package.split("==") for package in packages.split())
    version = re.search(r"\d+\.\d+\.\d+", said)[0]
    assert version in pins.values()
    assert "lightning_quicktune" not in text
    subprocess.run(["bash", "-n", script], check=True)
    (program,) = re.findall(r"<<'PYTHON'\n(.*?)\nPYTHON\n", text, re.DOTALL)
    assert {"expected:", "seen: "} <= set(re.findall(r"expected:|seen: ", program))
    assert "sys.exit(0 if " in program
    compile(program, script.name, "exec")


def test_the_index_is_that_of_the_scripts(tmp_path):
    for script in SCRIPTS:
        shutil.copy(script, tmp_path)
    assert findings("--index", folder=tmp_path).returncode == 0
    index = (tmp_path / "README.md").read_text()
    assert index == (FINDINGS / "README.md").read_text()
    for script in SCRIPTS:
        assert f"({script.name}): {script.read_text().splitlines()[1].removeprefix('# ')}\n" in index


@pytest.mark.parametrize(
    ("statuses", "verdicts", "status"),
    [
        ({"a": 0, "b": 0}, ["holds  a.sh", "holds  b.sh"], 0),
        ({"a": 0, "b": 1, "c": 2}, ["holds  a.sh", "CHANGED  b.sh", "COULD NOT BE RUN  c.sh"], 1),
        ({"a": 0, "b": 2}, ["holds  a.sh", "COULD NOT BE RUN  b.sh"], 2),
    ],
)
def test_the_runner_says_which_still_hold(tmp_path, statuses, verdicts, status):
    for name, code in statuses.items():
        script = tmp_path / f"{name}.sh"
        script.write_text(f"#!/usr/bin/env bash\n# {name}\nexit {code}\n")
        script.chmod(0o755)
    done = findings(folder=tmp_path)
    assert [line for line in done.stdout.splitlines() if line] == verdicts
    assert done.returncode == status
    assert findings(str(tmp_path / "a.sh"), folder=tmp_path).stdout.strip() == "holds  a.sh"
