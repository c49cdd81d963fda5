"""The demo: drawn streets through ingest, de-identification and audit, by the code of the jobs, to one page."""

import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from deid_udf.demo import scenes
from deid_udf.images.decode import Limits, decode
from deid_udf.lake.audit import Audit, audit
from deid_udf.lake.fetch import put
from deid_udf.lake.ingest import ingest
from deid_udf.lake.run import deidentify
from deid_udf.lake.session import Lake, open_lake, open_session, read_records
from deid_udf.lake.tables import RELEASED
from deid_udf.lake.walk import PathTemplate
from deid_udf.models import ROOT
from deid_udf.policy import load_policy
from deid_udf.report.audit import context, environment
from deid_udf.report.pairs import Pair, pair

TEMPLATE = "{camera_id}/{sequence_id}/{name}"
POLICY = ROOT / "conf" / "policy" / "street.yaml"


@dataclass(slots=True)
class Clock:
    """How long each step took; says so as it ends."""

    seconds: list[tuple[str, float]] = field(default_factory=list)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time one step."""
        begun = time.perf_counter()
        yield
        self.seconds.append((name, time.perf_counter() - begun))
        print(f"  {name:24} {self.seconds[-1][1]:6.1f} s", flush=True)


@dataclass(frozen=True, slots=True)
class Places:
    """Where a demo keeps its things: folders, or prefixes on an S3 server."""

    source: str
    records: str
    lake: str


@dataclass(frozen=True, slots=True)
class Demo:
    """What a demo did."""

    page: Path
    summary: dict[str, object]
    audit: Audit
    seconds: list[tuple[str, float]]


def run(folder: Path, places: Places | None = None, policy: Path = POLICY, pictures: int | None = None) -> Demo:
    """Run the whole line.

    Args:
        folder: made anew; the page lands here.
        places: where pictures, records and lake go; by default below `folder`.
        policy: the policy's file.
        pictures: how many are drawn; all by default.

    Raises:
        DeidError: as the jobs do.
    """
    clock = Clock()
    places = places or Places(*((folder.absolute() / name).as_uri() for name in ("source", "records", "lake")))
    _start_anew(folder)
    with clock.step("draw the streets"):
        drawn = list(islice(scenes.pictures(), pictures))
        for picture in drawn:
            put(f"{places.source}/{picture.path}", picture.data)
    with ExitStack() as stack:
        with clock.step("start Spark"):
            spark = stack.enter_context(open_session("demo", places.source, places.records, places.lake))
        with clock.step("ingest"):
            ingest(spark, places.source, places.records, template=PathTemplate(TEMPLATE))
        with clock.step("de-identify"):
            lake = open_lake(spark, places.lake)
            summary = deidentify(lake, read_records(lake.spark, places.records), load_policy(policy), "demo")
        with clock.step("audit"):
            found = audit(lake, places.lake)
        with clock.step("report"):
            pairs = _pairs(lake, {picture.path: picture.data for picture in drawn})
    page = folder / "report.html"
    page.write_text(_page(found, pairs, clock.seconds), encoding="utf-8")
    return Demo(page, summary, found, clock.seconds)


def _start_anew(folder: Path) -> None:
    """Empty the folder, and make the demo its own noise key, so that noise is keyed as on a real cluster."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    key = folder / "noise.key"
    key.touch(mode=0o600)
    key.write_text(secrets.token_hex(32))
    os.environ["DEID_NOISE_KEY_FILE"] = str(key.absolute())


def _pairs(lake: Lake, originals: dict[str, bytes]) -> list[Pair]:
    columns = ("image_id", "protected", "objects", "epsilon_total")
    rows = lake.spark.table(lake.table(RELEASED)).select(*columns).orderBy("image_id").collect()
    return [
        pair(
            row["image_id"],
            decode(originals[row["image_id"]], Limits()).frame,
            decode(bytes(row["protected"]), Limits()).frame,
            row["objects"],
            row["epsilon_total"],
        )
        for row in rows
    ]


def _page(found: Audit, pairs: list[Pair], seconds: list[tuple[str, float]]) -> str:
    told = context(found, "De-identified streets")
    rows = [(name, (f"{took:.1f}", f"{took:.3f}")) for name, took in seconds]
    return environment().get_template("demo.html.j2").render(told, pairs=pairs, seconds=rows)
