"""The whole step on faces that nobody has: what reaches the picture, and what does not."""

from dataclasses import replace
from decimal import Decimal

import cv2
import numpy as np
import pytest

from deid_udf import policy
from deid_udf.compose import compose
from deid_udf.faces.align import yaw_of_68
from deid_udf.faces.landmarks import align, landmarks_of_crops
from deid_udf.faces.outline import boxed
from deid_udf.faces.protect import FaceProtector
from deid_udf.privacy import KeyedNoise, LaplaceVector, OsNoise
from deid_udf.protect import Target
from deid_udf.schema import Cause, Outcome

KEY = bytes(range(32))
TURNED = 4  # number of the scene's face that looks aside


def protector(noise=None, **options):
    mechanism = {"name": "laplace_vector", "epsilon": Decimal(8), "k": 8, "radius": Decimal(8)}
    chosen = policy.Faces.model_validate({"mechanism": mechanism, "projection": "mean", **options})
    return FaceProtector(chosen, noise=noise or KeyedNoise(KEY))


def target(scene, frame=0, number=0, spend=True):
    context = (b"models", b"content", number.to_bytes(4, "big"))
    return Target(frame=frame, region=scene.region, context=context, scope=None, spend=spend)


def test_a_face_is_replaced_through_the_mechanism(scene):
    picture = scene()
    (new,) = protector().replace([picture.frame], [target(picture)])
    assert (new.outcome, new.cause) == (Outcome.REPLACED, Cause.NONE)
    assert new.mechanism == LaplaceVector(epsilon=8, k=8, radius=8, grid_bits=20)
    assert new.mechanism.worst_case == protector().cost == 8
    frame, changed = compose(picture.frame, [new])
    inside = np.zeros(frame.shape[:2], np.uint8)
    cv2.fillConvexPoly(inside, cv2.convexHull(picture.points.astype(np.int32)), 1)
    assert changed[inside > 0].mean() > 0.99
    assert np.abs(frame.astype(int) - picture.frame)[inside > 0].mean() > 8
    assert np.array_equal(frame[~changed], picture.frame[~changed])


class Recorded:
    """A mechanism that plays back what another one released: the replay test's tool."""

    def __init__(self, mechanism, tape):
        self._mechanism, self._tape = mechanism, tape

    def __getattr__(self, name):
        return getattr(self._mechanism, name)

    def release(self, values, *, noise, contexts):
        if not self._tape:
            self._tape.append(self._mechanism.release(values, noise=noise, contexts=contexts))
        return self._tape[0]


@pytest.mark.parametrize(
    "mechanism",
    [
        {"name": "laplace_vector", "epsilon": Decimal(1000), "k": 64, "radius": Decimal(64)},
        {"name": "laplace_unbounded", "epsilon": Decimal(5)},
        {"name": "exponential", "epsilon": Decimal(8), "size": 64},
    ],
)
def test_replaying_a_release_on_another_face_gives_the_same_new_face_byte_for_byte(scene, mechanism):
    """Nothing of the original reaches the new content but through the mechanism."""
    tape: list[np.ndarray] = []
    contents = []
    for number in (0, 1):
        picture = scene(number=number, side=140 + number)
        one = protector(mechanism=mechanism, projection="encode")
        release = one._release
        release.mechanism = Recorded(release.mechanism, tape)
        contents.append(one.replace([picture.frame], [target(picture)])[0].content)
    assert np.array_equal(*contents)


def test_under_keyed_noise_a_retry_is_the_same_bytes_and_another_object_is_not(scene):
    picture = scene()
    first, again = (protector().replace([picture.frame], [target(picture)])[0] for _ in range(2))
    other = protector().replace([picture.frame], [target(picture, number=1)])[0]
    assert np.array_equal(first.content, again.content)
    assert not np.array_equal(first.content, other.content)


def test_under_system_noise_every_release_is_another_face(scene):
    picture = scene()
    first, again = (protector(OsNoise()).replace([picture.frame], [target(picture)])[0] for _ in range(2))
    assert not np.array_equal(first.content, again.content)


