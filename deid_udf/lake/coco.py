"""The sidecar of a run: what was replaced on its images, as COCO annotations with run-length masks."""

import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import functions as F

from deid_udf.compose import rasterise
from deid_udf.images.container import Limits
from deid_udf.images.decode import probe
from deid_udf.images.rle import packed, run_lengths
from deid_udf.lake.export import object_of
from deid_udf.lake.session import Lake
from deid_udf.lake.tables import RELEASED

CATEGORIES = {"face": 1, "plate": 2}
_COPIED = ("object_id", "detector", "score", "review", "outcome")  # of a ledger entry, beside what COCO asks for
_ANY = Limits(max_bytes=2**62, max_pixels=2**62)  # what is released was within its policy's limits
_TOLD = ("image_id", "policy_hash", "content_sha256", "output_format", "protected")


def write_coco(lake: Lake, run_id: str, file: Path) -> int:
    """Describe every image that a run published, and every region on it exactly as it was replaced.

    An image's `file_name` is its key in an export, its `name` the ledger's `image_id`; copies share their original's
    object and are left out. Rows are made by executors and pass the driver one by one.

    Args:
        lake: the lake.
        run_id: whose images.
        file: COCO's JSON; written whole or not at all.

    Returns:
        how many annotations there are.
    """
    rows = lake.spark.table(lake.table(RELEASED)).where((F.col("run_id") == run_id) & F.col("copy_of").isNull())
    entry = F.transform("objects", lambda o: F.struct(*(o[name] for name in (*_COPIED, "kind", "box", "outline"))))
    described = rows.select(*_TOLD, entry.alias("objects")).mapInArrow(_describe, "image string, annotations string")
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f".{file.name}.part")
    annotated = 0
    with part.open("w", encoding="utf-8") as target, tempfile.TemporaryFile("w+", encoding="utf-8") as annotations:
        target.write(json.dumps({"info": {"description": f"run {run_id}"}, "categories": _categories()})[:-1])
        target.write(', "images": [')
        for image_id, row in enumerate(described.toLocalIterator(prefetchPartitions=True), 1):
            target.write(_item({"id": image_id} | json.loads(row["image"]), first=image_id == 1))
            for one in json.loads(row["annotations"]):
                annotated += 1
                annotations.write(_item({"id": annotated, "image_id": image_id} | one, first=annotated == 1))
        target.write('], "annotations": [')
        annotations.seek(0)
        shutil.copyfileobj(annotations, target)
        target.write("]}\n")
    part.replace(file)
    return annotated


def annotation(entry: Mapping[str, Any], size: tuple[int, int]) -> dict[str, Any]:
    """One ledger entry as a COCO annotation, but for its ids.

    Args:
        entry: `schema.OBJECT`, or its columns named here; without an outline (rows of older versions) its box counts.
        size: height and width of the upright frame.
    """
    x0, y0, x1, y1 = entry["box"]
    corners = entry["outline"] or (x0, y0, x1, y0, x1, y1, x0, y1)
    (left, top, _, _), mask = rasterise(np.array(corners, np.float32).reshape(-1, 2), size)
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    box = [0, 0, 0, 0]
    if len(rows):
        x, y = left + columns[0], top + rows[0]
        box = [int(x), int(y), int(columns[-1] - columns[0]) + 1, int(rows[-1] - rows[0]) + 1]
    return {
        "category_id": CATEGORIES[entry["kind"]],
        "bbox": box,
        "area": int(mask.sum()),
        "iscrowd": 0,
        "segmentation": {"size": list(size), "counts": packed(run_lengths(mask, left, top, size))},
    } | {name: entry[name] for name in _COPIED}


def _describe(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        rows = [_described(row) for row in batch.to_pylist()]
        yield pa.RecordBatch.from_pylist(rows, pa.schema([("image", pa.string()), ("annotations", pa.string())]))


def _described(row: Mapping[str, Any]) -> dict[str, str]:
    header = probe(row["protected"], _ANY)
    image = {"name": row["image_id"], "file_name": object_of(row), "width": header.width, "height": header.height}
    size = header.height, header.width
    return {"image": json.dumps(image), "annotations": json.dumps([annotation(o, size) for o in row["objects"]])}


def _categories() -> list[dict[str, Any]]:
    return [{"id": number, "name": name, "supercategory": "private"} for name, number in CATEGORIES.items()]


def _item(value: Mapping[str, Any], *, first: bool) -> str:
    return ("" if first else ",\n") + json.dumps(value)
