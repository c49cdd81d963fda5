"""The night shift under a real Airflow: real spark-submits, a lake on a folder, and somebody who is told of failures.

`make test-airflow` runs this, after installing Airflow into .venv-airflow.
"""

import http.server
import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from deid_udf.demo.plates import random_plate
from deid_udf.policy import parse_policy
from tests.support.lakes import check, rows
from tests.support.records import record, write_records

ROOT = Path(__file__).resolve().parents[2]
AIRFLOW = ROOT / ".venv-airflow" / "bin" / "airflow"
DAGS = ROOT / "infra" / "airflow" / "dags"
FIRST, SECOND, EXHAUSTED, REFUSED = "2026-11-20", "2026-11-21", "2026-11-22", "2026-11-23"
pytestmark = pytest.mark.timeout(1800)  # five nights are one fixture
PLATE = 7  # ε of one plate; the sequence's cap is two of them
POLICY = f"""\
name: plates
licences: [Apache-2.0]
detection: {{detectors: [{{model: clp, threshold: 0.1}}]}}
faces: {{mechanism: {{name: fill}}}}
plates: {{formats: [cn-blue], mechanism: {{name: randomized_response, epsilon: {PLATE}}}}}
budget: {{scopes: [{{columns: [sequence_id], cap: {2 * PLATE}}}]}}
"""
NO_GUARANTEE = """\
name: blur
licences: [Apache-2.0]
detection: {detectors: [{model: clp, threshold: 0.1}]}
faces: {mechanism: {name: fill}}
plates: {mechanism: {name: blur}}
"""


@dataclass(frozen=True)
class Night:
    """What one `airflow dags test` left behind: its exit code and log, what is published, the date's report."""

    code: int
    log: str
    published: dict[str, dict[str, Any]]
    report: Path

    @property
    def spent(self) -> Decimal:
        return sum((row["epsilon_total"] for row in self.published.values()), Decimal(0))


