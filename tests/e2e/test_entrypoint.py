"""The image's entry point starts real Spark processes the way Spark on Kubernetes expects."""

import os
import subprocess
from pathlib import Path

import pyspark
import pytest

ENTRYPOINT = Path("infra/docker/entrypoint.sh").resolve()
HOME = Path(pyspark.__file__).parent


@pytest.fixture
def environment() -> dict[str, str]:
    java = (HOME / "conf/spark-env.sh").read_text().splitlines()[0].partition("=")[2]
    return {"PATH": f"{java}/bin:{os.environ['PATH']}", "SPARK_HOME": str(HOME)}


def test_an_executor_calls_its_driver(environment, tmp_path):
    """Nobody listens there: having tried to connect is as far as it can get."""
    done = subprocess.run(
        [ENTRYPOINT, "executor"],
        env=environment
        | {
            "SPARK_JAVA_OPT_0": "-XX:TieredStopAtLevel=1",
            "SPARK_JAVA_OPT_1": "-Dspark.rpc.numRetries=1",
            "SPARK_EXECUTOR_MEMORY": "512m",
            "SPARK_EXECUTOR_CORES": "1",
            "SPARK_EXECUTOR_ID": "1",
            "SPARK_EXECUTOR_POD_IP": "127.0.0.1",
            "SPARK_EXECUTOR_POD_NAME": "pod",
            "SPARK_APPLICATION_ID": "spark-1",
            "SPARK_RESOURCE_PROFILE_ID": "0",
            "SPARK_DRIVER_URL": "spark://CoarseGrainedScheduler@127.0.0.1:9",
        },
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    told = done.stdout + done.stderr
    assert "Unrecognized options" not in told
    assert "Failed to connect to /127.0.0.1:9" in told


def test_a_driver_has_the_images_defaults_below_the_pods_properties(environment, tmp_path):
    pod = tmp_path / "spark.properties"
    pod.write_text("spark.master local[1]\nspark.sql.execution.arrow.maxRecordsPerBatch 128\n")
    script = tmp_path / "tell.py"
    script.write_text(
        "from pyspark import SparkContext\n"
        "conf = SparkContext.getOrCreate().getConf()\n"
        "for name in ('arrow.maxRecordsPerBatch', 'arrow.maxBytesPerBatch'):\n"
        "    print(conf.get('spark.sql.execution.' + name))\n"
        "print(conf.get('spark.driver.bindAddress'), conf.get('spark.executor.extraClassPath') is not None)\n"
    )
    done = subprocess.run(
        [ENTRYPOINT, "driver", "--properties-file", pod, script],
        env=environment | {"SPARK_DRIVER_BIND_ADDRESS": "127.0.0.1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-3:] == ["128", "8m", "127.0.0.1 True"]
