"""The line as a whole: every failure is a row, nothing private comes through, and caps and memos hold in one batch."""

import hashlib
import io
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from deid_udf import pipeline as line
from deid_udf.compose import compose
from deid_udf.detect.boxes import box_corners
from deid_udf.detect.region import Frame, Region
from deid_udf.detect.union import Found
from deid_udf.errors import ModelError, Quarantined, Reason
from deid_udf.images.encode import encode
from deid_udf.metrics.recall import coverage
from deid_udf.pipeline import Pipeline, Record
from deid_udf.plates.protect import PlateProtector
from deid_udf.policy import Plates, Policy, Prior, load_policy, parse_policy
from deid_udf.privacy import KeyedNoise, RandomizedResponse
from deid_udf.protect import Replacement, Target, solid_fill
from deid_udf.schema import Cause, Outcome

NOISE = KeyedNoise(bytes(range(32)))
FILL = """
name: test
experiment: true
licences: [MIT, Apache-2.0]
detection: {detectors: [{model: centerface, threshold: 0.5}]}
faces: {mechanism: {name: fill}}
plates: {mechanism: {name: fill}, memo: [sequence_id]}
"""
MARK = (255, 0, 255)  # what the detector below calls a face


class MarkDetector:
    """Finds every 20 px cell of one row whose centre is `MARK`: detection made certain, for what follows it."""

    name = "centerface"
    kinds = frozenset({"face"})

    def detect(self, frames: Sequence[Frame]) -> list[list[Region]]:
        return [
            [
                Region("face", 0.9, (x, 20, x + 20, 40), self.name)
                for x in range(0, frame.shape[1] - 19, 40)
                if tuple(frame[30, x + 10]) == MARK
            ]
            for frame in frames
        ]


class ColourProtector:
    """A mechanism over two colours; `broken` frames make it raise, `shy` ones get an outline that covers nothing."""

    models = ()
    cost = Fraction(2)

    def __init__(self, broken: Sequence[int] = (), shy: bool = False, memo: bytes | None = None) -> None:
        self._broken, self._shy, self._memo = set(broken), shy, memo

    def replace(self, frames: Sequence[Frame], targets: Sequence[Target]) -> list[Replacement]:
        if self._broken & {t.frame for t in targets}:
            raise RuntimeError("a message that quotes the image")
        return [self._one(t) for t in targets]

    def _one(self, target: Target) -> Replacement:
        plain = solid_fill(target.region, Cause.OVER_ALLOWANCE)
        if not target.spend:
            return plain
        return Replacement(
            np.full((1, 1, 3), 7, np.uint8),
            np.eye(3),
            plain.outline * (0 if self._shy else 1),
            "fill",
            Outcome.REPLACED,
            Cause.NONE,
            RandomizedResponse(Fraction(2), 2),
            memo=self._memo,
        )


def _png(*marks: int, width: int = 200) -> bytes:
    frame = np.full((60, width, 3), 90, np.uint8)
    for mark in marks:
        frame[20:40, mark * 40 : mark * 40 + 20] = MARK
    stream = io.BytesIO()
    Image.fromarray(frame).save(stream, "PNG")
    return stream.getvalue()


