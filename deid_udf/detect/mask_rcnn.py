"""Mask R-CNN (He et al. 2017, arXiv:1703.06870), the paper's Step I (Eq. 5 to 8), in two sizes.

* `mask_rcnn_lite`: EfficientNet-Lite0, a feature pyramid of 64 channels and light heads, made for CPUs, trained by
  `jobs/train_detector.py` on faces and plates; its weights ship with the project.
* `mask_rcnn_resnet50`: torchvision's `maskrcnn_resnet50_fpn_v2` with the user's weights (safetensors), for GPUs: of
  faces and plates, or COCO's as torchvision publishes them, of which traffic signs count alone.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torchvision.models.detection import MaskRCNN, maskrcnn_resnet50_fpn_v2
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.ops import FeaturePyramidNetwork, MultiScaleRoIAlign

from deid_udf import models
from deid_udf.detect.batches import batches
from deid_udf.detect.efficientnet_lite import DEVIATION, MEAN, WIDTHS, EfficientNetLite0
from deid_udf.detect.region import Box, Frame, Kind, Region
from deid_udf.errors import ModelError

KINDS: tuple[Kind, ...] = ("face", "plate")  # label 0 is the background (Eq. 7), label i is KINDS[i - 1]
LABELS: dict[int, dict[int, Kind]] = {  # by the number of a network's classes: label → kind; other labels are dropped
    len(KINDS) + 1: dict(enumerate(KINDS, 1)),
    91: {13: "sign"},  # COCO's stop sign
}
LEVELS = ("4", "8", "16", "32")  # strides of the pyramid
PYRAMID = 64  # channels of each level
ANCHOR_SIDES = (
    (10, 16),
    (24, 36),
    (56, 88),
    (140, 220),
)  # √area in pixels, by level: a plate of 10 px is 20, of 40 px 80
ANCHOR_RATIOS = (0.25, 0.5, 1.2)  # height / width: one-line plates, two-line plates, faces


_GREY = (127, 127, 127)  # padding, zero once normalised
_PIXELS = 2_000_000  # of one forward pass: inside, a pixel takes about 50 bytes in bfloat16 several times over


class Pyramid(nn.Module):
    """EfficientNet-Lite0 under a feature pyramid (Lin et al. 2017): RGB → PYRAMID channels at strides 4 to 32."""

    def __init__(self) -> None:
        super().__init__()
        self.body = EfficientNetLite0()
        self.fpn = FeaturePyramidNetwork(list(WIDTHS[1:]), PYRAMID)
        self.out_channels = PYRAMID

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """(n, 3, h, w) → {"4": (n, 64, h/4, w/4), … "32": (n, 64, h/32, w/32)}."""
        levels: dict[str, Tensor] = self.fpn(OrderedDict(zip(LEVELS, self.body(x)[1:], strict=True)))
        return levels


def lite() -> MaskRCNN:
    """The small network, untrained: about 5 M parameters.

    In training it takes a list of RGB float tensors (3, h, w) in [0, 1] and does not resize them.
    """
    return MaskRCNN(
        Pyramid(),
        rpn_anchor_generator=AnchorGenerator(ANCHOR_SIDES, (ANCHOR_RATIOS,) * len(LEVELS)),
        rpn_fg_iou_thresh=0.5,  # plates of 10 px seldom reach the usual 0.7 with any anchor
        rpn_pre_nms_top_n_train=500,
        rpn_pre_nms_top_n_test=200,
        rpn_post_nms_top_n_train=400,
        rpn_post_nms_top_n_test=100,
        box_roi_pool=MultiScaleRoIAlign(list(LEVELS), output_size=7, sampling_ratio=2),
        box_head=TwoMLPHead(PYRAMID * 7 * 7, 256),
        box_predictor=FastRCNNPredictor(256, len(KINDS) + 1),
        box_batch_size_per_image=64,  # an eighth of the usual: each positive costs a training step a 14×14 mask
        mask_roi_pool=MultiScaleRoIAlign(list(LEVELS), output_size=14, sampling_ratio=2),
        mask_head=MaskRCNNHeads(PYRAMID, (PYRAMID, PYRAMID), dilation=1),
        mask_predictor=MaskRCNNPredictor(PYRAMID, PYRAMID, len(KINDS) + 1),
        image_mean=[MEAN] * 3,
        image_std=[DEVIATION] * 3,
        _skip_resize=True,
    )


def resnet50(classes: int = len(KINDS) + 1) -> MaskRCNN:
    """torchvision's Mask R-CNN R50-FPN v2, untrained: with our classes, or COCO's 91."""
    return maskrcnn_resnet50_fpn_v2(weights=None, weights_backbone=None, num_classes=classes, _skip_resize=True)


class MaskRcnn:
    """The detector protocol over either network: frames → regions with masks, and for plates with corners.

    Args:
        name: registry name, written to each region.
        network: opens the network, with its weights, on `device`.
        device: "cpu" or "cuda:N".
        floor: lowest score that is reported, and gets a mask (the paper's δ, Eq. 7, is the policy's threshold).
    """

    kinds: frozenset[Kind] = frozenset((*KINDS, "sign"))

    def __init__(self, name: str, network: Callable[[], MaskRCNN], device: str, floor: float) -> None:
        self.name, self._network, self._device, self._floor = name, network, torch.device(device), floor
        self._half = self._device.type == "cuda" or torch.ops.mkldnn._is_mkldnn_bf16_supported()

    @torch.inference_mode()
    def detect(self, frames: Sequence[Frame]) -> list[list[Region]]:
        """See `Detector`; frames are seen at their own size."""
        found: list[list[Region]] = [[] for _ in frames]
        labels = LABELS[self._network().roi_heads.box_predictor.cls_score.out_features]
        for members, batch in batches(frames, fill=_GREY):
            at_once = max(1, _PIXELS // (batch.shape[1] * batch.shape[2]))
            for start in range(0, len(members), at_once):
                some = members[start : start + at_once]
                pixels = torch.from_numpy(batch[start : start + at_once]).to(self._device)
                outputs = self._forward(pixels.permute(0, 3, 1, 2).float() / 255, [frames[i].shape[:2] for i in some])
                for i, output in zip(some, outputs, strict=True):
                    found[i] = self._regions(output, labels)
        return found

    def _forward(self, pixels: Tensor, sizes: Sequence[tuple[int, ...]]) -> list[dict[str, Tensor]]:
        """torchvision's forward pass, but never resizing, and with masks left at 28×28.

        Whole-frame masks would cost more than the network. Only the backbone runs in bfloat16: boxes in it would be off
        by up to 4 pixels.

        Args:
            pixels: RGB (n, 3, h, w) in [0, 1], h and w multiples of 32.
            sizes: height and width of each frame before it was padded.
        """
        network = self._network()
        network.roi_heads.score_thresh = self._floor
        images = ImageList(network.transform.normalize(pixels), [(height, width) for height, width in sizes])
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._half):
            features = network.backbone(images.tensors.contiguous(memory_format=torch.channels_last))
        features = {level: x.float() for level, x in features.items()}
        proposals, _ = network.rpn(images, features)
        outputs: list[dict[str, Tensor]]
        outputs, _ = network.roi_heads(features, proposals, images.image_sizes)
        return outputs

    def _regions(self, output: dict[str, Tensor], labels: Mapping[int, Kind]) -> list[Region]:
        boxes = output["boxes"].tolist()
        masks = output["masks"][:, 0].float().cpu().numpy()  # (n, 28, 28), probability of the region's own class
        regions = []
        for box, mask, score, label in zip(
            boxes, masks, output["scores"].tolist(), output["labels"].tolist(), strict=True
        ):
            if label not in labels:
                continue
            kind, inside = labels[label], stretched(mask, box)
            corners = corners_of(inside, box) if kind == "plate" else None
            regions.append(Region(kind, score, tuple(box), self.name, corners, mask=inside))
        return regions


def stretched(mask: NDArray[np.float32], box: Box) -> NDArray[np.bool_]:
    """A region's mask (28, 28) in [0, 1], stretched over `box` → bool (h, w) over the box's integer hull, at a half."""
    x0, y0, x1, y1 = box
    left, top = np.floor(x0), np.floor(y0)
    size = max(int(np.ceil(x1) - left), 1), max(int(np.ceil(y1) - top), 1)
    sx, sy = (x1 - x0) / mask.shape[1], (y1 - y0) / mask.shape[0]
    to_hull = np.array([(sx, 0, x0 - left + (sx - 1) / 2), (0, sy, y0 - top + (sy - 1) / 2)], np.float32)
    return np.asarray(cv2.warpAffine(mask, to_hull, size, borderMode=cv2.BORDER_REPLICATE) >= 0.5)


def corners_of(mask: NDArray[np.bool_], box: Box) -> NDArray[np.float32] | None:
    """The least rectangle around a plate's mask: float32 (4, 2), clockwise from top left, or None."""
    if not mask.any():
        return None
    points = np.argwhere(mask)[:, ::-1].astype(np.float32)
    quad = cv2.boxPoints(cv2.minAreaRect(points)) + np.floor(np.array(box[:2]))
    first = int(np.argmin(quad.sum(1)))  # boxPoints goes clockwise in image coordinates
    return np.asarray(np.roll(quad, -first, axis=0), np.float32)


