"""One progress bar with a rate and a time left: on the terminal, even where Spark has taken stdout and stderr.

Under spark-submit both are pipes, but `/dev/tty` still opens; where there is no terminal at all, a log line now and
then. The count comes from an accumulator, so it moves as tasks end, and retried tasks count again: it is for the eye,
never for the ledger.
"""

import threading
import time
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from deid_udf.log import logger

if TYPE_CHECKING:
    from pyspark import Accumulator, SparkContext

_REDRAW = 0.5  # seconds
_LOG_EVERY = 10.0


class Progress:
    """Shows how far a Spark job is while the `with` block runs it.

    Args:
        label: what is being done.
        total: images to do.
    """

    def __init__(self, label: str, total: int) -> None:
        self._label = label
        self._total = total
        self._done: Accumulator[int] | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="progress", daemon=True)

    def accumulator(self, context: "SparkContext") -> "Accumulator[int]":
        """What executors add finished images to."""
        self._done = context.accumulator(0)
        return self._done

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    @property
    def _count(self) -> int:
        return min(self._done.value, self._total) if self._done is not None else 0

    def _watch(self) -> None:
        with ExitStack() as stack:
            terminal = _terminal()
            if terminal is None:
                self._log()
            else:
                self._draw(stack.enter_context(terminal))

    def _draw(self, terminal: TextIO) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
        )
        with Bar(*columns, console=Console(file=terminal, force_terminal=True), transient=False) as bar:
            task = bar.add_task(self._label, total=self._total, rate="")
            start = time.monotonic()
            while not self._ended.wait(_REDRAW):
                rate = self._count / (time.monotonic() - start)
                bar.update(task, completed=self._count, rate=f"{rate:.1f} images/s")
            bar.update(task, completed=self._count)

    def _log(self) -> None:
        start = time.monotonic()
        while not self._ended.wait(_LOG_EVERY):
            rate = self._count / (time.monotonic() - start)
            left = round((self._total - self._count) / rate) if rate else None
            logger().info("progress", step=self._label, done=self._count, total=self._total, seconds_left=left)


def _terminal() -> TextIO | None:
    try:
        return open("/dev/tty", "w")  # noqa: PTH123  the caller closes it
    except OSError:
        return None
