"""The report: one page that asks nothing of a network and holds what it was given."""

import re
import sys
from html.parser import HTMLParser

import numpy as np
import pytest

from pellucid.core.errors import MissingExtraError
from pellucid.operations.exponential import exp
from pellucid.operations.source import parameter, variable
from pellucid.view import Section, data_address, formulas, mathml, page, png, scatter

VOID = {"meta", "img", "br", "hr", "link", "input"}


class Balance(HTMLParser):
    """Follows open elements, to see that each is closed; collects addresses."""

    def __init__(self):
        super().__init__()
        self.open, self.addresses = [], []

    def handle_starttag(self, tag, attrs):
        self.addresses += [value for name, value in attrs if name in ("src", "href", "srcset", "action")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def read(text):
    reader = Balance()
    reader.feed(text)
    reader.close()
    assert reader.open == []
    return reader


def sample():
    x, W = variable("x", ("batch", 2)), parameter([[1.0], [2.0]], name="W")
    image = png(scatter(np.eye(2, dtype=np.float32), np.array([0, 1])))
    first = Section("Data & points").paragraph("Call `f(<x>)` & see.").picture(image, 'A "picture"')
    second = (
        Section("Numbers").heading("Table").table(["name", "value"], [["a < b", "1,000"], ["`c`", "-2"]], "Caption")
    )
    return page("Title <1>", "Lead.", [first.code("a  <b>"), second.add(formulas({"y": exp(x @ W) + 1}))])


def test_a_page_is_whole_and_asks_nothing_of_a_network():
    text = sample()
    reader = read(text)
    assert text.startswith("<!doctype html>")
    assert [a for a in reader.addresses if not a.startswith(("data:image/png;base64,", "#"))] == []
    outside = set(re.findall(r"https?://[^\"' )]+", text)) - {"http://www.w3.org/1998/Math/MathML"}
    assert outside == set()
    assert "@import" not in text
    assert "<script" not in text


def test_text_is_escaped_and_backquotes_are_code():
    text = sample()
    assert "<title>Title &lt;1&gt;</title>" in text
    assert "Call <code>f(&lt;x&gt;)</code> &amp; see." in text
    assert 'alt="A &quot;picture&quot;"' in text
    assert "a  &lt;b&gt;" in text


def test_links_lead_to_the_sections():
    text = sample()
    for anchor in re.findall(r'href="#([^"]*)"', text):
        assert f'id="{anchor}"' in text


def test_a_column_of_numbers_is_set_to_the_right():
    text = sample()
    assert '<th class="number">value</th>' in text
    assert "<th>name</th>" in text


def test_formulas_share_their_parts_under_where():
    x = variable("x", ("batch", 3))
    shared = exp(x * x + 1)
    text = formulas({"a": shared * 2, "b": shared + x})
    assert text.count('class="where"') == 1
    assert text.count('class="equation"') == 3
    read(text)


def test_the_dark_and_the_printed_page_have_their_styles():
    assert "prefers-color-scheme: dark" in sample()
    assert "@media print" in sample()


def test_a_picture_becomes_an_address():
    assert data_address(b"\x89PNG") == "data:image/png;base64,iVBORw=="


def test_without_latex2mathml_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "latex2mathml.converter", None)
    with pytest.raises(MissingExtraError, match=r"pip install pellucid\[cli\]"):
        mathml("x")
