"""How good a face generator is: detectors accept its faces, people differ, and nobody was learnt by heart."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import torch
from scipy.spatial.distance import cdist

from deid_udf.detect.centerface import CenterFace
from deid_udf.detect.region import Box, Frame, Region
from deid_udf.faces.landmarks import align
from deid_udf.generator.base import fitting_size
from deid_udf.generator.registry import open_generator, open_latent_space
from deid_udf.images.decode import Limits, decode
from deid_udf.metrics.privacy import FaceEmbedder
from deid_udf.training.generator import frechet_distance
from deid_udf.training.projected import ProjectedFeatures

SIZE = 128  # pixels at which faces are judged, whatever the generator's own
KNOWN_BELOW = 0.35  # dlib distance to a training face below which a sample may be a memory of it
_DETECTOR_FLOOR = 0.2
_FEATURES = 224  # pixels that the features see
_WHOLE: Box = (0.14 * SIZE, 0.14 * SIZE, 0.86 * SIZE, 0.96 * SIZE)  # of a face in the FFHQ square
_CLOSEST = 10

Row = dict[str, Any]


def samples(generator: str, seeds: Sequence[int], device: str = "cpu") -> list[Frame]:
    """Prior faces as a release at ε = 0 shows them, one a seed: uint8 (128, 128, 3)."""
    space, network = open_latent_space(generator), open_generator(generator, device)
    latents = np.stack([np.random.default_rng(seed).standard_normal(space.size) for seed in seeds])
    styles = torch.from_numpy(space.from_latent(space.turned(latents, 0)))
    with torch.inference_mode():
        images = network.synthesize(styles, fitting_size(network, SIZE))
    pixels = ((images + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    return [_resized(face) for face in pixels]


def training_face(file: Path) -> Frame:
    """One training face, uint8 (128, 128, 3). Raises `Quarantined` where it cannot be decoded."""
    return _resized(decode(file.read_bytes(), Limits()).frame)


def describe(names: Sequence[str], faces: Sequence[Frame]) -> list[Row]:
    """One row a face: whether CenterFace finds it, whether dlib's 68 points fit, its dlib and image features."""
    detector, recogniser, features = _judges()
    found = [max(regions, key=lambda r: r.score, default=None) for regions in detector.detect(faces)]
    fitted = _landmarks_fit(faces, found)
    vectors = recogniser.embed(faces, [_WHOLE if region is None else region.box for region in found])
    with torch.inference_mode():
        batch = torch.from_numpy(np.stack(faces)).permute(0, 3, 1, 2).float() / 127.5 - 1
        large = torch.nn.functional.interpolate(batch, (_FEATURES, _FEATURES), mode="bilinear", align_corners=False)
        pooled = features.pooled(large).numpy()
    return [
        {"file": name, "found": region is not None, "landmarks": fits, "identity": list(vector), "features": list(some)}
        for name, region, fits, vector, some in zip(names, found, fitted, vectors, pooled, strict=True)
    ]


def table(made: pd.DataFrame, known: pd.DataFrame) -> dict[str, Any]:
    """What samples are like, and how near each is to its nearest training face; rows of `describe`, of each."""
    people = np.stack(made.identity.to_list())
    distances = cdist(people, np.stack(known.identity.to_list()))
    nearest, which = distances.min(1), distances.argmin(1)
    return {
        "samples": len(made),
        "training_faces": len(known),
        "found": float(made.found.mean()),
        "landmarks_fit": float(made.landmarks.mean()),
        "pair_distance": float(np.linalg.norm(people[1:] - people[:-1], axis=1).mean()),
        "frechet_distance": frechet_distance(*(np.stack(some.features.to_list()) for some in (known, made))),
        "known_below": KNOWN_BELOW,
        "beyond": float((nearest > KNOWN_BELOW).mean()),
        "nearest": sorted(nearest.tolist()),
        "closest": [
            {"seed": i, "training": str(known.file.iloc[which[i]]), "distance": float(nearest[i])}
            for i in np.argsort(nearest)[:_CLOSEST].tolist()
        ],
    }


def pair_sheet(closest: Sequence[Mapping[str, Any]], generator: str, training: Mapping[str, Path]) -> Frame:
    """Samples over their nearest training faces, uint8 (256, 128 · n, 3), of `table`'s closest pairs."""
    made = samples(generator, [pair["seed"] for pair in closest])
    known = [training_face(training[pair["training"]]) for pair in closest]
    return np.concatenate([np.concatenate(made, axis=1), np.concatenate(known, axis=1)])


@lru_cache(maxsize=1)
def _judges() -> tuple[CenterFace, FaceEmbedder, ProjectedFeatures]:
    return CenterFace("cpu", _DETECTOR_FLOOR), FaceEmbedder.open(), ProjectedFeatures().eval()


def _landmarks_fit(faces: Sequence[Frame], found: Sequence[Region | None]) -> list[bool]:
    places = [(i, region) for i, region in enumerate(found) if region is not None]
    fitting = {i for (i, _), at in zip(places, align(faces, places), strict=True) if at.source == "landmarks"}
    return [i in fitting for i in range(len(faces))]


def _resized(face: Frame) -> Frame:
    method = cv2.INTER_AREA if len(face) > SIZE else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(face, (SIZE, SIZE), interpolation=method), np.uint8)
