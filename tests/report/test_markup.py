"""Pieces of HTML escape what they hold."""

from dlrun.report.markup import Markup, table, tag


def test_markup_escapes_text_and_sets_numbers_to_the_right() -> None:
    assert tag("p", "<b>", class_='"') == '<p class="&quot;">&lt;b&gt;</p>'
    assert isinstance(tag("p", tag("b", "x")), Markup)
    written = table(("name", "count"), [("a<", "1,234"), ("b", "5")])
    assert '<td class="number">1,234</td>' in written
    assert "<td>a&lt;</td>" in written
    stacked = table(('a_"b', "c"), [("<", "-")], is_stacked=True)
    assert '<td data-label="a_\u200b&quot;b">&lt;</td><td class="number" data-label="c">-</td>' in stacked
