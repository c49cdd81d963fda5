"""Plates: read, code, noise on the cycle, and a new plate drawn in the old one's place (§5.3.2, Fig. 6–7)."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from deid_udf.detect.corners import stretched_to
from deid_udf.detect.region import Frame
from deid_udf.errors import PolicyError
from deid_udf.plates import code
from deid_udf.plates.appearance import matched_to
from deid_udf.plates.draw import draw_plate
from deid_udf.plates.formats import Pattern, PlateFormat, load_format
from deid_udf.plates.identify import Identity, identify, look_at
from deid_udf.plates.memo import Draw, Memo
from deid_udf.plates.quad import Quad, aspect_of, edges_of, height_of, outline_of, quad_of, upright
from deid_udf.plates.read import open_reader, read_plates
from deid_udf.plates.render import Window, render, surroundings
from deid_udf.policy import CyclicLaplace, Plates, RandomizedResponse
from deid_udf.policy import Prior as PriorChoice
from deid_udf.privacy import Mechanism, NoiseSource, Prior
from deid_udf.protect import Replacement, Target
from deid_udf.schema import Cause, Outcome

_PRIOR = Prior("plate")
_PLATE_SHARE = 0.05  # of the margin that a region grew by: found edges are a little off either way


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
    lines: int | None = None


class PlateProtector:
    """`deid_udf.protect.Protector` for licence plates.

    Args:
        policy: mechanism, reader, formats, memo and namespace.
        noise: of the mechanism and of everything that is drawn from the prior.
        device: "cpu" or "cuda:N".

    Raises:
        PolicyError: an unknown format, one with symbols that the reader does not know, or a reserved namespace that one
            of the formats does not have.
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
        self._cost = Fraction(0)
        if self._choice is not None:
            patterns = [pattern for form in (*self._formats, self._fallback) for pattern in form.expand()]
            self._cost = max(code.mechanism(self._choice, pattern).worst_case for pattern in patterns)
        for form in {*self._formats, self._fallback}:
            unknown = {s for alphabet in form.alphabets.values() for s in alphabet}.difference(self._reader.symbols)
            if unknown and self._choice is not None:
                raise PolicyError(
                    f"plates.reader: {policy.reader!r} cannot read format {form.name!r}: it does not know "
                    f"{''.join(sorted(unknown))}"
                )
            if policy.namespace == "reserved" and form.reserved is None:
                raise PolicyError(
                    f"plates.namespace: no reserved series is known for format {form.name!r}; use `issued`, or leave "
                    f"that format out of plates.formats and plates.fallback"
                )

    @property
    def cost(self) -> Fraction | None:
        """That of the dearest pattern of any format; narrowing a pattern only makes it cheaper."""
        return self._cost

    @property
    def models(self) -> tuple[str, ...]:
        """The reader, if plates are read at all."""
        return () if self._choice is None else (self._reader.name,)

    @property
    def formats(self) -> tuple[str, ...]:
        """Names of every format that a new plate may follow."""
        return tuple(sorted({self._fallback.name, *(form.name for form in self._formats)}))

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
        read: list[tuple[int, Identity]] = []
        for i, (frame, quad), lattices in zip(wanted, places, read_plates(frames, places, self._reader), strict=True):
            identity = identify(lattices, look_at(frames[frame], quad), self._formats, self._fallback)
            if identity is None:
                contents[i] = self._prior(targets[i], Cause.UNREADABLE)
            else:
                read.append((i, identity))
        for (i, _), content in zip(read, self._noisy([(targets[i], identity) for i, identity in read]), strict=True):
            contents[i] = content
        return contents

    def _cause(self, target: Target, quad: Quad) -> Cause:
        """Why a plate is not even read, or `NONE`."""
        if height_of(quad) < self._policy.min_size:
            return Cause.TOO_SMALL
        if self._choice is None:
            return Cause.POLICY
        return Cause.NONE if target.spend else Cause.OVER_ALLOWANCE

    def _noisy(self, read: Sequence[tuple[Target, Identity]]) -> list[_Content]:
        """The mechanism on every code, one call a pattern. The same code in the same scope shares one draw."""
        keys: list[Hashable] = [
            number if target.scope is None else (target.scope, identity.form.name, identity.pattern, identity.text)
            for number, (target, identity) in enumerate(read)
        ]
        draws = {key: draw for key in keys if (draw := self._memo.get(key)) is not None}
        fresh: dict[Pattern, dict[Hashable, tuple[Target, Identity]]] = {}
        for key, one in zip(keys, read, strict=True):
            if key not in draws:
                fresh.setdefault(one[1].pattern, {}).setdefault(key, one)
        for pattern, some in fresh.items():
            draws |= self._release(pattern, some)
        return [self._content(*one, draws[key]) for key, one in zip(keys, read, strict=True)]

    def _release(self, pattern: Pattern, some: Mapping[Hashable, tuple[Target, Identity]]) -> dict[Hashable, Draw]:
        """Draws for plates of one pattern that have none yet; those of a scope are remembered."""
        values = np.array([code.encode(identity.text, pattern) for _, identity in some.values()], np.int64)
        contexts = [
            (b"plate", identity.form.name.encode(), *(target.context if target.scope is None else target.scope))
            for target, identity in some.values()
        ]
        assert self._choice is not None
        noisy = code.mechanism(self._choice, pattern).release(values, noise=self._noise, contexts=contexts)
        made: dict[Hashable, Draw] = {}
        for (key, (target, identity)), row in zip(some.items(), noisy.tolist(), strict=True):
            made[key] = Draw(self._shown(code.decode(row, pattern), identity.form, pattern))
            if target.scope is not None:
                self._memo.put(key, made[key])
        return made

    def _content(self, target: Target, identity: Identity, draw: Draw) -> _Content:
        assert self._choice is not None
        mechanism = code.mechanism(self._choice, identity.pattern)
        memo = None if target.scope is None else draw.token
        return _Content(
            identity.form, identity.pattern, draw.text, mechanism, Outcome.REPLACED, Cause.NONE, memo, identity.lines
        )

    def _prior(self, target: Target, cause: Cause) -> _Content:
        """A plate of the first format's first pattern, every symbol uniform: independent of the object."""
        form = self._formats[0]
        pattern = form.expand()[0]
        if cause is Cause.TOO_SMALL:
            return _Content(form, pattern, "", _PRIOR, Outcome.PRIOR, cause)
        (seed,) = self._noise.seeds([(*target.context, b"plate prior")])
        drawn = np.random.default_rng(seed).integers(0, pattern.moduli).tolist()
        text = self._shown(code.decode(drawn, pattern), form, pattern)
        return _Content(form, pattern, text, _PRIOR, Outcome.PRIOR, cause)

    def _replacement(
        self, frame: Frame, target: Target, quad: Quad, content: _Content, rng: np.random.Generator
    ) -> Replacement:
        """Draw the content into the frame's pixels around the plate. The old plate's own pixels are not looked at.

        Its edges were found in them, so only a plate that the mechanism was applied to is drawn on its edges.
        """
        region, outline = target.region, outline_of(target.region)
        public: list[str] = []
        if content.outcome is Outcome.REPLACED:
            public += ["format"] if region.edges is None else ["format", "edges"]
            quad = edges_of(region)
        place = quad + (stretched_to(quad, region.box) - quad) * np.float32(_PLATE_SHARE)
        window = Window.around(outline)
        backdrop, look = surroundings(frame, (outline, *target.neighbours), window)
        layout = content.form.layout(aspect_of(place), content.lines)
        plate = draw_plate(content.form, layout, content.pattern, content.text)
        if "illumination" in self._policy.public:
            look = matched_to(look, plate, upright(frame, quad_of(region), (32, 12)))
            public.append("illumination")
        return Replacement(
            content=render(plate, place, backdrop, window, look, rng),
            matrix=np.array([[1, 0, window.x], [0, 1, window.y], [0, 0, 1]], np.float64),
            outline=outline,
            blend="paste",
            outcome=content.outcome,
            cause=content.cause,
            mechanism=content.mechanism,
            public=tuple(public),
            memo=content.memo,
            text=content.text,
        )

    def _shown(self, text: str, form: PlateFormat, pattern: Pattern) -> str:
        return code.reserve(text, form, pattern) if self._policy.namespace == "reserved" else text
