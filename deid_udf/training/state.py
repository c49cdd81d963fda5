"""Checkpoints as safetensors, no pickle: nested states by slash-joined keys, written atomically."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor


class Stateful(Protocol):
    """A module, an optimiser, or anything else with torch's two state methods."""

    def state_dict(self) -> Any:
        """The state, nested dicts of tensors and numbers."""
        ...

    def load_state_dict(self, state_dict: Any) -> Any:
        """Take a state of the same structure."""
        ...


def save(file: Path, parts: Mapping[str, Stateful], step: int) -> None:
    """Write every part's tensors and the step to `file`; an interrupted write leaves the old file."""
    tensors = {
        key: value.detach().contiguous().clone() for key, value in _flat({n: p.state_dict() for n, p in parts.items()})
    }
    part = file.with_suffix(".part")
    save_file(tensors, part, metadata={"step": str(step)})
    part.replace(file)


def load(file: Path, parts: Mapping[str, Stateful]) -> int:
    """Give every part its state from `file`; returns the step it was saved at.

    Raises:
        KeyError: `file` lacks a tensor that a part needs (a module's own error for other mismatches).
    """
    nested: dict[str, Any] = {}
    with safe_open(file, "pt") as stream:
        step = int(stream.metadata()["step"])
        for key in stream.keys():  # noqa: SIM118  not a dict
            *folders, leaf = key.split("/")
            place = nested
            for folder in folders:
                place = place.setdefault(folder, {})
            place[leaf] = stream.get_tensor(key)
    for name, part in parts.items():
        if isinstance(part, torch.optim.Optimizer):  # groups come from the configuration, moments from the file
            state = nested.get(name, {})  # none before its first step
            moments = {int(index): values for index, values in state.get("state", {}).items()}
            part.load_state_dict({"state": moments, "param_groups": part.state_dict()["param_groups"]})
        else:
            part.load_state_dict(nested[name])
    return step


def _flat(tree: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Tensor]]:
    for key, value in tree.items():
        path = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{path}/")
        elif isinstance(value, Tensor):
            yield path, value
