"""The small Mask R-CNN behind the detector protocol."""

import zipfile

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor

from deid_udf import models
from deid_udf.detect.mask_rcnn import (
    KINDS,
    LABELS,
    MaskRcnn,
    corners_of,
    lite,
    load_lite,
    load_resnet50,
    mask_rcnn_lite,
    resnet50,
    stretched,
)
from deid_udf.errors import ModelError
from deid_udf.training.plate_art import draw_plate


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return lite().eval()


@pytest.fixture
def one_plate(network, monkeypatch):
    """The network replaced by one that sees a plate at (20, 10)–(100, 30), its mask turned."""
    mask = np.zeros((28, 28), np.float32)
    cv2.fillPoly(mask, [np.array([(0, 9), (27, 0), (27, 18), (0, 27)], np.int32)], 1.0)
    seen = {
        "boxes": torch.tensor([[20.0, 10, 100, 30]]),
        "labels": torch.tensor([KINDS.index("plate") + 1]),
        "scores": torch.tensor([0.75]),
        "masks": torch.from_numpy(mask)[None, None],
    }
    monkeypatch.setattr(MaskRcnn, "_forward", lambda _, pixels, sizes: [seen] * len(sizes))
    return MaskRcnn("mask_rcnn_lite", lambda: network, "cpu", 0.05)


def test_frames_of_any_size_come_back_in_order(network):
    detector = MaskRcnn("mask_rcnn_lite", lambda: network, "cpu", 0.0)
    random = np.random.default_rng(0)
    frames = [random.integers(0, 255, (h, w, 3), np.uint8) for h, w in ((120, 160), (90, 70), (200, 320))]
    found = detector.detect(frames)
    assert len(found) == 3
    for frame, regions in zip(frames, found, strict=True):
        for region in regions:
            x0, y0, x1, y1 = region.box
            assert -0.01 <= x0 <= x1 <= frame.shape[1] + 0.5 and -0.01 <= y0 <= y1 <= frame.shape[0] + 0.5
            assert region.mask is not None
            assert region.mask.shape == (
                max(np.ceil(y1) - np.floor(y0), 1),
                max(np.ceil(x1) - np.floor(x0), 1),
            )
    assert detector.detect([]) == []


def test_a_region_says_what_the_network_saw(one_plate):
    found = one_plate.detect([np.zeros((240, 320, 3), np.uint8)] * 3)
    assert len(found) == 3
    for (region,) in found:
        assert region.box == (20, 10, 100, 30)
        assert (region.kind, region.score, region.detector) == ("plate", 0.75, "mask_rcnn_lite")
        assert region.mask.shape == (20, 80)


def test_a_turned_plate_has_turned_corners(one_plate):
    ((region,),) = one_plate.detect([np.zeros((240, 320, 3), np.uint8)])
    left, right, _, _ = region.corners
    assert region.corners.shape == (4, 2)
    assert left[0] < right[0] and left[1] > right[1]  # rises to the right
    assert np.hypot(*(right - left)) == pytest.approx(80, rel=0.1)


def test_a_mask_is_stretched_over_its_box():
    half = np.zeros((28, 28), np.float32)
    half[:, 14:] = 1
    mask = stretched(half, (10.0, 5.0, 70.0, 25.0))
    assert mask.shape == (20, 60)
    assert not mask[:, :29].any() and mask[:, 31:].all()
    assert stretched(half, (10.2, 5.7, 10.4, 5.9)).shape == (1, 1)


def test_an_empty_mask_has_no_corners():
    assert corners_of(np.zeros((4, 9), np.bool_), (0, 0, 9, 4)) is None


def test_weights_come_back_from_half_precision(network, tmp_path):
    file = tmp_path / "w.safetensors"
    save_file({name: value.half().contiguous() for name, value in network.state_dict().items()}, file)
    loaded = load_lite(file, "cpu")
    name = "roi_heads.box_predictor.cls_score.weight"
    torch.testing.assert_close(loaded.state_dict()[name], network.state_dict()[name], rtol=1e-3, atol=1e-4)
    assert not loaded.training


def test_other_weights_are_refused(tmp_path):
    save_file({"x": torch.zeros(1)}, tmp_path / "w.safetensors")
    with pytest.raises(ModelError, match=r"w\.safetensors"):
        load_lite(tmp_path / "w.safetensors", "cpu")


def test_the_shipped_weights_find_a_plate_and_a_face(models_cache):
    """A plate and a synthetic person's portrait, neither of which it was trained on in this form, on a grey street."""
    with zipfile.ZipFile(models.path("openpeople")) as package:
        data = package.read("openpeople/data/curated/P001/assets/studio_portrait.jpg")
    portrait = cv2.resize(np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)), (160, 160))
    street = np.full((360, 640, 3), 110, np.uint8)
    street[60:220, 400:560] = portrait
    plate = cv2.resize(draw_plate(np.random.default_rng(0)), (120, 28), interpolation=cv2.INTER_AREA)
    street[250:330, 80:260] = 60
    street[276:304, 110:230] = plate
    (found,) = mask_rcnn_lite("cpu", 0.8).detect([street])
    best = {kind: max((r for r in found if r.kind == kind), key=lambda r: r.score) for kind in KINDS}
    assert best["plate"].box == pytest.approx((110, 276, 230, 304), abs=8)
    x0, y0, x1, y1 = best["face"].box
    assert 400 < x0 < x1 < 560 and 60 < y0 < y1 < 220
    assert best["face"].mask is not None
    assert best["face"].mask.mean() > 0.5


def test_the_large_network_has_our_classes():
    state = resnet50().state_dict()
    assert state["roi_heads.box_predictor.cls_score.weight"].shape[0] == len(KINDS) + 1
    assert state["roi_heads.mask_predictor.mask_fcn_logits.weight"].shape[0] == len(KINDS) + 1


def test_of_cocos_classes_signs_count_alone(one_plate, network, monkeypatch):
    """Weights of 91 classes: label 13 is a stop sign, label 2 a bicycle."""
    coco = FastRCNNPredictor(256, 91)
    monkeypatch.setattr(network.roi_heads, "box_predictor", coco)
    assert one_plate.detect([np.zeros((240, 320, 3), np.uint8)]) == [[]]
    assert LABELS[coco.cls_score.out_features] == {13: "sign"}


def test_weights_of_coco_are_told_by_their_classes(tmp_path):
    state = resnet50(91).state_dict()
    save_file({name: value.half().contiguous() for name, value in state.items()}, tmp_path / "coco.safetensors")
    network = load_resnet50(tmp_path / "coco.safetensors", "cpu")
    assert network.roi_heads.box_predictor.cls_score.out_features == 91
    state["roi_heads.box_predictor.cls_score.bias"] = torch.zeros(5)
    save_file({name: value.half().contiguous() for name, value in state.items()}, tmp_path / "five.safetensors")
    with pytest.raises(ModelError, match="five"):
        load_resnet50(tmp_path / "five.safetensors", "cpu")
