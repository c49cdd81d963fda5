"""A newcomer's way through the pages: each command as it is shown, at places of the test's own."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from jobs import audit, deidentify, ingest
from tests.support.pages import AS_SHOWN, options_of
from tests.support.records import faces_policy, street

JOBS = {"jobs/ingest.py": ingest.main, "jobs/deidentify.py": deidentify.main, "jobs/audit.py": audit.main}
PICTURES = ("cam-1/2026-11-24/0001.jpg", "cam-1/2026-11-24/0002.jpg")  # as the quick start names them


@pytest.fixture
def follow(spark, tmp_path, models_cache, monkeypatch, capsys) -> Callable[[str, str], list[list[str]]]:
    """Runs all commands of a page with one job; gives the lines that each of them printed."""
    places = {
        "photos/": str(tmp_path / "photos"),
        "file:///data/records": (tmp_path / "records").as_uri(),
        **dict.fromkeys(("file:///data/lake", "s3a://example-deid-lake/deid", "LAKE"), (tmp_path / "lake").as_uri()),
        "s3a://example-deid-export": (tmp_path / "export").as_uri(),
        "conf/policy/street.yaml": str(tmp_path / "policy.yaml"),  # tests/e2e/test_demo.py runs the real one
    }
    (tmp_path / "policy.yaml").write_text(faces_policy().canonical())

    def place(word: str) -> str:
        if Path(word).suffix in (".html", ".json", ".csv", ".prom"):
            return str(tmp_path / word)
        return places.get(word, word)

    def run(page: str, script: str) -> list[list[str]]:
        assert AS_SHOWN[page, script] == "tests/spark/test_pages.py"
        said = []
        for shown in options_of(page, script):
            options = [*options_of("quickstart.md", script)[0], *shown[1:]] if shown[0] == "…" else shown
            monkeypatch.setattr(sys, "argv", [script, *map(place, options)])
            assert JOBS[script]() == 0, options
            said.append(capsys.readouterr().out.splitlines())
        return said

    return run


def test_the_commands_of_the_pages_do_what_the_pages_say(follow, tmp_path):
    for number, name in enumerate(PICTURES):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "photos" / name).write_bytes(street(number))
    (lines,) = follow("quickstart.md", "jobs/ingest.py")
    assert json.loads(lines[-1])["images"] == 2
    (lines,) = follow("quickstart.md", "jobs/deidentify.py")
    assert json.loads(lines[-1])["released"] == 2
    (lines,) = follow("detection.md", "jobs/deidentify.py")
    assert json.loads(lines[-1])["annotated"] == 2
    assert len(json.loads((tmp_path / "regions.json").read_text())["images"]) == 2

    whole, beside, table = follow("auditor.md", "jobs/audit.py")
    assert json.loads(whole[-1])["violations"] == json.loads(beside[-1])["violations"] == 0
    assert (tmp_path / "audit.csv").read_text().startswith("group,") and (tmp_path / "audit.prom").exists()
    assert len(json.loads((tmp_path / "audit.json").read_text())["by_run"]) == 1
    assert "compared" in (tmp_path / "audit.html").read_text()  # with the records' originals
    assert {json.loads(line)["image_id"] for line in table[:-1]} == set(PICTURES)
    (review,) = follow("detection.md", "jobs/audit.py")
    assert json.loads(review[-1])["table"] == "review"
