"""What every test shares: a marker and a time limit by folder, one Spark session, one S3 server, the model cache."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from infra.s3.server import S3Server
from infra.s3.versitygw import VersityGW, binary

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ROOT = Path(__file__).resolve().parent
#: Seconds after which a test of a layer hangs: a guard, not a measurement; machines are shared.
LIMITS = {"unit": 240, "spark": 900, "s3": 900, "e2e": 1800}

if "PYTEST_XDIST_WORKER" in os.environ:  # one of several, as many as cores: each keeps to its own
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        layer = item.path.relative_to(ROOT).parts[0]
        if layer in LIMITS:
            item.add_marker(layer)
            if not item.get_closest_marker("timeout"):
                item.add_marker(pytest.mark.timeout(LIMITS[layer]))


@pytest.fixture(scope="session")
def models_cache() -> Path:
    """The filled model cache. Missing weights fail the test: a skipped detector proves nothing."""
    from deid_udf import models
    from deid_udf.errors import ModelError

    try:
        models.fetch()
    except ModelError as error:
        pytest.fail(f"{error}; run `make models`")
    return models.cache_dir()


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """SeaweedFS with an empty bucket and an empty catalog; tests keep apart by prefix and table name."""
    with S3Server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(scope="session")
def versitygw(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VersityGW]:
    """The second, independent server with a JDBC catalog, where it was built (CI builds it)."""
    if not binary().exists():
        pytest.skip("VersityGW is not built: python -m infra.s3.versitygw (needs Go)")
    with VersityGW(tmp_path_factory.mktemp("versitygw")) as server:
        yield server


@pytest.fixture(scope="session")
def spark() -> Iterator["SparkSession"]:
    """The session that a job would open on this machine; jobs called in this process adopt it."""
    from deid_udf.lake.session import open_session

    with open_session("tests") as session:
        session.conf.set("spark.sql.shuffle.partitions", 2)
        yield session
