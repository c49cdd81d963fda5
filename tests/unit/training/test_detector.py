"""The detector's run in small, on made-up data: it trains, resumes, measures itself and exports."""

import json

import cv2
import numpy as np
import pytest
import torch

from deid_udf.detect.mask_rcnn import load_lite
from deid_udf.training.detector import DetectorConfig, DetectorTraining, PlateSets, plate_sets, pretrained, rate
from deid_udf.training.plate_art import draw_plate
from deid_udf.training.scenes import SceneConfig


@pytest.fixture
def data(tmp_path):
    """Two blocks of dashcam frames and of photos with one plate each, and two noise "faces" to paste."""
    random = np.random.default_rng(0)
    for name, count in (("plates_ro_train", 22), ("plates_cn", 21)):
        (tmp_path / name / "images").mkdir(parents=True)
        for i in range(count):
            frame = np.full((96, 160, 3), 70, np.uint8)
            frame[40:60, 40:120] = cv2.resize(draw_plate(random), (80, 20), interpolation=cv2.INTER_AREA)
            cv2.imwrite(str(tmp_path / name / "images" / f"{i:02}.jpg"), frame)
    rows = [{"file": f"{i:02}.jpg", "objects": [{"label": "plate", "box": [40, 40, 120, 60]}]} for i in range(22)]
    (tmp_path / "plates_ro_train" / "annotations.json").write_text(json.dumps(rows))
    lines = ["file,centre_x,centre_y,width,height,rotation_deg", *(f"{i:02}.jpg,80,50,80,20,0" for i in range(21))]
    (tmp_path / "plates_cn" / "index.csv").write_text("\n".join(lines))
    faces = tmp_path / "faces128" / "images"
    faces.mkdir(parents=True)
    for i in range(2):
        cv2.imwrite(str(faces / f"{i}.jpg"), random.integers(0, 255, (128, 128, 3), np.uint8))
    return tmp_path


def _config(**changes):
    values = {
        "steps": 2,
        "batch": 2,
        "seed": 1,
        "learning_rate": 1e-3,
        "backbone_rate": 1e-4,
        "weight_decay": 1e-4,
        "warmup": 1,
        "frozen_blocks": 3,
        "average": 0.9,
        "evaluate_every": 2,
        "validation_frames": 1,
        "weights": {"plates_ro": 0.5, "plates_cn": 0.5},
        "scenes": SceneConfig(side=96, plate_heights=(10, 30), face_heights=(10, 30)),
    }
    return DetectorConfig.model_validate(values | changes)


def test_a_run_resumes_measures_and_exports(models_cache, data, tmp_path):
    run = tmp_path / "run"
    assert DetectorTraining(_config(), data, "cpu").run(run) == 2
    logged = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert set(logged[-1]) == {"step", "plates_ro_recall", "plates_ro_false", "plates_cn_recall", "plates_cn_false"}
    second = DetectorTraining(_config(steps=3), data, "cpu")
    assert second.run(run) == 3
    few: PlateSets = {name: ([], validation[:1]) for name, (_, validation) in plate_sets(data).items()}
    curves = second.curves(few, 0.75)
    assert set(curves) == {"plates_ro", "plates_ro with clp", "plates_cn", "plates_cn with clp"}
    assert all(row["false"] >= 0 and 0 <= row["recall"] <= 1 for rows in curves.values() for row in rows)
    second.export(tmp_path / "w.safetensors")
    name = "rpn.head.cls_logits.weight"
    exported = load_lite(tmp_path / "w.safetensors", "cpu").state_dict()[name]
    torch.testing.assert_close(exported, second.average.network.state_dict()[name], rtol=1e-3, atol=1e-4)


def test_only_what_is_not_frozen_learns(models_cache):
    network = pretrained(frozen_blocks=3)
    body = network.backbone.body
    assert not any(p.requires_grad for p in (*body.stem.parameters(), *body.blocks[:3].parameters()))
    assert all(p.requires_grad for p in (*body.blocks[3:].parameters(), *network.roi_heads.parameters()))


def test_halves_share_no_picture(data):
    for training, validation in plate_sets(data).values():
        assert training and validation
        assert not {p.source for p in training} & {p.source for p in validation}


def test_the_rate_warms_up_and_falls():
    config = _config(steps=100, warmup=10)
    rates = [rate(step, config) for step in range(100)]
    assert rates[0] == pytest.approx(0.1, rel=0.01)
    assert max(rates) == rates[9]
    assert rates[-1] == pytest.approx(0.01, abs=0.002)
