import hashlib
import io
from decimal import Decimal

import numpy as np
import pytest
from PIL import ExifTags, Image

from deid_udf.lake.gate import violations
from deid_udf.policy import parse_policy

POLICY = """
name: p
licences: []
detection: {detectors: []}
faces: {mechanism: {name: fill}}
plates: {mechanism: {name: fill}}
"""


def picture(*, exif: bool = False) -> bytes:
    told = Image.Exif()
    told[ExifTags.Base.Model] = "a camera"
    file = io.BytesIO()
    Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(file, "JPEG", **({"exif": told} if exif else {}))
    return file.getvalue()


def entry(epsilon: str | None = "1", guarantee: str = "pure") -> dict:
    return {"epsilon": None if epsilon is None else Decimal(epsilon), "guarantee": guarantee}


def row(objects: list | None, data: bytes | None = None, **changes) -> dict:
    data = picture() if data is None else data
    spent = [e["epsilon"] for e in objects or []]
    total = None if None in spent else sum(spent, Decimal(0))
    return {
        "image_id": "a",
        "content_sha256": "0" * 64,
        "status": "released",
        "copy_of": None,
        "protected": data,
        "output_sha256": hashlib.sha256(data).hexdigest(),
        "objects": objects,
        "epsilon_total": total,
        "epsilon_max": None if total is None else max(spent, default=Decimal(0)),
    } | changes


def found(row: dict, policy: str = POLICY) -> list[str]:
    return list(violations(row, parse_policy(policy)))


@pytest.mark.parametrize("objects", [[], [entry()], [entry("0"), entry("2.5")], [entry(None, "metric")]])
def test_a_sound_row_passes(objects):
    assert found(row(objects)) == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (row([entry()], status="quarantined"), "status quarantined"),
        (row([entry()], protected=None), "no bytes"),
        (row(None), "no ledger"),
        (row([entry()], output_sha256="1" * 64), "the bytes are not those of the hash"),
        (row([entry()], content_sha256=hashlib.sha256(picture()).hexdigest()), "regions, but the original's bytes"),
        (row([], picture(exif=True)), "metadata: EXIF"),
        (row([], b"no image"), "no readable image: not_an_image"),
        (row([entry()], epsilon_total=Decimal("0.999999999999999999")), "its ε is not that of its objects"),
        (row([entry()], epsilon_max=Decimal(0)), "its ε is not that of its objects"),
        (row([entry(), entry(None, "metric")], epsilon_total=Decimal(1)), "its ε is not that of its objects"),
        (row([entry()], copy_of="b"), "a copy that spends"),
        (row([entry("1", "none")]), "guarantee none, and the policy is no experiment"),
        (row([entry("1", "private")]), "an object without a known guarantee"),
        (row([entry(None, "pure")]), "an object without a known guarantee"),
    ],
)
def test_each_violation_is_named(wrong, said):
    assert found(wrong) == [said]


def test_an_experiment_may_release_baselines():
    assert found(row([entry("1", "none")]), POLICY + "experiment: true\n") == []