def test_what_may_not_be_spent_or_is_too_small_is_drawn_from_the_prior(scene):
    picture, small = scene(), scene(side=20)
    targets = [target(picture, spend=False), target(small, frame=1)]
    over, tiny = protector().replace([picture.frame, small.frame], targets)
    assert (over.outcome, over.cause) == (Outcome.PRIOR, Cause.OVER_ALLOWANCE)
    assert (tiny.outcome, tiny.cause) == (Outcome.PRIOR, Cause.TOO_SMALL)
    assert over.mechanism.worst_case == tiny.mechanism.worst_case == 0


def test_prior_content_does_not_depend_on_the_face(scene):
    pictures = [scene(number=0), scene(number=1)]
    made = [protector().replace([p.frame], [target(p, spend=False)])[0].content for p in pictures]
    assert np.array_equal(*made)


def test_a_policy_of_the_prior_costs_nothing(scene):
    picture = scene()
    one = protector(mechanism={"name": "prior"})
    (new,) = one.replace([picture.frame], [target(picture)])
    assert one.cost == 0 and (new.outcome, new.cause) == (Outcome.PRIOR, Cause.POLICY)


def test_the_size_of_the_content_follows_the_size_of_the_face(scene):
    pictures = [scene(side=side, size=(900, 700), centre=(450, 350)) for side in (60, 250, 600)]
    new = protector().replace([p.frame for p in pictures], [target(p, frame=i) for i, p in enumerate(pictures)])
    assert [len(r.content) for r in new] == [64, 256, 512]


def test_public_attributes_are_taken_over_only_when_declared_and_then_listed(scene):
    picture = scene()
    dark = replace(picture, frame=(picture.frame * 0.5).astype(np.uint8))
    for public in ([], ["tone"], ["yaw", "tone"]):
        one = protector(public=public)
        a, b = (one.replace([p.frame], [target(p)])[0] for p in (picture, dark))
        assert set(a.public) == set(public)
        darker = a.content.mean() - b.content.mean()
        assert darker > 15 if "tone" in public else abs(darker) < 1e-9


def test_the_papers_warp_puts_landmarks_on_landmarks_and_says_so(scene):
    picture = scene(angle=10)
    (new,) = protector(swap="paper").replace([picture.frame], [target(picture)])
    assert new.public == ("geometry",)
    assert np.allclose(new.matrix[:2, :2], np.eye(2))
    frame, _ = compose(picture.frame, [new])
    found = align([frame], [(0, picture.region)])[0].points
    eyes = np.linalg.norm(picture.points[36:42].mean(0) - picture.points[42:48].mean(0))
    assert np.linalg.norm(found - picture.points, axis=1).mean() < 0.12 * eyes


def mask_over(scene, low, high, colour):
    """Sunglasses, a mask: a dark band over part of the face."""
    frame = scene.frame.copy()
    x0, y0, x1, y1 = scene.region.box
    frame[int(y0 + low * (y1 - y0)) : int(y0 + high * (y1 - y0)), int(x0) : int(x1)] = colour
    return replace(scene, frame=frame)


