"""The evaluation as a job: a folder in, tables and rows out, and a second run that measures nothing again."""

import json
import subprocess
import sys

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deid_udf.models import ROOT
from deid_udf.training.plate_art import draw_plate

POLICY = """
name: quick
licences: [MIT, Apache-2.0, CC0-1.0, NVIDIA-NC]
detection:
  detectors: [{model: clp, threshold: 0.1}, {model: mask_rcnn_lite, threshold: 0.9}]
faces: {mechanism: {name: prior}, projection: mean}
plates: {mechanism: {name: randomized_response, epsilon: 7}}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory, models_cache):
    """Three grey streets with a drawn plate, which is annotated, and one without; the same as image records."""
    data = tmp_path_factory.mktemp("data")
    (data / "images").mkdir()
    rows = []
    for i in range(4):
        street = np.full((360, 640, 3), 110, np.uint8)
        objects = []
        if i:
            plate = cv2.resize(draw_plate(np.random.default_rng(i)), (120, 28), interpolation=cv2.INTER_AREA)
            street[250:330, 80:260] = 60
            street[276:304, 110:230] = plate
            objects = [{"label": "plate", "box": [110, 276, 230, 304]}]
        cv2.imwrite(str(data / "images" / f"{i}.png"), street[..., ::-1])
        rows.append({"file": f"{i}.png", "objects": objects})
    (data / "annotations.json").write_text(json.dumps(rows))
    files = sorted((data / "images").iterdir())
    inline = [file.read_bytes() if i % 2 else None for i, file in enumerate(files)]
    uris = [None if i % 2 else file.as_uri() for i, file in enumerate(files)]
    (data / "records").mkdir()
    columns = {"image_id": [file.stem for file in files], "image": inline, "uri": uris}
    pq.write_table(pa.table(columns), data / "records" / "part-0.parquet")
    (data / "policy.yaml").write_text(POLICY)
    return data


def _job(folder, what, *more, data="."):
    command = [sys.executable, "jobs/evaluate.py", "--what", what, "--data", str(folder / data), *more]
    command += ["--json", str(folder / f"{what}.json"), "--policy", str(folder / "policy.yaml")]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)


def _evaluate(folder, what, *more, data="."):
    done = _job(folder, what, *more, data=data)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads((folder / f"{what}.json").read_text()), json.loads(done.stdout.splitlines()[-1])


def test_records_have_no_boxes_to_recall(folder):
    done = _job(folder, "recall", data="records")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: recall needs a folder")


def test_recall_by_size_is_resumed(folder):
    first, _ = _evaluate(folder, "recall", "--limit", "3")
    assert first["pictures"] == 3
    result, _ = _evaluate(folder, "recall")
    (rows,) = folder.glob("recall.recall.*.rows")
    table = pq.read_table(rows).to_pylist()
    assert sorted(r["file"] for r in table if r["metric"] == "measured") == ["0.png", "1.png", "2.png", "3.png"]
    union = next(row for row in result["recall"] if row["detector"] == "union")
    assert union["objects"] == 3
    assert union["recall"] == 1
    assert union["coverage"] == 1
    assert {row["detector"] for row in result["recall"]} >= {"union", "mask_rcnn_lite"}


def test_tables_of_image_records_stand_beside_the_papers(folder):
    more = ("--html", str(folder / "page.html"), "--dhash-side", "256")
    result, summary = _evaluate(folder, "tables", *more, data="records")
    assert summary["pictures"] == 4
    methods = {"original", "ours", "blur", "mosaic", "dp_pix"}
    by_metric = {row["metric"]: row for row in result["table_1"]}
    assert set(by_metric["l0"]["here"]) == methods
    assert by_metric["l0"]["here"]["original"] == 0
    assert by_metric["ssim"]["here"]["original"] == pytest.approx(1)
    assert by_metric["l0"]["pictures"] == 3  # the street without a plate was not changed
    assert by_metric["l2"]["here"]["blur"] > 0
    plates = {row["method"]: row for row in result["privacy"]}
    assert plates["ours"]["plates"] == 3
    assert plates["ours"]["plate_distance"] > 0
    page = (folder / "page.html").read_text()
    assert "better than blur and mosaic" in page
    assert page.count("data:image/jpeg") == 1 + 4  # a drawn street as it was and under each method


def test_a_generator_is_examined(folder):
    more = ("--samples", "6", "--sheet", str(folder / "sheet.png"), "--html", str(folder / "generator.html"))
    told = _evaluate(folder, "generator", *more)[0]["generator"]
    assert (told["name"], told["samples"], told["training_faces"]) == ("mobilestylegan", 6, 4)
    assert told["found"] == told["landmarks_fit"] == told["beyond"] == 1  # a street is nobody's face
    assert told["pair_distance"] > 0.5
    assert np.asarray(cv2.imread(str(folder / "sheet.png"))).shape == (256, 6 * 128, 3)
    assert "seeds 0 to 23" in (folder / "generator.html").read_text()
