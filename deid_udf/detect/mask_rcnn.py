"""Mask R-CNN (He et al. 2017, arXiv:1703.06870), the paper's Step I (Eq. 5 to 8), in two sizes.

* `mask_rcnn_lite`: EfficientNet-Lite0, a feature pyramid of 64 channels and light heads, made for CPUs, trained by
  `jobs/train_detector.py` on faces and plates; its weights ship with the project.
* `mask_rcnn_resnet50`: torchvision's `maskrcnn_resnet50_fpn_v2` with the user's weights (safetensors), for GPU clusters.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn
from torchvision.models.detection import MaskRCNN, maskrcnn_resnet50_fpn_v2
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.ops import FeaturePyramidNetwork, MultiScaleRoIAlign

from deid_udf.detect.efficientnet_lite import DEVIATION, MEAN, WIDTHS, EfficientNetLite0
from deid_udf.detect.region import Frame, Kind, Region
from deid_udf.errors import ModelError

KINDS: tuple[Kind, ...] = ("face", "plate")  # label 0 is the background (Eq. 7), label i is KINDS[i - 1]
LEVELS = ("4", "8", "16", "32")  # strides of the pyramid
PYRAMID = 64  # channels of each level
ANCHOR_SIDES = (
    (10, 16),
    (24, 36),
    (56, 88),
    (140, 220),
)  # √area in pixels, by level: a plate of 10 px is 20, of 40 px 80
ANCHOR_RATIOS = (0.25, 0.5, 1.2)  # height / width: one-line plates, two-line plates, faces
STRIDE = 32  # sides of what the network sees are multiples of it


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

    It takes a list of RGB float tensors (3, h, w) in [0, 1], sides multiples of `STRIDE`, and never resizes them.
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
        box_batch_size_per_image=128,
        mask_roi_pool=MultiScaleRoIAlign(list(LEVELS), output_size=14, sampling_ratio=2),
        mask_head=MaskRCNNHeads(PYRAMID, (PYRAMID, PYRAMID), dilation=1),
        mask_predictor=MaskRCNNPredictor(PYRAMID, PYRAMID, len(KINDS) + 1),
        image_mean=[MEAN] * 3,
        image_std=[DEVIATION] * 3,
        _skip_resize=True,
    )


def resnet50() -> MaskRCNN:
    """torchvision's Mask R-CNN R50-FPN v2 with our classes, untrained; like `lite`, it never resizes."""
    return maskrcnn_resnet50_fpn_v2(weights=None, weights_backbone=None, num_classes=len(KINDS) + 1, _skip_resize=True)


@dataclass(frozen=True, slots=True)
class _Input:
    """A frame as the network sees it, and its scale: network pixels = scale · frame pixels."""

    pixels: Tensor  # float32 (3, h, w) in [0, 1], sides multiples of STRIDE
    scale: float


