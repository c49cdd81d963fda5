"""Plates: read, code, noise on the cycle, and a new plate drawn in the old one's place (§5.3.2, Fig. 6–7)."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import cv2
import numpy as np
from numpy.typing import NDArray

from deid_udf.detect.region import Frame
from deid_udf.errors import PolicyError
from deid_udf.plates import code
from deid_udf.plates.appearance import matched_to
from deid_udf.plates.draw import draw_plate
from deid_udf.plates.formats import Pattern, PlateFormat, load_format
from deid_udf.plates.identify import Identity, identify, median_colour
from deid_udf.plates.memo import Draw, Memo
from deid_udf.plates.quad import Quad, aspect_of, quad_of, stretched_to, upright
from deid_udf.plates.read import open_reader, read_plates
from deid_udf.plates.render import Window, render, surroundings
from deid_udf.policy import CyclicLaplace, Plates, RandomizedResponse
from deid_udf.policy import Prior as PriorChoice
from deid_udf.privacy import Mechanism, NoiseSource, Prior
from deid_udf.protect import Replacement, Target
from deid_udf.schema import Cause, Outcome

_PRIOR = Prior("plate")


@dataclass(frozen=True, slots=True)
class _Content:
    """What will stand on one new plate, and on whose account."""

    form: PlateFormat
    pattern: Pattern
    text: str
    mechanism: Mechanism
    outcome: Outcome
    cause: Cause
    memo: bytes | None = None


class PlateProtector:
    """`deid_udf.protect.Protector` for licence plates.

    Args:
        policy: mechanism, reader, formats, memo and namespace.
        noise: of the mechanism and of everything that is drawn from the prior.
        device: "cpu" or "cuda:N".

    Raises:
        PolicyError: an unknown format, or a reserved namespace that one of the formats does not have.
        ModelError: an unknown reader.
    """

    def __init__(self, policy: Plates, *, noise: NoiseSource, device: str) -> None:
        assert isinstance(policy.mechanism, (RandomizedResponse, CyclicLaplace, PriorChoice)), policy.mechanism.name
        self._policy = policy
        self._choice = None if isinstance(policy.mechanism, PriorChoice) else policy.mechanism
        self._noise = noise
        self._formats = [load_format(name) for name in policy.formats]
        self._fallback = load_format(policy.fallback)
        self._reader = open_reader(policy.reader, device)
        self._memo = Memo()
        for form in {*self._formats, self._fallback}:
            if policy.namespace == "reserved" and form.reserved is None:
                raise PolicyError(
                    f"plates.namespace: no reserved series is known for format {form.name!r}; use `issued`, or leave "
                    f"that format out of plates.formats and plates.fallback"
                )

    @property
    def cost(self) -> Fraction | None:
        """That of the dearest pattern of any format; narrowing a pattern only makes it cheaper."""
        if self._choice is None:
            return Fraction(0)
        forms = [*self._formats, self._fallback]
        return max(code.mechanism(self._choice, p).worst_case for form in forms for p in form.expand())

    @property
    def models(self) -> tuple[str, ...]:
        """The reader, if plates are read at all."""
        return () if self._choice is None else (self._reader.name,)

    def replace(self, frames: Sequence[Frame], targets: Sequence[Target]) -> list[Replacement]:
        """See `Protector`."""
        quads = [quad_of(target.region) for target in targets]
        contents = self._contents(frames, targets, quads)
        seeds = self._noise.seeds([(*target.context, b"plate grain") for target in targets])
        return [
            self._replacement(frames[target.frame], target, quad, content, np.random.default_rng(seed))
            for target, quad, content, seed in zip(targets, quads, contents, seeds, strict=True)
        ]

    def _contents(self, frames: Sequence[Frame], targets: Sequence[Target], quads: Sequence[Quad]) -> list[_Content]:
        """What each new plate says: the mechanism's output where there is one, else a draw from the prior."""
        causes = [self._cause(target, quad) for target, quad in zip(targets, quads, strict=True)]
        contents = [self._prior(target, cause) for target, cause in zip(targets, causes, strict=True)]
        wanted = [i for i, cause in enumerate(causes) if cause is Cause.NONE]
        places = [(targets[i].frame, quads[i]) for i in wanted]
        for i, place, lattices in zip(wanted, places, read_plates(frames, places, self._reader), strict=True):
            colour = median_colour(frames[place[0]], place[1])
            identity = identify(lattices, colour, self._formats, self._fallback)
            contents[i] = (
                self._prior(targets[i], Cause.UNREADABLE) if identity is None else self._noisy(targets[i], identity)
            )
        return contents

    def _cause(self, target: Target, quad: Quad) -> Cause:
        """Why a plate is not even read, or `NONE`."""
        if _height(quad) < self._policy.min_size:
            return Cause.TOO_SMALL
        if self._choice is None:
            return Cause.POLICY
        return Cause.NONE if target.spend else Cause.OVER_ALLOWANCE

    def _noisy(self, target: Target, identity: Identity) -> _Content:
        """The mechanism on one plate's code. The same code in the same scope keeps its draw."""
        assert self._choice is not None
        form, pattern = identity.form, identity.pattern
        mechanism = code.mechanism(self._choice, pattern)
        key = (target.scope, form.name, pattern, identity.text)
        draw = None if target.scope is None else self._memo.get(key)
        if draw is None:
            values = np.array([code.encode(identity.text, pattern)], np.int64)
            context = (b"plate", form.name.encode(), *(target.context if target.scope is None else target.scope))
            (noisy,) = mechanism.release(values, noise=self._noise, contexts=[context])
            draw = Draw(self._shown(code.decode(noisy.tolist(), pattern), form))
            if target.scope is not None:
                self._memo.put(key, draw)
        memo = None if target.scope is None else draw.token
        return _Content(form, pattern, draw.text, mechanism, Outcome.REPLACED, Cause.NONE, memo)

    def _prior(self, target: Target, cause: Cause) -> _Content:
        """A plate of the first format's first pattern, every symbol uniform: independent of the object."""
        form = self._formats[0]
        pattern = form.expand()[0]
        if cause is Cause.TOO_SMALL:
            return _Content(form, pattern, "", _PRIOR, Outcome.PRIOR, cause)
        (seed,) = self._noise.seeds([(*target.context, b"plate prior")])
        drawn = np.random.default_rng(seed).integers(0, pattern.moduli).tolist()
        return _Content(form, pattern, self._shown(code.decode(drawn, pattern), form), _PRIOR, Outcome.PRIOR, cause)

    def _replacement(
        self, frame: Frame, target: Target, quad: Quad, content: _Content, rng: np.random.Generator
    ) -> Replacement:
        """Draw the content into the frame's pixels around the plate. The old plate's own pixels are not looked at."""
        outline = stretched_to(quad, target.region.box)
        plate_quad = np.asarray((quad + outline) / 2, np.float32)  # the margin is unsure: half of it becomes plate
        window = Window.around(outline)
        backdrop, look = surroundings(frame, _hidden(frame, target, outline), window)
        plate = draw_plate(content.form, content.form.layout(aspect_of(plate_quad)), content.pattern, content.text)
        public = ["format"] if content.outcome is Outcome.REPLACED else []
        if "illumination" in self._policy.public:
            look = matched_to(look, plate, upright(frame, quad, (32, 12)))
            public.append("illumination")
        return Replacement(
            content=render(plate, plate_quad, backdrop, window, look, rng),
            matrix=np.array([[1, 0, window.x], [0, 1, window.y], [0, 0, 1]], np.float64),
            outline=outline,
            blend="paste",
            outcome=content.outcome,
            cause=content.cause,
            mechanism=content.mechanism,
            public=tuple(public),
            memo=content.memo,
        )

    def _shown(self, text: str, form: PlateFormat) -> str:
        return code.reserve(text, form) if self._policy.namespace == "reserved" else text


def _hidden(frame: Frame, target: Target, outline: Quad) -> NDArray[np.bool_]:
    """The pixels of a frame that belong to any private region: nothing there may colour a new plate."""
    mask = np.zeros(frame.shape[:2], np.uint8)
    own = np.round(outline).astype(np.int32)
    cv2.fillConvexPoly(mask, own, 1)
    cv2.polylines(mask, [own], isClosed=True, color=1, thickness=3)
    for x0, y0, x1, y1 in target.neighbours:
        low, high = np.floor((x0, y0)).astype(int), np.ceil((x1, y1)).astype(int)
        mask[max(low[1], 0) : max(high[1], 0), max(low[0], 0) : max(high[0], 0)] = 1
    return mask.astype(bool)


def _height(quad: Quad) -> float:
    _, right, _, left = np.linalg.norm(np.roll(quad, -1, 0) - quad, axis=1)
    return float((right + left) / 2)
