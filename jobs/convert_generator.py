"""Convert a StyleGAN2 generator of your own to safetensors, once; the pipeline itself reads no pickle.

    python jobs/convert_generator.py CHECKPOINT.pt --out mine.safetensors

CHECKPOINT.pt is read with torch's `weights_only`: tensors alone, no code.

- rosinality/stylegan2-pytorch: the training checkpoint itself (its `g_ema`), or a state dict of the generator.
- NVlabs/stylegan2-ada-pytorch: its .pkl files hold code and are not read. Where you trust the file, in that repository:
      G = legacy.load_network_pkl(open("network.pkl", "rb"))["G_ema"]; torch.save(G.state_dict(), "mine.pt")

Prints the entry for conf/models.yaml; a policy then says `faces: {generator: mine}`. docs/faces.md says the rest.
"""

import argparse
import hashlib
import pickle
import sys
from pathlib import Path

import torch
import yaml

from deid_udf.errors import DeidError, ModelError
from deid_udf.generator.checkpoint import save_published
from deid_udf.generator.layouts import State, convert


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="safetensors file to write; its name is the model's")
    options = parser.parse_args(arguments)
    try:
        save_published(convert(read(options.checkpoint)), options.out)
    except (DeidError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return int(getattr(error, "exit_code", 2))
    entry = {
        "role": "face generator",
        "source": {"kind": "file", "path": str(options.out.resolve())},
        "sha256": hashlib.sha256(options.out.read_bytes()).hexdigest(),
        "code_licence": "of the training code",
        "weights_licence": "of the weights: a policy must list it",
        "reference": "where it comes from",
    }
    print(yaml.safe_dump({options.out.stem: entry}, sort_keys=False), end="")
    return 0


def read(checkpoint: Path) -> State:
    """The generator's state dict in `checkpoint`; `ModelError` if it holds more than tensors, or no tensors."""
    try:
        content = torch.load(checkpoint, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise ModelError(f"{checkpoint.name} is not a plain state dict: {error}") from error
    if isinstance(content, dict) and isinstance(content.get("g_ema"), dict):
        content = content["g_ema"]
    if not isinstance(content, dict) or not all(isinstance(value, torch.Tensor) for value in content.values()):
        raise ModelError(f"{checkpoint.name} is not a plain state dict of a generator")
    return content


if __name__ == "__main__":
    raise SystemExit(main())
