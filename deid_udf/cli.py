"""What every job shares: one line of JSON that sums it up, one line that says why not, and the exit code."""

import json
import sys
from collections.abc import Callable, Mapping
from datetime import datetime
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
    print(json.dumps(summary, default=plain, ensure_ascii=False), flush=True)


def plain(value: Any) -> str:
    """What JSON has no type for: decimals exactly, times in ISO 8601."""
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} in JSON")
