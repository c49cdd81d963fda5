"""Train the face encoder of a generator: on faces that it made, whose latents are known, and on aligned photographs.

    python jobs/train_encoder.py --faces DATA/faces128/images --folder RUN [--config conf/train/encoder.yaml]
    python jobs/train_encoder.py --faces DATA/faces128/images --folder RUN --out encoder.safetensors

Resumes from RUN's checkpoint; RUN/log.jsonl has the losses and what held-out faces give. `--out` writes, at the end,
the half-precision weights that ship, and their sha256 to stdout.
"""

import argparse
import hashlib
import sys
from pathlib import Path

import yaml

from deid_udf.errors import DeidError
from deid_udf.training import loop
from deid_udf.training.encoder import EncoderConfig, EncoderTraining

CONFIG = Path(__file__).resolve().parent.parent / "conf" / "train" / "encoder.yaml"


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=Path, required=True, help="folder of aligned faces (JPEG)")
    parser.add_argument("--folder", type=Path, required=True, help="checkpoint and log")
    parser.add_argument("--config", type=Path, default=CONFIG)
    parser.add_argument("--start", type=Path, help="encoder weights to begin with")
    parser.add_argument("--out", type=Path, help="also write the weights as half-precision safetensors")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args(arguments)
    try:
        config = EncoderConfig.model_validate(yaml.safe_load(options.config.read_text()))
        training = EncoderTraining(config, options.faces, options.device, options.start)
        loop.train(
            options.folder,
            {"encoder": training.encoder, "optimiser": training.optimiser},
            training.step,
            steps=config.steps,
            evaluate=training.evaluate,
            evaluate_every=config.evaluate_every,
        )
        if options.out:
            training.export(options.out)
            print(hashlib.sha256(options.out.read_bytes()).hexdigest())
    except (DeidError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return int(getattr(error, "exit_code", 2))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
