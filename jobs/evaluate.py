"""The paper's experiments on a folder of pictures: our method under a policy against blur, mosaic and DP-Pix.

spark-submit jobs/evaluate.py --what tables --data DIR --policy conf/policy/street.yaml --json evaluation.json
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import cv2
from pyspark.sql import SparkSession

from deid_udf.cli import run, summarise
from deid_udf.demo.showcase import faces_of, street_under
from deid_udf.evaluate import generator, summary
from deid_udf.evaluate.datasets import Sample, read_samples
from deid_udf.evaluate.experiments import KINDS, check, policies
from deid_udf.evaluate.paper import TABLE_1, TABLE_2
from deid_udf.evaluate.show import print_tables
from deid_udf.lake.evaluate import describe_faces, measure
from deid_udf.lake.session import open_session
from deid_udf.metrics.utility import DHASH_SIDE
from deid_udf.policy import Policy, load_policy
from deid_udf.report.evaluation import page

EPILOG = """\
  tables     utility and privacy of our method, blur, mosaic and DP-Pix, beside the paper's Tables 1 and 2
  faces      the same for a range of ε and of mechanisms: how far faces are from their originals
  plates     the same for plates: how far texts are from theirs
  recall     annotated objects that the policy's detectors find and cover, alone and together, by height
  generator  the policy's face generator: faces found, variety, Fréchet distance, nearness to the training faces in DIR

DIR holds pictures, in `images/` or directly, and what is known about them: `annotations.json` (boxes, texts) or an
`index.csv` of rotated boxes; see docs/evaluation.md. Every measurement goes to a folder FILE.….rows (Parquet) beside
the JSON file; an interrupted evaluation goes on from there. The page shows drawn and generated people alone.

exit codes: 0 done, 2 wrong usage, policy or model. The last line of stdout is a summary in JSON.
"""


def main() -> int:
    """Parse, measure, sum up."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--what", required=True, choices=KINDS)
    parser.add_argument("--data", required=True, type=Path, metavar="DIR", help="pictures")
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
    samples = read_samples(options.data, options.limit)
    check(options.what, policy)
    result: dict[str, Any] = {
        "what": options.what,
        "data": options.data.name,
        "policy": policy.name,
        "policy_hash": policy.hash,
        "pictures": len(samples),
    }
    with open_session("evaluate", str(options.data)) as spark:
        measured = _generator if options.what == "generator" else _pictures
        result |= measured(spark, samples, policy, options)
    options.json.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    if options.html:
        options.html.write_text(page(result, _shown(options.what, policy)), encoding="utf-8")
    print_tables(result)
    summarise({k: result[k] for k in ("what", "data", "pictures")} | {"seconds": round(time.perf_counter() - begun, 2)})
    return 0


def _pictures(
    spark: SparkSession, samples: list[Sample], policy: Policy, options: argparse.Namespace
) -> dict[str, Any]:
    rows = options.json.with_suffix(f".{options.what}.{policy.hash[:8]}.{options.dhash_side}.rows")
    measured = measure(spark, samples, options.what, policy, options.dhash_side, str(rows.absolute()))
    if options.what == "recall":
        return {"recall": summary.recall_table(measured)}
    result: dict[str, Any] = {"dhash_side": options.dhash_side, "privacy": summary.privacy_table(measured)}
    result |= {"table_1": summary.utility_table(measured, TABLE_1), "table_2": summary.utility_table(measured, TABLE_2)}
    return result | {"curves": summary.curve_table(result["privacy"], result["table_1"])}


def _generator(
    spark: SparkSession, samples: list[Sample], policy: Policy, options: argparse.Namespace
) -> dict[str, Any]:
    name = policy.faces.generator
    rows = options.json.with_suffix(f".generator.{name}.rows")
    described = describe_faces(spark, samples, options.samples, name, str(rows.absolute()))
    told = generator.table(described.iloc[: options.samples], described.iloc[options.samples :])
    if options.sheet:
        sheet = generator.pair_sheet(told["closest"], name, {s.name: s.file for s in samples})
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
