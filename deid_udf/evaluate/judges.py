"""Who measures privacy: recognisers of faces and a reader of plates, over the same places before and after."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from deid_udf.detect.region import Box, Frame, Region
from deid_udf.faces.align import apply, ffhq_square, inverse
from deid_udf.faces.landmarks import DLIB_BOX
from deid_udf.metrics.privacy import face_distance, plate_distance
from deid_udf.metrics.recognise import Recogniser, open_recognisers
from deid_udf.plates.code import PROVINCES
from deid_udf.plates.formats import PlateFormat, load_format
from deid_udf.plates.identify import identify, look_at
from deid_udf.plates.quad import Quad, quad_of
from deid_udf.plates.read import Reader, open_reader, read_plates
from deid_udf.policy import Plates


@dataclass(frozen=True, slots=True)
class Sight:
    """What the judges make of one place in one frame.

    Attributes:
        faces: recogniser → descriptor, where a face was found in the original.
        text: where a plate was found in the original: what is read there, or "" where nothing can be.
        country: of the format that the text follows, or "".
    """

    faces: Mapping[str, NDArray[np.float64]]
    text: str
    country: str = ""


@dataclass(frozen=True, slots=True)
class Judges:
    """Recognisers and reader.

    Attributes:
        recognisers: of faces; the first is the paper's.
        reader: of plates.
        formats, fallback: what a plate's text may look like, as the policy has it.
    """

    recognisers: tuple[Recogniser, ...]
    reader: Reader
    formats: tuple[PlateFormat, ...]
    fallback: PlateFormat

    @classmethod
    def open(cls, plates: Plates, device: str = "cpu") -> "Judges":
        """Open them for a policy's formats."""
        formats = tuple(load_format(name) for name in plates.formats)
        reader, fallback = open_reader(plates.reader, device), load_format(plates.fallback)
        return cls(open_recognisers(device), reader, formats, fallback)

    def look(self, frames: Sequence[Frame], regions: Sequence[Sequence[Region]]) -> list[list[Sight]]:
        """What stands at each region of each frame; one call a model over the whole batch."""
        places = [(i, region) for i, some in enumerate(regions) for region in some]
        faces = [(i, judged_box(region)) for i, region in places if region.kind == "face"]
        seen = {
            judge.name: iter(judge.embed([frames[i] for i, _ in faces], [box for _, box in faces]))
            for judge in self.recognisers
        }
        plates = iter(self._plates(frames, [(i, quad_of(region)) for i, region in places if region.kind == "plate"]))
        return [
            [
                Sight({name: next(some) for name, some in seen.items()}, "") if region.kind == "face" else next(plates)
                for region in some
            ]
            for some in regions
        ]

    def _plates(self, frames: Sequence[Frame], places: Sequence[tuple[int, Quad]]) -> list[Sight]:
        """What is read in each place, held to what the pipeline itself would call read."""
        sights = []
        for (i, quad), lattices in zip(places, read_plates(frames, places, self.reader), strict=True):
            identity = identify(lattices, look_at(frames[i], quad), self.formats, self.fallback)
            sights.append(Sight({}, "") if identity is None else Sight({}, identity.text, identity.form.country))
        return sights


def judged_box(face: Region) -> Box:
    """Where recognisers look: the box that dlib's own detector would give, from the five points if there are any.

    Detectors' boxes differ in size, and recognisers are at their best on what they were trained on.
    """
    if face.points is None:
        return face.box
    x0, y0, x1, y1 = DLIB_BOX
    corners = apply(
        inverse(ffhq_square(face.points.astype(np.float64))), np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])
    )
    return cast(Box, (*corners.min(0).tolist(), *corners.max(0).tolist()))


def changes(before: Sight, after: Sight) -> dict[str, float]:
    """Metric → how far one place moved.

    A face has a distance a recogniser. A plate that could be read has its edit distance, in which a text that can no
    longer be read is empty, so that all its symbols were taken away (`plate_unread` tells those apart); and whether its
    country and its Chinese province are still the same. A plate that nobody could read has no text to keep.
    """
    if not before.text:
        pairs = before.faces.items()
        return {f"{name}_distance": float(face_distance(vector, after.faces[name])) for name, vector in pairs}
    told = {
        "plate_distance": float(plate_distance(before.text, after.text)),
        "plate_unread": float(not after.text),
        "country_survives": float(before.country == after.country),
    }
    if before.text[0] in PROVINCES:
        told["province_survives"] = float(before.text[0] == after.text[:1])
    return told
