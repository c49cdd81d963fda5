"""Training of the small Mask R-CNN: configuration, data, one step, recall on the validation halves."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.utils.data import DataLoader, Subset
from torchvision.models.detection import MaskRCNN

from deid_udf import models
from deid_udf.detect.clp import Clp
from deid_udf.detect.efficientnet_lite import folded
from deid_udf.detect.mask_rcnn import MaskRcnn, lite
from deid_udf.metrics.recall import Matches, match
from deid_udf.training.curve import THRESHOLDS, curve
from deid_udf.training.ema import Average
from deid_udf.training.loop import train
from deid_udf.training.pictures import FaceOutliner, Picture, boxed_plates, halves, rotated_plates, synthetic_people
from deid_udf.training.scenes import SceneConfig, Scenes, Source, collate


class DetectorConfig(BaseModel):
    """`conf/train/detector.yaml`; its comments say what each number is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    steps: int
    batch: int
    seed: int
    learning_rate: float
    backbone_rate: float
    weight_decay: float
    warmup: int
    frozen_blocks: int
    average: float
    evaluate_every: int
    validation_frames: int
    weights: dict[str, float]
    scenes: SceneConfig


PlateSets = dict[str, tuple[list[Picture], list[Picture]]]


def plate_sets(data: Path) -> PlateSets:
    """(training, validation) halves of each set of real plates under `data`."""
    return {
        "plates_ro": halves(boxed_plates(data / "plates_ro_train")),
        "plates_cn": halves(rotated_plates(data / "plates_cn")),
    }


def scenes(config: DetectorConfig, data: Path) -> Scenes:
    """Scenes of the training halves, of synthetic people, and of what is pasted into them."""
    pictures = {name: training for name, (training, _) in plate_sets(data).items()}
    if "people" in config.weights:
        pictures["people"] = synthetic_people(models.path("openpeople"), FaceOutliner())
    sources = [Source(pictures[name], weight) for name, weight in config.weights.items()]
    faces = sorted((data / "faces128" / "images").iterdir())
    return Scenes(sources, faces, config.scenes, config.seed, config.steps * config.batch)


def pretrained(frozen_blocks: int) -> MaskRCNN:
    """`lite` on ImageNet features, the stem and the first blocks frozen."""
    network = lite()
    published = torch.load(models.path("efficientnet_lite0"), weights_only=True)
    body = network.backbone.body
    body.load_state_dict(folded(published))
    for layer in (body.stem, *body.blocks[:frozen_blocks]):
        layer.requires_grad_(False)
    return network.to(memory_format=torch.channels_last)


def rate(step: int, config: DetectorConfig) -> float:
    """Share of the learning rate at `step`: linear warm-up, then a cosine to 1 %."""
    warm = min(1.0, (step + 1) / config.warmup)
    return warm * (0.01 + 0.99 * (1 + math.cos(math.pi * step / config.steps)) / 2)


class DetectorTraining:
    """Everything one run needs.

    Args:
        config: the run's numbers.
        data: folder of the data sets.
        device: torch device.
    """

    def __init__(self, config: DetectorConfig, data: Path, device: str) -> None:
        self.config, self.device = config, torch.device(device)
        torch.manual_seed(config.seed)
        self.network = pretrained(config.frozen_blocks).to(self.device)
        self.average = Average(self.network)
        backbone = {id(p) for p in self.network.backbone.body.parameters()}
        trained = [p for p in self.network.parameters() if p.requires_grad]
        self.optimiser = torch.optim.AdamW(
            [
                {"params": [p for p in trained if id(p) not in backbone], "peak": config.learning_rate},
                {"params": [p for p in trained if id(p) in backbone], "peak": config.backbone_rate},
            ],
            weight_decay=config.weight_decay,
        )
        self.scenes = scenes(config, data)
        self.validation = {
            name: [pictures[i] for i in np.linspace(0, len(pictures) - 1, config.validation_frames).astype(int)]
            for name, (_, pictures) in plate_sets(data).items()
        }

    def run(self, folder: Path, workers: int = 0) -> int:
        """Train, or go on training, in `folder`; returns the steps done."""
        parts = {"network": self.network, "average": self.average, "optimiser": self.optimiser}
        batches = _Batches(self.scenes, self.config.batch, workers)

        def step(number: int) -> dict[str, float]:
            images, targets = batches.at(number)
            for group in self.optimiser.param_groups:
                group["lr"] = group["peak"] * rate(number, self.config)
            self.network.train()
            losses = self.network(
                [i.to(self.device) for i in images], [{k: v.to(self.device) for k, v in t.items()} for t in targets]
            )
            total = sum(losses.values())
            self.optimiser.zero_grad()
            total.backward()
            nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
            self.optimiser.step()
            self.average.update(self.network, min(self.config.average, (1 + number) / (10 + number)))
            return {
                "loss": total.item(),
                **{name.removeprefix("loss_"): value.item() for name, value in losses.items()},
            }

        return train(
            folder,
            parts,
            step,
            steps=self.config.steps,
            evaluate=lambda _: self.recall(),
            evaluate_every=self.config.evaluate_every,
        )

    def recall(self, threshold: float = 0.3) -> dict[str, float]:
        """Recall and false boxes a frame of the averaged network on the validation frames, at IoU 0.3."""
        detector = MaskRcnn("mask_rcnn_lite", lambda: self.average.network, str(self.device), threshold)
        values = {}
        for name, pictures in self.validation.items():
            matches = matched(detector, pictures)
            values[f"{name}_recall"] = float(np.concatenate([m.found for m in matches]).mean())
            values[f"{name}_false"] = sum(m.false for m in matches) / len(matches)
        return values

    def curves(self, sets: PlateSets, scale: float) -> dict[str, list[dict[str, float]]]:
        """Plates of every validation half over the threshold: the averaged network alone, and with `clp` beside it.

        Args:
            sets: pictures.
            scale: at which the network sees them (the policy's `scale`).
        """
        tested = MaskRcnn("mask_rcnn_lite", lambda: self.average.network, str(self.device), min(THRESHOLDS))
        clp = Clp(str(self.device), floor=0.1)
        rows = {}
        for name, (_, pictures) in sets.items():
            rows[name] = [asdict(p) for p in curve(tested, pictures, "plate", scale=scale)]
            rows[f"{name} with clp"] = [asdict(p) for p in curve(tested, pictures, "plate", others=[clp], scale=scale)]
        return rows

    def export(self, file: Path) -> None:
        """The averaged weights as float16 safetensors."""
        state = self.average.network.state_dict()
        save_file({name: value.half().contiguous() for name, value in state.items()}, file)


def matched(detector: MaskRcnn, pictures: Sequence[Picture], kind: str = "plate") -> list[Matches]:
    """Detections of `kind` against the labels, a picture at a time."""
    results = []
    for picture in pictures:
        (regions,) = detector.detect([picture.pixels()])
        truth = [thing.box for thing in picture.things if thing.kind == kind]
        results.append(match(truth, [region.box for region in regions if region.kind == kind]))
    return results


class _Batches:
    """Batches by number, in order, wherever they start."""

    def __init__(self, data: Scenes, size: int, workers: int) -> None:
        self._data, self._size, self._workers = data, size, workers
        self._next: int | None = None

    def at(self, number: int) -> tuple[list[Tensor], list[dict[str, Tensor]]]:
        """Images and targets of batch `number`."""
        if number != self._next:
            rest = Subset(self._data, range(number * self._size, len(self._data)))
            self._stream = iter(DataLoader(rest, self._size, collate_fn=collate, num_workers=self._workers))
        self._next = number + 1
        images, targets = next(self._stream)
        return images, targets
