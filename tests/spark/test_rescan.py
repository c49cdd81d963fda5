"""The audit's second look: objects that the ledger does not know, and originals that can still be told."""

import hashlib
import io

import numpy as np
from PIL import Image

from deid_udf.images.decode import Limits, decode
from deid_udf.lake.audit import audit
from deid_udf.lake.rescan import Rescan
from deid_udf.lake.select import normalise
from deid_udf.lake.session import read_records
from tests.spark.published import entry, publish, row
from tests.support.records import faces_policy, record, street, write_records


def _png(frame: np.ndarray) -> dict:
    stream = io.BytesIO()
    Image.fromarray(frame).save(stream, "PNG")
    return {"protected": stream.getvalue(), "output_sha256": hashlib.sha256(stream.getvalue()).hexdigest()}


def test_what_a_second_look_finds_is_a_violation_with_its_place(lake, tmp_path):
    policy = faces_policy()
    original = street(3)
    frame = decode(original, Limits()).frame
    whole = [0, 0, frame.shape[1], frame.shape[0]]
    kept = row("kept", [entry(0, box=whole)]) | _png(frame)
    kept["content_sha256"] = hashlib.sha256(original).hexdigest()
    missed = row("missed", []) | _png(decode(street(4), Limits()).frame)
    fine = row("fine", []) | _png(np.full((160, 120, 3), 90, np.uint8))
    publish(lake, "night", policy, [kept, missed, fine])
    location = write_records(tmp_path / "records", [record("kept", original), record("fine", b"not its original")])

    without = audit(lake, "here", again=9)
    assert without.rescan.pictures == 3
    named = {v.subject: v.evidence for v in without.violations if v.check == "rescan"}
    assert set(named) == {"image missed (run night)"}
    assert "where the ledger has no object" in named["image missed (run night)"]

    beside = audit(lake, "here", again=9, records=normalise(read_records(lake.spark, location)))
    assert beside.rescan == Rescan(pictures=3, originals=1, faces=1)
    named = {v.subject: v.evidence for v in beside.violations if v.check == "rescan"}
    assert set(named) == {"image missed (run night)", "image kept (run night)"}
    assert "every recogniser takes it for the original's" in named["image kept (run night)"]
