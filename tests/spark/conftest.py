"""What the lake's tests share: keyed noise, so that equal work is equal bytes, and a lake in a folder."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deid_udf.lake.run import deidentify
from deid_udf.lake.session import Lake, open_lake, read_records
from deid_udf.policy import Policy
from tests.support.processes import KEY
from tests.support.records import Record, write_records

# Seconds of life do not pay for the second compiler; the first one's code is all kept, over all tests.
_JAVA = "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m"


@pytest.fixture(scope="session", autouse=True)
def noise_key() -> Iterator[None]:
    """Before any session starts: drivers and workers inherit the environment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DEID_NOISE_KEY", KEY)
        patch.setenv("PYSPARK_SUBMIT_ARGS", f'--driver-java-options "{_JAVA}" pyspark-shell')
        yield


@pytest.fixture
def lake(spark, tmp_path, models_cache) -> Lake:
    """An empty lake under `tmp_path / "lake"`."""
    return open_lake(spark, (tmp_path / "lake").as_uri())


@pytest.fixture
def run(lake: Lake, tmp_path: Path) -> Callable[[list[Record], Policy, str], dict]:
    """Runs the nightly job over records."""
    written = 0

    def run_job(records: list[Record], policy: Policy, run_id: str) -> dict:
        nonlocal written
        written += 1
        location = write_records(tmp_path / "records" / str(written), records)
        return deidentify(lake, read_records(lake.spark, location), policy, run_id)

    return run_job