@pytest.mark.parametrize(
    "name",
    ["small", "large", "upside down", "turned", "cut by the border", "sunglasses", "mask", "grey", "night"],
)
def test_hard_pictures_are_replaced_all_the_same(scene, name):
    picture = {
        "small": lambda: scene(side=36),
        "large": lambda: scene(side=900, size=(1000, 1000), centre=(500, 500)),
        "upside down": lambda: scene(angle=180),
        "turned": lambda: scene(number=TURNED),
        "cut by the border": lambda: scene(centre=(30, 60)),
        "sunglasses": lambda: mask_over(scene(), 0.35, 0.5, 10),
        "mask": lambda: mask_over(scene(), 0.6, 0.95, 200),
        "grey": lambda: replace(scene(), frame=np.repeat(scene().frame.mean(2, keepdims=True), 3, 2).astype(np.uint8)),
        "night": lambda: replace(scene(), frame=(scene().frame * 0.12).astype(np.uint8)),
    }[name]()
    (new,) = protector().replace([picture.frame], [target(picture)])
    assert new.outcome is Outcome.REPLACED
    frame, changed = compose(picture.frame, [new])
    assert np.array_equal(frame[~changed], picture.frame[~changed])
    height, width = changed.shape
    inner = picture.points[17:].astype(int)  # brows, nose, eyes, mouth
    inner = inner[((inner >= 0) & (inner < (width, height))).all(1)]
    assert len(inner) > 20 and changed[inner[:, 1], inner[:, 0]].all()
    assert np.abs(frame.astype(int) - picture.frame)[changed].mean() > 1
    other = picture.frame.copy()  # nothing from inside the mask is in the picture
    other[changed] = np.random.default_rng(0).integers(0, 256, other[changed].shape)
    assert np.array_equal(compose(other, [new])[0], frame)
    if name == "grey":
        assert np.ptp(frame, axis=2).max() <= 2
    if name == "night":
        assert frame[changed].mean() < 2.5 * picture.frame[~changed].mean()


def test_a_face_without_landmarks_is_replaced_where_the_detector_saw_it(scene):
    """The ellipse in the detector's box, in full, with a face of the prior: the box says nothing of the person."""
    picture = scene(number=TURNED, detector_points=False)
    frame, (x0, y0, x1, y1) = picture.frame, picture.region.box
    box = (x0, y0 - 3 * (y1 - y0), x1 + 3 * (x1 - x0), y1)  # a box that no landmarks can fill
    region = replace(picture.region, box=box)
    (new,) = protector().replace([frame], [replace(target(picture), region=region)])
    assert (new.outcome, new.cause) == (Outcome.PRIOR, Cause.UNALIGNED)
    _, changed = compose(frame, [new])
    ellipse = np.zeros(changed.shape, np.uint8)
    middle, axes = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2), (box[2] - box[0] - 4, box[3] - box[1] - 4)
    cv2.ellipse(ellipse, (middle, axes, 0), 1, -1)
    assert changed[ellipse > 0].mean() > 0.99


@pytest.mark.parametrize("side", [-1, 1])
def test_what_has_no_landmarks_is_filled_with_a_face_that_turns_if_yaw_is_public(scene, side):
    picture = scene()
    x0, y0, x1, y1 = picture.region.box
    box = (x0 - (x1 - x0) / 2, y0 - (y1 - y0) / 2, x1 + (x1 - x0) / 2, y1 + (y1 - y0) / 2)
    points = picture.region.points.copy()
    points[2, 0] += side * 0.4 * (points[1, 0] - points[0, 0])
    aside = replace(target(picture), region=replace(picture.region, box=box, points=points))
    turned = {}
    for public in ((), ("yaw",)):
        (new,) = protector(public=public).replace([picture.frame], [aside])
        assert new.public == public
        marks = landmarks_of_crops([new.content])[0]
        placed = cv2.perspectiveTransform((marks * len(new.content))[None], new.matrix)[0]
        low, high = boxed(placed).min(0), boxed(placed).max(0)
        assert (low < np.array(box[:2]) + 3).all() and (high > np.array(box[2:]) - 3).all()
        turned[public] = float(yaw_of_68(marks))
    assert side * turned["yaw",] > 0.2 > abs(turned[()])


def test_of_two_faces_that_touch_neither_is_left_standing(scene):
    left, right = scene(number=0, centre=(120, 120)), scene(number=1, centre=(200, 120))
    frame = left.frame.copy()
    frame[:, 160:] = right.frame[:, 160:]
    new = protector().replace([frame], [target(left), target(right, number=1)])
    out, changed = compose(frame, new)
    for picture in (left, right):
        inner = picture.points[27:].astype(int)  # nose, eyes, mouth
        assert changed[inner[:, 1], inner[:, 0]].all()
    assert np.array_equal(out[~changed], frame[~changed])


def test_no_target_is_no_work():
    assert protector().replace([], []) == []
