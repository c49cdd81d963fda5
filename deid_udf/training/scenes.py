"""Training scenes for the detector: crops of labelled pictures, objects pasted in, weather, a camera's faults."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.transforms import v2

from deid_udf.detect.mask_rcnn import KINDS
from deid_udf.detect.region import Frame
from deid_udf.training.decoys import draw_decoy
from deid_udf.training.paste import moved, paste, perspective
from deid_udf.training.pictures import FaceOutliner, Picture, Thing
from deid_udf.training.plate_art import draw_plate

Sample = tuple[Tensor, dict[str, Tensor]]
_SMALLEST = 5.0  # pixels; what is lower after the crop cannot be learnt and is left unlabelled
_VISIBLE = 0.4  # share of an object that must be inside the crop to be labelled


class SceneConfig(BaseModel):
    """How scenes are made. Heights are pixels of the object as the network sees it, drawn log-uniformly."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    side: int = 320
    plate_heights: tuple[float, float] = (8, 80)
    face_heights: tuple[float, float] = (9, 200)
    zoom: tuple[float, float] = (0.25, 2.5)
    pasted_plates: int = 2
    pasted_faces: int = 3
    decoys: int = 2
    night: float = 0.15
    rain: float = 0.1


@dataclass(frozen=True)
class Source:
    """Pictures of one kind and how often they are drawn."""

    pictures: Sequence[Picture]
    weight: float


