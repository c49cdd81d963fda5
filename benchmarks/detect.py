"""What Step I costs: processor seconds a frame of each detector of a policy, and of all together on two cores.

    python benchmarks/detect.py [--policy conf/policy/street.yaml]

The table of docs/detection.md, "Speed". Two processes of one thread each, as Spark runs them, see batches of eight
drawn streets of 1280×720 at the same time; seconds on the clock are of both together, so a frame on two cores.
"""

import argparse
import multiprocessing
import time
from collections.abc import Sequence
from itertools import islice
from multiprocessing.pool import Pool
from multiprocessing.synchronize import Barrier

from deid_udf.demo.scenes import pictures
from deid_udf.detect.region import Frame
from deid_udf.detect.registry import open_detectors
from deid_udf.detect.union import find_private
from deid_udf.images.decode import Limits, decode
from deid_udf.policy import Detection, DetectorChoice, load_policy

PROCESSES, BATCH, ROUNDS = 2, 8, 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--policy", default="conf/policy/street.yaml", help="whose detectors")
    detection = load_policy(parser.parse_args().policy).detection
    context = multiprocessing.get_context("spawn")
    with context.Pool(PROCESSES, open_process, (context.Barrier(PROCESSES),)) as pool:
        print("| detector | core-s a frame | s a frame on two cores |\n|---|---|---|")
        for choice in detection.detectors:
            print_row(f"`{choice.model}` at {choice.scale:g}", pool, detection, [choice])
        print_row("all", pool, detection, detection.detectors)


def print_row(name: str, pool: Pool, detection: Detection, choices: Sequence[DetectorChoice]) -> None:
    only = detection.model_copy(update={"detectors": tuple(choices)})
    measured = pool.map(measure, [only] * PROCESSES, chunksize=1)  # the barrier gives each process one of them
    processor = min(p for one in measured for p, _ in one) / BATCH
    clock = min(max(wall) for wall in zip(*([w for _, w in one] for one in measured), strict=True))
    print(f"| {name} | {processor:.3f} | {clock / (PROCESSES * BATCH):.3f} |")


def open_process(together: Barrier) -> None:
    """Once in a process: its frames, and the barrier at which the processes wait for one another."""
    global barrier, frames
    import torch

    torch.set_num_threads(1)
    barrier = together
    frames = [decode(picture.data, Limits()).frame for picture in islice(pictures(), BATCH)]


def measure(detection: Detection) -> list[tuple[float, float]]:
    """(processor seconds, seconds on the clock) of a batch, by round, after one that opens the models."""
    detectors = open_detectors(detection, "cpu")
    find_private(frames, detection, detectors)
    rounds = []
    for _ in range(ROUNDS):
        barrier.wait()
        processor, clock = time.process_time(), time.perf_counter()
        find_private(frames, detection, detectors)
        rounds.append((time.process_time() - processor, time.perf_counter() - clock))
    return rounds


frames: list[Frame]
barrier: Barrier

if __name__ == "__main__":
    main()
