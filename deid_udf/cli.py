"""What every job shares: one line of JSON that sums it up, one line that says why not, and the exit code."""

import json
import sys
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from deid_udf.errors import DeidError


def run(job: Callable[[], int]) -> int:
    """The job's exit code; where it was stopped, after one clear line on stderr."""
    try:
        return int(job())
    except DeidError as error:
        print(f"error: {error}", file=sys.stderr)
        return int(error.exit_code)


def summarise(summary: Mapping[str, Any]) -> None:
    """Print the summary as the last line of stdout: JSON, ε as exact decimal strings."""
    print(json.dumps(summary, default=_plain, ensure_ascii=False), flush=True)


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return format(value, "f")
    raise TypeError(f"{type(value).__name__} in a summary")
