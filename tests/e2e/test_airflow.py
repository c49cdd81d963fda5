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
import pyarrow as pa
import pytest
from pyiceberg.table import StaticTable

from deid_udf.demo.plates import random_plate
from deid_udf.lake.ingest import ingest
from deid_udf.lake.walk import PathTemplate
from deid_udf.policy import load_policy

ROOT = Path(__file__).resolve().parents[2]
AIRFLOW = ROOT / ".venv-airflow" / "bin" / "airflow"
DAGS = ROOT / "infra" / "airflow" / "dags"
FIRST, SECOND, EXHAUSTED, REFUSED = "2026-11-20", "2026-11-21", "2026-11-22", "2026-11-23"
PLATE = 7  # ε of one plate; the camera's cap is two of them
POLICY = f"""\
name: plates
licences: [Apache-2.0]
detection: {{detectors: [{{model: clp, threshold: 0.1}}]}}
faces: {{mechanism: {{name: fill}}}}
plates: {{formats: [cn-blue], mechanism: {{name: randomized_response, epsilon: {PLATE}}}}}
budget: {{scopes: [{{columns: [camera_id], cap: {2 * PLATE}}}]}}
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
    """What one `airflow dags test` left behind."""

    code: int
    log: str
    rows: pa.Table
    report: Path

    @property
    def spent(self) -> Decimal:
        return sum(self.rows["epsilon_total"].to_pylist(), Decimal(0))


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
        metadata = self.folder / "lake/deid/released/metadata"
        version = (metadata / "version-hint.text").read_text()
        rows = StaticTable.from_metadata(str(metadata / f"v{version}.metadata.json")).scan().to_arrow()
        return Night(done.returncode, done.stdout, rows, report)


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
def nights(tmp_path_factory, models_cache, spark, alerts) -> dict[str, Night]:
    """Two dates, the first again, one without budget left, and one that the gate refuses."""
    folder = tmp_path_factory.mktemp("nights")
    (folder / "plates.yaml").write_text(POLICY)
    (folder / "blur.yaml").write_text(NO_GUARANTEE)
    for number, date in enumerate((FIRST, SECOND, EXHAUSTED, REFUSED)):
        day = folder / "source" / date / "cam1"
        day.mkdir(parents=True)
        cv2.imwrite(str(day / f"{date}.png"), _picture(number))
        records = (folder / "records" / date).as_uri()
        ingest(spark, str(day.parent), records, template=PathTemplate("{camera_id}/{name}"))
    airflow = Airflow(folder, DAGS, alerts[0])
    return {
        "first": airflow.night(FIRST),
        "second": airflow.night(SECOND),
        "again": airflow.night(FIRST),
        "exhausted": airflow.night(EXHAUSTED),
        "refused": airflow.night(REFUSED, deid_policy=str(folder / "blur.yaml")),
    }


def _picture(number: int) -> np.ndarray:
    """A grey wall with a drawn plate, uint8 (200, 320, 3) BGR."""
    rng = np.random.default_rng(number)
    picture = rng.integers(60, 72, (200, 320, 3), np.uint8)
    plate = cv2.resize(random_plate(rng), (132, 42), interpolation=cv2.INTER_AREA)
    picture[110:152, 90:222] = plate[..., ::-1]
    return picture


def _ids(night: Night) -> list[str]:
    return sorted(night.rows["image_id"].to_pylist())


def test_a_night_publishes_the_days_image_and_its_report(nights):
    first = nights["first"]
    assert first.code == 0, first.log[-3000:]
    assert len(_ids(first)) == 1 and FIRST in _ids(first)[0]
    assert first.spent == PLATE
    assert json.loads((first.report / "report.json").read_text())
    assert (first.report / "report.html").read_text().startswith("<!")


def test_the_run_is_named_by_date_and_policy(nights, tmp_path):
    (tmp_path / "plates.yaml").write_text(POLICY)
    name = f"{FIRST}-{load_policy(tmp_path / 'plates.yaml').hash[:12]}"
    assert nights["first"].rows["run_id"].to_pylist() == [name]


def test_the_next_night_adds_to_it(nights):
    second = nights["second"]
    assert second.code == 0, second.log[-3000:]
    assert len(_ids(second)) == 2
    assert second.spent == 2 * PLATE


def test_the_same_date_again_spends_and_writes_nothing(nights):
    again = nights["again"]
    assert again.code == 0, again.log[-3000:]
    assert again.rows.sort_by("image_id") == nights["second"].rows.sort_by("image_id")
    assert (again.report / "report.html").exists()


def test_without_budget_the_plate_comes_from_the_prior(nights):
    exhausted = nights["exhausted"]
    assert exhausted.code == 0, exhausted.log[-3000:]
    assert exhausted.spent == 2 * PLATE
    (row,) = [row for row in exhausted.rows.to_pylist() if EXHAUSTED in row["image_id"]]
    (plate,) = row["objects"]
    assert (plate["outcome"], plate["cause"], plate["epsilon"]) == ("prior", "over_allowance", 0)


def test_what_the_gate_refuses_fails_at_once_with_its_reason(nights, alerts):
    refused = nights["refused"]
    assert refused.code != 0
    assert "deidentify.py exited 3: error: the release gate refused" in refused.log
    assert "guarantee none, and the policy is no experiment" in refused.log
    assert refused.log.count("AirflowFailException") >= 1
    assert refused.rows.sort_by("image_id") == nights["exhausted"].rows.sort_by("image_id")
    assert not refused.report.exists()
    told = [alert for alert in alerts[1] if "deidentify failed" in alert["text"]]
    assert len(told) == 1
    assert REFUSED in told[0]["text"] and "the release gate refused" in told[0]["text"]
    assert told[0]["authorization"] == "Bearer word"


EXITS = """\
from datetime import UTC, datetime, timedelta
from airflow.sdk import DAG
from deid_airflow.job import JobOperator

for codes in ("5,5,0", "2", "137,0"):
    with DAG("exits-" + codes.replace(",", "-"), schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)):
        JobOperator(
            task_id="job",
            application="{folder}/job.py",
            application_args=[codes, "{{{{ ti.try_number }}}}"],
            retries=3,
            retry_delay=timedelta(seconds=1),
        )
"""
JOB = """\
import sys
code = int(sys.argv[1].split(",")[int(sys.argv[2]) - 1])
if code:
    print(f"error: reason of try {sys.argv[2]}", file=sys.stderr)
sys.exit(code)
"""


@pytest.mark.parametrize(
    ("codes", "succeeds"),
    [("5,5,0", True), ("2", False), ("137,0", True)],
    ids=["conflicts are retried", "wrong usage is not", "a killed driver is retried"],
)
def test_exit_codes_decide_about_retries(codes, succeeds, tmp_path, alerts):
    dags = tmp_path / "dags"
    dags.mkdir()
    (dags / "exits.py").write_text(EXITS.format(folder=tmp_path))
    (tmp_path / "job.py").write_text(JOB)
    done = Airflow(tmp_path, dags, alerts[0])("dags", "test", f"exits-{codes.replace(',', '-')}", FIRST)
    assert (done.returncode == 0) == succeeds, done.stdout[-3000:]
    failed = set(re.findall(r"job\.py exited (\d+): error: reason of try (\d)", done.stdout))
    assert failed == {(code, str(n)) for n, code in enumerate(codes.split(","), 1) if code != "0"}
