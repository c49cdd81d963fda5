"""Small records of people who do not exist, for tests of the lake: no picture is stored, all are made from a seed."""

import hashlib
import io
import struct
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from deid_udf.demo.people import PERSONS, person
from deid_udf.policy import Policy, parse_policy
from deid_udf.schema import RECORD

Record = dict[str, Any]


def faces_policy(**changes: Any) -> Policy:
    """Faces by DP-Pix, the cheapest mechanism that spends: ε 1 a face, 4 an image, `cap` a sequence."""
    cap = changes.pop("cap", 1000)
    text = f"""
name: faces
licences: [MIT, Apache-2.0, CC0-1.0]
detection: {{detectors: [{{model: centerface, threshold: 0.5}}]}}
faces: {{mechanism: {{name: dp_pix, epsilon: {changes.pop("epsilon", 1)}, cells: 4}}}}
plates: {{mechanism: {{name: fill}}}}
budget: {{image: 4, scopes: [{{columns: [sequence_id], cap: {cap}}}]}}
"""
    assert not changes
    return parse_policy(text)


def street(number: int, faces: int = 1, kind: str = "JPEG") -> bytes:
    """A picture with that many people before a wall; each number is another picture."""
    rng = np.random.default_rng(number)
    picture = np.full((160, 120 * max(faces, 1), 3), rng.integers(90, 200, 3), np.uint8)
    for i in range(faces):
        colour, alpha = _head((number + i) % PERSONS)
        x = 120 * i + int(rng.integers(0, 120 - colour.shape[1]))
        part = picture[160 - len(colour) :, x : x + colour.shape[1]]
        part[:] = colour * alpha + part * (1 - alpha)
    file = io.BytesIO()
    Image.fromarray(picture).save(file, kind)
    return file.getvalue()


@cache
def _head(number: int) -> tuple[np.ndarray, np.ndarray]:
    whole = person(number, (200, 60, 60), (40, 40, 90))
    rows = int(0.17 * len(whole.alpha))
    columns = np.flatnonzero(whole.alpha[: rows // 2].max(0) > 0.5)
    box = np.s_[:rows, columns[0] : columns[-1] + 1]
    scale = 130 / rows
    colour, alpha = (cv2.resize(a[box], None, fx=scale, fy=scale) for a in (whole.colour, whole.alpha))
    return colour[:, :110], alpha[:, :110, None]


def record(image_id: str, data: bytes | None, sequence: str | None = "s0", **more: Any) -> Record:
    """One record, its bytes inline."""
    digest = None if data is None else hashlib.sha256(data).hexdigest()
    return {"image_id": image_id, "content_sha256": digest, "image": data, "sequence_id": sequence} | more


def streets(count: int, sequences: int = 2, first: int = 0) -> list[Record]:
    """`count` pictures of one face each."""
    return [record(f"street-{i:03d}", street(i), f"s{i % sequences}") for i in range(first, first + count)]


def bad_pictures() -> dict[str, tuple[bytes, str]]:
    """Files that look like pictures, and the reason each must be quarantined for."""
    whole = street(0)
    wide = io.BytesIO()
    Image.fromarray(np.zeros((8, 8), np.uint16)).save(wide, "PNG")
    moving = io.BytesIO()
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "blue")]
    frames[0].save(moving, "WEBP", save_all=True, append_images=frames[1:])
    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")]
    bomb = b"".join(struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks)
    return {
        "empty": (b"", "empty"),
        "text": (b"no image at all", "not_an_image"),
        "truncated": (whole[: len(whole) // 2], "truncated"),
        "bomb": (b"\x89PNG\r\n\x1a\n" + bomb, "too_large"),
        "16-bit": (wide.getvalue(), "unsupported"),
        "animated": (moving.getvalue(), "unsupported"),
    }


def write_records(path: Path, records: list[Record], rows_a_group: int = 4) -> str:
    """Write records as ingest does; columns beyond the schema are strings that pass through."""
    more = sorted({name for row in records for name in row} - set(RECORD.names))
    schema = pa.schema([*RECORD, *(pa.field(name, pa.string()) for name in more)])
    path.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(records, schema), path / "part-0.parquet", row_group_size=rows_a_group)
    return path.as_uri()
