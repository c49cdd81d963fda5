"""Plots as inline SVG (matplotlib), in the page's own colours, so that they follow it from light to dark."""

import io
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import accumulate, cycle
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Stand-ins that matplotlib draws with; the page's style sheet says what they look like.
_COLOURS = {"#010101": "var(--ink)", "#020202": "var(--accent)", "#030303": "var(--soft)", "#040404": "var(--bad)"}
INK, ACCENT, SOFT, BAD = _COLOURS
_WIDTH, _HEIGHT = 7.2, 2.6  # inches
_STYLE: Any = {"svg.fonttype": "none", "svg.hashsalt": "deid", "font.size": 9}  # text stays text, ids stay the same


def over_time(days: Sequence[str], spent: Sequence[Decimal | None]) -> str:
    """ε spent a day (YYYY-MM-DD), and what it adds up to. Days without a bound are marked."""
    figure, axes = _plot("ε spent a day")
    heights = [float(value or 0) for value in spent]
    places = range(len(days))
    axes.bar(places, heights, color=ACCENT, width=0.6)
    for place, value in zip(places, spent, strict=True):
        if value is None:
            axes.annotate("∞", (place, 0), ha="center", va="bottom", color=BAD)
    if len(days) > 1:
        total = axes.twinx()
        total.plot(places, list(accumulate(heights)), color=INK, linewidth=1.2)
        total.set_ylabel("together", color=INK)
        total.set_ylim(bottom=0)
        _quiet(total)
    _name_days(axes, days)
    return _svg(figure)


def against_cap(spent: Mapping[str, Sequence[tuple[str, Decimal | None]]], cap: Decimal) -> str:
    """What scopes had spent by the end of each day, one step line a scope, and the cap on each.

    Args:
        spent: scope → (day as YYYY-MM-DD, ε of that day; None is unbounded and ends the line).
        cap: the same for all.
    """
    figure, axes = _plot("ε of a scope, together")
    days = sorted({day for points in spent.values() for day, _ in points})
    for (name, points), (colour, dash) in zip(spent.items(), _strokes(ACCENT, INK), strict=False):
        by_day = dict(points)
        values = [by_day.get(day, Decimal(0)) for day in days]
        sums = list(accumulate(math.nan if value is None else float(value) for value in values))
        axes.step(
            range(len(days)),
            sums,
            where="post",
            color=colour,
            linestyle=dash,
            marker="o",
            markersize=3,
            label=_label(name),
        )
    axes.axhline(float(cap), color=BAD, linewidth=1.2)
    axes.annotate(" cap", (0, float(cap)), xycoords=("axes fraction", "data"), va="bottom", color=BAD)
    axes.set_ylim(0, max(1.15 * float(cap), axes.get_ylim()[1]))
    _name_days(axes, days)
    axes.legend(frameon=False, labelcolor=INK, fontsize=8)
    return _svg(figure)


def by_image(counts: Sequence[tuple[Decimal | None, int]], cap: Decimal | None) -> str:
    """How many images spent how much, and the cap on one image."""
    figure, axes = _plot("images")
    bounded = [(float(value), count) for value, count in counts if value is not None]
    if bounded:
        values, weights = zip(*bounded, strict=True)
        axes.hist(values, bins=min(40, max(8, len(bounded))), weights=weights, color=ACCENT)
    if cap is not None:
        axes.axvline(float(cap), color=BAD, linewidth=1.2)
        axes.annotate(" cap", (float(cap), 1), xycoords=("data", "axes fraction"), va="top", color=BAD)
    unbounded = sum(count for value, count in counts if value is None)
    axes.set_xlabel("ε of an image" + (f"; {unbounded} unbounded" if unbounded else ""), color=INK)
    return _svg(figure)


def curves(label: str, series: Mapping[str, Sequence[tuple[float, float]]], bound: float | None = None) -> str:
    """A measurement against ε, one line a mechanism; ε = 0 and ε = ∞ stand at the ends of a logarithmic axis.

    Args:
        label: of the measurement.
        series: mechanism → (ε, value), ε ascending.
        bound: drawn across, where a threshold matters.
    """
    figure, axes = _plot(label)
    finite = sorted({x for points in series.values() for x, _ in points if 0 < x < math.inf})
    first, last = (math.log2(finite[0]) - 1, math.log2(finite[-1]) + 1) if finite else (-1.0, 1.0)
    for (name, points), (colour, dash) in zip(series.items(), _strokes(), strict=False):
        places = [first if x == 0 else last if math.isinf(x) else math.log2(x) for x, _ in points]
        axes.plot(places, [y for _, y in points], color=colour, linestyle=dash, marker="o", markersize=3.5, label=name)
    if bound is not None:
        axes.axhline(bound, color=BAD, linewidth=0.8, linestyle=":")
    axes.set_xticks([first, *map(math.log2, finite), last], ["0", *(f"{x:g}" for x in finite), "∞"])
    axes.set_xlabel("ε", color=INK)
    axes.legend(frameon=False, labelcolor=INK, fontsize=8)
    return _svg(figure)


def lines(label: str, ticks: Sequence[str], series: Mapping[str, Sequence[float]]) -> str:
    """A measurement over named bins, one line a series; NaN leaves a gap."""
    figure, axes = _plot(label)
    for (name, values), (colour, dash) in zip(series.items(), _strokes(), strict=False):
        axes.plot(ticks, values, color=colour, linestyle=dash, marker="o", markersize=3.5, label=name)
    axes.set_ylim(0, 1.05)
    axes.legend(frameon=False, labelcolor=INK, fontsize=8)
    return _svg(figure)


def histogram(label: str, values: Sequence[float], bound: float) -> str:
    """How a distance is distributed, and the bound that it should keep."""
    figure, axes = _plot("")
    axes.hist(values, bins=40, color=ACCENT)
    axes.axvline(bound, color=BAD, linewidth=1.2)
    axes.set_xlabel(label, color=INK)
    return _svg(figure)


def _plot(label: str) -> tuple[Figure, Axes]:
    with rc_context(_STYLE):
        figure = Figure(figsize=(_WIDTH, _HEIGHT), layout="constrained")
    figure.patch.set_alpha(0)
    axes = figure.add_subplot()
    axes.set_ylabel(label, color=INK)
    axes.patch.set_alpha(0)
    axes.grid(axis="y", color=SOFT, linewidth=0.6)
    axes.set_axisbelow(True)
    _quiet(axes)
    return figure, axes


def _strokes(*colours: str) -> Iterator[tuple[str, str]]:
    """Colours and dashes that tell lines apart, in black and white too."""
    return cycle((colour, dash) for dash in ("-", "--", ":") for colour in colours or (ACCENT, INK, BAD))


def _name_days(axes: Axes, days: Sequence[str]) -> None:
    """Month and day below at most eight of them."""
    every = -(-len(days) // 8) or 1
    axes.set_xticks(range(0, len(days), every), [day[5:] for day in days[::every]])


def _label(name: str) -> str:
    """A name from data: no mathematics, and no underscore first, which would leave it out of the legend."""
    return f" {name}".replace("$", r"\$")


def _quiet(axes: Axes) -> None:
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(SOFT)
    axes.tick_params(colors=INK, length=0)


def _svg(figure: Figure) -> str:
    stream = io.StringIO()
    with rc_context(_STYLE):
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    text = stream.getvalue()
    svg = text[text.index("<svg") :]
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    for stand_in, colour in _COLOURS.items():
        svg = svg.replace(stand_in, colour)
    return svg
