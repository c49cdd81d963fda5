"""SIGKILL, at moments that nobody chose: `main` is whole at any time, and a rerun ends where one clean run would."""

import os
import random
import signal
from pathlib import Path

import pytest

from tests.support.lakes import branches, check, data_files, published_files, rows
from tests.support.processes import a_moment, run, start, start_hanging
from tests.support.records import faces_policy, record, streets, write_records
from tests.support.reference import released

pytestmark = pytest.mark.timeout(900)

POLICY = faces_policy()
RECORDS = [*streets(12), record("empty", b"", "s0")]
LATER = [*RECORDS, *streets(2, first=12)]

#: Log marks to wait for, and the longest pause after them: mid-write twice, in the gate, at publishing, after it.
POINTS = [
    (RECORDS, '"done": "selected"', 3.0),
    (RECORDS, "pipeline_opened", 1.0),
    (RECORDS, '"done": "written"', 1.0),
    (RECORDS, '"done": "checked"', 0.3),
    (LATER, '"done": "published"', 0.5),
]


@pytest.fixture
def options(tmp_path, models_cache):
    """The job's options for records, over one lake."""
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY.canonical())

    def made(records, run_id="night"):
        folder = tmp_path / f"records-{len(records)}-{records[0]['image_id']}"
        location = folder.as_uri() if folder.exists() else write_records(folder, records)
        lake = (tmp_path / "lake").as_uri()
        return [f"--records={location}", f"--lake={lake}", f"--policy={policy}", f"--run-id={run_id}"]

    return made


def found(lake: Path) -> dict:
    return {row["image_id"]: (row["output_sha256"], row["epsilon_total"]) for row in rows(lake)}


def test_five_kills_of_the_driver(tmp_path, options):
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    rng, lake = random.Random(seed), tmp_path / "lake"
    clean = released(streets(14), POLICY)
    for records, mark, longest in POINTS:
        job = start(tmp_path / "logs", "deidentify", *options(records))
        job.wait_for(mark)
        a_moment(rng, longest)
        job.kill()
        now = rows(lake)
        check(now, POLICY)
        assert {k: v for k, v in found(lake).items() if clean[k] != v} == {}
    last = run(tmp_path / "logs", "deidentify", *options(LATER))
    check(rows(lake), POLICY)
    assert found(lake) == clean
    assert last.summary()["read"] == len(LATER)
    assert branches(lake) == {"main"}
    assert data_files(lake) == published_files(lake)
    assert {row["image_id"] for row in rows(lake, "quarantine")} == {"empty"}
    assert sum(row["released"] for row in rows(lake, "runs")) == len(clean)
    assert sum(row["epsilon"] for row in rows(lake, "runs")) == sum(row["epsilon_total"] for row in rows(lake))


def test_a_worker_killed_mid_batch(tmp_path, options):
    job, worker = start_hanging(tmp_path / "logs", *options(RECORDS), conf={"spark.master": "local[2,4]"})
    os.kill(worker, signal.SIGKILL)
    assert job.end() == 0, job.text()[-3000:]
    assert "Python worker exited unexpectedly" in job.text()
    check(rows(tmp_path / "lake"), POLICY)
    assert found(tmp_path / "lake") == released(streets(12), POLICY)


def test_two_jobs_at_once_and_a_cap_for_one(tmp_path, options):
    """The first is stopped when it has written; the second runs to its end; the first goes on."""
    policy, lake = faces_policy(cap=3), tmp_path / "lake"
    (tmp_path / "policy.yaml").write_text(policy.canonical())
    first = start(tmp_path / "logs", "deidentify", *options(streets(3, sequences=1), "first"))
    first.wait_for('"done": "written"')
    os.killpg(first.process.pid, signal.SIGSTOP)
    second = run(tmp_path / "logs", "deidentify", *options(streets(3, sequences=1, first=3), "second"))
    os.killpg(first.process.pid, signal.SIGCONT)
    assert first.end() == 5, first.text()[-3000:]
    assert "\nerror: another run published first" in first.text()
    assert second.summary()["epsilon"] == "3"
    assert {row["run_id"] for row in rows(lake)} == {"second"}
    check(rows(lake), policy)
    again = run(tmp_path / "logs", "deidentify", *options(streets(3, sequences=1), "first"))
    assert (again.summary()["released"], again.summary()["epsilon"]) == (3, "0")
    check(rows(lake), policy)
    assert data_files(lake) == published_files(lake)