class Scenes(Dataset[Sample]):
    """Scene i is a function of (seed, i): a resumed run goes on where it stopped.

    Args:
        sources: pictures to crop from.
        faces: JPEG or PNG files of aligned faces to paste.
        config: sizes and chances.
        seed: of everything random.
        length: scenes in all.
    """

    def __init__(
        self, sources: Sequence[Source], faces: Sequence[Path], config: SceneConfig, seed: int, length: int
    ) -> None:
        self.sources, self.faces, self.config, self.seed, self.length = sources, faces, config, seed, length
        self._weights = np.array([s.weight for s in sources]) / sum(s.weight for s in sources)
        self._outliner = FaceOutliner()
        self._camera = v2.Compose(
            [
                v2.ColorJitter(0.35, 0.35, 0.35, 0.04),
                v2.RandomGrayscale(0.1),
                v2.RandomApply([v2.GaussianBlur(5, (0.3, 1.8))], 0.3),
                v2.ToDtype(torch.float32, scale=True),
                v2.RandomApply([v2.GaussianNoise(sigma=0.03)], 0.3),
            ]
        )

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Sample:
        """RGB float32 (3, side, side) in [0, 1], and its `target`."""
        random = np.random.default_rng((self.seed, index))
        torch.manual_seed(int(random.integers(2**62)))  # torchvision draws from the global generator
        source = self.sources[random.choice(len(self.sources), p=self._weights)]
        frame, things = self._crop(source.pictures[int(random.integers(len(source.pictures)))], random)
        for _ in range(random.integers(self.config.pasted_plates + 1)):
            self._paste_plate(frame, things, random)
        for _ in range(random.integers(self.config.pasted_faces + 1)):
            self._paste_face(frame, things, random)
        for _ in range(random.integers(self.config.decoys + 1)):
            self._paste_decoy(frame, things, random)
        if random.random() < self.config.night:
            frame = night(frame, random)
        if random.random() < self.config.rain:
            frame = rain(frame, random)
        if random.random() < 0.5:
            frame = compressed(frame, int(random.integers(25, 91)))
        image = self._camera(torch.from_numpy(np.ascontiguousarray(frame.transpose(2, 0, 1))))
        return image, target(things, self.config.side)

    def _crop(self, picture: Picture, random: np.random.Generator) -> tuple[Frame, list[Thing]]:
        """A square of `side`, mostly around one of the picture's objects, which is scaled to a drawn height."""
        config, pixels = self.config, picture.pixels()
        height, width = pixels.shape[:2]
        if picture.things and random.random() < 0.7:  # the rest mostly teaches what is no object
            thing = picture.things[random.integers(len(picture.things))]
            x0, y0, x1, y1 = thing.box
            centre = np.array([(x0 + x1) / 2, (y0 + y1) / 2])
            heights = config.plate_heights if thing.kind == "plate" else config.face_heights
            scale = np.clip(_log_uniform(random, heights) / (y1 - y0), *config.zoom)
        else:
            centre, scale = random.uniform((0, 0), (width, height)), _log_uniform(random, (0.4, 1.5))
        size = scale * np.array([width, height])
        corner = config.side * random.uniform(0.15, 0.85, 2) - scale * centre  # where the frame's corner comes to lie
        corner = np.clip(
            corner, np.minimum(config.side - size, 0), np.maximum(config.side - size, 0)
        )  # little empty border
        angle = random.normal(0, 3)
        matrix = np.vstack([cv2.getRotationMatrix2D((0, 0), angle, float(scale)), (0, 0, 1)])
        matrix[:2, 2] = corner + scale * centre - matrix[:2, :2] @ centre
        if random.random() < 0.5:
            matrix = np.array([(-1, 0, config.side), (0, 1, 0), (0, 0, 1)]) @ matrix
        matrix = matrix.astype(np.float32)
        if scale < 0.7:
            pixels = np.asarray(cv2.GaussianBlur(pixels, (0, 0), 0.4 / scale), np.uint8)  # no aliasing
        frame = cv2.warpAffine(pixels, matrix[:2], (config.side, config.side), borderValue=(114, 114, 114))
        return np.asarray(frame, np.uint8), [Thing(t.kind, moved(t.outline, matrix)) for t in picture.things]

    def _paste_plate(self, frame: Frame, things: list[Thing], random: np.random.Generator) -> None:
        patch = draw_plate(random)
        height, width = patch.shape[:2]
        homography = perspective(
            width, height, _log_uniform(random, self.config.plate_heights), random, yaw=0.9, roll=0.15
        )
        edge = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
        there = self._place(frame, things, patch, edge, homography, random)
        if there is not None:
            things.append(Thing("plate", moved(edge, there)))

    def _paste_face(self, frame: Frame, things: list[Thing], random: np.random.Generator) -> None:
        """An aligned face: its outline is the label; pasted is the head around it, or the whole picture as a poster."""
        patch = Picture(self.faces[int(random.integers(len(self.faces)))], ()).pixels()
        side = patch.shape[0]
        face = self._outliner.outline(patch, (side * 0.22, side * 0.28, side * 0.78, side * 0.84))
        middle = face.mean(0)
        poster = np.array([(0, 0), (side, 0), (side, side), (0, side)], np.float32)
        head = (
            poster if random.random() < 0.2 else np.clip((face - middle) * random.uniform(1.15, 1.5) + middle, 0, side)
        )
        target_height = _log_uniform(random, self.config.face_heights) * side / np.ptp(face[:, 1])
        homography = perspective(side, side, target_height, random, yaw=0.5, roll=0.25)
        there = self._place(frame, things, patch, head.astype(np.float32), homography, random)
        if there is not None:
            things.append(Thing("face", moved(face, there)))

    def _paste_decoy(self, frame: Frame, things: list[Thing], random: np.random.Generator) -> None:
        patch, outline = draw_decoy(random)
        target_height = _log_uniform(random, self.config.plate_heights)
        homography = perspective(patch.shape[1], patch.shape[0], target_height, random, yaw=0.9, roll=0.15)
        self._place(frame, things, patch, outline, homography, random)

    def _place(
        self,
        frame: Frame,
        things: Sequence[Thing],
        patch: Frame,
        mask: NDArray[np.float32],
        homography: NDArray[np.float32],
        random: np.random.Generator,
    ) -> NDArray[np.float32] | None:
        """Paste where no labelled object is hit, and return patch → frame; None after a few tries."""
        extent = moved(mask, homography)
        low, high = extent.min(0), extent.max(0)
        for _ in range(8):
            bounds = np.sort([-0.2 * (high - low), self.config.side - 0.8 * (high - low)], axis=0)
            offset = random.uniform(*bounds) - low
            if all(_apart(low + offset, high + offset, other) for other in things):
                there = np.array([(1, 0, offset[0]), (0, 1, offset[1]), (0, 0, 1)], np.float32) @ homography
                paste(frame, patch, mask, there, random)
                return there
        return None


