"""The demo: synthetic streets in, protected streets and a report out, by the same code as the jobs.

    python jobs/demo.py [--folder build/demo] [--s3]

Nobody in the pictures exists: the people are synthetic, streets, cars and plates are drawn.
"""

import argparse
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from deid_udf.cli import run, summarise
from deid_udf.demo import run as demo
from deid_udf.errors import ExitCode
from deid_udf.models import ROOT


def main() -> int:
    """Parse, run, say where the page is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("build/demo"), help="emptied first; report.html lands here")
    parser.add_argument("--policy", type=Path, default=demo.POLICY, metavar="FILE", help="default: street.yaml")
    parser.add_argument("--pictures", type=int, metavar="N", help="how many are drawn (default: all)")
    parser.add_argument("--s3", action="store_true", help="on a real S3 server and its REST catalog, on loopback")
    options = parser.parse_args()
    begun = time.perf_counter()
    with _s3(options.folder) if options.s3 else nullcontext() as places:
        done = demo.run(options.folder, places, options.policy, options.pictures)
    print(f"\n  open {done.page}\n")
    seconds = {"seconds": round(time.perf_counter() - begun, 2), "steps": {n: round(s, 2) for n, s in done.seconds}}
    summarise(done.summary | {"violations": len(done.audit.violations), "report": str(done.page)} | seconds)
    return ExitCode.AUDIT_VIOLATION if done.audit.violations else ExitCode.DONE


@contextmanager
def _s3(folder: Path) -> Iterator[demo.Places]:
    """A server beside the folder, and this run's prefixes on it."""
    sys.path.insert(0, str(ROOT))
    from infra.s3.server import S3Server

    with S3Server(folder.with_name(f"{folder.name}-s3")) as server:
        os.environ.update(server.env())
        bucket, warehouse = (f"s3a://{name}/demo_{int(time.time())}" for name in (server.bucket, server.warehouse))
        yield demo.Places(f"{bucket}/source", f"{bucket}/records", warehouse)


if __name__ == "__main__":
    raise SystemExit(run(main))
