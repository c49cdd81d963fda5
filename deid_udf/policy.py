"""`conf/policy/*.yaml` → one validated, frozen, hashed object.

Numbers with a decimal point are read as exact decimals, never as floats: an ε of 0.1 is one tenth. The hash is over the
validated content in canonical JSON, so that neither key order nor comments change it.
"""

import hashlib
import json
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from deid_udf.errors import PolicyError


class _Loader(yaml.SafeLoader):
    """YAML whose floats are Decimals."""


def _decimal(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> Decimal:
    text = str(loader.construct_scalar(node)).replace("_", "")
    return Decimal(text.replace(".", "") if text.lower().endswith((".inf", ".nan")) else text)


_Loader.add_constructor("tag:yaml.org,2002:float", _decimal)


def _no_float(value: Any) -> Any:
    if isinstance(value, float):
        raise ValueError("write it as a decimal string, so that it stays exact")
    return value


Exact = Annotated[Decimal, BeforeValidator(_no_float)]
Epsilon = Annotated[Exact, Field(gt=0, le=10**12, max_digits=30, decimal_places=15)]
Cap = Annotated[Exact, Field(ge=0, le=10**15, max_digits=36, decimal_places=18)]
Share = Annotated[float, Field(ge=0, le=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DetectorChoice(_Strict):
    """One detector of the union.

    Attributes:
        model: name in the model registry.
        threshold: lowest score that is protected (δ of Eq. 6).
        review: regions scored below this are also listed for a person to look at.
        tile: side in pixels of overlapping tiles for larger frames, or None to see the frame whole.
        scale: size at which the detector sees whole frames: 0.5 halves both sides. Tiles stay at their own.
        coarse: smaller scale of a second look, for what is too large to be known at the first, or None.
    """

    model: str
    threshold: Share
    review: Share = 0.5
    tile: int | None = Field(default=None, ge=128)
    scale: float = Field(default=1.0, gt=0, le=4)
    coarse: float | None = Field(default=None, gt=0, le=1)


Class = Literal["face", "plate", "sign"]
Role = Literal["private", "keep", "veto"]


class Detection(_Strict):
    """Step I of the paper: what is looked for, what of it is private (Eq. 7), and how much a region grows.

    Attributes:
        detectors: their union is what is found.
        classes: what becomes of each class. Faces and plates are `private`, or a policy may `keep` them; a traffic sign
            may `veto` the plates that lie on it, and does nothing else.
        grow: margin by class, a share of the region's size on each side.
        largest: by class, the largest share of the frame that a doubtful object takes: what is larger, and scored below
            its detector's `review`, is none.
        merge_iou: overlap from which on two regions of a class are one object.
    """

    detectors: tuple[DetectorChoice, ...] = ()
    classes: dict[Class, Role] = {"face": "private", "plate": "private", "sign": "keep"}
    grow: dict[Class, Annotated[float, Field(ge=0)]] = {"face": 0.1, "plate": 0.15}
    largest: dict[Class, Share] = {}
    merge_iou: Share = 0.4

    @model_validator(mode="after")
    def _only_signs_veto(self) -> "Detection":
        for name, role in self.classes.items():
            if role == ("private" if name == "sign" else "veto"):
                raise ValueError(
                    f"classes: {name} cannot be {role}: a sign is kept or vetoes, all else is private or kept"
                )
        return self

    def role(self, kind: Class) -> Role:
        """What becomes of a class; one that the policy leaves out is private, unless it is a sign."""
        return self.classes.get(kind, "keep" if kind == "sign" else "private")


class LaplaceVector(_Strict):
    """Laplace on the bounded latent (docs/privacy.md): `pure`, Δ₁ = 2 · radius by construction."""

    name: Literal["laplace_vector"]
    epsilon: Epsilon
    k: int = Field(default=8, ge=1, le=512)
    radius: Epsilon = Decimal(8)
    grid_bits: int = Field(default=20, ge=1, le=40)


class LaplaceUnbounded(_Strict):
    """The paper to the letter (Eq. 10, 20): Δf = 1 on every coordinate, no clipping; `metric`."""

    name: Literal["laplace_unbounded"]
    epsilon: Epsilon
    grid_bits: int = Field(default=20, ge=1, le=40)


class Exponential(_Strict):
    """The exponential mechanism over a public codebook of prior faces; `pure`."""

    name: Literal["exponential"]
    epsilon: Epsilon
    k: int = Field(default=8, ge=1, le=512)
    size: int = Field(default=1024, ge=2, le=65536)


class CyclicLaplace(_Strict):
    """The paper's plates: discrete Laplace on each position, modulo its alphabet; `metric`. ε a position."""

    name: Literal["cyclic_laplace"]
    epsilon: Epsilon


class RandomizedResponse(_Strict):
    """k-ary randomised response on each position of the code; `pure`. ε a plate, shared equally by its positions."""

    name: Literal["randomized_response"]
    epsilon: Epsilon


class Prior(_Strict):
    """New content from the prior, independent of the object: ε = 0."""

    name: Literal["prior"]


class Fill(_Strict):
    """A solid fill from the region's surroundings: ε = 0."""

    name: Literal["fill"]


class Blur(_Strict):
    """Baseline: Gaussian blur over the box, kernel as a share of its longer side. No guarantee."""

    name: Literal["blur"]
    kernel: Share = 0.33


class Mosaic(_Strict):
    """Baseline: mosaic over the box, that many cells a side. No guarantee."""

    name: Literal["mosaic"]
    cells: int = Field(default=8, ge=1, le=256)


class DpPix(_Strict):
    """Baseline: DP-Pix (Fan 2018), mosaic plus Laplace noise; `pure` for m-pixel neighbours."""

    name: Literal["dp_pix"]
    epsilon: Epsilon
    cells: int = Field(default=8, ge=1, le=256)
    m: int = Field(default=16, ge=1)


FaceMechanism = Annotated[
    LaplaceVector | LaplaceUnbounded | Exponential | Prior | Fill | Blur | Mosaic | DpPix, Field(discriminator="name")
]
PlateMechanism = Annotated[
    CyclicLaplace | RandomizedResponse | Prior | Fill | Blur | Mosaic | DpPix, Field(discriminator="name")
]
BASELINES = (Fill, Blur, Mosaic, DpPix)
UNBOUNDED = frozenset({"laplace_unbounded", "blur", "mosaic"})


class Faces(_Strict):
    """Steps II and III of the paper for faces."""

    mechanism: FaceMechanism
    generator: str = "mobilestylegan"
    projection: Literal["mean", "encode", "optimise", "hybrid"] = "encode"
    steps: int = Field(default=100, ge=1, le=2000)
    mask: Literal["hull", "forehead", "head"] = "forehead"
    swap: Literal["similarity", "paper"] = "similarity"
    min_size: int = Field(default=16, ge=1)
    public: frozenset[Literal["yaw", "tone"]] = frozenset()


class Plates(_Strict):
    """Steps II and III of the paper for licence plates."""

    mechanism: PlateMechanism
    reader: str = "ppocr_v4"
    formats: tuple[str, ...] = Field(default=("cn-blue",), min_length=1)
    fallback: str = "generic"
    memo: tuple[str, ...] = ()
    namespace: Literal["issued", "reserved"] = "issued"
    min_size: int = Field(default=12, ge=1)
    public: frozenset[Literal["illumination"]] = frozenset()


class ScopeCap(_Strict):
    """A cap on the ε that all images with equal values in `columns` may spend together, over all runs."""

    columns: tuple[str, ...] = Field(min_length=1)
    cap: Cap


class Budget(_Strict):
    """Caps that hold before spending; None is uncapped."""

    image: Cap | None = None
    scopes: tuple[ScopeCap, ...] = ()


class Output(_Strict):
    """How images are written, and the limits on what is read."""

    quality: int = Field(default=95, ge=50, le=100)
    keep_metadata: frozenset[str] = frozenset()
    max_pixels: int = Field(default=100_000_000, ge=1)
    max_bytes: int = Field(default=64 * 2**20, ge=1)


class Policy(_Strict):
    """Everything that decides what a released image looks like and what it spends."""

    name: str = Field(min_length=1)
    experiment: bool = False
    licences: frozenset[str]
    detection: Detection
    faces: Faces
    plates: Plates
    budget: Budget = Budget()
    output: Output = Output()

    @model_validator(mode="after")
    def _caps_need_a_bound(self) -> "Policy":
        unbounded = [m.name for m in (self.faces.mechanism, self.plates.mechanism) if m.name in UNBOUNDED]
        if unbounded and (self.budget.image is not None or self.budget.scopes):
            raise ValueError(f"budget: caps cannot hold for {', '.join(unbounded)}, whose worst-case ε is unbounded")
        return self

    @model_validator(mode="after")
    def _geometry_is_public(self) -> "Policy":
        if self.faces.swap == "paper" and not self.experiment:
            raise ValueError(
                "faces.swap: paper warps by the original's geometry (guarantee none); set experiment: true"
            )
        return self

    def canonical(self) -> str:
        """Canonical JSON of the content: sorted keys, sorted sets, decimals normalised."""
        return json.dumps(_plain(self.model_dump()), sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    @cached_property
    def hash(self) -> str:
        """Hex sha256 of `canonical()`: the policy's identity on every ledger row."""
        return hashlib.sha256(self.canonical().encode()).hexdigest()

    def scope_columns(self) -> tuple[str, ...]:
        """All record columns that caps or memos depend on, without repeats."""
        columns = [c for scope in self.budget.scopes for c in scope.columns] + list(self.plates.memo)
        return tuple(dict.fromkeys(columns))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted(_plain(v) for v in value)
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    return value


def load_policy(path: str | Path) -> Policy:
    """Read a policy file.

    Raises:
        PolicyError: unreadable, or invalid; the message names each key and what is allowed there.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise PolicyError(f"policy {path} cannot be read: {error.strerror}") from error
    return parse_policy(text, str(path))


def parse_policy(text: str, origin: str = "policy") -> Policy:
    """Validate policy text (YAML, or the canonical JSON that `runs` stores). Raises `PolicyError`."""
    try:
        return Policy.model_validate(yaml.load(text, _Loader))  # noqa: S506  a SafeLoader subclass
    except yaml.YAMLError as error:
        raise PolicyError(f"{origin} is not YAML: {error}") from error
    except ValidationError as error:
        lines = [f"  {'.'.join(map(str, e['loc'])) or '(top level)'}: {e['msg']}" for e in error.errors()]
        raise PolicyError(f"{origin} is not a valid policy:\n" + "\n".join(lines)) from error