def mask_rcnn_lite(device: str, floor: float) -> MaskRcnn:
    """The small detector, its shipped weights opened on first use, once a process."""
    return MaskRcnn("mask_rcnn_lite", lambda: models.opened("mask_rcnn_lite", device, load_lite), device, floor)


def mask_rcnn_resnet50(device: str, floor: float) -> MaskRcnn:
    """The large detector with the user's weights, made for frames of 1333 pixels."""
    name = "mask_rcnn_resnet50"
    return MaskRcnn(name, lambda: models.opened(name, device, load_resnet50), device, floor)


def load_lite(file: Path, device: str) -> MaskRCNN:
    """`lite` with the weights of a safetensors file, ready to detect; `ModelError` if they are another's."""
    return _with_weights(lambda _: lite(), file, device)


def load_resnet50(file: Path, device: str) -> MaskRCNN:
    """`resnet50` with the weights of a safetensors file, ready to detect; `ModelError` if they are another's."""
    return _with_weights(resnet50, file, device)


def _with_weights(build: Callable[[int], MaskRCNN], file: Path, device: str) -> MaskRCNN:
    try:
        state = {name: value.float() for name, value in load_file(file).items()}
        classes = len(state["roi_heads.box_predictor.cls_score.bias"])
        if classes not in LABELS:
            raise ModelError(f"{file.name} tells {classes} classes apart; {', '.join(map(str, LABELS))} are known")
        network = build(classes)
        network.load_state_dict(state)
    except (KeyError, RuntimeError, SafetensorError) as error:
        raise ModelError(f"{file.name} does not hold the weights of this Mask R-CNN: {error}") from error
    return network.eval().requires_grad_(False).to(device, memory_format=torch.channels_last)
