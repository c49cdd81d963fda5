"""Train our StyleGAN2 on aligned faces, or go on where the last run stopped; export its weights.

    python jobs/train_generator.py --faces DATA/faces128/images --out RUN
    python jobs/train_generator.py --faces DATA/faces128/images --out RUN --export FILE.safetensors

RUN gets checkpoint.safetensors, log.jsonl and a sample sheet at every evaluation.
"""

import argparse
import sys
from pathlib import Path

import yaml

from deid_udf.errors import DeidError
from deid_udf.training import state
from deid_udf.training.generator import GeneratorConfig, GeneratorTraining

CONFIG = Path(__file__).resolve().parent.parent / "conf" / "train" / "generator.yaml"


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=Path, required=True, help="folder of aligned faces (JPEG)")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--config", type=Path, default=CONFIG)
    parser.add_argument("--start", type=Path, help="weights to start from; a smaller network is grown")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--export", type=Path, help="write the averaged weights (fp16) here instead of training")
    options = parser.parse_args(arguments)
    try:
        config = GeneratorConfig.model_validate(yaml.safe_load(options.config.read_text()))
        training = GeneratorTraining(config, options.faces, options.device, options.start)
        if options.export:
            state.load(options.out / "checkpoint.safetensors", {"average": training.average})
            training.export(options.export)
        else:
            training.run(options.out)
    except (DeidError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return int(getattr(error, "exit_code", 2))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
