"""An audit's counters in Prometheus' text format, for node_exporter's textfile collector."""

from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal

from deid_udf.lake.audit import Audit

_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


def metrics(audit: Audit) -> str:
    """The text file; ε that has no bound is +Inf."""
    checks = Counter(violation.check for violation in audit.violations)
    least: dict[str, Decimal | None] = {name: rows[0]["left"] for name, rows in audit.caps.items() if rows}
    rests: list[tuple[Mapping[str, str | None], float | str]] = [({"scope": n}, _left(v)) for n, v in least.items()]
    families: list[tuple[str, str, list[tuple[Mapping[str, str | None], float | str]]]] = [
        ("deid_audit_timestamp_seconds", "when the audit ran", [({}, audit.at.timestamp())]),
        ("deid_released_images", "images released", [({}, audit.total.images)]),
        ("deid_replaced_objects", "objects replaced", [({}, audit.total.objects)]),
        ("deid_epsilon", "ε spent, summed over everything", [({}, _bounded(audit.total.epsilon))]),
        ("deid_epsilon_image_max", "ε of the image that spent most", [({}, _bounded(audit.total.largest))]),
        ("deid_run_epsilon", "ε spent by a run", [(spend.key, _bounded(spend.epsilon)) for spend in audit.by_run]),
        ("deid_quarantined_images", "images not released", [({"reason": r}, n) for r, n in audit.quarantined.items()]),
        ("deid_cap_left_min", "ε left in the scope that has least", rests),
        ("deid_violations", "rows that the audit found wrong", [({}, len(audit.violations))]),
        ("deid_violations_by_check", "the same by check", [({"check": c}, n) for c, n in sorted(checks.items())]),
    ]
    return "".join(_family(name, told, samples) for name, told, samples in families)


def _family(name: str, told: str, samples: Iterable[tuple[Mapping[str, str | None], float | str]]) -> str:
    lines = [f"# HELP {name} {told}", f"# TYPE {name} gauge"]
    for labels, value in samples:
        inside = ",".join(f'{key}="{(label or "").translate(_ESCAPES)}"' for key, label in labels.items())
        lines.append(f"{name}{{{inside}}} {value}" if inside else f"{name} {value}")
    return "\n".join(lines) + "\n"


def _bounded(epsilon: Decimal | None) -> str:
    return "+Inf" if epsilon is None else format(epsilon.normalize(), "f")


def _left(left: Decimal | None) -> str:
    """A scope with an unbounded release has nothing left."""
    return "0" if left is None else format(left.normalize(), "f")
