"""One ledger entry as a COCO annotation, decoded by COCO's own tools."""

import numpy as np
from pycocotools import mask as coco

from deid_udf.lake.coco import annotation

ENTRY = {
    "object_id": 3,
    "kind": "plate",
    "detector": "clp",
    "score": 0.5,
    "review": True,
    "outcome": "replaced",
    "box": [10, 20, 30, 25],
    "outline": [10.0, 20.0, 29.0, 20.0, 29.0, 24.0, 10.0, 24.0],
}


def pixels(found: dict) -> np.ndarray:
    segmentation = found["segmentation"]
    return coco.decode({"size": segmentation["size"], "counts": segmentation["counts"].encode()})


def test_a_region_is_the_pixels_of_its_outline():
    found = annotation(ENTRY, (60, 80))
    rows, columns = np.nonzero(pixels(found))
    assert pixels(found).shape == (60, 80)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (20, 24, 10, 29)
    assert (found["bbox"], found["area"]) == ([10, 20, 20, 5], 100)
    assert (found["category_id"], found["detector"], found["review"]) == (2, "clp", True)


def test_what_lies_outside_the_frame_is_cut_off():
    beyond = annotation(ENTRY | {"outline": [70.0, 50.0, 99.0, 50.0, 99.0, 99.0, 70.0, 99.0]}, (60, 80))
    assert (beyond["bbox"], beyond["area"]) == ([70, 50, 10, 10], 100)
    nowhere = annotation(ENTRY | {"outline": [90.0, 50.0, 99.0, 50.0, 99.0, 99.0]}, (60, 80))
    assert (nowhere["bbox"], nowhere["area"], pixels(nowhere).sum()) == ([0, 0, 0, 0], 0, 0)


def test_a_row_of_an_older_version_counts_with_its_box():
    assert annotation(ENTRY | {"outline": None}, (60, 80))["bbox"] == [10, 20, 21, 6]
