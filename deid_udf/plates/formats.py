"""Plate formats from `conf/plates/*.yaml`: an alphabet for each position, geometry in millimetres, colours and glyphs.

A pattern is a string of classes and separators: in `PL·AAAAA`, P, L and A name alphabets, and `·` stands between
symbols without carrying any. A format may have several patterns (German plates have one to five letters); which one a
plate follows, like its format, is taken from the plate and is outside the guarantee (docs/plates.md).
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from deid_udf.errors import PolicyError

FOLDER = Path(__file__).resolve().parent.parent.parent / "conf" / "plates"
SEPARATORS = "·- "
_TWINS = {"O": "0", "0": "O", "I": "1", "1": "I"}
Colour = Annotated[str, Field(pattern=r"^#[0-9a-f]{6}$")]
Millimetres = Annotated[float, Field(ge=0, le=1000)]


@dataclass(frozen=True, slots=True)
class Pattern:
    """Which alphabet each symbol of a plate comes from.

    Attributes:
        alphabets: symbols of each position, in the cyclic order that noise moves along.
        separators: what is drawn before each position, and after the last: "" or characters of `SEPARATORS`.
    """

    alphabets: tuple[str, ...]
    separators: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.alphabets)

    @property
    def moduli(self) -> tuple[int, ...]:
        """Size of each position's alphabet."""
        return tuple(len(alphabet) for alphabet in self.alphabets)

    def accepts(self, text: str) -> bool:
        """Whether `text` (symbols only) follows the pattern."""
        return len(text) == len(self) and all(s in a for s, a in zip(text, self.alphabets, strict=True))


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Row(_Strict):
    """One line of symbols, centred between `left` and `right` and squeezed where it would not fit.

    Attributes:
        symbols: how many the line takes; None for all that are left.
        top, height, width, gap: millimetres; `width` is that of a symbol's cell.
        left, right: the part of the plate's width that the line may use.
    """

    symbols: int | None = Field(default=None, ge=1)
    top: Millimetres
    height: Millimetres
    width: Millimetres
    gap: Millimetres
    left: Millimetres = 8
    right: Millimetres | None = None


class Band(_Strict):
    """A filled rectangle under the symbols (the blue strip of an EU plate), with a caption or none."""

    box: tuple[Millimetres, Millimetres, Millimetres, Millimetres]  # left, top, right, bottom
    colour: Colour
    caption: str = Field(default="", pattern=r"^[A-Z]*$")
    ink: Colour = "#ffffff"
    caption_height: Millimetres = 20


class Layout(_Strict):
    """One shape of a format's plates; the region's aspect chooses among them.

    Attributes:
        size: width and height in millimetres.
        radius: of the rounded corners.
        border: distance from the edge and width of the border line, or None.
    """

    size: tuple[Millimetres, Millimetres]
    rows: tuple[Row, ...] = Field(min_length=1)
    radius: Millimetres = 8
    border: tuple[Millimetres, Millimetres] | None = None
    bands: tuple[Band, ...] = ()

    @property
    def aspect(self) -> float:
        """Width over height."""
        return self.size[0] / self.size[1]


class Reserved(_Strict):
    """A symbol that no authority issues in the position of one class, and who says so."""

    at: str
    symbol: str = Field(min_length=1, max_length=1)
    source: str = Field(min_length=10)


