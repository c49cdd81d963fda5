"""Who measures privacy: a recogniser of faces and a reader of plates, over the same places before and after."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from deid_udf.detect.boxes import iou
from deid_udf.detect.region import Frame, Region
from deid_udf.detect.union import Found
from deid_udf.metrics import privacy
from deid_udf.plates.formats import PlateFormat, load_format
from deid_udf.plates.lattice import Lattice, best
from deid_udf.plates.quad import quad_of
from deid_udf.plates.read import Reader, open_reader, read_plates
from deid_udf.policy import Plates

_SAME_PLACE = 0.3  # IoU from which on a detection stands where the old one stood


@dataclass(frozen=True, slots=True)
class Judges:
    """Recogniser and reader.

    Attributes:
        faces: dlib's recogniser, the paper's judge.
        reader: of plates.
        formats: what a plate's text may look like.
    """

    faces: privacy.FaceEmbedder
    reader: Reader
    formats: tuple[PlateFormat, ...]

    @classmethod
    def open(cls, plates: Plates, device: str = "cpu") -> "Judges":
        """Open them for a policy's formats."""
        formats = tuple(load_format(name) for name in (*plates.formats, plates.fallback))
        return cls(privacy.FaceEmbedder.open(), open_reader(plates.reader, device), formats)

    def face_distances(self, before: Frame, after: Frame, regions: Sequence[Region]) -> list[float]:
        """dlib distance between the two frames at each region."""
        boxes = [region.box for region in regions]
        if not boxes:
            return []
        a, b = (self.faces.embed([frame] * len(boxes), boxes) for frame in (before, after))
        return [float(d) for d in privacy.face_distance(a, b)]

    def plate_texts(self, frame: Frame, regions: Sequence[Region]) -> list[str]:
        """The likeliest text at each region: "" where nothing can be read."""
        places = [(0, quad_of(region)) for region in regions]
        return [self._text(lattices) for lattices in read_plates([frame], places, self.reader)] if places else []

    def _text(self, lattices: Sequence[Lattice]) -> str:
        fits = [
            fit
            for lattice in lattices
            for form in self.formats
            for pattern in form.expand()
            if (fit := best(lattice, pattern)) is not None
        ]
        return min(fits, key=lambda fit: fit.gap).text if fits else ""


def still_found(regions: Sequence[Region], found: Sequence[Found]) -> list[bool]:
    """Whether a detection of the same kind stands where each region stood."""
    boxes = {kind: np.array([f.region.box for f in found if f.region.kind == kind]) for kind in ("face", "plate")}
    return [bool(len(boxes[r.kind]) and (iou(np.array(r.box), boxes[r.kind]) >= _SAME_PLACE).any()) for r in regions]
