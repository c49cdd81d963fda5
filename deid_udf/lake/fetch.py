"""A URI → its bytes, on the executor: local files and S3, with boto3's own retries."""

import os
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from deid_udf.errors import Quarantined, Reason

S3_SCHEMES = frozenset({"s3", "s3a"})


@cache
def s3() -> Any:
    """This process's S3 client; boto3 reads credentials, region and AWS_ENDPOINT_URL from the environment."""
    import boto3
    from botocore.config import Config

    retries = Config(retries={"mode": "standard", "total_max_attempts": 5}, connect_timeout=10, read_timeout=60)
    return boto3.client("s3", endpoint_url=os.environ.get("AWS_ENDPOINT_URL"), config=retries)


def fetch(uri: str, max_bytes: int | None = None) -> bytes:
    """The bytes behind `file:///…`, `s3a://…` or `s3://…`.

    Args:
        uri: where; a percent-encoded `file:` URI, or a bucket and its key as it stands.
        max_bytes: larger objects are refused before they are read.

    Raises:
        Quarantined: MISSING where nothing can be read there, TOO_LARGE.
    """
    scheme, bucket, path = urlsplit(uri)[:3]
    try:
        if scheme == "file":
            return _read(Path(unquote(path)), max_bytes)
        if scheme in S3_SCHEMES:
            return _get(bucket, uri.split("://", 1)[1].partition("/")[2], max_bytes)
    except Quarantined:
        raise
    except Exception as error:  # an OSError, or any of botocore's
        raise Quarantined(Reason.MISSING, f"{scheme}: {type(error).__name__}") from error
    raise Quarantined(Reason.MISSING, f"scheme {scheme!r} is none of file, s3, s3a")


def _read(path: Path, max_bytes: int | None) -> bytes:
    with path.open("rb") as stream:
        _check(os.fstat(stream.fileno()).st_size, max_bytes)
        return stream.read()


def _get(bucket: str, key: str, max_bytes: int | None) -> bytes:
    answer = s3().get_object(Bucket=bucket, Key=key)
    _check(answer["ContentLength"], max_bytes)
    body: bytes = answer["Body"].read()
    return body


def _check(size: int, max_bytes: int | None) -> None:
    if max_bytes is not None and size > max_bytes:
        raise Quarantined(Reason.TOO_LARGE, f"{size} bytes, allowed {max_bytes}")
