"""The paper's experiments on a folder of pictures: our method under a policy against blur, mosaic and DP-Pix.

spark-submit jobs/evaluate.py --what tables --data DIR --policy conf/policy/street.yaml --json evaluation.json
"""

import argparse
import json
import time
from pathlib import Path

from deid_udf.cli import run, summarise
from deid_udf.evaluate import summary
from deid_udf.evaluate.datasets import read_samples
from deid_udf.evaluate.experiments import KINDS, check
from deid_udf.evaluate.paper import TABLE_1, TABLE_2
from deid_udf.evaluate.show import print_tables
from deid_udf.lake.evaluate import measure
from deid_udf.lake.session import open_session
from deid_udf.metrics.utility import DHASH_SIDE
from deid_udf.policy import load_policy

EPILOG = """\
  tables  utility and privacy of our method, blur, mosaic and DP-Pix, beside the paper's Tables 1 and 2
  faces   the same for a range of ε and of mechanisms: how far faces are from their originals
  plates  the same for plates: how far texts are from theirs
  recall  annotated objects that the policy's detectors find and cover, alone and together, by height

DIR holds pictures, in `images/` or directly, and what is known about them: `annotations.json` (boxes, texts) or an
`index.csv` of rotated boxes; see docs/evaluation.md. Every measurement goes to FILE.rows (Parquet); an interrupted
evaluation goes on from there.

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
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N pictures")
    parser.add_argument("--dhash-side", type=int, default=DHASH_SIDE, metavar="S", help="side of the difference hash")
    options = parser.parse_args()
    begun = time.perf_counter()
    policy = load_policy(options.policy)
    samples = read_samples(options.data, options.limit)
    check(options.what, policy)
    rows = options.json.with_suffix(f".{options.what}.{policy.hash[:8]}.rows")
    with open_session("evaluate", str(options.data)) as spark:
        measured = measure(spark, samples, options.what, policy, options.dhash_side, str(rows.absolute()))
    result = {
        "what": options.what,
        "data": options.data.name,
        "policy": policy.name,
        "policy_hash": policy.hash,
        "pictures": len(samples),
        "dhash_side": options.dhash_side,
    }
    if options.what == "recall":
        result["recall"] = summary.recall_table(measured)
    else:
        result["privacy"] = summary.privacy_table(measured)
        result["table_1"] = summary.utility_table(measured, TABLE_1)
        result["table_2"] = summary.utility_table(measured, TABLE_2)
    options.json.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print_tables(result)
    summarise({k: result[k] for k in ("what", "data", "pictures")} | {"seconds": round(time.perf_counter() - begun, 2)})
    return 0


if __name__ == "__main__":
    raise SystemExit(run(main))
