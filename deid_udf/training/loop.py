"""One training loop for every job: resume, step, log, show, save, stop cleanly."""

import json
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from deid_udf.training import state
from deid_udf.training.state import Stateful

Values = Mapping[str, float]


class Log:
    """Numbers by step, one JSON object a line; a line a step at most."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def write(self, step: int, values: Values) -> None:
        """Append `values` at `step`."""
        with self.file.open("a") as stream:
            stream.write(json.dumps({"step": step, **{k: round(v, 5) for k, v in values.items()}}) + "\n")


def train(
    folder: Path,
    parts: Mapping[str, Stateful],
    step: Callable[[int], Values],
    *,
    steps: int,
    evaluate: Callable[[int], Values],
    evaluate_every: int,
    save_seconds: float = 180,
    log_every: int = 20,
) -> int:
    """Run `step` for steps 0 … `steps` − 1, from where `folder/checkpoint.safetensors` left off.

    SIGTERM and SIGINT end the loop after the running step, with a checkpoint.

    Args:
        folder: checkpoint and `log.jsonl` live here.
        parts: everything whose state a resumed run needs.
        step: does one optimisation step and returns losses; logged as means over `log_every` steps.
        steps: steps in all.
        evaluate: returns metrics; called every `evaluate_every` steps and at the end.
        evaluate_every: see `evaluate`.
        save_seconds: seconds between checkpoints.
        log_every: steps a log line.

    Returns:
        The number of steps done so far.
    """
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint, log = folder / "checkpoint.safetensors", Log(folder / "log.jsonl")
    done = state.load(checkpoint, parts) if checkpoint.exists() else 0
    stop = _StopSignal()
    sums: dict[str, float] = {}
    summed = 0
    saved = time.monotonic()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeRemainingColumn(),
    )
    with stop, Progress(*columns) as bar:
        task = bar.add_task("training", total=steps, completed=done)
        while done < steps and not stop.asked:
            for name, value in step(done).items():
                sums[name] = sums.get(name, 0.0) + value
            done += 1
            summed += 1
            if done % log_every == 0:
                means = {name: value / summed for name, value in sums.items()}
                log.write(done, means)
                bar.update(task, description=" ".join(f"{name} {value:.3f}" for name, value in means.items()))
                sums, summed = {}, 0
            if done % evaluate_every == 0 or done == steps:
                log.write(done, evaluate(done))
            if time.monotonic() - saved > save_seconds:
                state.save(checkpoint, parts, done)
                saved = time.monotonic()
            bar.update(task, completed=done)
    state.save(checkpoint, parts, done)
    return done


class _StopSignal:
    """While entered, the first SIGTERM or SIGINT only sets `asked`."""

    def __init__(self) -> None:
        self.asked = False

    def __enter__(self) -> None:
        self._before = {s: signal.signal(s, self._ask) for s in (signal.SIGTERM, signal.SIGINT)}

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        self.asked = True
