"""Frames with faces that nobody has: generated ones, placed where a test wants them."""

from dataclasses import dataclass

import cv2
import numpy as np
import pytest
import torch

from deid_udf.detect.region import Region
from deid_udf.faces.align import apply, content_to_square, five_of_68
from deid_udf.faces.landmarks import landmarks_of_crops
from deid_udf.generator.registry import open_generator, open_latent_space


@dataclass(frozen=True)
class Scene:
    """A frame, the detected face in it, and its true 68 points."""

    frame: np.ndarray
    region: Region
    points: np.ndarray


@pytest.fixture(scope="session")
def made_faces(models_cache):
    """Four generated faces that look at the camera, uint8 (256, 256, 3)."""
    return generated(0.0, 4)


def generated(yaw, count):
    """Generated faces of a yaw, uint8 (256, 256, 3) each."""
    space = open_latent_space("mobilestylegan")
    latents = space.turned(np.random.default_rng(7).standard_normal((count, space.size)), yaw)
    with torch.inference_mode():
        styles = torch.from_numpy(space.from_latent(latents))
        images = open_generator("mobilestylegan", "cpu").synthesize(styles, 256)
    return list(((images + 1) * 127.5).clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).numpy())


@pytest.fixture(scope="session")
def scene(made_faces):
    """A function: face number, centre, side of its FFHQ square in pixels, angle in degrees → `Scene`.

    Numbers 0 to 3 look at the camera, 4 looks aside.
    """
    faces = [*made_faces, *generated(0.6, 1)]
    points = landmarks_of_crops(faces)

    def make(number=0, centre=(160, 120), side=150, angle=0.0, size=(320, 240), detector_points=True):
        face = faces[number]
        matrix = np.asarray(cv2.getRotationMatrix2D((127.5, 127.5), angle, side / 256), np.float64)
        matrix[:, 2] += np.array(centre) - 127.5
        frame = np.full((size[1], size[0], 3), 90, np.uint8)
        frame = (frame + np.linspace(0, 80, size[0])[None, :, None]).astype(np.uint8)
        mask = cv2.warpAffine(np.full((256, 256), 255, np.uint8), matrix, size) > 0
        frame[mask] = cv2.warpAffine(face, matrix, size)[mask]
        true = apply(matrix, (points[number] - content_to_square(256)[:, 2]) * 256)
        low, high = true.min(0), true.max(0)
        low, high = low - 0.1 * (high - low), high + 0.1 * (high - low)
        box = (float(low[0]), float(low[1] - 0.2 * (high[1] - low[1])), float(high[0]), float(high[1]))
        five = five_of_68(true).astype(np.float32) if detector_points else None
        return Scene(frame, Region("face", 0.9, box, "test", points=five), true)

    return make