class Airflow:
    """An Airflow of its own: home, database, connections and variables, all in one folder."""

    def __init__(self, folder: Path, dags: Path, hook: str) -> None:
        self.folder = folder
        self.environment = {key: value for key, value in os.environ.items() if not key.startswith("AIRFLOW")} | {
            "PATH": f"{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": str(DAGS),
            "AIRFLOW_HOME": str(folder / "airflow"),
            "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW_CONN_SPARK_DEFAULT": json.dumps(
                {"conn_type": "spark", "host": "local[2]", "extra": {"deploy-mode": "client"}}
            ),
            "AIRFLOW_CONN_DEID_ALERT": json.dumps({"conn_type": "http", "host": hook, "password": "word"}),
            "AIRFLOW_VAR_DEID_HOME": str(ROOT),
            "AIRFLOW_VAR_DEID_RECORDS": (folder / "records").as_uri(),
            "AIRFLOW_VAR_DEID_LAKE": (folder / "lake").as_uri(),
            "AIRFLOW_VAR_DEID_REPORTS": (folder / "reports").as_uri(),
            "AIRFLOW_VAR_DEID_POLICY": str(folder / "plates.yaml"),
        }
        self("db", "migrate")

    def __call__(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [AIRFLOW, *arguments],
            env=self.environment | {f"AIRFLOW_VAR_{name.upper()}": value for name, value in variables.items()},
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def night(self, date: str, **variables: str) -> Night:
        report = self.folder / "reports" / date
        shutil.rmtree(report, ignore_errors=True)
        done = self("dags", "test", "deid_nightly", date, **variables)
        published = {row["image_id"]: row for row in rows(self.folder / "lake")}
        return Night(done.returncode, done.stdout, published, report)


@pytest.fixture(scope="module")
def alerts() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A webhook: its URL, and what it was told."""
    told: list[dict[str, Any]] = []

    class Hook(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            told.append(body | {"authorization": self.headers["Authorization"]})
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/alert", told
    server.shutdown()


@pytest.fixture(scope="module")
def nights(tmp_path_factory, models_cache, alerts) -> dict[str, Night]:
    """Two dates, the first again, one without budget left, and one that the gate refuses."""
    folder = tmp_path_factory.mktemp("nights")
    (folder / "plates.yaml").write_text(POLICY)
    (folder / "blur.yaml").write_text(NO_GUARANTEE)
    for number, date in enumerate((FIRST, SECOND, EXHAUSTED, REFUSED)):
        write_records(folder / "records" / date, [record(date, _picture(number))])
        (folder / "records" / date / "_SUCCESS").touch()
    airflow = Airflow(folder, DAGS, alerts[0])
    return {
        "first": airflow.night(FIRST),
        "second": airflow.night(SECOND),
        "again": airflow.night(FIRST),
        "exhausted": airflow.night(EXHAUSTED),
        "refused": airflow.night(REFUSED, deid_policy=str(folder / "blur.yaml")),
    }


def _picture(number: int) -> bytes:
    """PNG of a grey wall with a drawn plate, 320 × 200 pixels."""
    rng = np.random.default_rng(number)
    picture = rng.integers(60, 72, (200, 320, 3), np.uint8)
    plate = cv2.resize(random_plate(rng), (132, 42), interpolation=cv2.INTER_AREA)
    picture[110:152, 90:222] = plate[..., ::-1]
    return cv2.imencode(".png", picture)[1].tobytes()


def test_a_night_publishes_the_days_image_and_its_report(nights):
    first = nights["first"]
    assert first.code == 0, first.log[-3000:]
    assert set(first.published) == {FIRST}
    assert first.spent == PLATE
    check(list(first.published.values()), parse_policy(POLICY))
    assert json.loads((first.report / "report.json").read_text())
    assert (first.report / "report.html").read_text().startswith("<!")
    assert (first.report / "report.prom").read_text()


def test_the_run_is_named_by_date_and_policy(nights):
    assert nights["first"].published[FIRST]["run_id"] == f"{FIRST}-{parse_policy(POLICY).hash[:12]}"


def test_the_next_night_adds_to_it(nights):
    second = nights["second"]
    assert second.code == 0, second.log[-3000:]
    assert set(second.published) == {FIRST, SECOND}
    assert second.spent == 2 * PLATE


def test_the_same_date_again_spends_and_writes_nothing(nights):
    again = nights["again"]
    assert again.code == 0, again.log[-3000:]
    assert again.published == nights["second"].published
    assert (again.report / "report.html").exists()


def test_without_budget_the_plate_comes_from_the_prior(nights):
    exhausted = nights["exhausted"]
    assert exhausted.code == 0, exhausted.log[-3000:]
    assert exhausted.spent == 2 * PLATE
    (plate,) = exhausted.published[EXHAUSTED]["objects"]
    assert (plate["outcome"], plate["cause"], plate["epsilon"]) == ("prior", "over_allowance", 0)


def test_what_the_gate_refuses_fails_at_once_with_its_reason(nights, alerts):
    refused = nights["refused"]
    assert refused.code != 0
    assert "deidentify.py exited 3: error: the release gate refused" in refused.log
    assert f"{REFUSED}: guarantee none, and the policy is no experiment" in refused.log
    assert refused.published == nights["exhausted"].published
    assert not refused.report.exists()
    (told,) = [alert for alert in alerts[1] if "deidentify failed" in alert["text"]]
    assert REFUSED in told["text"] and "the release gate refused" in told["text"]
    assert told["authorization"] == "Bearer word"


EXITS = """\
from datetime import UTC, datetime, timedelta
from airflow.sdk import DAG
from deid_airflow.job import JobOperator

with DAG("exits", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)):
    for task, codes in {tasks}.items():
        JobOperator(
            task_id=task,
            application="{folder}/job.py",
            application_args=[task, codes, "{{{{ ti.try_number }}}}"],
            retries=3,
            retry_delay=timedelta(seconds=1),
        )
"""
JOB = """\
import sys
task, codes, attempt = sys.argv[1:]
code = int(codes.split(",")[int(attempt) - 1])
print(f"error: {task}, try {attempt}" if code else "well", file=sys.stderr)
sys.exit(code)
"""


def test_exit_codes_decide_about_retries(tmp_path, alerts):
    """Conflicts and killed drivers are tried again; what another try cannot change is not."""
    tasks = {"conflict": "5,5,0", "killed": "137,0", "usage": "2,0"}
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags/exits.py").write_text(EXITS.format(folder=tmp_path, tasks=tasks))
    (tmp_path / "job.py").write_text(JOB)
    done = Airflow(tmp_path, tmp_path / "dags", alerts[0])("dags", "test", "exits", FIRST)
    assert done.returncode != 0
    failed = set(re.findall(r"job\.py exited (\d+): error: (\w+), try (\d)", done.stdout))
    assert failed == {("5", "conflict", "1"), ("5", "conflict", "2"), ("137", "killed", "1"), ("2", "usage", "1")}


ON_S3 = """\
import sys
from deid_airflow.job import storage

day = storage(sys.argv[1])
before = (day / "_SUCCESS").exists()
(day / "_SUCCESS").write_bytes(b"")
print(before, (day / "_SUCCESS").exists())
"""


def test_records_and_reports_may_be_on_s3(s3_server):
    """Airflow sees what Spark calls s3a, with the credentials of the environment."""
    done = subprocess.run(
        [AIRFLOW.with_name("python"), "-c", ON_S3, f"s3a://{s3_server.bucket}/records/{FIRST}"],
        env=os.environ | s3_server.env() | {"PYTHONPATH": str(DAGS)},
        capture_output=True,
        text=True,
    )
    assert done.stdout.splitlines()[-1:] == ["False True"], done.stderr[-3000:]
