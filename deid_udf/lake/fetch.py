"""One object in and out of a folder or a bucket, from whichever process needs it; nothing here starts a JVM."""

import os
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from deid_udf.errors import Quarantined, Reason, UsageError

_ABSENT = frozenset({"404", "NoSuchKey", "NoSuchBucket", "NotFound"})
_BODY_ATTEMPTS = 3
_DENIED = frozenset({"403", "AccessDenied"})


@cache
def client() -> Any:
    """The process's S3 client (boto3's own configuration, `AWS_ENDPOINT_URL` included); safe to share by threads."""
    import boto3
    from botocore.config import Config

    retries = Config(retries={"mode": "standard", "total_max_attempts": 5}, max_pool_connections=32)
    return boto3.client("s3", endpoint_url=os.environ.get("AWS_ENDPOINT_URL"), config=retries)


def fetch(uri: str, max_bytes: int | None = None) -> bytes:
    """The bytes behind a `file:` or `s3a:` URI, or a local path.

    Args:
        uri: where they are.
        max_bytes: the largest object that is read; larger ones are refused by their size, unread.

    Raises:
        Quarantined: MISSING, TOO_LARGE, or UNREADABLE where access is denied. A store that cannot be reached
            after retries is no property of one image: that error passes through and fails the task.
        UsageError: a scheme that is not known.
    """
    parts = urlsplit(uri)
    if parts.scheme in ("s3", "s3a"):
        bucket, _, key = uri.partition("://")[2].partition("/")  # a key may hold "?" and "#"
        return _from_bucket(bucket, key, max_bytes)
    if parts.scheme in ("file", ""):
        return _from_folder(Path(unquote(parts.path) if parts.scheme else uri), max_bytes)
    raise UsageError(f"{parts.scheme}: images are read from file: and s3a: URIs")


def put(uri: str, data: bytes) -> None:
    """Write one object under a `file:` or `s3a:` URI, whole or not at all; an object there is replaced."""
    parts = urlsplit(uri)
    if parts.scheme in ("s3", "s3a"):
        client().put_object(Bucket=parts.netloc, Key=parts.path.lstrip("/"), Body=data)
        return
    target = Path(unquote(parts.path))
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    part.write_bytes(data)
    part.replace(target)


def remove(uri: str) -> bool:
    """Remove one object behind a `file:` or `s3a:` URI; False where a folder has none (a bucket does not say)."""
    parts = urlsplit(uri)
    if parts.scheme in ("s3", "s3a"):
        client().delete_object(Bucket=parts.netloc, Key=parts.path.lstrip("/"))
        return True
    target = Path(unquote(parts.path))
    there = target.exists()
    target.unlink(missing_ok=True)
    return there


def exists(uri: str) -> bool:
    """Whether there is an object behind a `file:` or `s3a:` URI; a bucket may be listed for it."""
    from botocore.exceptions import ClientError

    parts = urlsplit(uri)
    if parts.scheme not in ("s3", "s3a"):
        return Path(unquote(parts.path)).exists()
    try:
        client().head_object(Bucket=parts.netloc, Key=parts.path.lstrip("/"))
    except ClientError as error:
        if error.response.get("Error", {}).get("Code", "") in _ABSENT:
            return False
        raise
    return True


def _from_folder(file: Path, max_bytes: int | None) -> bytes:
    try:
        with file.open("rb") as stream:
            _check_size(os.fstat(stream.fileno()).st_size, max_bytes)
            return stream.read()
    except (FileNotFoundError, NotADirectoryError):
        raise Quarantined(Reason.MISSING, "no such file") from None
    except (IsADirectoryError, PermissionError) as error:
        raise Quarantined(Reason.UNREADABLE, type(error).__name__) from None


def _from_bucket(bucket: str, key: str, max_bytes: int | None) -> bytes:
    from botocore.exceptions import ClientError, IncompleteReadError, ReadTimeoutError, ResponseStreamingError

    try:
        for attempt in range(_BODY_ATTEMPTS):
            answer = client().get_object(Bucket=bucket, Key=key)
            _check_size(answer["ContentLength"], max_bytes)
            try:
                return bytes(answer["Body"].read())
            except (IncompleteReadError, ReadTimeoutError, ResponseStreamingError):  # boto3 retries headers, not bodies
                if attempt + 1 == _BODY_ATTEMPTS:
                    raise
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code in _ABSENT:
            raise Quarantined(Reason.MISSING, "no such object") from None
        if code in _DENIED:
            raise Quarantined(Reason.UNREADABLE, "access denied") from None
        raise
    raise AssertionError("unreachable")


def _check_size(size: int, max_bytes: int | None) -> None:
    if max_bytes is not None and size > max_bytes:
        raise Quarantined(Reason.TOO_LARGE, f"{size} bytes, allowed {max_bytes}")
