import re
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from html.parser import HTMLParser

import pytest

from deid_udf.lake.audit import Audit, Composed
from deid_udf.lake.checks import Violation
from deid_udf.lake.erasures import Erased, Erasure
from deid_udf.lake.spending import Event, Spend
from deid_udf.report.audit import epsilon, page
from deid_udf.report.prometheus import metrics

AT = datetime(2026, 11, 25, 1, 2, tzinfo=UTC)


@pytest.fixture
def clean() -> Audit:
    spend = Spend({"run_id": "r1"}, 2, 3, Decimal("23"), Decimal("15"))
    run = {"run_id": "r1", "finished_at": AT, "policy_hash": "ab" * 32, "quarantined": 1}
    event = Event(
        kind="face",
        outcome="replaced",
        cause="",
        mechanism="laplace_vector",
        version=1,
        parameters={"k": "8"},
        guarantee="pure",
        epsilon=Decimal(8),
        epsilon_unit=None,
        noise_source="keyed",
        detector="centerface",
        memoised=False,
        public=(),
        objects=3,
    )
    return Audit(
        location="file:///lake",
        run_id=None,
        at=AT,
        snapshot_id=7,
        total=replace(spend, key={}),
        by_run=[spend],
        by_day=[replace(spend, key={"day": "2026-11-25"})],
        scopes={"sequence_id": [replace(spend, key={"sequence_id": None})]},
        caps={"image_id": [{"image_id": "a", "cap": Decimal(64), "spent": Decimal(15), "left": Decimal(49)}]},
        events=[event],
        images=[(Decimal(8), 1), (Decimal(15), 1)],
        top_images=[replace(spend, key={"image_id": "<b>a</b>"})],
        composed=[
            Composed({"sequence_id": "s"}, 3, Decimal(23), {"1e-06": Decimal("22.5"), "1e-09": None}, "pure", False)
        ],
        runs=[run],
        policies={"ab" * 32: '{"name": "street"}'},
        quarantined={"truncated": 1},
        erasures=[Erasure(7, AT, "a judge", "order 12", (Erased("0" * 64, "1" * 64, "r1", "ab" * 32, 1, Decimal(8)),))],
        violations=[],
    )


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


def test_numbers_sort_by_what_they_are(clean):
    assert epsilon(Decimal("1234.5")) == ("1,234.5", "1234.5")
    assert epsilon(Decimal("0.00001")) == ("0.0001", "0.00001")
    assert epsilon(None) == ("∞", "Infinity")
    assert 'data-sort="49"' in page(clean)


def test_plots_follow_the_page_from_light_to_dark(clean):
    plots = re.findall(r"<svg.*?</svg>", page(clean), re.DOTALL)
    assert len(plots) == 2
    for plot in plots:
        assert "var(--ink)" in plot
        assert not re.search(r"#0[1-4]0[1-4]0[1-4]", plot)
