"""The audit's page in a real browser: it renders, sorts, prints, and fits a phone, in the light and in the dark."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from deid_udf.lake.checks import Violation
from deid_udf.report.audit import page
from tests.support.audits import busy_audit
from tests.support.browser import Browser

PHONE = 390  # CSS pixels


@pytest.fixture(scope="module")
def browser():
    with Browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A page with everything on it, a violation included."""
    evidence = "its bytes have sha256 " + "0" * 64 + ", its row says " + "1" * 64
    audit = replace(busy_audit(), violations=[Violation("bytes", "image cam-1/2026-11-24/0001.jpg (run r)", evidence)])
    file = tmp_path_factory.mktemp("page") / "audit.html"
    file.write_text(page(audit), encoding="utf-8")
    return file


def _darkness(picture: bytes) -> float:
    """Share of pixels that are dark."""
    grey = np.asarray(Image.open(io.BytesIO(picture)).convert("L"))
    return float((grey < 90).mean())


def test_it_renders_without_a_word_from_the_console(browser, file):
    browser.open(file)
    assert browser.messages() == []
    assert browser.run("return document.title") == "Privacy audit"
    assert browser.run(
        "return [...document.querySelectorAll('svg')].every(s => s.getBoundingClientRect().height > 100)"
    )
    first = browser.run("return document.querySelector('.table').classList.contains('violations')")
    assert first, "violations come first"


def test_tables_sort_by_what_their_cells_mean(browser, file):
    browser.open(file)
    column = """
        const table = [...document.querySelectorAll("table")].find(t => t.tHead.textContent.startsWith("runpublished"));
        table.tHead.rows[0].cells[6].id = "sorted";
        return [...table.tBodies[0].rows].map(row => parseFloat(row.cells[6].dataset.sort));
    """
    given = browser.run(column)
    assert len(set(given)) == len(given) == 30
    browser.click("#sorted button")
    assert browser.run(column) == sorted(given)
    assert browser.run("return document.getElementById('sorted').getAttribute('aria-sort')") == "ascending"
    browser.click("#sorted button")
    assert browser.run(column) == sorted(given, reverse=True)
    assert browser.messages() == []


def test_it_fits_a_phone(browser, file):
    browser.open(file, width=PHONE)
    assert browser.run("return document.documentElement.scrollWidth") <= PHONE
    sizes = "return [...document.querySelectorAll('p, td, th')].map(e => parseFloat(getComputedStyle(e).fontSize))"
    assert min(browser.run(sizes)) >= 12


def test_it_is_light_in_the_light_and_dark_in_the_dark(browser, file):
    browser.open(file, scheme="light")
    light = _darkness(browser.picture())
    browser.open(file, scheme="dark")
    dark = _darkness(browser.picture())
    assert light < 0.2 < 0.8 < dark
    assert browser.messages() == []


def test_it_prints(browser, file):
    browser.open(file, scheme="dark")
    pdf = browser.pdf()
    assert pdf.startswith(b"%PDF-")
    assert pdf.count(b"/Type /Page\n") + pdf.count(b"/Type /Page ") + pdf.count(b"/Type /Page/") >= 3
