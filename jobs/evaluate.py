"""The paper's experiments on a folder of pictures: our method under a policy against blur, mosaic and DP-Pix.

spark-submit jobs/evaluate.py --what tables --data DIR --policy conf/policy/street.yaml --json evaluation.json
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import cv2
from pyspark.sql import DataFrame, SparkSession

from deid_udf.cli import run, summarise
from deid_udf.demo.showcase import faces_of, street_under
from deid_udf.errors import UsageError
from deid_udf.evaluate import generator, summary
from deid_udf.evaluate.datasets import Sample, read_samples
from deid_udf.evaluate.experiments import KINDS, check, policies
from deid_udf.evaluate.paper import TABLE_1, TABLE_2
from deid_udf.evaluate.show import print_tables
from deid_udf.lake.evaluate import describe_faces, measure, of_records
from deid_udf.lake.session import open_session, read_records
from deid_udf.metrics.utility import DHASH_SIDE
from deid_udf.policy import Policy, load_policy
from deid_udf.report.evaluation import page

EPILOG = """\
  tables     utility and privacy of our method, blur, mosaic and DP-Pix, beside the paper's Tables 1 and 2
  faces      the same for a range of ε and of mechanisms: how far faces are from their originals
  plates     the same for plates: how far texts are from theirs
  recall     annotated objects that the policy's detectors find and cover, alone and together, by height
  generator  the policy's face generator: faces found, variety, Fréchet distance, nearness to the training faces in DATA

DATA is a folder of pictures, in `images/` or directly, with what is known about them: `annotations.json` (boxes, texts)
or an `index.csv` of rotated boxes; see docs/evaluation.md. For tables, faces and plates it may be image records that
jobs/ingest.py wrote, in a folder or under file:// or s3a://. Every measurement goes to a folder FILE.….rows (Parquet)
beside the JSON file; an interrupted evaluation goes on from there. The page shows drawn and generated people alone.

exit codes: 0 done, 2 wrong usage, policy or model. The last line of stdout is a summary in JSON.
"""

_FOLDERS_ONLY = ("recall", "generator")


def main() -> int:
    """Parse, measure, sum up."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--what", required=True, choices=KINDS)
    parser.add_argument("--data", required=True, metavar="DATA", help="folder of pictures, or image records")
    parser.add_argument("--policy", required=True, metavar="FILE", help="policy to compare")
    parser.add_argument("--json", required=True, type=Path, metavar="FILE", help="where the results go")
    parser.add_argument("--html", type=Path, metavar="FILE", help="also write one self-contained page")
    parser.add_argument(
        "--sheet", type=Path, metavar="FILE", help="generator: the closest pairs (shows training faces)"
    )
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N pictures")
    parser.add_argument("--samples", type=int, default=2000, metavar="N", help="generator: how many faces are judged")
    parser.add_argument("--dhash-side", type=int, default=DHASH_SIDE, metavar="S", help="side of the difference hash")
    options = parser.parse_args()
    begun = time.perf_counter()
    policy = load_policy(options.policy)
    check(options.what, policy)
    folder = None if _holds_records(options.data) else Path(options.data)
    if folder is None and options.what in _FOLDERS_ONLY:
        raise UsageError(f"{options.what} needs a folder of pictures: image records say nothing about them")
    samples = [] if folder is None else read_samples(folder, options.limit)
    with open_session("evaluate", options.data) as spark:
        records = read_records(spark, options.data) if folder is None else None
        samples = samples if records is None else of_records(records, options.limit)
        result: dict[str, Any] = {
            "what": options.what,
            "data": Path(options.data).name,
            "policy": policy.name,
            "policy_hash": policy.hash,
            "pictures": len(samples),
        }
        if options.what == "generator":
            result |= _generator(spark, {s.name: s.file for s in samples if s.file is not None}, policy, options)
        else:
            result |= _pictures(spark, samples, records, policy, options)
    options.json.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    if options.html:
        options.html.write_text(page(result, _shown(options.what, policy)), encoding="utf-8")
    print_tables(result)
    summarise({k: result[k] for k in ("what", "data", "pictures")} | {"seconds": round(time.perf_counter() - begun, 2)})
    return 0


def _holds_records(data: str) -> bool:
    return "://" in data or any(next(Path(data).glob(p), None) for p in ("*.parquet", "*=*/**/*.parquet"))


def _pictures(
    spark: SparkSession, samples: list[Sample], records: DataFrame | None, policy: Policy, options: argparse.Namespace
) -> dict[str, Any]:
    rows = options.json.with_suffix(f".{options.what}.{policy.hash[:8]}.{options.dhash_side}.rows")
    measured = measure(spark, samples, options.what, policy, options.dhash_side, str(rows.absolute()), records)
    if options.what == "recall":
        return {"recall": summary.recall_table(measured)}
    result: dict[str, Any] = {"dhash_side": options.dhash_side, "privacy": summary.privacy_table(measured)}
    result |= {"table_1": summary.utility_table(measured, TABLE_1), "table_2": summary.utility_table(measured, TABLE_2)}
    return result | {"curves": summary.curve_table(result["privacy"], result["table_1"])}


def _generator(
    spark: SparkSession, training: dict[str, Path], policy: Policy, options: argparse.Namespace
) -> dict[str, Any]:
    name = policy.faces.generator
    rows = options.json.with_suffix(f".generator.{name}.rows")
    described = describe_faces(spark, training, options.samples, name, str(rows.absolute()))
    told = generator.table(described.iloc[: options.samples], described.iloc[options.samples :])
    if options.sheet:
        sheet = generator.pair_sheet(told["closest"], name, training)
        cv2.imwrite(str(options.sheet), sheet[..., ::-1])
    return {"generator": {"name": name} | told}


def _shown(what: str, policy: Policy) -> list[Any]:
    """Pictures for the page: a drawn street under every method, or faces of the generator."""
    if what == "recall":
        return []
    if what == "generator":
        return faces_of(policy.faces.generator)
    return street_under(policies("tables", policy))


if __name__ == "__main__":
    raise SystemExit(run(main))
