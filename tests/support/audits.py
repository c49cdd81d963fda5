"""An audit as reports see it, without a lake: every section has something to show."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from deid_udf.lake.audit import Audit, Composed
from deid_udf.lake.erasures import Erased, Erasure
from deid_udf.lake.rescan import Rescan
from deid_udf.lake.spending import Event, Spend
from deid_udf.metrics.measured import known_recall, read_measurements
from deid_udf.models import ROOT
from deid_udf.policy import load_policy

AT = datetime(2026, 11, 25, 1, 2, tzinfo=UTC)
STREET = load_policy(ROOT / "conf/policy/street.yaml")


def clean_audit() -> Audit:
    """Two images of one run, an erasure, one image refused."""
    spend = Spend({"run_id": "r1"}, 2, 3, Decimal("23"), Decimal("15"))
    run = {"run_id": "r1", "finished_at": AT, "policy_hash": "ab" * 32, "quarantined": 1}
    event = Event(
        kind="face",
        outcome="replaced",
        cause="",
        mechanism="laplace_vector",
        version=1,
        parameters={"k": "8"},
        guarantee="pure",
        epsilon=Decimal(8),
        epsilon_unit=None,
        noise_source="keyed",
        detector="centerface",
        memoised=False,
        public=(),
        objects=3,
    )
    return Audit(
        location="file:///lake",
        run_id=None,
        at=AT,
        snapshot_id=7,
        total=replace(spend, key={}),
        by_run=[spend],
        by_day=[replace(spend, key={"day": "2026-11-25"})],
        scopes={"sequence_id": [replace(spend, key={"sequence_id": None})]},
        caps={
            "image_id": [{"image_id": "a", "cap": Decimal(64), "spent": Decimal(15), "left": Decimal(49)}],
            "sequence_id": [{"sequence_id": None, "cap": Decimal(2000), "spent": Decimal(23), "left": Decimal(1977)}],
        },
        spent={"sequence_id": [replace(spend, key={"sequence_id": None, "day": "2026-11-25"})]},
        events=[event],
        images=[(Decimal(8), 1), (Decimal(15), 1)],
        top_images=[replace(spend, key={"image_id": "<b>a</b>"})],
        composed=[
            Composed({"sequence_id": "s"}, 3, Decimal(23), {"1e-06": Decimal("22.5"), "1e-09": None}, "pure", False)
        ],
        runs=[run],
        policies={"ab" * 32: STREET.canonical()},
        recall={STREET.hash: known_recall(STREET.detection, {}, read_measurements())},
        rescan=Rescan(pictures=2, originals=1, faces=1, plates=0, doubtful=3),
        quarantined={"truncated": 1},
        erasures=[Erasure(7, AT, "a judge", "order 12", (Erased("0" * 64, "1" * 64, "r1", "ab" * 32, 1, Decimal(8)),))],
        violations=[],
    )


def busy_audit(nights: int = 30, images: int = 50) -> Audit:
    """A month of nights, and as many scopes and images as a report lists."""
    audit = clean_audit()

    def spend(name: str, value: str, number: int) -> Spend:
        return Spend({name: value}, 900 + number, 1500 + 7 * number, Decimal(9000 + 37 * number), Decimal(15))

    days = [f"{AT - timedelta(days=nights - night):%Y-%m-%d}" for night in range(nights)]
    runs = [
        {"run_id": f"{day}-07b236eebe32", "finished_at": AT, "policy_hash": "ab" * 32, "quarantined": 3} for day in days
    ]
    names = [f"cam-{number % 8}/2026-11-24/{number:09d}.jpg" for number in range(images)]
    left = {"image_id": [{"image_id": n, "cap": Decimal(64), "spent": Decimal(i), "left": Decimal(64 - i)}
                         for i, n in enumerate(names)]}  # fmt: skip
    return replace(
        audit,
        total=Spend({}, 10_000_000, 15_000_000, Decimal("112000000.5"), Decimal(64)),
        by_run=[spend("run_id", str(run["run_id"]), i) for i, run in enumerate(runs)],
        by_day=[spend("day", day, i) for i, day in enumerate(days)],
        caps=audit.caps | left,
        spent={
            "sequence_id": [
                Spend({"sequence_id": f"cam-{scope}/drive", "day": day}, 9, 15, Decimal(4 * i + 9 * scope), Decimal(15))
                for scope in range(5)
                for i, day in enumerate(days[scope:])
            ]
        },
        images=[(Decimal(8 * i), 1000 - 100 * i) for i in range(9)],
        top_images=[spend("image_id", name, i) for i, name in enumerate(names)],
        runs=runs,
    )
