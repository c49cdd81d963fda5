"""Train the small Mask R-CNN on faces and plates, or go on where the last run stopped; export it, choose its threshold.

    python jobs/train_detector.py --data DATA --out RUN
    python jobs/train_detector.py --data DATA --out RUN --export deid_udf/weights/mask_rcnn_lite.safetensors
    python jobs/train_detector.py --data DATA --out RUN --curve RUN/curve.json --scale 0.75

DATA holds plates_ro_train/, plates_cn/ and faces128/; RUN gets checkpoint.safetensors and log.jsonl.
"""

import argparse
import json
import sys
from pathlib import Path

import yaml

from deid_udf.errors import DeidError
from deid_udf.training import state
from deid_udf.training.detector import DetectorConfig, DetectorTraining, plate_sets

CONFIG = Path(__file__).resolve().parent.parent / "conf" / "train" / "detector.yaml"


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--config", type=Path, default=CONFIG)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--workers", type=int, default=0, help="processes that prepare scenes")
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--export", type=Path, help="write the averaged weights (fp16) here instead of training")
    instead.add_argument("--curve", type=Path, help="write recall by threshold on the validation halves instead")
    parser.add_argument("--scale", type=float, default=1.0, help="at which --curve sees pictures, as the policy will")
    options = parser.parse_args(arguments)
    try:
        config = DetectorConfig.model_validate(yaml.safe_load(options.config.read_text()))
        training = DetectorTraining(config, options.data, options.device)
        if options.export:
            state.load(options.out / "checkpoint.safetensors", {"average": training.average})
            training.export(options.export)
        elif options.curve:
            state.load(options.out / "checkpoint.safetensors", {"average": training.average})
            options.curve.write_text(
                json.dumps(training.curves(plate_sets(options.data), options.scale), indent=1) + "\n"
            )
        else:
            training.run(options.out, options.workers)
    except (DeidError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return int(getattr(error, "exit_code", 2))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
