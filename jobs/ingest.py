"""Files, prefixes or a CSV → image records in Parquet.

    spark-submit jobs/ingest.py --source DIR|s3a://bucket/prefix|LIST.csv --records PATH

Every file becomes one record: id, sha256, bytes (or URI), format, upright size, time of capture, and the scope columns
that --path-template or the CSV gives. Files that are no readable image become records too; the main job quarantines
them with their reason. Running it again replaces PATH's records.

A CSV has a header with `uri` or `path` (relative to the CSV), and if wanted `image_id`, `sequence_id`, `camera_id`,
`captured_at` (ISO 8601); further columns pass through.

Exit codes: 0 done; 2 wrong usage. The last line of stdout is JSON.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict

from deid_udf.lake.session import open_session

from deid_udf import cli
from deid_udf.errors import ExitCode
from deid_udf.lake.ingest import ingest
from deid_udf.lake.walk import PathTemplate


def parser() -> argparse.ArgumentParser:
    """The command line."""
    options = argparse.ArgumentParser(
        prog="ingest.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--source", required=True, help="folder, s3a://bucket/prefix, or a .csv in either")
    options.add_argument("--records", required=True, help="where the records go: file:///… or s3a://…")
    options.add_argument(
        "--path-template",
        type=str,
        metavar="TEMPLATE",
        help="scope columns from folders, such as {camera_id}/{sequence_id}/{name}",
    )
    content = options.add_mutually_exclusive_group()
    content.add_argument("--inline", action="store_true", default=True, help="bytes go into the records (default)")
    content.add_argument("--by-uri", dest="inline", action="store_false", help="only URIs; bytes are fetched later")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the job; returns its exit code."""
    options = parser().parse_args(arguments)

    def job() -> int:
        start = time.perf_counter()
        template = PathTemplate(options.path_template) if options.path_template else None
        with open_session("ingest") as spark:
            done = ingest(spark, options.source, options.records, template=template, inline=options.inline)
        seconds = time.perf_counter() - start
        rate = done.records / seconds
        cli.summarise(asdict(done) | {"seconds": round(seconds, 1), "images_per_second": round(rate, 1)})
        return ExitCode.DONE

    return cli.run(job)


if __name__ == "__main__":
    sys.exit(main())
