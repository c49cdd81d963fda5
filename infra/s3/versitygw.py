"""The second, independent S3 server: VersityGW over a folder, built by Go, with Iceberg's JDBC catalog in SQLite.

What holds on both servers is a property of S3 and not of one implementation. Go is needed, so CI builds it:

    python -m infra.s3.versitygw
"""

import os
import subprocess
from pathlib import Path

from infra.s3.server import HOST, REGION, LocalS3

MODULE = "github.com/versity/versitygw/cmd/versitygw"
VERSION = "v1.8.0"


def binary() -> Path:
    """Where the build of `VERSION` is cached."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "deid" / f"versitygw-{VERSION}" / "versitygw"


def build() -> None:
    """Build it, once (minutes, and Go)."""
    if not binary().exists():
        subprocess.run(
            ["go", "install", "-trimpath", "-ldflags=-s -w", f"{MODULE}@{VERSION}"],
            env=os.environ | {"GOBIN": str(binary().parent)},
            check=True,
        )


class VersityGW(LocalS3):
    """VersityGW with its POSIX back end: a bucket is a folder, an object a file."""

    ports = ("s3",)

    def command(self) -> list[str]:
        """The gateway over `folder/objects`; it takes no key but the root's."""
        objects = self.folder / "objects"
        objects.mkdir(exist_ok=True)
        return [str(binary()), "--port", f"{HOST}:{self.port['s3']}", "--region", REGION, "posix", str(objects)]

    def env(self) -> dict[str, str]:
        """The object store's variables; VersityGW takes its own keys under these names."""
        return super().env() | {"ROOT_ACCESS_KEY": self.access_key, "ROOT_SECRET_KEY": self.secret_key}

    def prepare(self) -> bool:
        """Make the bucket."""
        if self.bucket not in self.buckets():
            self.client().create_bucket(Bucket=self.bucket)
        return True

    def catalog_conf(self) -> dict[str, str]:
        """One host's catalog: SQLite beside the objects."""
        return {
            "type": "jdbc",
            "uri": f"jdbc:sqlite:{self.folder / 'catalog.db'}",
            "jdbc.schema-version": "V1",
            "warehouse": f"s3a://{self.bucket}/warehouse",
        }


if __name__ == "__main__":
    build()
