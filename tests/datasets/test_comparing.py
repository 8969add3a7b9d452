"""Two files side by side: distances by hand, and a page that needs nothing but itself."""

from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from datasets import analysis, comparing, report, synthesis
from datasets.analysis import Analysis
from datasets.comparing import KOLMOGOROV_SMIRNOV, TOTAL_VARIATION, Distance

Write = Callable[..., Path]


@pytest.fixture(scope="module")
def one(synthetic: Path) -> Analysis:
    return analysis.analyze(synthetic)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Analysis:
    path = tmp_path_factory.mktemp("other") / "<other> & 'more'.parquet"
    synthesis.run(2_000, path, seed=12)
    return analysis.analyze(path)


def by_name(found: comparing.Comparison) -> dict[tuple[str, str, str], Distance]:
    return {(d.distribution, d.of, d.measure): d for d in found.distances}


def test_a_file_is_at_no_distance_from_itself(one: Analysis) -> None:
    found = comparing.compare(one, one)
    assert found.distances
    assert all(each.distance == 0 for each in found.distances)
    assert all(each.here == each.there for each in (*found.missing, *found.strength))
    assert (found.only_here, found.only_there) == ([], [])


def test_the_same_generator_is_near_itself(one: Analysis, other: Analysis) -> None:
    found = by_name(comparing.compare(one, other))
    assert found["product", "transactions", TOTAL_VARIATION].distance < 0.1
    assert found["amount", "transactions", KOLMOGOROV_SMIRNOV].distance < 0.1


def test_distances_by_hand(csv_file: Write) -> None:
    header = "TransactionAmt,isFraud,ProductCD,C1"
    a = analysis.analyze(csv_file(header, "8,0,W,1", "8,0,W,1", "8,1,C,", "80,1,C,", name="a.csv"))
    b = analysis.analyze(
        csv_file(f"{header},C2", "8,0,W,1,1", "80,1,W,1,1", "80,1,R,1,1", "80,0,R,1,1", name="b.csv")
    )
    found = comparing.compare(a, b)
    product = by_name(found)["product", "transactions", TOTAL_VARIATION]
    # W 2/4 and 2/4, C 2/4 and 0, R 0 and 2/4.
    assert (product.distance, product.here, product.there) == (0.5, 0.5, 0.0)
    assert product.most == "C"
    # Of the frauds: C 2/2 and 0, W 0 and 1/2, R 0 and 1/2.
    assert by_name(found)["product", "frauds", TOTAL_VARIATION].distance == 1.0
    # Three of four amounts are 8 here, one of four there.
    assert by_name(found)["amount", "transactions", KOLMOGOROV_SMIRNOV].distance == 0.5
    assert (found.missing[0].column, found.missing[0].here, found.missing[0].there) == ("C1", 0.5, 0.0)
    assert (found.only_here, found.only_there) == ([], ["C2"])


class Page(HTMLParser):
    """What a page refers to, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.refers: list[str] = []
        self.tags: list[str] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag != "meta":
            self.open.append(tag)
        self.refers += [value or "" for name, value in attrs if name in {"src", "href", "xlink:href"}]

    def handle_startendtag(self, tag: str, _: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("compared", [False, True], ids=["one file", "two files"])
def test_the_page_holds_everything_it_needs(one: Analysis, other: Analysis, compared: bool) -> None:
    html = report.page(one, other, comparing.compare(one, other)) if compared else report.page(one)
    page = Page(html)
    assert page.open == []
    assert page.refers == []
    assert not {"script", "link", "iframe", "img"} & set(page.tags)
    assert "://" not in html
    assert "@import" not in html
    assert {"svg", "table"} <= set(page.tags)
    for expected in ("Hour", "Weekday", "Amounts", "Product", "Strongest columns", "Missing values", "3,000"):
        assert expected in page.text
    assert ("How far apart they are" in page.text) == compared
    assert ("<other> & 'more'.parquet" in page.text) == compared


def test_the_same_analysis_gives_the_same_page(one: Analysis) -> None:
    assert report.page(one) == report.page(one)


def test_a_page_of_the_little_there_is(csv_file: Write) -> None:
    found = analysis.analyze(csv_file("TX_AMOUNT", "5"))
    page = Page(report.page(found))
    assert "Without TX_DATETIME there is no time span" in page.text
    nothing = analysis.analyze(csv_file("TransactionID,ProductCD", "1,W"))
    assert "Product" in Page(report.page(nothing, found, comparing.compare(nothing, found))).text
