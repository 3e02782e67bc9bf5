"""What pages are made of: nothing of the data is markup, numbers read well, a policy guards them."""

import base64
import hashlib
import re

import pytest

from skmm.inspection._html import aligned, bar, escaped, number, page, percent, write_page


def test_escaping_leaves_nothing_special():
    """No sign that means something to HTML is left, and ends of lines are one sign."""
    assert escaped("<a href='x' title=\"y\">&amp;\r\n\x00") == (
        "&lt;a href=&#x27;x&#x27; title=&quot;y&quot;&gt;&amp;amp;\n\ufffd"
    )
    assert escaped(3) == "3"


def test_a_page_has_a_policy_for_its_own_style_and_script():
    """The hashes in the policy are those of the one style and the one script, and nothing else is allowed."""
    text = page("a <b>", "<p>body</p>", rules=".x { color: red }")

    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)
    (style,) = re.findall(r"<style>(.*?)</style>", text, flags=re.DOTALL)
    (script,) = re.findall(r"<script>(.*?)</script>", text, flags=re.DOTALL)
    hashes = [base64.b64encode(hashlib.sha256(part.encode()).digest()).decode() for part in (style, script)]
    assert policy.split("; ") == [
        "default-src 'none'", f"style-src 'sha256-{hashes[0]}'", f"script-src 'sha256-{hashes[1]}'",
        "img-src data:", "base-uri 'none'", "form-action 'none'",
    ]  # fmt: skip
    assert ".x { color: red }" in style
    assert "<title>a &lt;b&gt;</title>" in text


def test_a_page_is_written_or_given(tmp_path):
    """Without a path it is a str; with one the file has the same text, in UTF-8, on every system."""
    path = tmp_path / "page.html"

    assert write_page("心\n", None) == "心\n"
    assert write_page("心\n", str(path)) == path
    assert path.read_bytes() == "心\n".encode()


def test_bars_go_from_zero_and_end_at_the_longest():
    """Those for something go to the right, those against it to the left; none is longer than the longest."""

    def drawn(html):
        return [re.search(rf' {name}="([^"]*)"', html)[1] for name in ("viewBox", "class", "x", "width")]

    assert drawn(bar(0.5, 2.0, None)) == ["-100 0 200 10", "bf", "0.00", "25.00"]
    assert drawn(bar(-4.0, 2.0, None)) == ["-100 0 200 10", "ba", "-100.00", "100.00"]
    assert drawn(bar(0.25, 1.0, "bn")) == ["0 0 100 10", "bn", "0.00", "25.00"]
    assert drawn(bar(0.0, 0.0, None))[3] == "0.00"


def test_numbers_have_a_sign_and_three_digits():
    """A true minus, a plus where there are signs, and 0 without any."""
    assert [number(value) for value in (0.12345, -2e-5, 0.0)] == ["+0.123", "\N{MINUS SIGN}2e-05", "0"]
    assert [number(value, signed=False) for value in (250000.4, 1e9)] == ["250000", "1e+09"]


@pytest.mark.parametrize(
    ("value", "top", "shown"),
    [
        (1.5, 1.5, "+1.50"),
        (-0.0018, 1.5, "\N{MINUS SIGN}0.00"),
        (123.4, 5000, "+123"),
        (0.01, 0.0495, "+0.0100"),
    ],
)
def test_numbers_of_a_column_have_the_same_decimals(value, top, shown):
    """As many as give the largest three digits."""
    assert aligned(value, top) == shown


def test_shares_that_are_not_all_do_not_look_so():
    """Neither 100 % nor 0 % is said of what is less, or more."""
    assert [percent(p) for p in (0, 0.004, 0.5, 0.999, 1)] == [
        "0 %",
        "below 1 %",
        "50 %",
        "above 99 %",
        "100 %",
    ]