class PlateFormat(_Strict):
    """One kind of plate.

    Attributes:
        name: the file's name without its ending.
        alphabets: class → symbols in cyclic order.
        patterns: strings of classes and separators, the commonest first.
        refine: class → classes, tried in order, that a symbol's position is narrowed to once it has been read.
        series: strings of classes that authorities issue: where a text fits one of them but for O and 0 or I and 1,
            which print alike, it is taken to mean it.
        background, ink: colours of the plate and of its symbols.
        gradient: colour at the plate's top, where the background is shaded.
        font: file of `plates/fonts/` for letters and digits.
        reserved: how a code is mapped out of what is issued, or None where no such mapping is known.
        source: where the facts come from.
    """

    name: str
    alphabets: dict[str, str]
    patterns: tuple[str, ...] = Field(min_length=1)
    refine: dict[str, tuple[str, ...]] = {}
    series: tuple[str, ...] = ()
    background: Colour
    ink: Colour
    gradient: Colour | None = None
    font: str = "barlow-condensed"
    layouts: tuple[Layout, ...] = Field(min_length=1)
    reserved: Reserved | None = None
    source: str

    @model_validator(mode="after")
    def _patterns_name_alphabets(self) -> Self:
        for name, symbols in self.alphabets.items():
            if len(name) != 1 or name in SEPARATORS or len(symbols) < 2 or len(set(symbols)) != len(symbols):
                raise ValueError(f"alphabets.{name}: a class is one character, its symbols at least two, all different")
        unknown = (
            {c for pattern in (*self.patterns, *self.series) for c in pattern} - set(self.alphabets) - set(SEPARATORS)
        )
        if unknown:
            raise ValueError(f"patterns: no alphabet for {''.join(sorted(unknown))}")
        return self

    @model_validator(mode="after")
    def _reserved_is_not_issued(self) -> Self:
        if self.reserved is None:
            return self
        issued = self.alphabets.get(self.reserved.at, self.reserved.symbol)
        if self.reserved.symbol in issued or any(p.count(self.reserved.at) != 1 for p in self.patterns):
            raise ValueError("reserved: `at` is a class that each pattern has once, `symbol` none of its symbols")
        return self

    def __hash__(self) -> int:
        return hash(self.name)

    @property
    def country(self) -> str:
        """`cn` of `cn-blue`: what the name begins with."""
        return self.name.partition("-")[0]

    def expand(self) -> tuple[Pattern, ...]:
        """The patterns with their alphabets."""
        return tuple(_pattern(text, self.alphabets) for text in self.patterns)

    def settle(self, text: str) -> str:
        """The text with its O, 0, I and 1 read as the first fitting series has them."""
        for classes in self.series:
            if len(classes) != len(text):
                continue
            settled = [s if s in self.alphabets[c] else _TWINS.get(s, s) for c, s in zip(classes, text, strict=True)]
            if all(s in self.alphabets[c] for c, s in zip(classes, settled, strict=True)):
                return "".join(settled)
        return text

    def narrow(self, pattern: Pattern, text: str) -> Pattern:
        """The pattern with each class refined to what its symbol turned out to be (`refine`)."""
        classes = {symbols: name for name, symbols in self.alphabets.items()}
        finer = [
            next((self.alphabets[c] for c in self.refine.get(classes[a], ()) if s in self.alphabets[c]), a)
            for a, s in zip(pattern.alphabets, text, strict=True)
        ]
        return Pattern(tuple(finer), pattern.separators)

    def layout(self, aspect: float, lines: int | None = None) -> Layout:
        """The layout whose aspect is nearest (as a ratio) to that of the region, of `lines` lines if there is one."""
        some = [one for one in self.layouts if lines is None or len(one.rows) == lines] or self.layouts
        return min(some, key=lambda one: max(one.aspect / aspect, aspect / one.aspect))


def _pattern(text: str, alphabets: dict[str, str]) -> Pattern:
    separators, symbols = [""], []
    for character in text:
        if character in SEPARATORS:
            separators[-1] += character
        else:
            symbols.append(alphabets[character])
            separators.append("")
    return Pattern(tuple(symbols), tuple(separators))


@cache
def load_format(name: str) -> PlateFormat:
    """Read `conf/plates/NAME.yaml`.

    Raises:
        PolicyError: no such format, or a malformed file; the message names the key.
    """
    file = FOLDER / f"{name}.yaml"
    if not file.is_file() or file.parent != FOLDER:
        raise PolicyError(f"unknown plate format {name!r}; conf/plates has: {', '.join(sorted(known_formats()))}")
    try:
        return PlateFormat.model_validate({"name": name} | yaml.safe_load(file.read_text("utf-8")))
    except (yaml.YAMLError, TypeError) as error:
        raise PolicyError(f"plate format {file.name} is not a YAML mapping: {error}") from error
    except ValidationError as error:
        lines = [f"  {'.'.join(map(str, e['loc'])) or '(top level)'}: {e['msg']}" for e in error.errors()]
        raise PolicyError(f"plate format {file.name} is malformed:\n" + "\n".join(lines)) from error


def format_sha256(name: str) -> str:
    """Hash of a format's file: a policy's hash holds the name alone."""
    return hashlib.sha256((FOLDER / f"{name}.yaml").read_bytes()).hexdigest()


def known_formats() -> Iterable[str]:
    """Names of the formats in `conf/plates/`."""
    return (file.stem for file in FOLDER.glob("*.yaml"))
