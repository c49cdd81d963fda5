"""The file to read first: decode → detect → protect → compose → encode, for one batch of images, with its ledger.

Runs without Spark. A failure is a row, not an exception: an image that cannot be read or written is quarantined with
its reason; an object that cannot be replaced as the policy says gets prior content, then a solid fill, never its own
pixels.
"""

import hashlib
import time
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deid_udf import ledger, models
from deid_udf.compose import Mask, compose, covered
from deid_udf.detect.boxes import box_corners
from deid_udf.detect.region import Frame, Kind
from deid_udf.detect.registry import open_detectors
from deid_udf.detect.union import Found, find_private
from deid_udf.errors import Quarantined, Reason
from deid_udf.images.decode import Decoded, Limits, decode
from deid_udf.images.encode import Encoding, encode
from deid_udf.log import logger
from deid_udf.plates.protect import PlateProtector
from deid_udf.policy import Policy
from deid_udf.privacy import NoiseSource, granted
from deid_udf.protect import Protector, Replacement, Target, solid_fill
from deid_udf.protectors import open_protectors
from deid_udf.schema import Cause, Status

_PIXELS_AT_ONCE = 48_000_000  # decoded pixels held by one pass: 50 frames of 1280×720, or one of 48 megapixels

_FACE_COVERED = 0.25  # what an outline's bounding box must share of a face's box, which is much larger than the face
_PLATE_COVERED = 0.95  # what an outline must replace of each part of a plate

Result = dict[str, Any]  # the columns of schema.RESULT


@dataclass(frozen=True, slots=True)
class Record:
    """One image to protect.

    Attributes:
        image_id: names the image in the ledger.
        data: encoded bytes; or a reason why there are none.
        content_sha256: hex hash that ingest made, checked against `data`, or None.
        scope: values of the policy's scope columns.
        allowance: most that this image may spend, or None for no cap.
    """

    image_id: str
    data: bytes | Quarantined
    content_sha256: str | None = None
    scope: Mapping[str, str | None] = field(default_factory=dict)
    allowance: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Protected:
    """One protected frame.

    Attributes:
        frame: uint8 (H, W, 3) RGB.
        changed: bool (H, W), the pixels that may differ from the original.
        entries: its ledger entries (`schema.OBJECT`).
        replacements: what each entry stands for.
    """

    frame: Frame
    changed: Mask
    entries: list[ledger.Entry]
    replacements: list[Replacement]


