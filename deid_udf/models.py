"""The model registry: a name in `conf/models.yaml` → bytes with the pinned sha256 → one open model a process.

Weights come out of pinned packages (fetched by pip as archives; nothing in them is installed or imported), from a
file, from this repository, or from a mirror bucket. Executors read the cache, then the mirror. No pickle is ever
loaded.

    python -m deid_udf.models fetch [--mirror s3a://bucket/prefix] [NAME ...]
    python -m deid_udf.models list
"""

import argparse
import hashlib
import io
import os
import subprocess
import sys
import tarfile
import tempfile
import threading
import zipfile
from collections.abc import Callable, Collection, Iterable
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deid_udf.errors import ModelError

ROOT = Path(__file__).resolve().parent.parent
MIRROR_VARIABLE = "DEID_MODEL_MIRROR"
T = TypeVar("T")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PackageSource(_Strict):
    """A member of a wheel or sdist on the package index, or the archive itself where no member is named.

    A torch state dict (`convert: state_dict`) is turned into safetensors when it is fetched, and is no pickle after.
    """

    kind: Literal["package"]
    package: str
    version: str
    archive_sha256: str
    member: str | None = None
    convert: Literal["state_dict"] | None = None


class FileSource(_Strict):
    """A file that the user brings; relative paths start at the registry file."""

    kind: Literal["file"]
    path: str


class RepositorySource(_Strict):
    """Weights trained here and shipped under `deid_udf/weights/`."""

    kind: Literal["repository"]
    path: str


class Entry(_Strict):
    """One model: what it is for, where its bytes come from, and under which licences."""

    role: str
    source: Annotated[PackageSource | FileSource | RepositorySource, Field(discriminator="kind")]
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    code_licence: str
    weights_licence: str
    input: str = ""
    reference: str = ""
    note: str = ""


def cache_dir() -> Path:
    """Directory of the local model cache (`DEID_MODEL_CACHE`, else under the XDG cache)."""
    base = os.environ.get("DEID_MODEL_CACHE")
    if base:
        return Path(base)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "deid" / "models"


@cache
def registry(path: str | None = None) -> dict[str, Entry]:
    """Read and validate the registry.

    Raises:
        ModelError: the file is missing or malformed.
    """
    file = Path(path or os.environ.get("DEID_MODELS") or ROOT / "conf" / "models.yaml")
    try:
        raw = yaml.safe_load(file.read_text())
        return {name: Entry.model_validate(value) for name, value in raw.items()}
    except (OSError, yaml.YAMLError, AttributeError) as error:
        raise ModelError(f"model registry {file} cannot be read: {error}") from error
    except ValidationError as error:
        raise ModelError(f"model registry {file} is malformed: {error}") from error


def entry(name: str) -> Entry:
    """The registry's entry for `name`; `ModelError` names the known ones if there is none."""
    try:
        return registry()[name]
    except KeyError:
        known = ", ".join(sorted(registry()))
        raise ModelError(f"unknown model {name!r}; conf/models.yaml knows: {known}") from None


def check_licences(names: Iterable[str], accepted: Collection[str]) -> None:
    """Refuse, by name, every model whose weights are under a licence that the policy does not accept."""
    for name in names:
        licence = entry(name).weights_licence
        if licence not in accepted:
            raise ModelError(
                f"model {name!r} has weights under {licence!r}, which the policy does not accept "
                f"(licences: {', '.join(sorted(accepted)) or 'none'}); choose another model or add the licence"
            )


def path(name: str) -> Path:
    """Local path of the model's bytes, verified once per process: repository or file, else cache, else mirror.

    Raises:
        ModelError: unknown, missing, or not the bytes that the registry pins.
    """
    return _verified(name, entry(name))


@cache
def _verified(name: str, model: Entry) -> Path:
    source = model.source
    if isinstance(source, PackageSource):
        file = _cached(name, model)
        if not file.exists():
            _from_mirror(name, model, file)
    else:
        file = Path(source.path)
        file = file if file.is_absolute() else ROOT / file
    if not file.exists():
        raise ModelError(f"model {name!r} is not in {file}; run `make models`, or set {MIRROR_VARIABLE}")
    found = _sha256(file)
    if found != model.sha256:
        raise ModelError(f"model {name!r}: {file} has sha256 {found}, the registry pins {model.sha256}; refused")
    return file


def digest(names: Iterable[str]) -> bytes:
    """32 bytes that change when any of the models does: hash over sorted names and pinned hashes."""
    lines = "".join(f"{name} {entry(name).sha256}\n" for name in sorted(set(names)))
    return hashlib.sha256(lines.encode()).digest()


_opened: dict[tuple[str, str], Any] = {}
_opening = threading.Lock()
open_counts: dict[tuple[str, str], int] = {}


def opened(name: str, device: str, load: Callable[[Path, str], T]) -> T:
    """The model `name` on `device`, loaded by `load(path, device)` once in this process."""
    key = (name, device)
    with _opening:
        if key not in _opened:
            _opened[key] = load(path(name), device)
            open_counts[key] = open_counts.get(key, 0) + 1
        model: T = _opened[key]
        return model


