"""The demo as a newcomer runs it, with few pictures; the whole line on a folder, and on a real S3 server."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("where", [[], ["--s3"]], ids=["folder", "s3"])
def test_the_demo_protects_every_picture_and_says_so(tmp_path, models_cache, where):
    command = [sys.executable, ROOT / "jobs/demo.py", "--folder", tmp_path / "demo", "--pictures", "2", *where]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=os.environ, check=False)
    assert done.returncode == 0, done.stderr[-3000:]

    summary = json.loads(done.stdout.splitlines()[-1])
    assert (summary["read"], summary["released"], summary["quarantined"], summary["violations"]) == (2, 2, {}, 0)
    assert summary["objects"]["face"] >= 4
    assert summary["objects"]["plate"] >= 1
    assert summary["noise"] == "keyed"

    page = (tmp_path / "demo/report.html").read_text()
    assert page.count("data:image/jpeg;base64,") >= 4 + 2 * 4  # two pairs, and close-ups
    assert "No violation found" in page
    assert "camera-1/street-1/0002.jpg" in page
