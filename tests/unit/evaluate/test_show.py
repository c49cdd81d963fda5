"""A terminal of 80 columns shows every figure whole."""

import pandas as pd
import pytest

from deid_udf.evaluate import summary
from deid_udf.evaluate.paper import TABLE_1, TABLE_2
from deid_udf.evaluate.show import print_tables

METRICS = {"l0": 123_456.0, "l2": 12_345.0, "ald_2": 0.12345, "ald_inf": 0.98765, "ssim": 0.98765, "dhash": 54_321.0}
JUDGED = {"dlib_distance": 0.61234, "facenet_distance": 1.21, "plate_distance": 5.0, "still_found": 1.0}
METHODS = ("original", "ours", "blur", "mosaic", "dp_pix")


@pytest.fixture(autouse=True)
def narrow(monkeypatch):
    """No terminal is asked for its width."""
    monkeypatch.setenv("COLUMNS", "80")


def _result(what, methods):
    figures = [(m, metric, v, "", 0.0) for m in methods for metric, v in METRICS.items()]
    kinds = {"plate_distance": "plate"}
    figures += [(m, metric, v, kinds.get(metric, "face"), 50.0) for m in methods for metric, v in JUDGED.items()]
    rows = pd.DataFrame([("a", *f) for f in figures], columns=["file", "method", "metric", "value", "kind", "height"])
    result = {"what": what, "privacy": summary.privacy_table(rows)}
    result |= {"table_1": summary.utility_table(rows, TABLE_1), "table_2": summary.utility_table(rows, TABLE_2)}
    return result | {"curves": summary.curve_table(result["privacy"], result["table_1"])}


def test_tables_stand_beside_the_papers(capsys):
    print_tables(_result("tables", METHODS))
    told = capsys.readouterr().out
    assert "…" not in told
    for figure in ("123,456", "(169,225)", "(100,940)", "0.1235", "within dlib at most", "dp_pix", "0.6123"):
        assert figure in told
    assert max(map(len, told.splitlines())) <= 80


def test_curves_and_the_other_experiments(capsys):
    print_tables(_result("faces", ["ours", "laplace_unbounded epsilon=1.25", "laplace_vector epsilon=inf"]))
    print_tables(_result("plates", ["ours", "randomized_response epsilon=16", "prior epsilon=0"]))
    print_tables({"generator": {"name": "mobilestylegan", "frechet_distance": 12.5, "nearest": [0.5]}})
    told = capsys.readouterr().out
    assert "…" not in told
    for figure in ("laplace_unbounded", "1.25", "inf", "0.6123", "12,345", "randomized_response", "12.5"):
        assert figure in told
    assert "nearest" not in told
