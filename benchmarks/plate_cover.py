"""How much of real plates the default policy's detectors and growth replace: measured, never shown.

python -m benchmarks.plate_cover --data DIR [--every 6]    # pictures with annotated plates (docs/evaluation.md)
"""

import argparse
import hashlib
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from deid_udf.compose import rasterise
from deid_udf.detect.region import Detector, Frame, Region
from deid_udf.detect.registry import open_detectors
from deid_udf.detect.union import find_private
from deid_udf.evaluate.datasets import read_samples
from deid_udf.metrics.recall import coverage
from deid_udf.plates.quad import outline_of
from deid_udf.policy import load_policy

GROWTHS = (0.0, 0.1, 0.15, 0.2, 0.3)


class Remembering:
    """A detector that looks at a picture once: growth comes after it."""

    def __init__(self, detector: Detector) -> None:
        self.name, self.kinds, self._detector = detector.name, detector.kinds, detector
        self._seen: dict[str, list[Region]] = {}

    def detect(self, frames: Sequence[Frame]) -> list[list[Region]]:
        """See `Detector`."""
        keys = [hashlib.sha256(frame.tobytes()).hexdigest() for frame in frames]
        new = [i for i, key in enumerate(keys) if key not in self._seen]
        found = self._detector.detect([frames[i] for i in new]) if new else []
        self._seen |= {keys[i]: some for i, some in zip(new, found, strict=True)}
        return [self._seen[key] for key in keys]


def main() -> None:
    """Print one row of the table a growth."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of annotated pictures")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only every Nth picture")
    options = parser.parse_args()
    detection = load_policy("conf/policy/street.yaml").detection
    finders = tuple(choice for choice in detection.detectors if choice.model != "centerface")
    detection = detection.model_copy(update={"detectors": finders})
    detectors = [Remembering(detector) for detector in open_detectors(detection, "cpu")]
    samples = read_samples(options.data)[:: options.every]
    shares: dict[float, list[tuple[float, float]]] = {grow: [] for grow in GROWTHS}
    for sample in samples:
        frame = cv2.imread(str(sample.file), cv2.IMREAD_COLOR_RGB)
        assert frame is not None, sample.file
        for grow in GROWTHS:
            grown = detection.model_copy(update={"grow": {"plate": grow}})
            (found,) = find_private([np.asarray(frame, np.uint8)], grown, detectors)
            outlines = [outline_of(f.region) for f in found if f.region.kind == "plate"]
            changed = np.zeros(frame.shape[:2], np.bool_)
            for outline in outlines:
                (x0, y0, x1, y1), mask = rasterise(outline, frame.shape[:2])
                changed[y0:y1, x0:x1] |= mask
            for plate in sample.truth or ():
                middle = tuple(map(float, plate.outline.mean(0)))
                over = [o for o in outlines if cv2.pointPolygonTest(o, middle, measureDist=False) >= 0]
                area = max((cv2.contourArea(o) for o in over), default=0.0) / cv2.contourArea(plate.outline)
                shares[grow].append((coverage(plate.outline, changed), area))
    print("| grow | mean cover, least | replaced area | not found |")
    for grow, some in shares.items():
        cover, area = np.array(some).T
        hit = area > 0
        print(
            f"| {grow} | {cover[hit].mean():.3f}, {cover[hit].min():.3f} | {area[hit].mean():.1f} × "
            f"| {(~hit).sum()} of {len(hit)} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
