"""Files, prefixes or a CSV → image records in Parquet.

    spark-submit jobs/ingest.py --source DIR|s3a://bucket/prefix|LIST.csv --records PATH

PATH is file:///… or s3a://…; `python jobs/ingest.py …` does the same on this machine alone.
"""

import argparse
import time
from dataclasses import asdict

from deid_udf.cli import run, summarise
from deid_udf.lake.ingest import ingest
from deid_udf.lake.session import open_session
from deid_udf.lake.walk import PathTemplate

EPILOG = """\
Every file becomes one record: id, sha256, bytes (or URI), format, upright size, time of capture, and the scope columns
that --path-template or the CSV gives. Files that are no readable image become records too; the main job quarantines
them with their reason. Running it again replaces PATH's records.

A CSV has a header with `uri` or `path` (relative to the CSV), and if wanted `image_id`, `sequence_id`, `camera_id`,
`captured_at` (ISO 8601); further columns pass through.

exit codes: 0 done, 2 wrong usage. The last line of stdout is a summary in JSON.
"""


def main() -> int:
    """Parse, open, ingest, sum up."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--source", required=True, help="folder, s3a://bucket/prefix, or a .csv in either")
    parser.add_argument("--records", required=True, metavar="PATH", help="where the records go")
    parser.add_argument(
        "--path-template", metavar="T", help="scope columns from folders, such as {camera_id}/{sequence_id}/{name}"
    )
    content = parser.add_mutually_exclusive_group()
    content.add_argument("--inline", action="store_true", default=True, help="bytes go into the records (default)")
    content.add_argument("--by-uri", dest="inline", action="store_false", help="only URIs; bytes are fetched later")
    options = parser.parse_args()
    template = PathTemplate(options.path_template) if options.path_template else None
    begun = time.perf_counter()
    with open_session("ingest", options.source, options.records) as spark:
        done = ingest(spark, options.source, options.records, template=template, inline=options.inline)
    seconds = time.perf_counter() - begun
    speed = {"seconds": round(seconds, 2), "images_per_second": round(done.records / seconds, 2)}
    summarise(asdict(done) | speed)
    return 0


if __name__ == "__main__":
    raise SystemExit(run(main))
