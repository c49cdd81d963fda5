"""Which class decodes which model of the registry."""

from collections.abc import Callable

from deid_udf.detect.centerface import CenterFace
from deid_udf.detect.clp import Clp
from deid_udf.detect.region import Detector
from deid_udf.detect.y5fu import Y5fu
from deid_udf.detect.yunet import YuNet
from deid_udf.errors import ModelError
from deid_udf.policy import Detection


def _mask_rcnn_lite(device: str, floor: float) -> Detector:
    from deid_udf.detect import mask_rcnn  # torch and torchvision load for those who name it

    return mask_rcnn.mask_rcnn_lite(device, floor)


def _mask_rcnn_resnet50(device: str, floor: float) -> Detector:
    from deid_udf.detect import mask_rcnn

    return mask_rcnn.mask_rcnn_resnet50(device, floor)


# Model name → detector of (device, lowest score to report). Weights open on first use, once a process.
DETECTORS: dict[str, Callable[[str, float], Detector]] = {
    CenterFace.name: CenterFace,
    Clp.name: Clp,
    Y5fu.name: Y5fu,
    YuNet.name: YuNet,
    "mask_rcnn_lite": _mask_rcnn_lite,
    "mask_rcnn_resnet50": _mask_rcnn_resnet50,
}


def open_detectors(detection: Detection, device: str) -> list[Detector]:
    """One detector for each of the policy's choices, in order.

    Raises:
        ModelError: a choice that no class here can decode; the message names those that can be.
    """
    detectors = []
    for choice in detection.detectors:
        if choice.model not in DETECTORS:
            raise ModelError(f"model {choice.model!r} is no detector; known ones: {', '.join(sorted(DETECTORS))}")
        detectors.append(DETECTORS[choice.model](device, choice.threshold))
    return detectors