def fetch(names: Iterable[str] | None = None, mirror: str | None = None) -> list[Path]:
    """Fill the cache with the named models (default: every packaged one) and, if asked, copy them to a bucket."""
    wanted = [n for n in (names or registry()) if isinstance(entry(n).source, PackageSource)]
    missing = [n for n in wanted if not _intact(_cached(n, entry(n)), entry(n).sha256)]
    archives: dict[str, list[str]] = {}
    for name in missing:
        source = entry(name).source
        assert isinstance(source, PackageSource)
        archives.setdefault(f"{source.package}=={source.version}", []).append(name)
    for requirement, members in archives.items():
        _from_archive(requirement, members)
    files = [path(name) for name in wanted]
    if mirror:
        for name, file in zip(wanted, files, strict=True):
            bucket, key = _mirror_key(mirror, name, entry(name))
            _s3().upload_file(str(file), bucket, key)
    return files


def _from_archive(requirement: str, names: list[str]) -> None:
    """Download one package archive with pip, hash-checked, and unpack the members that `names` need."""
    sources = {n: entry(n).source for n in names}
    digest = {s.archive_sha256 for s in sources.values() if isinstance(s, PackageSource)}
    with tempfile.TemporaryDirectory() as folder:
        pins = Path(folder) / "pins.txt"
        pins.write_text(f"{requirement} " + " ".join(f"--hash=sha256:{d}" for d in sorted(digest)) + "\n")
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--require-hashes", "-d", folder, "-r"]
        done = subprocess.run([*command, str(pins)], capture_output=True, text=True)
        archives = [p for p in Path(folder).iterdir() if p != pins]
        if done.returncode or len(archives) != 1:
            raise ModelError(f"pip could not fetch {requirement}: {done.stderr.strip()[-500:]}")
        for name, source in sources.items():
            assert isinstance(source, PackageSource)
            target = _cached(name, entry(name))
            target.parent.mkdir(parents=True, exist_ok=True)
            data = _member(archives[0], source.member)
            _write_atomically(target, _as_safetensors(data) if source.convert else data)


def _member(archive: Path, member: str | None) -> bytes:
    if member is None:
        return archive.read_bytes()
    try:
        if archive.suffix == ".whl":
            return zipfile.ZipFile(archive).read(member)
        with tarfile.open(archive) as tar:
            stream = tar.extractfile(member)
            assert stream is not None
            return stream.read()
    except (KeyError, AssertionError) as error:
        raise ModelError(f"{archive.name} has no member {member}") from error


def _as_safetensors(state_dict: bytes) -> bytes:
    """The tensors of a torch state dict, read without running anything in it (`weights_only`).

    Its archive's hash was checked, the result's is pinned too. Names lose the `module.` of a parallel training, and a
    count of training batches, which inference never reads, is left out.
    """
    import torch
    from safetensors.torch import save

    tensors = torch.load(io.BytesIO(state_dict), map_location="cpu", weights_only=True)
    kept = {name.removeprefix("module."): t.contiguous() for name, t in tensors.items() if t.is_floating_point()}
    return bytes(save(kept))


def _from_mirror(name: str, model: Entry, target: Path) -> None:
    mirror = os.environ.get(MIRROR_VARIABLE)
    if not mirror:
        return
    bucket, key = _mirror_key(mirror, name, model)
    try:
        body = _s3().get_object(Bucket=bucket, Key=key)["Body"].read()
    except Exception as error:
        raise ModelError(f"model {name!r} is neither in {target} nor in the mirror {mirror}: {error}") from error
    target.parent.mkdir(parents=True, exist_ok=True)
    _write_atomically(target, body)


def _s3() -> Any:
    import boto3

    return boto3.client("s3", endpoint_url=os.environ.get("AWS_ENDPOINT_URL"))


def _mirror_key(mirror: str, name: str, model: Entry) -> tuple[str, str]:
    bucket, _, prefix = mirror.split("://", 1)[-1].partition("/")
    return bucket, "/".join(filter(None, [prefix.strip("/"), model.sha256, name]))


def _cached(name: str, model: Entry) -> Path:
    return cache_dir() / model.sha256[:16] / name


def _write_atomically(target: Path, data: bytes) -> None:
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    part.write_bytes(data)
    part.replace(target)


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _intact(file: Path, digest: str) -> bool:
    return file.exists() and _sha256(file) == digest


def main(arguments: list[str] | None = None) -> int:
    """Command line: fill the cache, or list the registry."""
    parser = argparse.ArgumentParser(prog="python -m deid_udf.models", description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    fetching = commands.add_parser("fetch", help="fill the local cache, verified against conf/models.yaml")
    fetching.add_argument("--mirror", help="also copy to this bucket prefix (s3a://bucket/prefix)")
    fetching.add_argument("names", nargs="*", help="models to fetch (default: every packaged one)")
    commands.add_parser("list", help="names, roles and licences")
    options = parser.parse_args(arguments)
    try:
        if options.command == "fetch":
            files = fetch(options.names, options.mirror)
            print(f"{len(files)} models in {cache_dir()}, verified")
        else:
            for name, model in sorted(registry().items()):
                print(f"{name:24} {model.role:18} {model.weights_licence:14} {model.reference}")
    except ModelError as error:
        print(f"error: {error}", file=sys.stderr)
        return int(error.exit_code)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
