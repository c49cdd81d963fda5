import csv
import io
import re
from dataclasses import replace
from decimal import Decimal
from html.parser import HTMLParser

import pytest

from deid_udf.lake.audit import Audit
from deid_udf.lake.checks import Violation
from deid_udf.lake.spending import Spend
from deid_udf.report.audit import epsilon, page
from deid_udf.report.plots import against_cap
from deid_udf.report.prometheus import metrics
from deid_udf.report.sums import COLUMNS, sums
from tests.support.audits import busy_audit, clean_audit


@pytest.fixture
def clean() -> Audit:
    return clean_audit()


class _Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.loaded, self.open = [], []

    def handle_starttag(self, tag, attributes):
        self.loaded += [
            value for name, value in attributes if name in ("src", "href") and not value.startswith("data:")
        ]


def test_the_page_needs_no_network_and_no_other_file(clean):
    text = page(clean)
    links = _Links()
    links.feed(text)
    assert [link for link in links.loaded if not link.startswith("#")] == []
    assert "@import" not in text and "url(http" not in text
    assert "No violation found" in text


def test_names_from_data_are_escaped(clean):
    assert "&lt;b&gt;a&lt;/b&gt;" in page(clean)
    assert "<b>a</b>" not in page(clean)


def test_violations_come_first(clean):
    broken = replace(clean, violations=[Violation("bytes", "image x", "its bytes have sha256 0, its row says 1")])
    text = page(broken)
    assert "No violation found" not in text
    assert text.index("its bytes have sha256 0") < text.index("images released")


def test_prometheus_reads_the_same_numbers(clean):
    lines = metrics(replace(clean, quarantined={'od"d\n': 1}, total=replace(clean.total, epsilon=None))).splitlines()
    samples = [line for line in lines if not line.startswith("#")]
    assert all(re.fullmatch(r'[a-z_]+(\{[a-z_]+="([^"\\\n]|\\.)*"\})? [-+.0-9Inf]+', line) for line in samples)
    assert 'deid_run_epsilon{run_id="r1"} 23' in samples
    assert 'deid_cap_left_min{scope="image_id"} 49' in samples
    assert "deid_epsilon +Inf" in samples
    assert "deid_violations 0" in samples


def test_the_csv_holds_the_exact_sums_of_each_group(clean):
    unbounded = Spend({"sequence_id": "=1+1"}, 1, 1, None, None)
    rows = list(csv.DictReader(io.StringIO(sums(replace(clean, scopes={"sequence_id": [unbounded]})))))
    assert tuple(rows[0]) == COLUMNS
    assert [row["group"] for row in rows] == ["all", "run", "day", "sequence_id", "image_id"]
    assert (rows[0]["images"], rows[0]["epsilon"]) == ("2", "23")
    assert (rows[3]["name"], rows[3]["epsilon"]) == ("'=1+1", "inf")  # no formula


def test_recall_stands_on_the_page_with_what_it_speaks_for(clean):
    text = page(clean)
    assert "mask_rcnn_lite" in text and "plates_ro" in text
    assert "other weights of clp" in text
    assert "2 released pictures looked at again" in text


def test_numbers_sort_by_what_they_are(clean):
    assert epsilon(Decimal("1234.5")) == ("1,234.5", "1234.5")
    assert epsilon(Decimal("0.00001")) == ("0.0001", "0.00001")
    assert epsilon(None) == ("∞", "Infinity")
    assert 'data-sort="49"' in page(clean)


def test_spending_over_time_ends_at_what_the_caps_table_says():
    audit = busy_audit()
    plot = against_cap(
        {"a": [("2026-11-01", Decimal(3)), ("2026-11-03", Decimal(4))], "_$b\\$": [("2026-11-02", None)]}, Decimal(9)
    )
    assert all(word in plot for word in ("11-01", "11-03", "cap", "> a<", r"> _$b\$<"))
    assert plot.count("<path") and "cam-4/drive" in page(audit)


def test_plots_follow_the_page_from_light_to_dark(clean):
    plots = re.findall(r"<svg.*?</svg>", page(clean), re.DOTALL)
    assert len(plots) == 3
    for plot in plots:
        assert "var(--ink)" in plot
        assert not re.search(r"#0[1-4]0[1-4]0[1-4]", plot)
