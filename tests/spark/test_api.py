"""What a notebook calls."""

from decimal import Decimal

import pytest

from deid_udf import deidentify_column
from tests.support.records import faces_policy, record, street

pytestmark = pytest.mark.timeout(600)

IMAGES = [record("a", street(0)), record("b", street(1)), record("c", b"no image")]


@pytest.fixture
def frame(spark, models_cache):
    rows = [(r["image_id"], bytearray(r["image"]), r["sequence_id"]) for r in IMAGES]
    return spark.createDataFrame(rows, "name string, picture binary, sequence_id string")


def test_one_call_protects_a_column(frame):
    done = deidentify_column(frame, policy=faces_policy(), column="picture", image_id="name").collect()
    assert done[0].asDict().keys() == {"name", "picture", "sequence_id", "deid"}
    found = {row["name"]: row["deid"] for row in done}
    assert [found[name]["status"] for name in "abc"] == ["released", "released", "quarantined"]
    assert found["a"]["content_sha256"] == IMAGES[0]["content_sha256"]
    assert found["a"]["protected"] != IMAGES[0]["image"]
    assert found["a"]["epsilon_total"] == 1
    assert (found["c"]["protected"], found["c"]["reason"]) == (None, "not_an_image")


def test_caps_hold_within_the_frame(frame):
    policy = faces_policy(cap="2.9")  # three images: less than one face each
    done = deidentify_column(frame, policy=policy, column="picture", into="safe").collect()
    assert [row["safe"]["epsilon_total"] for row in done if row["safe"]["status"] == "released"] == [Decimal(0)] * 2
