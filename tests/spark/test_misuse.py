"""Wrong policy, models or lake, or no Java: one clear line that says what to do, exit code 2, nothing written."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deid_udf import models
from tests.support.processes import ROOT
from tests.support.records import faces_policy, streets, write_records

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def refused(tmp_path, models_cache):
    """Runs the job, which must refuse; returns its one line."""
    records = write_records(tmp_path / "records", streets(1))

    def run(policy: str, lake: str | None = None, env: dict[str, str] | None = None, last: bool = False) -> str:
        (tmp_path / "policy.yaml").write_text(policy)
        command = [
            sys.executable, "jobs/deidentify.py", f"--records={records}", "--run-id=night",
            f"--policy={tmp_path / 'policy.yaml'}", f"--lake={lake or (tmp_path / 'lake').as_uri()}",
        ]  # fmt: skip
        done = subprocess.run(
            command, cwd=ROOT, env=os.environ | (env or {}), capture_output=True, text=True, timeout=240
        )
        assert done.returncode == 2, done.stderr
        assert done.stdout == ""
        assert not (tmp_path / "lake").exists()
        lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
        assert len(lines) == 1
        assert last or done.stderr.splitlines()[0] == lines[0]
        return lines[0]

    return run


def test_policy(refused):
    assert "policy.yaml is not a valid policy" in refused("name: x\nlicences: []")


def test_unknown_model(refused):
    assert "unknown model 'nosuch'" in refused(faces_policy().canonical().replace("centerface", "nosuch"))


def test_licence(refused):
    text = faces_policy().canonical().replace('"MIT"', '"ISC"')
    assert "does not accept" in refused(text)


def test_altered_model(refused, tmp_path):
    sha = models.entry("centerface").sha256
    fake = tmp_path / "cache" / sha[:16] / "centerface"
    fake.parent.mkdir(parents=True)
    fake.write_bytes(b"not a model")
    line = refused(faces_policy().canonical(), env={"DEID_MODEL_CACHE": str(tmp_path / "cache")})
    assert "refused" in line
    assert sha in line


def test_lake_that_cannot_be_written(refused):
    assert "cannot be opened or written" in refused(faces_policy().canonical(), lake="file:///proc/lake", last=True)


def test_no_java(refused, tmp_path):
    """PATH without Java, and Spark's configuration without a JAVA_HOME."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in ("bash", "dirname", "basename", "readlink", "ls", "grep", "sed", "cat", "tr", "uname", "env", "nice"):
        found = next((Path(p, tool) for p in ("/bin", "/usr/bin") if Path(p, tool).exists()), None)
        if found:
            (tools / tool).symlink_to(found)
    env = {"PATH": str(tools), "JAVA_HOME": "", "SPARK_CONF_DIR": str(tmp_path)}
    assert "no Java" in refused(faces_policy().canonical(), env=env, last=True)
