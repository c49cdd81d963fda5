"""A second look at released pictures: by their policy's detectors, and by judges where originals are at hand.

What it finds is named by place, never by content: no text and no descriptor leaves this module.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from deid_udf.detect.boxes import intersection
from deid_udf.detect.region import Box, Frame, Region
from deid_udf.evaluate.judges import Judges
from deid_udf.metrics.privacy import face_distance
from deid_udf.pipeline import Pipeline
from deid_udf.policy import Policy
from deid_udf.privacy import OsNoise

_SAME_PLACE = 0.5  # share of the smaller box from which on a find and a ledger entry are one object
_LEGIBLE = 32  # pixels: no recogniser tells smaller faces apart
_SYMBOLS = 5  # of a plate: shorter texts agree by chance

Entry = Mapping[str, Any]  # schema.OBJECT


@dataclass(frozen=True, slots=True)
class Release:
    """One released picture.

    Attributes:
        frame: uint8 (H, W, 3) RGB, decoded.
        objects: its ledger.
        original: the same picture before, or None where it is not at hand.
    """

    frame: Frame
    objects: Sequence[Entry]
    original: Frame | None = None


@dataclass(frozen=True, slots=True)
class Findings:
    """What a second look at one picture found.

    Attributes:
        violations: one line each: an object without a ledger entry, a face or a text that is still the original's.
        doubtful: finds without a ledger entry that no detector is sure of (the policy's `review` score).
        faces, plates: ledger entries that were compared with the original.
    """

    violations: tuple[str, ...]
    doubtful: int
    faces: int
    plates: int


class Rescanner:
    """One policy's second look.

    Args:
        policy: whose detectors, reader and formats.
        device: "cpu" or "cuda:N".

    Raises:
        ModelError: a model is unknown, or missing here.
    """

    def __init__(self, policy: Policy, device: str = "cpu") -> None:
        self._policy, self._device = policy, device
        self._pipeline = Pipeline(policy, noise=OsNoise(), device=device)

    @cached_property
    def _judges(self) -> Judges:
        return Judges.open(self._policy.plates, self._device)

    def look(self, releases: Sequence[Release]) -> list[Findings]:
        """Look again at a batch; one result a picture, in order."""
        found = self._pipeline.find([release.frame for release in releases])
        results = []
        for release, objects in zip(releases, found, strict=True):
            boxes = np.array([entry["box"] for entry in release.objects], np.float64).reshape(-1, 4)
            strangers = [one for one in objects if not _known(one.region.box, boxes)]
            sure = [
                f"a {f.region.kind} is found at {_place(f.region.box)} by {f.region.detector} "
                f"(score {f.region.score:.2f}), where the ledger has no object"
                for f in strangers
                if not f.review
            ]
            compared = release.original is not None and release.original.shape == release.frame.shape
            entries = [entry for entry in release.objects if _legible(entry)] if compared else []
            results.append(
                Findings(
                    (*sure, *self._alike(release, entries)),
                    doubtful=len(strangers) - len(sure),
                    faces=sum(entry["kind"] == "face" for entry in entries),
                    plates=sum(entry["kind"] == "plate" for entry in entries),
                )
            )
        return results

    def _alike(self, release: Release, entries: Sequence[Entry]) -> Iterator[str]:
        """Entries still taken for the original's: a face by every recogniser, a plate's text wherever it now stands."""
        if release.original is None or not entries:
            return
        regions = [_region(entry) for entry in entries]
        before, after = self._judges.look([release.original, release.frame], [regions, regions])
        legible = {sight.text for sight in after if len(sight.text) >= _SYMBOLS}
        for entry, was, now in zip(entries, before, after, strict=True):
            told = f"{entry['kind']} at {_place(entry['box'])} ({entry['mechanism']}, ε {entry['epsilon']})"
            if was.text in legible:
                yield f"{told}: the original's text can be read in the released picture"
            distances = {name: float(face_distance(vector, now.faces[name])) for name, vector in was.faces.items()}
            if distances and all(distances[judge.name] < judge.threshold for judge in self._judges.recognisers):
                measured = ", ".join(f"{name} {distance:.2f}" for name, distance in distances.items())
                yield f"{told}: every recogniser takes it for the original's ({measured})"


def _known(box: Box, entries: np.ndarray) -> bool:
    """Whether a find lies on an object of the ledger, or the object on it."""
    smaller = np.minimum(_area(entries), _area(np.array([box], np.float64)))
    return bool((intersection(np.array(box), entries) >= _SAME_PLACE * smaller).any())


def _area(boxes: np.ndarray) -> np.ndarray:
    return np.asarray(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1))


def _legible(entry: Entry) -> bool:
    return bool(entry["kind"] == "plate" or entry["box"][3] - entry["box"][1] >= _LEGIBLE)


def _region(entry: Entry) -> Region:
    x0, y0, x1, y1 = map(float, entry["box"])
    return Region(entry["kind"], float(entry["score"]), (x0, y0, x1, y1), entry["detector"])


def _place(box: Sequence[float]) -> str:
    return f"[{', '.join(str(round(v)) for v in box)}]"
