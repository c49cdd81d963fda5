"""The night shift under a real Airflow: real spark-submits, a lake on a folder, and somebody who is told of failures.

`make test-airflow` runs this, after installing Airflow into .venv-airflow.
"""

import http.server
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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
from tests.support.processes import wait_until
from tests.support.records import record, write_records

ROOT = Path(__file__).resolve().parents[2]
AIRFLOW = ROOT / ".venv-airflow" / "bin" / "airflow"
DAGS = ROOT / "infra" / "airflow" / "dags"
NIGHTS = [f"2026-11-{day}" for day in range(16, 23)]  # a week
FIRST, REFUSED = NIGHTS[0], "2026-11-23"
pytestmark = pytest.mark.timeout(3000)  # all nights are one fixture
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
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = str(free.getsockname()[1])
        self.environment = {key: value for key, value in os.environ.items() if not key.startswith("AIRFLOW")} | {
            "PATH": f"{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": str(DAGS),
            "AIRFLOW_HOME": str(folder / "airflow"),
            "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{self.port}/execution/",
            "AIRFLOW__CORE__PARALLELISM": "2",
            "AIRFLOW__API_AUTH__JWT_SECRET": "no secret, a test",
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

    @contextmanager
    def scheduler(self) -> Iterator[None]:
        """A scheduler that runs tasks, and the API that they report to."""
        processes = []
        try:
            for command in (["api-server", "--port", self.port, "--workers", "1"], ["scheduler"]):
                with (self.folder / f"{command[0]}.log").open("wb") as log:
                    processes.append(
                        subprocess.Popen(
                            [AIRFLOW, *command],
                            env=self.environment,
                            cwd=self.folder,
                            stdout=log,
                            stderr=subprocess.STDOUT,
                            start_new_session=True,
                        )
                    )
            yield
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(30)
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)

    def backfill(self, first: str, end: str) -> dict[str, str]:
        """The nights from `first` on and before midnight of `end`, as docs/operator.md says; how each of them ended."""
        self("dags", "reserialize")
        dates = ("--from-date", first, "--to-date", end, "--max-active-runs", "1")
        done = self("backfill", "create", "--dag-id", "deid_nightly", *dates)
        assert done.returncode == 0, done.stdout[-3000:]
        self("dags", "unpause", "deid_nightly")
        with self.scheduler():  # only now: its database is SQLite, which knows one writer at a time
            wait_until(lambda: set(self._runs().values()) <= {"success", "failed"}, seconds=2400)
            return self._runs()

    def _runs(self) -> dict[str, str]:
        with sqlite3.connect(self.folder / "airflow" / "airflow.db") as database:
            query = "SELECT substr(logical_date, 1, 10), state FROM dag_run WHERE backfill_id IS NOT NULL"
            return dict(database.execute(query).fetchall())

    def night(self, date: str, **variables: str) -> Night:
        report = self.folder / "reports" / date
        shutil.rmtree(report, ignore_errors=True)
        done = self("dags", "test", "deid_nightly", date, **variables)
        return Night(done.returncode, done.stdout, self.published(), report)

    def published(self) -> dict[str, dict[str, Any]]:
        return {row["image_id"]: row for row in rows(self.folder / "lake")}


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
    """A week of nights by a backfill, first date once more, and a date that the gate refuses."""
    folder = tmp_path_factory.mktemp("nights")
    (folder / "plates.yaml").write_text(POLICY)
    (folder / "blur.yaml").write_text(NO_GUARANTEE)
    for number, date in enumerate((*NIGHTS, REFUSED)):
        write_records(folder / "records" / date, [record(date, _picture(number))])
        (folder / "records" / date / "_SUCCESS").touch()
    airflow = Airflow(folder, DAGS, alerts[0])
    ended = airflow.backfill(FIRST, REFUSED)
    logs = "\n".join(file.read_text() for file in sorted((folder / "airflow" / "logs").rglob("*.log")))
    filled = Night(
        int(set(ended.values()) != {"success"}), f"{ended}\n{logs}", airflow.published(), folder / "reports" / FIRST
    )
    return {
        "filled": filled,
        "again": airflow.night(FIRST),
        "refused": airflow.night(REFUSED, deid_policy=str(folder / "blur.yaml")),
    }


def _picture(number: int) -> bytes:
    """PNG of a grey wall with a drawn plate, 320 × 200 pixels."""
    rng = np.random.default_rng(number)
    picture = rng.integers(60, 72, (200, 320, 3), np.uint8)
    plate = cv2.resize(random_plate(rng), (132, 42), interpolation=cv2.INTER_AREA)
    picture[110:152, 90:222] = plate[..., ::-1]
    return cv2.imencode(".png", picture)[1].tobytes()


def test_a_backfill_publishes_each_days_image_and_report_and_spends_once(nights):
    """The sequence's cap is two plates: two nights spend it, and the others come from the prior."""
    filled = nights["filled"]
    assert filled.code == 0, filled.log[-3000:]
    assert set(filled.published) == set(NIGHTS)
    check(list(filled.published.values()), parse_policy(POLICY))
    assert filled.spent == 2 * PLATE
    plates = [plate for date in NIGHTS for plate in filled.published[date]["objects"]]
    assert len(plates) == len(NIGHTS)
    told = sorted((plate["outcome"], plate["cause"], plate["epsilon"]) for plate in plates)
    assert told == [("prior", "over_allowance", 0)] * (len(NIGHTS) - 2) + [("replaced", "", PLATE)] * 2
    for date in NIGHTS:
        report = filled.report.with_name(date)
        assert json.loads((report / "report.json").read_text())["violations"] == []
        assert (report / "report.html").read_text().startswith("<!")
        assert (report / "report.csv").read_text() and (report / "report.prom").read_text()


def test_a_run_is_named_by_date_and_policy(nights):
    named = {date: row["run_id"] for date, row in nights["filled"].published.items()}
    assert named == {date: f"{date}-{parse_policy(POLICY).hash[:12]}" for date in NIGHTS}


def test_the_same_date_again_spends_and_writes_nothing(nights):
    again = nights["again"]
    assert again.code == 0, again.log[-3000:]
    assert again.published == nights["filled"].published
    assert (again.report / "report.html").exists()


def test_what_the_gate_refuses_fails_at_once_with_its_reason(nights, alerts):
    refused = nights["refused"]
    assert refused.code != 0
    assert "deidentify.py exited 3: error: the release gate refused" in refused.log
    assert f"{REFUSED}: guarantee none, and the policy is no experiment" in refused.log
    assert refused.published == nights["filled"].published
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