class MaskRcnn:
    """The detector protocol over either network: frames → regions with masks.

    Args:
        name: registry name, written to each region.
        network: from `lite` or `resnet50`, with its weights.
        device: torch device.
        floor: scores below it are dropped before any mask is made (the paper's δ, Eq. 7, is the policy's).
        long_side: larger frames are shrunk to it, smaller ones are enlarged up to `enlarge` times towards it.
        enlarge: see `long_side`.
        batch: frames a forward pass.
    """

    kinds: frozenset[Kind] = frozenset(KINDS)

    def __init__(
        self,
        name: str,
        network: MaskRCNN,
        device: str = "cpu",
        *,
        floor: float = 0.05,
        long_side: int = 1280,
        enlarge: float = 1.5,
        batch: int = 4,
    ) -> None:
        self.name, self.device = name, torch.device(device)
        self.network = network.eval().to(self.device, memory_format=torch.channels_last)
        self.network.roi_heads.score_thresh = floor
        self.long_side, self.enlarge, self.batch = long_side, enlarge, batch
        self._half = self.device.type == "cuda" or torch.ops.mkldnn._is_mkldnn_bf16_supported()

    @torch.inference_mode()
    def detect(self, frames: Sequence[Frame]) -> list[list[Region]]:
        """Regions of each frame, any sizes; boxes and masks in the frame's own pixels."""
        regions = []
        for start in range(0, len(frames), self.batch):
            chunk = frames[start : start + self.batch]
            inputs = [self._input(frame) for frame in chunk]
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self._half):
                outputs = self._forward([i.pixels for i in inputs])
            for frame, network_input, output in zip(chunk, inputs, outputs, strict=True):
                regions.append(self._regions(output, network_input.scale, frame.shape[:2]))
        return regions

    def _input(self, frame: Frame) -> _Input:
        height, width = frame.shape[:2]
        scale = min(self.long_side / max(height, width), self.enlarge)
        size = max(round(width * scale), 1), max(round(height * scale), 1)
        shrunk = cv2.resize(frame, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        right, bottom = -size[0] % STRIDE, -size[1] % STRIDE
        padded = cv2.copyMakeBorder(shrunk, 0, bottom, 0, right, cv2.BORDER_CONSTANT, value=(127, 127, 127))
        return _Input(torch.from_numpy(padded).to(self.device).permute(2, 0, 1).float() / 255, scale)

    def _forward(self, pixels: list[Tensor]) -> list[dict[str, Tensor]]:
        """torchvision's own forward pass, but masks stay 28×28 a region: pasting them into whole frames would cost more than the network."""
        images, _ = self.network.transform(pixels)
        features = self.network.backbone(images.tensors.contiguous(memory_format=torch.channels_last))
        proposals, _ = self.network.rpn(images, features)
        outputs: list[dict[str, Tensor]]
        outputs, _ = self.network.roi_heads(features, proposals, images.image_sizes)
        return outputs

    def _regions(self, output: dict[str, Tensor], scale: float, size: tuple[int, int]) -> list[Region]:
        boxes = (output["boxes"].float() / scale).cpu().numpy()
        masks = output["masks"][:, 0].float().cpu().numpy()  # (n, 28, 28), probability of the region's own class
        scores, labels = output["scores"].float().tolist(), output["labels"].tolist()
        regions = []
        for box, mask, score, label in zip(boxes, masks, scores, labels, strict=True):
            x0, y0, x1, y1 = (float(v) for v in box)
            regions.append(
                Region(KINDS[label - 1], score, (x0, y0, x1, y1), self.name, mask=box_mask(mask, (x0, y0, x1, y1)))
            )
        return regions


def box_mask(mask: NDArray[np.float32], box: tuple[float, float, float, float]) -> NDArray[np.bool_]:
    """A region's mask (28, 28) in [0, 1], stretched over `box` → bool (h, w) over the box's integer hull, at a half."""
    x0, y0, x1, y1 = box
    left, top = np.floor(x0), np.floor(y0)
    width, height = max(int(np.ceil(x1) - left), 1), max(int(np.ceil(y1) - top), 1)
    scale_x, scale_y = (x1 - x0) / mask.shape[1], (y1 - y0) / mask.shape[0]
    to_hull = np.array(
        [(scale_x, 0, x0 - left + (scale_x - 1) / 2), (0, scale_y, y0 - top + (scale_y - 1) / 2)], np.float32
    )
    return np.asarray(cv2.warpAffine(mask, to_hull, (width, height), borderMode=cv2.BORDER_REPLICATE) >= 0.5)


def load_lite(file: Path, device: str) -> MaskRcnn:
    """The shipped small detector from its safetensors file (`models.opened("mask_rcnn_lite", device, load_lite)`).

    Raises:
        ModelError: the file's tensors are not this network's.
    """
    return MaskRcnn("mask_rcnn_lite", _with_weights(lite(), file), device)


def load_resnet50(file: Path, device: str) -> MaskRcnn:
    """The user's Mask R-CNN R50-FPN v2 over `KINDS`, from safetensors; frames are shrunk to 1333 pixels as in its training."""
    return MaskRcnn("mask_rcnn_resnet50", _with_weights(resnet50(), file), device, long_side=1333)


def _with_weights(network: MaskRCNN, file: Path) -> MaskRCNN:
    state = {name: value.float() for name, value in load_file(file).items()}
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise ModelError(f"{file.name} does not hold the weights of this Mask R-CNN: {error}") from error
    return network
