"""An audit as one HTML page: violations first, then what was spent and what is left."""

import json
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from deid_udf.lake.audit import DELTAS, Audit, Composed
from deid_udf.lake.erasures import Erasure
from deid_udf.lake.spending import Event, Spend
from deid_udf.metrics.measured import Known
from deid_udf.report import plots

HEIGHTS = ("10-20", "20-40", "40-")  # pixels, as recall is measured by them

Cell = str | tuple[str, str]  # what is shown, or that and what it is sorted by


@cache
def environment() -> Environment:
    """The templates; everything that comes from data is escaped."""
    return Environment(
        loader=PackageLoader("deid_udf.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )


def page(audit: Audit) -> str:
    """The page of an audit."""
    return environment().get_template("audit.html.j2").render(context(audit))


def context(audit: Audit, title: str = "Privacy audit") -> dict[str, Any]:
    """What the audit's template shows."""
    caps = {name: [_cap_row(name, row) for row in rows] for name, rows in audit.caps.items()}
    image_cap = next((row["cap"] for row in audit.caps.get("image_id", [])), None)
    return {
        "title": title,
        "audit": audit,
        "violations": [(v.check, v.subject, v.evidence) for v in audit.violations],
        "figures": _figures(audit),
        "time_plot": plots.over_time([str(s.key["day"]) for s in audit.by_day], [s.epsilon for s in audit.by_day]),
        "image_plot": plots.by_image(audit.images, image_cap),
        "runs": _runs(audit),
        "caps": caps,
        "cap_plots": {name: _cap_plot(name, audit) for name, spends in audit.spent.items() if spends},
        "heights": [
            (f"{height.removesuffix('-')}{'+' if height.endswith('-') else ''} px", True) for height in HEIGHTS
        ],
        "deltas": [(f"δ = {float(delta):g}", True) for delta in DELTAS],
        "composed": [_composed_row(composed) for composed in audit.composed],
        "top_images": [(name(s.key), number(s.objects), epsilon(s.epsilon)) for s in audit.top_images],
        "events": [_event_row(event) for event in audit.events],
        "quarantined": [(reason, number(count)) for reason, count in audit.quarantined.items()],
        "recall": [_recall_row(digest, known) for digest, some in audit.recall.items() for known in some],
        "erasures": [_erasure_row(erasure) for erasure in audit.erasures],
        "policies": [
            (digest, json.dumps(json.loads(text), indent=2, ensure_ascii=False))
            for digest, text in audit.policies.items()
        ],
    }


def epsilon(value: Decimal | None) -> tuple[str, str]:
    """ε with at most four decimals, rounded up, and its exact value to sort by; unbounded sorts last."""
    if value is None:
        return "∞", "Infinity"
    shown = value.quantize(Decimal("0.0001"), rounding="ROUND_CEILING").normalize()
    return format(shown, ",f"), format(value, "f")


def number(value: int) -> tuple[str, str]:
    """A count with its thousands apart."""
    return f"{value:,}", str(value)


def name(key: Mapping[str, str | None]) -> str:
    """A scope or an image by its columns' values."""
    return ", ".join("(none)" if value is None else str(value) for value in key.values())


def _figures(audit: Audit) -> list[tuple[str, str]]:
    total = audit.total
    return [
        ("images released", number(total.images)[0]),
        ("objects replaced", number(total.objects)[0]),
        ("ε together", epsilon(total.epsilon)[0]),
        ("ε of the largest image", epsilon(total.largest)[0]),
        ("images quarantined", number(sum(audit.quarantined.values()))[0]),
        ("runs", number(len(audit.by_run))[0]),
    ]


def _runs(audit: Audit) -> list[tuple[Cell, ...]]:
    """One row a run: what the tables hold of it, beside when it was published and what it refused."""
    attempts: dict[str, list[dict[str, Any]]] = {}
    for run in audit.runs:
        attempts.setdefault(run["run_id"], []).append(run)
    rows = []
    for spend in audit.by_run:
        told = attempts.get(str(spend.key["run_id"]), [])
        published = f"{told[0]['finished_at']:%Y-%m-%d %H:%M}" if told else "(unknown)"
        policies = ", ".join(dict.fromkeys(run["policy_hash"][:8] for run in told))
        refused = number(sum(run["quarantined"] for run in told))
        rows.append((name(spend.key), published, policies, *_amounts(spend, refused)))
    return rows


def _amounts(spend: Spend, refused: Cell) -> tuple[Cell, ...]:
    return number(spend.images), refused, number(spend.objects), epsilon(spend.epsilon), epsilon(spend.largest)


def _cap_row(columns: str, row: Mapping[str, Any]) -> tuple[Cell, ...]:
    scope = {column: row[column] for column in columns.split("+")}
    return name(scope), epsilon(row["cap"]), epsilon(row["spent"]), epsilon(row["left"])


def _cap_plot(columns: str, audit: Audit) -> str:
    """What the scopes with least left spent over time, against their cap."""
    spent: dict[str, list[tuple[str, Decimal | None]]] = {}
    for spend in audit.spent[columns]:
        *scope, day = spend.key
        spent.setdefault(name({c: spend.key[c] for c in scope}), []).append((str(spend.key[day]), spend.epsilon))
    return plots.against_cap(spent, audit.caps[columns][0]["cap"])


def _event_row(event: Event) -> tuple[Cell, ...]:
    parameters = ", ".join(f"{key} {value}" for key, value in event.parameters.items() if len(value) <= 16)
    return (
        event.kind,
        event.outcome,
        "drawn before in its scope" if event.memoised else event.cause.replace("_", " "),
        f"{event.mechanism} {event.version} ({parameters})" if parameters else f"{event.mechanism} {event.version}",
        event.guarantee,
        ", ".join(event.public),
        event.noise_source,
        epsilon(event.epsilon),
        number(event.objects),
        epsilon(event.total),
    )


def _recall_row(digest: str, known: Known) -> tuple[Cell, ...]:
    """One measurement beside the policy it may speak for, and whether it does."""
    speaks = "; ".join(known.differences) or ("as in the policy" if known.whole else "part of the policy's")
    measured = known.measurement
    if measured is None:
        return digest[:8], known.kind, "", speaks, "", "", "", *[""] * len(HEIGHTS), "", ""
    detectors = ", ".join(f"{name} {one.threshold:g}" for name, one in measured.detectors.items())
    shares = (measured.recall, *(measured.by_height.get(height) for height in HEIGHTS), measured.coverage)
    told = [("", "") if share is None else (f"{share:.3f}", str(share)) for share in shares]
    false = f"{measured.false_per_picture:.3f}"
    return digest[:8], known.kind, detectors, speaks, measured.data, number(measured.objects), *told, false


def _erasure_row(erasure: Erasure) -> tuple[Cell, ...]:
    runs = ", ".join(sorted({row.run_id for row in erasure.rows}))
    return f"{erasure.at:%Y-%m-%d %H:%M}", erasure.by, erasure.reason, number(len(erasure.rows)), runs


def _composed_row(composed: Composed) -> tuple[Cell, ...]:
    word = f"{composed.guarantee}, metric at its worst case" if composed.mixed else composed.guarantee
    sums = map(epsilon, (composed.plain, *composed.pld.values()))
    return name(composed.scope), number(composed.releases), *sums, word
