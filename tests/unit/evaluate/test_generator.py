"""Judging a generator: its samples are faces, and one that was learnt by heart is found out."""

import cv2
import numpy as np
import pandas as pd
import pytest

from deid_udf.evaluate.generator import KNOWN_BELOW, describe, pair_sheet, samples, table


@pytest.fixture(scope="module")
def faces(models_cache):
    return samples("mobilestylegan", range(4))


def test_a_seed_is_a_face(faces):
    (again,) = samples("mobilestylegan", [2])
    assert np.array_equal(again, faces[2])
    assert again.shape == (128, 128, 3)
    rows = describe([str(i) for i in range(4)], faces)
    assert all(row["found"] and row["landmarks"] for row in rows)
    nobody = describe(["grey"], [np.full((128, 128, 3), 128, np.uint8)])
    assert (nobody[0]["found"], nobody[0]["landmarks"]) == (False, False)


def test_a_remembered_face_is_found_out(faces, tmp_path):
    rows = pd.DataFrame(describe([str(i) for i in range(4)], faces))
    told = table(rows.iloc[:3], rows.iloc[1:])  # samples 1 and 2 are in the training set too
    assert told["closest"][0]["distance"] == pytest.approx(0, abs=1e-5)
    assert {(pair["seed"], pair["training"]) for pair in told["closest"][:2]} == {(1, "1"), (2, "2")}
    assert told["beyond"] == pytest.approx(1 / 3)
    assert told["nearest"][-1] > KNOWN_BELOW
    assert told["pair_distance"] > 0.5
    for i in (1, 2):
        cv2.imwrite(str(tmp_path / f"{i}.png"), faces[i][..., ::-1])
    sheet = pair_sheet(told["closest"][:2], "mobilestylegan", {str(i): tmp_path / f"{i}.png" for i in (1, 2)})
    assert sheet.shape == (256, 256, 3)
    assert np.array_equal(sheet[:128], sheet[128:])