def _pixels(data: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


@pytest.fixture
def policy() -> Policy:
    return parse_policy(FILL)


@pytest.fixture
def pipe(policy: Policy, monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    monkeypatch.setattr(line, "open_detectors", lambda detection, device: [MarkDetector()])
    return Pipeline(policy, noise=NOISE)


def test_marks_are_replaced_and_all_else_is_as_it_was(pipe: Pipeline) -> None:
    data = _png(0, 2)
    (row,) = pipe.run([Record("a", data)])
    before, after = _pixels(data), _pixels(row["protected"])
    assert row["status"] == "released"
    assert row["output_sha256"] == hashlib.sha256(row["protected"]).hexdigest()
    assert [o["box"][0] for o in row["objects"]] == [-2, 78]  # grown by a tenth, in reading order
    assert not (after == MARK).all(-1).any()
    far = np.ones(before.shape[:2], np.bool_)
    for x in (0, 80):
        far[16:45, max(x - 4, 0) : x + 25] = False
    assert np.array_equal(before[far], after[far])


def test_an_image_without_objects_is_released_with_an_empty_ledger(pipe: Pipeline) -> None:
    (row,) = pipe.run([Record("a", _png())])
    assert row["status"] == "released"
    assert row["objects"] == []
    assert row["epsilon_total"] == row["epsilon_max"] == 0
    assert np.array_equal(_pixels(row["protected"]), _pixels(_png()))


def test_every_bad_image_is_a_row_with_its_reason_and_the_rest_is_released(pipe: Pipeline) -> None:
    good = _png(1)
    records = [
        Record("empty", b""),
        Record("good", good, content_sha256=hashlib.sha256(good).hexdigest()),
        Record("text", b"no image at all"),
        Record("cut", good[: len(good) // 2]),
        Record("other bytes", good, content_sha256="0" * 64),
        Record("missing", Quarantined(Reason.MISSING, "no such key")),
    ]
    rows = pipe.run(records)
    reasons = ["empty", None, "not_an_image", "truncated", "hash_mismatch", "missing"]
    assert [row["reason"] for row in rows] == reasons
    assert [row["protected"] is None for row in rows] == [reason is not None for reason in reasons]


def test_a_frame_that_breaks_the_batch_takes_only_itself_out(pipe: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaking(frame: Frame, replacements: list[Replacement]) -> tuple[Frame, NDArray[np.bool_]]:
        if frame.shape[1] == 240:
            raise MemoryError("a message that quotes the image")
        return compose(frame, replacements)

    monkeypatch.setattr(line, "compose", breaking)
    rows = pipe.run([Record(str(w), _png(0, width=w)) for w in (200, 240, 280)])
    assert [row["status"] for row in rows] == ["released", "quarantined", "released"]
    assert rows[1]["reason"] == "internal"
    assert "quotes" not in rows[1]["detail"]


def test_an_object_that_breaks_its_protector_is_filled(pipe: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipe, "_protectors", {"face": ColourProtector(broken=[1]), "plate": ColourProtector()})
    rows = pipe.run([Record(str(i), _png(0, 1)) for i in range(3)])
    assert [row["status"] for row in rows] == ["released"] * 3
    assert [[o["outcome"] for o in row["objects"]] for row in rows] == [
        ["replaced"] * 2,
        ["filled"] * 2,
        ["replaced"] * 2,
    ]
    assert {o["cause"] for o in rows[1]["objects"]} == {"failed"}
    assert not (_pixels(rows[1]["protected"]) == MARK).all(-1).any()


def test_an_outline_that_misses_its_region_is_not_believed(pipe: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipe, "_protectors", {"face": ColourProtector(shy=True), "plate": ColourProtector()})
    (row,) = pipe.run([Record("a", _png(1))])
    assert [o["outcome"] for o in row["objects"]] == ["filled"]
    assert not (_pixels(row["protected"]) == MARK).all(-1).any()


def test_a_plate_of_which_a_part_would_stay_is_filled(monkeypatch: pytest.MonkeyPatch, policy: Policy) -> None:
    """The outline's bounding box is the region's; its corner, in which another plate was found, is not replaced."""
    slanted = np.array([(20, 30), (120, 10), (120, 30), (20, 50)], np.float32)
    corner = np.array([(90, 38), (118, 38), (118, 48), (90, 48)], np.float32)

    class Slanted(ColourProtector):
        def _one(self, target: Target) -> Replacement:
            return replace(super()._one(target), outline=slanted)

    pipe = Pipeline(policy, noise=NOISE)
    monkeypatch.setattr(pipe, "_protectors", {"face": ColourProtector(), "plate": Slanted()})
    frame = np.random.default_rng(0).integers(0, 255, (60, 200, 3), dtype=np.uint8)
    for parts, outcome in (((slanted,), Outcome.REPLACED), ((slanted, corner), Outcome.FILLED)):
        plate = Found(Region("plate", 0.9, (20, 10, 120, 50), "test", corners=slanted, parts=parts), False)
        (done,) = pipe.protect([frame], found=[[plate]])
        assert [r.outcome for r in done.replacements] == [outcome]
        assert all(coverage(part, done.changed) >= 0.95 for part in parts)


def test_plates_are_told_the_outlines_of_faces_that_leave_their_boxes(
    monkeypatch: pytest.MonkeyPatch, policy: Policy
) -> None:
    wide = box_corners((0, 30, 90, 59))

    class Wide(ColourProtector):
        def _one(self, target: Target) -> Replacement:
            return replace(super()._one(target), outline=wide)

    prior = Plates(mechanism=Prior(name="prior"))
    pipe = Pipeline(policy, noise=NOISE)
    protectors = {"face": Wide(), "plate": PlateProtector(prior, noise=NOISE, device="cpu")}
    monkeypatch.setattr(pipe, "_protectors", protectors)
    objects = [
        Found(Region("plate", 0.9, (10, 8, 70, 24), "test"), False),
        Found(Region("face", 0.9, (10, 36, 50, 59), "test"), False),
    ]
    frame = np.full((60, 200, 3), 120, np.uint8)
    other = frame.copy()
    other[30:36, 0:90] = 255  # in the face's outline, outside its box
    records = [Record("a", b"", content_sha256="0" * 64)]
    one, two = (pipe.protect([some], records, found=[objects])[0].replacements[0] for some in (frame, other))
    assert one.outcome is Outcome.PRIOR
    np.testing.assert_array_equal(one.content, two.content)


@pytest.mark.parametrize(
    ("allowance", "outcomes"),
    [
        (None, ["replaced"] * 3),
        ("6", ["replaced"] * 3),
        ("5.999999999", ["replaced", "replaced", "filled"]),
        ("2", ["replaced", "filled", "filled"]),
        ("1.999999999", ["filled"] * 3),
        ("0", ["filled"] * 3),
    ],
)
def test_an_image_never_spends_above_its_allowance(
    pipe: Pipeline, monkeypatch: pytest.MonkeyPatch, allowance: str | None, outcomes: list[str]
) -> None:
    monkeypatch.setattr(pipe, "_protectors", {"face": ColourProtector(), "plate": ColourProtector()})
    (row,) = pipe.run([Record("a", _png(0, 1, 2), allowance=None if allowance is None else Decimal(allowance))])
    assert [o["outcome"] for o in row["objects"]] == outcomes
    assert row["epsilon_total"] == 2 * outcomes.count("replaced")
    assert allowance is None or row["epsilon_total"] <= Decimal(allowance)


def test_a_memoised_draw_is_charged_to_the_first_released_image_of_a_task(
    pipe: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipe, "_protectors", {"face": ColourProtector(memo=b"m"), "plate": ColourProtector()})
    failures = [OSError()]

    def failing_once(*given: object) -> bytes:
        if failures:
            raise failures.pop()
        return encode(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(line, "encode", failing_once)
    charged: dict[bytes, str] = {}
    rows = pipe.run([Record(i, _png(0)) for i in ("lost", "first")], charged)
    rows += pipe.run([Record("second", _png(0))], charged)
    assert [row["reason"] for row in rows] == ["encode_failed", None, None]
    assert [row["epsilon_total"] for row in rows[1:]] == [2, 0]
    assert rows[2]["objects"][0]["memo_of"] == "first/0"


def test_passes_are_bounded_by_pixels(pipe: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    protect = pipe.protect

    def watching(frames: Sequence[Frame], *rest: object) -> object:
        sizes.append(len(frames))
        return protect(frames, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(pipe, "protect", watching)
    monkeypatch.setattr(line, "_PIXELS_AT_ONCE", 60 * 200 * 2)
    rows = pipe.run([Record(str(i), _png(0)) for i in range(5)])
    assert [row["status"] for row in rows] == ["released"] * 5
    assert sizes == [2, 2, 1]


def test_frames_need_no_files(pipe: Pipeline) -> None:
    frame = _pixels(_png(0))
    (protected,) = pipe.protect([frame])
    assert not (protected.frame == MARK).all(-1).any()
    assert len(protected.entries) == 1


def test_a_licence_outside_the_policy_stops_the_pipeline_before_anything_is_read() -> None:
    text = Path("conf/policy/street.yaml").read_text().replace(", NVIDIA-NC", "")
    with pytest.raises(ModelError, match="NVIDIA-NC"):
        Pipeline(parse_policy(text), noise=NOISE)


@pytest.mark.parametrize("name", ["street", "street-commercial", "paper", "blur", "mosaic"])
def test_every_shipped_policy_runs_on_a_picture(models_cache: Path, name: str) -> None:
    rng = np.random.default_rng(0)
    frame = rng.integers(0, 256, (96, 128, 3), np.uint8)
    pipe = Pipeline(load_policy(f"conf/policy/{name}.yaml"), noise=NOISE)
    (first,), (again,) = pipe.protect([frame]), pipe.protect([frame])
    assert np.array_equal(first.frame[~first.changed], frame[~first.changed])
    assert np.array_equal(first.frame, again.frame)
    assert first.entries == again.entries