class Pipeline:
    """One policy, opened on one device; models load when first needed, once a process.

    Args:
        policy: what is private, what replaces it, and what may be spent.
        noise: where the mechanisms' random bits come from.
        device: "cpu" or "cuda:N".

    Raises:
        ModelError: a model is unknown, or its licence is not accepted.
    """

    def __init__(self, policy: Policy, *, noise: NoiseSource, device: str = "cpu") -> None:
        self.policy = policy
        self._noise = noise
        self._protectors = open_protectors(policy, noise=noise, device=device)
        models.check_licences(self.models, policy.licences)
        self._detectors = open_detectors(policy.detection, device)
        self._limits = Limits(max_bytes=policy.output.max_bytes, max_pixels=policy.output.max_pixels)
        self._encoding = Encoding(quality=policy.output.quality, keep_metadata=policy.output.keep_metadata)
        self._models_digest = models.digest(self.models)

    @property
    def models(self) -> tuple[str, ...]:
        """Registry names of every model that this policy opens, sorted."""
        names = {choice.model for choice in self.policy.detection.detectors}
        return tuple(sorted(names.union(*(p.models for p in self._protectors.values()))))

    @property
    def plate_formats(self) -> tuple[str, ...]:
        """Names of the plate formats that this policy draws, sorted."""
        plates = self._protectors["plate"]
        return plates.formats if isinstance(plates, PlateProtector) else ()

    def run(self, records: Sequence[Record], charged: MutableMapping[bytes, str] | None = None) -> list[Result]:
        """Protect encoded images.

        Args:
            records: any number; passes are bounded by decoded pixels, whatever the batch.
            charged: memoised draws already charged in this task, changed in place; give the same one to every batch of
            a task.

        Returns:
            One `schema.RESULT` row a record, in order.
        """
        charged = {} if charged is None else charged
        return [row for some in self._passes(records) for row in self._run(some, charged)]

    def find(self, frames: Sequence[Frame], names: Sequence[str] | None = None) -> list[list[Found]]:
        """Private objects of each frame (Step I of the paper), in reading order, which is the order of spending.

        Args:
            frames: uint8 (H, W, 3) RGB.
            names: what each is called in the log; by default its number.
        """
        found = find_private(frames, self.policy.detection, self._detectors, names)
        return [sorted(some, key=lambda f: (f.region.kind, f.region.box[1], f.region.box[0])) for some in found]

    def protect(
        self,
        frames: Sequence[Frame],
        records: Sequence[Record] | None = None,
        found: Sequence[Sequence[Found]] | None = None,
    ) -> list[Protected]:
        """Protect decoded frames (uint8 (H, W, 3) RGB): the same line without files.

        Args:
            frames: the batch; sizes may differ.
            records: what each frame is called and may spend; by default its own hash and no cap.
            found: the objects to replace; by default what `find` finds.
        """
        if records is None:
            records = [Record(image_id=str(i), data=b"", content_sha256=_frame_hash(f)) for i, f in enumerate(frames)]
        found = self.find(frames, [record.image_id for record in records]) if found is None else found
        replacements = self._replace(frames, records, found)
        done = []
        for frame, objects, new in zip(frames, found, replacements, strict=True):
            canvas, changed = compose(frame, new)
            rows = [ledger.entry(i, f, r, self._noise) for i, (f, r) in enumerate(zip(objects, new, strict=True))]
            done.append(Protected(canvas, changed, rows, new))
        return done

    def _passes(self, records: Sequence[Record]) -> Iterator[list[tuple[Record, Decoded | Quarantined]]]:
        """Decode, and cut the batch so that one pass never holds more than a bounded number of pixels."""
        some: list[tuple[Record, Decoded | Quarantined]] = []
        held = 0
        for record in records:
            image = self._decode(record)
            size = 0 if isinstance(image, Quarantined) else image.frame.shape[0] * image.frame.shape[1]
            if some and held + size > _PIXELS_AT_ONCE:
                yield some
                some, held = [], 0
            some.append((record, image))
            held += size
        if some:
            yield some

    def _decode(self, record: Record) -> Decoded | Quarantined:
        if isinstance(record.data, Quarantined):
            return record.data
        try:
            if record.content_sha256 and record.content_sha256 != hashlib.sha256(record.data).hexdigest():
                raise Quarantined(Reason.HASH_MISMATCH, "the bytes are not those that were ingested")
            return decode(record.data, self._limits)
        except Quarantined as reason:
            return reason
        except Exception as error:
            return _internal(record, "decode", error)

    def _run(
        self, batch: list[tuple[Record, Decoded | Quarantined]], charged: MutableMapping[bytes, str]
    ) -> list[Result]:
        start = time.perf_counter()
        readable = [(record, image) for record, image in batch if isinstance(image, Decoded)]
        protected = self._protect_safely([image.frame for _, image in readable], [record for record, _ in readable])
        finished = iter(zip(readable, protected, strict=True))
        rows: list[Result] = []
        for record, image in batch:
            if isinstance(image, Quarantined):
                rows.append(_quarantine_row(image))
                continue
            _, outcome = next(finished)
            rows.append(self._finish(record, image, outcome, charged))
        seconds = (time.perf_counter() - start) / max(len(batch), 1)
        for row in rows:
            row["seconds"] = seconds
        return rows

    def _protect_safely(self, frames: list[Frame], records: list[Record]) -> list[Protected | Quarantined]:
        """`protect`, where one frame that breaks the batch takes only itself out of it."""
        if not frames:
            return []
        try:
            return list(self.protect(frames, records))
        except Exception as error:
            if len(frames) == 1:
                return [_internal(records[0], "protect", error)]
            halves = (slice(None, len(frames) // 2), slice(len(frames) // 2, None))
            return [p for half in halves for p in self._protect_safely(frames[half], records[half])]

    def _finish(
        self, record: Record, image: Decoded, outcome: Protected | Quarantined, charged: MutableMapping[bytes, str]
    ) -> Result:
        """Encode one protected frame and close its ledger: only a released image is charged a memoised draw."""
        if isinstance(outcome, Quarantined):
            return _quarantine_row(outcome)
        try:
            data = encode(image, outcome.frame, outcome.changed, self._encoding)
        except Quarantined as reason:
            return _quarantine_row(reason)
        except Exception as error:
            _internal(record, "encode", error)
            return _quarantine_row(Quarantined(Reason.ENCODE_FAILED, type(error).__name__))
        ledger.charge_once(record.image_id, outcome.entries, outcome.replacements, charged)
        total, largest = ledger.totals(outcome.entries)
        return {
            "status": str(Status.RELEASED),
            "reason": None,
            "detail": None,
            "protected": data,
            "output_sha256": hashlib.sha256(data).hexdigest(),
            "output_format": image.format,
            "objects": outcome.entries,
            "epsilon_total": total,
            "epsilon_max": largest,
        }

    def _replace(
        self, frames: Sequence[Frame], records: Sequence[Record], found: Sequence[Sequence[Found]]
    ) -> list[list[Replacement]]:
        """New content for every object of every frame: one call a kind, over the whole batch.

        A kind knows the outlines of what was made before it: a face's may leave its box.
        """
        replacements: list[list[Replacement]] = [[solid_fill(f.region, Cause.FAILED) for f in some] for some in found]
        private = [[[r.outline] for r in some] for some in replacements]
        wanted: dict[Kind, list[tuple[int, int, Target]]] = {kind: [] for kind in self._protectors}
        for i, (record, objects) in enumerate(zip(records, found, strict=True)):
            for j, target in enumerate(self._targets(i, record, objects)):
                wanted[target.region.kind].append((i, j, target))
        for kind, work in wanted.items():
            targets = [replace(target, neighbours=_all_but(j, private[i])) for i, j, target in work]
            made = _replace_safely(self._protectors[kind], frames, targets)
            for (i, j, target), replacement in zip(work, made, strict=True):
                if _covers(replacement, target, frames[i]):
                    replacements[i][j] = replacement
                    private[i][j].append(replacement.outline)
        return replacements

    def _targets(self, index: int, record: Record, objects: Sequence[Found]) -> Iterator[Target]:
        """Spend in order while the allowance lasts; what no longer fits is drawn from the prior."""
        content = (record.content_sha256 or hashlib.sha256(_bytes(record)).hexdigest()).encode()
        memo = self.policy.plates.memo
        scope = tuple((record.scope.get(column) or "").encode() for column in memo)
        known = bool(memo) and all(record.scope.get(column) is not None for column in memo)
        grants = granted([self._protectors[found.region.kind].cost for found in objects], record.allowance)
        for number, (found, spend) in enumerate(zip(objects, grants, strict=True)):
            yield Target(
                frame=index,
                region=found.region,
                context=(self._models_digest, content, number.to_bytes(4, "big")),
                scope=(self._models_digest, *scope) if known else None,
                spend=spend,
            )


def _all_but(j: int, outlines: Sequence[Sequence[NDArray[np.float32]]]) -> tuple[NDArray[np.float32], ...]:
    """The outlines of every object of a frame but the one numbered `j`."""
    return tuple(outline for k, some in enumerate(outlines) if k != j for outline in some)


def _replace_safely(protector: Protector, frames: Sequence[Frame], targets: Sequence[Target]) -> list[Replacement]:
    """One call for all; if it breaks, one by one, and a solid fill for the target that breaks alone."""
    if not targets:
        return []
    try:
        return protector.replace(frames, targets)
    except Exception as error:
        if len(targets) > 1:
            return [r for target in targets for r in _replace_safely(protector, frames, [target])]
        logger().warning("object_filled", kind=targets[0].region.kind, error=type(error).__name__)
        return [solid_fill(targets[0].region, Cause.FAILED)]


def _covers(replacement: Replacement, target: Target, frame: Frame) -> bool:
    """Whether an outline lies over its region: none may leave the original standing, nor any part of a plate."""
    if not (np.isfinite(replacement.outline).all() and np.isfinite(replacement.matrix).all()):
        return False
    if target.region.kind == "plate":
        parts = target.region.parts or (box_corners(target.region.box),)
        return all(covered(part, replacement.outline, frame.shape[:2]) >= _PLATE_COVERED for part in parts)
    x0, y0, x1, y1 = target.region.box
    x0, y0, x1, y1 = max(x0, 0), max(y0, 0), min(x1, frame.shape[1]), min(y1, frame.shape[0])
    if x1 <= x0 or y1 <= y0:
        return True
    low = np.maximum(replacement.outline.min(0), (x0, y0))
    high = np.minimum(replacement.outline.max(0), (x1, y1))
    return bool(np.prod(np.maximum(high - low, 0)) >= _FACE_COVERED * (x1 - x0) * (y1 - y0))


def _quarantine_row(error: Quarantined) -> Result:
    row: Result = dict.fromkeys(
        ("protected", "output_sha256", "output_format", "objects", "epsilon_total", "epsilon_max")
    )
    return row | {"status": str(Status.QUARANTINED), "reason": str(error.reason), "detail": error.detail}


def _internal(record: Record, step: str, error: Exception) -> Quarantined:
    """An unforeseen failure: logged by its type alone, since a message could quote the image."""
    logger().error("image_quarantined", image_id=record.image_id, step=step, error=type(error).__name__)
    return Quarantined(Reason.INTERNAL, f"{step}: {type(error).__name__}")


def _frame_hash(frame: Frame) -> str:
    shape = np.array(frame.shape, ">u4").tobytes()
    return hashlib.sha256(shape + np.ascontiguousarray(frame).tobytes()).hexdigest()


def _bytes(record: Record) -> bytes:
    return record.data if isinstance(record.data, bytes) else b""
