"""A report: one page of HTML that holds its style, its pictures and its formulas, and asks nothing of a network."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .figures import data_address

STYLE = Path(__file__).with_name("report.css")


@dataclass
class Section:
    """A part of a report: a title, and what stands under it as HTML.

    >>> section = Section("Data").paragraph("Two moons of 200 points.").table(["class", "points"], [[0, 100], [1, 100]])
    >>> "<td" in page("Report", "What happened.", [section])
    True
    """

    title: str
    blocks: list[str] = field(default_factory=list)

    def add(self, block: str) -> Section:
        """Add HTML as it is, such as the formulas of ``pellucid.view.formulas``."""
        self.blocks.append(block)
        return self

    def heading(self, text: str) -> Section:
        """Add a smaller heading."""
        return self.add(f"<h3>{html.escape(text)}</h3>")

    def paragraph(self, text: str) -> Section:
        """Add a paragraph; words between backquotes are set as code."""
        return self.add(f"<p>{_prose(text)}</p>")

    def code(self, text: str) -> Section:
        """Add lines that keep their spaces."""
        return self.add(f"<pre><code>{html.escape(text)}</code></pre>")

    def picture(self, image: bytes, caption: str) -> Section:
        """Add a picture, from the bytes of a PNG file."""
        return self.add(
            f'<figure><img src="{data_address(image)}" alt="{html.escape(caption, quote=True)}">'
            f"<figcaption>{_prose(caption)}</figcaption></figure>"
        )

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[object]], caption: str = "") -> Section:
        """Add a table; columns of numbers are set to the right."""
        filled = [[str(cell) for cell in row] for row in rows]
        numeric = [bool(filled) and all(_is_number(row[k]) for row in filled) for k in range(len(columns))]
        head = "".join(_cell("th", name, number) for name, number in zip(columns, numeric, strict=True))
        body = "".join(
            "<tr>" + "".join(_cell("td", cell, number) for cell, number in zip(row, numeric, strict=True)) + "</tr>"
            for row in filled
        )
        title = f"<caption>{_prose(caption)}</caption>" if caption else ""
        return self.add(
            f'<div class="scroll"><table>{title}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
        )

    @property
    def anchor(self) -> str:
        """What the section is called in addresses within the page."""
        return "".join(letter if letter.isalnum() else "-" for letter in self.title.lower()).strip("-")


def page(title: str, lead: str, sections: Sequence[Section]) -> str:
    """Return the whole report as HTML."""
    links = "".join(f'<a href="#{s.anchor}">{html.escape(s.title)}</a>' for s in sections)
    parts = "".join(
        f'<section id="{s.anchor}"><h2>{html.escape(s.title)}</h2>{"".join(s.blocks)}</section>' for s in sections
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{STYLE.read_text(encoding='utf-8')}</style></head>"
        f"<body><main><header><h1>{html.escape(title)}</h1><p>{_prose(lead)}</p><nav>{links}</nav></header>"
        f"{parts}</main></body></html>\n"
    )


def _cell(tag: str, text: str, number: bool) -> str:
    right = ' class="number"' if number else ""
    return f"<{tag}{right}>{_prose(text)}</{tag}>"


def _prose(text: str) -> str:
    parts = html.escape(text).split("`")
    return "".join(f"<code>{part}</code>" if k % 2 else part for k, part in enumerate(parts))


def _is_number(text: str) -> bool:
    return text[:1].isdigit() or (text[:1] in "-+." and text[1:2].isdigit())
