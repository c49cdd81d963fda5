"""Erase images from a lake for good: every version, every copy of the same bytes, every older snapshot that shows them.

    spark-submit jobs/erase.py --lake LAKE --image-id ID [--image-id ID ...] --by NAME --reason TEXT [--export PREFIX]

LAKE is file:///… or s3a://…; `python jobs/erase.py …` does the same on this machine alone.
"""

import argparse

from deid_udf.cli import run, summarise
from deid_udf.lake.erase import erase
from deid_udf.lake.session import open_lake, open_session

EPILOG = """\
The deletion is marked with who ordered it and why, so that the audit lists it as an erasure and not as tampering. The
nightly job refuses the erased bytes from then on. A run that is under way exits 5: run it again. Sources and records of
the images are yours to delete.

exit codes: 0 done, 2 wrong usage or lake. The same command again is safe at any time. The last line of stdout is a
summary in JSON.
"""


def main() -> int:
    """Parse, open, erase, sum up."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--lake", required=True, metavar="LAKE", help="where jobs/deidentify.py published")
    parser.add_argument(
        "--image-id", required=True, action="append", metavar="ID", help="an image to erase; more than once for more"
    )
    parser.add_argument("--by", required=True, metavar="NAME", help="who ordered it: stays in the lake")
    parser.add_argument(
        "--reason", required=True, metavar="TEXT", help="why: an order's number, say; stays in the lake"
    )
    parser.add_argument("--export", metavar="PREFIX", help="remove the objects that deidentify.py --export put there")
    options = parser.parse_args()
    with open_session("erase", options.lake) as spark:
        lake = open_lake(spark, options.lake)
        summary = erase(lake, options.image_id, by=options.by, reason=options.reason, prefix=options.export)
    summarise(summary)
    return 0


if __name__ == "__main__":
    raise SystemExit(run(main))
