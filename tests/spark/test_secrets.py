"""A whole run's logs, event log and tables: no plate text, no noise key, no picture."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from deid_udf.plates.code import decode
from deid_udf.plates.draw import draw_plate
from deid_udf.plates.formats import load_format
from deid_udf.policy import parse_policy
from tests.support.lakes import rows
from tests.support.processes import KEY, run
from tests.support.records import record, write_records

pytestmark = pytest.mark.timeout(900)

POLICY = parse_policy("""
name: plates
licences: [MIT, Apache-2.0, CC0-1.0]
detection: {detectors: [{model: clp, threshold: 0.1}]}
faces: {mechanism: {name: fill}}
plates: {mechanism: {name: randomized_response, epsilon: 7}, memo: [sequence_id]}
budget: {image: 64, scopes: [{columns: [sequence_id], cap: 2000}]}
""")


def _plated() -> tuple[bytes, str]:
    """A picture of a plate on a grey car, and its text."""
    form = load_format("cn-blue")
    pattern, layout = form.expand()[0], form.layouts[0]
    text = decode([(5 * i + 3) % int(m) for i, m in enumerate(pattern.moduli)], pattern)
    plate = np.asarray(Image.fromarray(draw_plate(form, layout, pattern, text)).resize((176, 56)))
    picture = np.full((240, 400, 3), 120, np.uint8)
    picture[120:176, 112:288] = plate
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue(), str(text)


def test_nothing_secret_is_written_down(tmp_path, models_cache):
    data, text = _plated()
    events = tmp_path / "events"
    events.mkdir()
    (tmp_path / "policy.yaml").write_text(POLICY.canonical())
    images = [record(f"frame-{i}", data if i == 0 else _again(data, i), "s0") for i in range(3)]
    job = run(
        tmp_path / "logs",
        "deidentify",
        f"--records={write_records(tmp_path / 'records', images)}",
        f"--lake={(tmp_path / 'lake').as_uri()}",
        f"--policy={tmp_path / 'policy.yaml'}",
        "--run-id=night",
        conf={
            "spark.eventLog.enabled": "true",
            "spark.eventLog.dir": events.as_uri(),
            "spark.eventLog.compress": "false",
        },
    )
    published = rows(tmp_path / "lake")
    plates = [entry for row in published for entry in row["objects"] if entry["kind"] == "plate"]
    assert len(plates) == 3, job.summary()
    assert {entry["mechanism"] for entry in plates} != {"prior"}, "the plate was not read, so nothing is proven"
    # The same code in the same scope is one draw: charged once, the others point there.
    assert sum(entry["memo_of"] is None for entry in plates) == 1

    told = job.text()
    told += "".join(file.read_text(errors="replace") for file in events.rglob("*") if file.is_file())
    ledger = repr([{k: v for k, v in row.items() if k != "protected"} for row in published])
    assert len(told) > 10_000
    secrets = [text, text[1:], KEY, base64.b64encode(bytes.fromhex(KEY)).decode(), data[60:90].hex()]
    for secret in secrets:
        assert secret not in told
        assert secret not in ledger


def _again(data: bytes, number: int) -> bytes:
    """The same scene in another frame."""
    picture = np.array(Image.open(io.BytesIO(data)))
    picture[:20, :20] = 40 * number
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()
