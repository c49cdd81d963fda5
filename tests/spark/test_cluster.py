"""Two executors in processes of their own, with two GPUs that are only pretended, on a day when much goes wrong."""

import json
from pathlib import Path

import pyspark
import pytest

from tests.support.lakes import check, rows
from tests.support.processes import ROOT, run
from tests.support.records import faces_policy, streets, write_records
from tests.support.reference import released

POLICY = faces_policy()


@pytest.fixture
def spark_home(tmp_path) -> Path:
    """Spark as it is installed, but with a `work` folder of its own, where executors put their logs."""
    home = tmp_path / "spark"
    home.mkdir()
    for part in Path(pyspark.__file__).parent.iterdir():
        if part.name != "work":
            (home / part.name).symlink_to(part)
    return home


@pytest.fixture
def gpus(tmp_path) -> Path:
    """A discovery script of two GPUs."""
    script = tmp_path / "gpus.sh"
    script.write_text("""#!/bin/sh\necho '{"name": "gpu", "addresses": ["0", "1"]}'\n""")
    script.chmod(0o755)
    return script


@pytest.mark.timeout(900)
def test_failed_attempts_and_two_gpus(tmp_path, models_cache, spark_home, gpus):
    """One row an image, one spend, the bytes of a clean run; each executor has a GPU of its own."""
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY.canonical())
    images = streets(16)
    job = run(
        tmp_path / "logs",
        str(ROOT / "tests" / "support" / "flaky_deidentify.py"),
        f"--records={write_records(tmp_path / 'records', images)}",
        f"--lake={(tmp_path / 'lake').as_uri()}",
        f"--policy={policy}",
        "--run-id=night",
        conf={
            "spark.master": "local-cluster[1,2,2048]",  # one worker with two GPUs, an executor a core
            "spark.executor.memory": "900m",
            "spark.executor.cores": "1",
            "spark.scheduler.minRegisteredResourcesRatio": "1.0",  # no task before both executors are there
            "spark.worker.resource.gpu.amount": "2",
            "spark.worker.resource.gpu.discoveryScript": str(gpus),
            "spark.executor.resource.gpu.amount": "1",
            "spark.task.resource.gpu.amount": "1",
            "spark.sql.files.maxPartitionBytes": "16k",
            "spark.sql.files.openCostInBytes": "0",
            "spark.sql.execution.arrow.maxRecordsPerBatch": "2",
        },
        env={"SPARK_HOME": str(spark_home), "PYTHONPATH": str(ROOT)},
    )
    assert "a first attempt fails" in job.text()
    assert job.summary()["released"] == len(images)
    published = rows(tmp_path / "lake")
    check(published, POLICY)
    assert {r["image_id"]: (r["output_sha256"], r["epsilon_total"]) for r in published} == released(images, POLICY)

    logs = [log.read_text() for log in spark_home.glob("work/app-*/*/stderr")]
    opened = [[json.loads(line) for line in log.splitlines() if "pipeline_opened" in line] for log in logs]
    addresses = [{event["gpu"] for event in events} for events in opened if events]
    assert sorted(addresses, key=str) == [{"0"}, {"1"}]
