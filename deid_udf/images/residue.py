"""What a released file still says about its original: the release gate's reading of metadata."""

from collections.abc import Collection

from deid_udf.images.container import Limits
from deid_udf.images.decode import open_container
from deid_udf.images.metadata import EXIF_IFD, KEEPABLE, clean_exif, clean_icc


def residue(data: bytes, limits: Limits, keep: Collection[str] = ()) -> tuple[str, ...]:
    """Names of the parts of a file that are neither pixels nor allowed.

    Args:
        data: a whole file.
        limits: as for `decode`.
        keep: the policy's `output.keep_metadata`.

    Returns:
        an empty tuple for every file that `encode` wrote with the same `keep`.

    Raises:
        Quarantined: the file cannot be parsed.
    """
    container = open_container(data, limits)
    tags = {KEEPABLE[name] for name in keep} | ({EXIF_IFD} if keep else set())
    allowed = {f"tag {tag}" for tag in tags} if container.format == "tiff" else set()
    found = [extra for extra in container.extras if extra not in allowed]
    exif = container.exif if container.format != "tiff" else None  # TIFF lists its tags among the extras
    if exif and exif.removeprefix(b"Exif\0\0") != clean_exif(exif, keep, container.orientation):
        found.append("EXIF")
    if container.icc and not clean_icc(container.icc, container.colour):
        found.append("a damaged colour profile")
    return tuple(found)
