"""What there is to ingest: files under a folder or prefix, or the lines of a CSV, as one Arrow table of URIs.

Every file becomes a row, image or not; the ones that are no images are quarantined later, with their reason. Only names
that begin with "." or "_" are left out, as everywhere in Hadoop's world (`_SUCCESS`, `.DS_Store`).
"""

import csv
import io
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pyarrow as pa

from deid_udf.errors import Quarantined, UsageError
from deid_udf.lake.fetch import client, fetch
from deid_udf.schema import RECORD

_MADE_HERE = ("content_sha256", "image", "format", "width", "height")
_NAME = "name"
_WHEN = "captured_at"


class PathTemplate:
    """`{camera_id}/{sequence_id}/{name}`: each field is one folder's name, `{name}` all the rest.

    Raises:
        UsageError: the template is malformed or names a column that ingest makes itself.
    """

    def __init__(self, template: str) -> None:
        fields = re.findall(r"\{(\w*)\}", template)
        self.columns = tuple(f for f in fields if f != _NAME)
        taken = sorted({"image_id", "uri", _WHEN, *_MADE_HERE} & set(self.columns))
        if not template.endswith(f"{{{_NAME}}}") or len(set(fields)) != len(fields) or "" in fields:
            raise UsageError(f"--path-template {template!r}: name every field once and end with {{{_NAME}}}")
        if taken:
            raise UsageError(f"--path-template: {', '.join(taken)} cannot come from a path")
        literal = re.split(r"\{\w+\}", template)
        groups = [f"(?P<{f}>{'.+' if f == _NAME else '[^/]+'})" for f in fields]
        parts = [re.escape(part) + group for part, group in zip(literal, [*groups, ""], strict=True)]
        self._pattern = re.compile("".join(parts))

    def columns_of(self, path: str) -> dict[str, str | None]:
        """The columns of one relative path; all None where the template does not fit it."""
        found = self._pattern.fullmatch(path)
        return {column: found[column] if found else None for column in self.columns}


def walk(source: str, template: PathTemplate | None = None) -> pa.Table:
    """List `source`.

    Args:
        source: a folder, an `s3a://bucket/prefix`, or a `.csv` in either place.
        template: where a folder's scope columns come from.

    Returns:
        `image_id` (the path below the source, or the CSV's own), `uri`, the template's columns, the CSV's; all strings
        but `captured_at`.

    Raises:
        UsageError: nothing there, or a CSV that does not say where its images are.
    """
    if source.lower().endswith(".csv"):
        if template is not None:
            raise UsageError("--path-template is for folders; a CSV has its own columns")
        table = _read_csv(source)
    else:
        paths = list(_list_bucket(source) if _in_bucket(source) else _list_folder(local_path(source)))
        rows = [
            {"image_id": relative, "uri": uri, **(template.columns_of(relative) if template else {})}
            for relative, uri in paths
        ]
        names = ["image_id", "uri", *(template.columns if template else ())]
        table = pa.Table.from_pylist(rows, pa.schema([(name, pa.string()) for name in names]))
    if not table.num_rows:
        raise UsageError(f"no files in {source}")
    return table


def local_path(location: str) -> Path:
    """The path of a plain or `file:` location."""
    parts = urlsplit(location)
    return Path(unquote(parts.path) if parts.scheme == "file" else location).absolute()


def _in_bucket(location: str) -> bool:
    return urlsplit(location).scheme in ("s3", "s3a")


def _list_folder(folder: Path) -> Iterator[tuple[str, str]]:
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder")
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if _visible(name))
        for name in sorted(filter(_visible, files)):
            file = Path(parent, name)
            yield file.relative_to(folder).as_posix(), file.as_uri()


def _list_bucket(prefix: str) -> Iterator[tuple[str, str]]:
    bucket, _, path = prefix.split("://", 1)[1].partition("/")
    start = path.strip("/") + "/" if path.strip("/") else ""
    pages = client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=start)
    try:
        for page in pages:
            for listed in page.get("Contents", ()):
                key = listed["Key"]
                relative = key.removeprefix(start)
                if relative and not key.endswith("/") and all(map(_visible, relative.split("/"))):
                    yield relative, f"s3a://{bucket}/{key}"
    except Exception as error:
        raise UsageError(f"{prefix} cannot be listed: {type(error).__name__}: {error}") from error


def _visible(name: str) -> bool:
    return not name.startswith((".", "_"))


def _read_csv(source: str) -> pa.Table:
    location = source if _in_bucket(source) else local_path(source).as_uri()
    try:
        lines = csv.reader(io.StringIO(fetch(location).decode("utf-8-sig"), newline=""))
    except (Quarantined, UnicodeDecodeError) as error:
        raise UsageError(f"{source} cannot be read: {error}") from None
    header = next(lines, [])
    taken = sorted(set(_MADE_HERE) & set(header))
    if taken:
        raise UsageError(f"{source}: ingest makes {', '.join(taken)} itself; rename or drop the column")
    if len({"uri", "path"} & set(header)) != 1 or len(set(header)) != len(header) or "" in header:
        raise UsageError(f"{source}: the header needs distinct names and either `uri` or `path`; it has {header}")
    rows: list[dict[str, Any]] = []
    for line in lines:
        if not line:
            continue
        where = f"{source}, line {lines.line_num}"
        if len(line) != len(header):
            raise UsageError(f"{where}: {len(line)} fields under a header of {len(header)}")
        row: dict[str, Any] = {name: value or None for name, value in zip(header, line, strict=True)}
        place = row.pop("path", None) or row.get("uri")
        if place is None:
            raise UsageError(f"{where}: no {'path' if 'path' in header else 'uri'}")
        row["uri"] = _beside(location, place, where)
        row["image_id"] = row.get("image_id") or place
        if row.get(_WHEN):
            row[_WHEN] = _instant(row[_WHEN], where)
        rows.append(row)
    names = ["image_id", "uri", *(name for name in header if name not in ("image_id", "uri", "path"))]
    return pa.Table.from_pylist(rows, pa.schema([RECORD.field(n) if n == _WHEN else (n, pa.string()) for n in names]))


def _instant(text: str, where: str) -> datetime:
    """ISO 8601; UTC where no offset is given."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{where}: {_WHEN} is not an ISO 8601 time") from None
    return instant.replace(tzinfo=instant.tzinfo or UTC).astimezone(UTC)


def _beside(listing: str, place: str, where: str) -> str:
    """A URI as it stands, an absolute path as a URI, a relative one next to the CSV."""
    scheme, mark, _ = place.partition("://")
    if mark and scheme not in ("file", "s3", "s3a"):
        raise UsageError(f"{where}: images are read from file: and s3a: URIs, not from {scheme}:")
    if mark:
        return place
    if Path(place).is_absolute():
        return Path(place).as_uri()
    if _in_bucket(listing):
        return f"{listing.rsplit('/', 1)[0]}/{place}"
    return (local_path(listing).parent / place).as_uri()
