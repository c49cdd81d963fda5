"""Jobs as a user runs them: processes of their own, which can be watched and killed."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
KEY = "5f" * 32

#: A small driver: two cores, little compiling for a life of seconds.
SUBMIT = {
    "spark.master": "local[2]",
    "spark.driver.memory": "1g",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    "spark.ui.enabled": "false",
}


@dataclass
class Job:
    """A running job.

    Attributes:
        process: the driver; it leads a process group of its own.
        log, out: what its stderr and stdout are written to.
    """

    process: subprocess.Popen[bytes]
    log: Path
    out: Path

    def text(self) -> str:
        """All that it said: under spark-submit, Python's stderr comes out of the JVM's stdout."""
        return self.log.read_text(errors="replace") + self.out.read_text(errors="replace")

    def reached(self, *marks: str) -> bool:
        text = self.text()
        return any(mark in text for mark in marks)

    def wait_for(self, *marks: str, seconds: float = 500) -> None:
        """Wait until one of the marks stands in the log, or the job has ended."""
        wait_until(lambda: self.reached(*marks) or self.process.poll() is not None, seconds)

    def kill(self) -> None:
        """SIGKILL to Python driver and JVM together."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(30)

    def end(self, seconds: float = 600) -> int:
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def summary(self) -> dict[str, Any]:
        """The last line of stdout."""
        summary: dict[str, Any] = json.loads(self.out.read_text().strip().splitlines()[-1])
        return summary


def start(
    folder: Path, job: str, *options: str, conf: Mapping[str, str] | None = None, env: Mapping[str, str] | None = None
) -> Job:
    """spark-submit a job of `jobs/` (or a script's path); logs go to `folder`."""
    name = f"{Path(job).stem}-{time.monotonic_ns()}"
    script = job if "/" in job else str(ROOT / "jobs" / f"{job}.py")
    settings = [f"--conf={key}={value}" for key, value in (SUBMIT | dict(conf or {})).items()]
    log, out = folder / f"{name}.err", folder / f"{name}.out"
    folder.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as err, out.open("wb") as stdout:
        process = subprocess.Popen(
            [str(Path(sys.executable).with_name("spark-submit")), *settings, script, *options],
            env=os.environ | {"DEID_NOISE_KEY": KEY, "OMP_NUM_THREADS": "1"} | dict(env or {}),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=err,
            start_new_session=True,
        )
    return Job(process, log, out)


def run(folder: Path, job: str, *options: str, expect: int = 0, **settings: Any) -> Job:
    """Start a job and wait for its end, which must have the expected exit code."""
    running = start(folder, job, *options, **settings)
    code = running.end()
    assert code == expect, f"{job} ended with {code}, expected {expect}:\n{running.text()[-4000:]}"
    return running


def wait_until(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds} s")
        time.sleep(0.05)


def start_hanging(folder: Path, *options: str, conf: Mapping[str, str] | None = None) -> tuple[Job, int]:
    """Start the nightly job with a task that hangs in its first batch; the process id of that task's Python worker."""
    mark = folder / "hangs"
    script = str(ROOT / "tests" / "support" / "hanging_deidentify.py")
    job = start(folder, script, *options, conf=conf, env={"HANG_MARK": str(mark), "PYTHONPATH": str(ROOT)})
    wait_until(lambda: (mark.exists() and mark.read_text().endswith("\n")) or job.process.poll() is not None, 500)
    assert job.process.poll() is None, job.text()[-4000:]
    return job, int(mark.read_text())


def a_moment(rng: random.Random, longest: float) -> None:
    """Sleep for a random part of `longest` seconds."""
    time.sleep(rng.uniform(0, longest))
