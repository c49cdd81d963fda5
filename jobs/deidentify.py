"""The nightly job: image records in, protected images and their ε ledger out, published exactly once.

    spark-submit jobs/deidentify.py --records PATH --lake LAKE --policy conf/policy/street.yaml --run-id 2026-11-24

PATH and LAKE are file:///… or s3a://…; `python jobs/deidentify.py …` does the same on this machine alone.
"""

import argparse
from pathlib import Path

from deid_udf.cli import run, summarise
from deid_udf.lake.coco import write_coco
from deid_udf.lake.export import export
from deid_udf.lake.run import check_models, deidentify
from deid_udf.lake.session import open_lake, open_session, read_records
from deid_udf.policy import load_policy

EPILOG = """\
The same run again, with the same images and policy, does nothing and spends nothing: after a crash, run it again.
Noise is keyed, so that repeated work is the same release, where DEID_NOISE_KEY_FILE names a file with 64 hexadecimal
digits (on executors too); else it is the operating system's.

exit codes: 0 done, 2 wrong usage, policy, model or lake, 3 the release gate refused, 5 another run published first
(run it again). The last line of stdout is a summary in JSON.
"""


def main() -> int:
    """Parse, open, run, sum up."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--records", required=True, metavar="PATH", help="image records, as jobs/ingest.py writes them")
    parser.add_argument("--lake", required=True, metavar="LAKE", help="where the released tables are; made if missing")
    parser.add_argument("--policy", required=True, metavar="FILE", help="what is private, what replaces it, the caps")
    parser.add_argument("--run-id", required=True, metavar="ID", help="names the run: the night's date, for example")
    parser.add_argument(
        "--export", metavar="PREFIX", help="also put each image of the run there as PREFIX/POLICY/CONTENT.jpg"
    )
    parser.add_argument(
        "--coco", type=Path, metavar="FILE", help="also describe the run's images there, as COCO JSON with masks"
    )
    options = parser.parse_args()
    if options.coco and ":/" in str(options.coco):
        parser.error("--coco takes a file of this machine, not a URI")
    policy = load_policy(options.policy)
    check_models(policy)
    with open_session("deidentify", options.records, options.lake) as spark:
        lake = open_lake(spark, options.lake)
        summary = deidentify(lake, read_records(lake.spark, options.records), policy, options.run_id)
        if options.export:
            summary["exported"] = export(lake, options.run_id, options.export)
        if options.coco:
            summary["annotated"] = write_coco(lake, options.run_id, options.coco)
    summarise(summary)
    return 0


if __name__ == "__main__":
    raise SystemExit(run(main))
