"""The main job on a standalone cluster of real processes, `spark://` on loopback: one worker dies, or one is slow."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyspark
import pytest

from tests.support.lakes import branches, check, data_files, published_files, rows
from tests.support.processes import KEY, ROOT, Job, start_hanging, wait_until
from tests.support.records import faces_policy, streets, write_records
from tests.support.reference import released

SPARK_CLASS = Path(pyspark.__file__).parent / "bin" / "spark-class"
#: A daemon says in its log what a test waits for; the installed configuration keeps to warnings.
TALKATIVE = "-Dlog4j2.configurationFile=classpath:org/apache/spark/log4j2-defaults.properties"
POLICY = faces_policy()
IMAGES = streets(16)


@dataclass
class Daemon:
    """A master or a worker; it leads a process group, and a worker's executors belong to it."""

    process: subprocess.Popen[bytes]
    folder: Path

    def told(self, pattern: str) -> str:
        """Wait until the pattern stands in the log; its first group."""
        log = self.folder / "log"
        wait_until(lambda: re.search(pattern, log.read_text()) is not None, 200)
        found = re.search(pattern, log.read_text())
        assert found is not None
        return found[1]

    def opened(self) -> list[int]:
        """Process ids of the Python workers here that have their models open, and so are in the middle of a task."""
        logs = [log.read_text().splitlines() for log in self.folder.glob("app-*/*/stderr")]
        return [json.loads(line)["pid"] for lines in logs for line in lines if "pipeline_opened" in line]

    def kill(self) -> None:
        """SIGKILL to the daemon and its executors, as when a machine goes; Python workers end with their executor."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(30)


@contextmanager
def daemon(folder: Path, kind: str, *options: str, host: str = "127.0.0.1") -> Iterator[Daemon]:
    folder.mkdir()
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [SPARK_CLASS, f"org.apache.spark.deploy.{kind}", *options, "--host", host, "--webui-port", "0"],
            # Executors have their worker's environment, not the driver's.
            env=os.environ
            | {"SPARK_DAEMON_MEMORY": "256m", "SPARK_DAEMON_JAVA_OPTS": TALKATIVE}
            | {"DEID_NOISE_KEY": KEY, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    running = Daemon(process, folder)
    try:
        yield running
    finally:
        running.kill()


@pytest.fixture
def cluster(tmp_path) -> Iterator[tuple[str, list[Daemon]]]:
    """A master's URL and two workers of one core each, on two hosts as far as Spark can tell."""
    with ExitStack() as stack:
        master = stack.enter_context(daemon(tmp_path / "master", "master.Master", "--port", "0"))
        url = master.told(r"Starting Spark master at (spark://\S+)")
        size = ("--cores", "1", "--memory", "1g")
        workers = []
        for name, host in (("one", "127.0.0.1"), ("two", "127.0.0.2")):
            options = (*size, "--work-dir", str(tmp_path / name), url)
            workers.append(stack.enter_context(daemon(tmp_path / name, "worker.Worker", *options, host=host)))
        for worker in workers:
            worker.told("(Successfully registered) with master")
        yield url, workers


def configuration() -> dict[str, str]:
    lines = (ROOT / "conf/spark/standalone.conf").read_text().splitlines()
    return dict(line.split(maxsplit=1) for line in lines if line.startswith("spark."))


def submit(tmp_path: Path, url: str, **more: str) -> tuple[Job, int]:
    """The night's job with a task that hangs, and the process id of that task's Python worker."""
    (tmp_path / "policy.yaml").write_text(POLICY.canonical())
    return start_hanging(
        tmp_path / "logs",
        f"--records={write_records(tmp_path / 'records', IMAGES)}",
        f"--lake={(tmp_path / 'lake').as_uri()}",
        f"--policy={tmp_path / 'policy.yaml'}",
        "--run-id=night",
        conf=configuration()
        | {
            "spark.master": url,
            "spark.executor.cores": "1",
            "spark.executor.memory": "900m",
            "spark.sql.files.maxPartitionBytes": "16k",
            "spark.sql.files.openCostInBytes": "0",
            "spark.sql.execution.arrow.maxRecordsPerBatch": "2",
        }
        | more,
    )


def check_published(tmp_path: Path, job: Job) -> None:
    """The job ended well, and left what one clean run gives: each image once, each spend once."""
    assert job.end() == 0, job.text()[-4000:]
    published = rows(tmp_path / "lake")
    check(published, POLICY)
    assert {r["image_id"]: (r["output_sha256"], r["epsilon_total"]) for r in published} == released(IMAGES, POLICY)
    assert branches(tmp_path / "lake") == {"main"}
    assert data_files(tmp_path / "lake") == published_files(tmp_path / "lake")


@pytest.mark.timeout(900)
def test_a_worker_killed_half_way_changes_nothing(tmp_path, models_cache, cluster):
    url, workers = cluster
    job, hanging = submit(tmp_path, url)
    (lost,) = (worker for worker in workers if hanging in worker.opened())
    lost.kill()
    check_published(tmp_path, job)
    assert re.search(r"Lost (executor|task)|ExecutorLostFailure", job.text())


@pytest.mark.timeout(900)
def test_a_task_that_hangs_is_run_twice_and_counts_once(tmp_path, models_cache, cluster):
    """Speculation on: the copy, which must be on another host, is published, and the first attempt adds nothing."""
    url, _ = cluster
    events = tmp_path / "events"
    events.mkdir()
    speculation = {"": "true", ".interval": "100ms", ".quantile": "0.5", ".multiplier": "1.2"}
    job, _ = submit(
        tmp_path,
        url,
        **{f"spark.speculation{key}": value for key, value in speculation.items()},
        **{"spark.eventLog.enabled": "true", "spark.eventLog.dir": events.as_uri(), "spark.eventLog.compress": "false"},
    )
    check_published(tmp_path, job)
    log = "".join(file.read_text() for file in events.rglob("events_*"))
    ends = [event for event in map(json.loads, log.splitlines()) if event["Event"] == "SparkListenerTaskEnd"]
    tasks = [event["Task Info"] for event in ends]
    assert any(task["Speculative"] and not task["Killed"] and not task["Failed"] for task in tasks)