def target(things: Sequence[Thing], side: int) -> dict[str, Tensor]:
    """torchvision's target of what is visible in a square: boxes (n, 4), labels (n,), masks uint8 (n, side, side)."""
    boxes, labels, masks = [], [], []
    for thing in things:
        whole = np.array(thing.box)
        box = whole.clip(0, side)
        mask = np.zeros((side, side), np.uint8)
        cv2.fillPoly(mask, [np.round(thing.outline).astype(np.int32)], 1)
        if (box != whole).any() and mask.any():  # of a cut polygon, the box of what is left
            x, y, width, height = cv2.boundingRect(mask)
            box = np.array([x, y, x + width, y + height], float)
        visible = mask.sum() / max(cv2.contourArea(thing.outline), 1)
        if visible < _VISIBLE or min(box[2] - box[0], box[3] - box[1]) < _SMALLEST:
            continue
        boxes.append(box.tolist())
        labels.append(KINDS.index(thing.kind) + 1)
        masks.append(mask)
    return {
        "boxes": torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        "labels": torch.tensor(labels, dtype=torch.int64),
        "masks": torch.from_numpy(np.stack(masks) if masks else np.zeros((0, side, side), np.uint8)),
    }


def collate(samples: Sequence[Sample]) -> tuple[list[Tensor], list[dict[str, Tensor]]]:
    """Lists of images and targets, as torchvision's detectors take them."""
    images, targets = zip(*samples, strict=True)
    return list(images), list(targets)


def night(frame: Frame, random: np.random.Generator) -> Frame:
    """Underexposed, warm, noisy, with a lamp's glare."""
    dark = (frame / 255.0) ** random.uniform(1.2, 2.2) * random.uniform(0.3, 0.8) * np.array((1.05, 1.0, 0.85))
    y, x = random.uniform(0, frame.shape[0]), random.uniform(0, frame.shape[1])
    rows, columns = np.ogrid[: frame.shape[0], : frame.shape[1]]
    lamp = random.uniform(0, 0.7) * np.exp(-np.hypot(rows - y, columns - x) / random.uniform(5, 60))
    noisy = dark + lamp[..., None] + random.normal(0, random.uniform(0.01, 0.05), frame.shape)
    return np.asarray(np.clip(noisy * 255, 0, 255), np.uint8)


def rain(frame: Frame, random: np.random.Generator) -> Frame:
    """Bright slanted streaks and less contrast."""
    drops = (random.random(frame.shape[:2]) > 0.997).astype(np.float32)
    length = int(random.integers(7, 19))
    kernel = np.zeros((length, length), np.float32)
    slant = int(random.integers(-length // 3, length // 3 + 1))
    cv2.line(kernel, (length // 2 - slant, 0), (length // 2 + slant, length - 1), 1.0)
    streaks = cv2.filter2D(drops, -1, kernel) * 90
    return np.asarray(np.clip(frame * 0.85 + 20 + streaks[..., None], 0, 255), np.uint8)


def compressed(frame: Frame, quality: int) -> Frame:
    """What a JPEG of `quality` leaves of the frame."""
    data = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]  # the order of channels is kept
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def _log_uniform(random: np.random.Generator, bounds: tuple[float, float]) -> float:
    return float(np.exp(random.uniform(*np.log(bounds))))


def _apart(low: NDArray[np.float32], high: NDArray[np.float32], other: Thing) -> bool:
    x0, y0, x1, y1 = other.box
    return bool(high[0] < x0 or low[0] > x1 or high[1] < y0 or low[1] > y1)
