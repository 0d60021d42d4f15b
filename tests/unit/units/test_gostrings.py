"""Text in quotes, as Go writes it."""

import pytest

from pillion.units import quote


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("plain", '"plain"'),
        ("", '""'),
        ("\x7f", '"\\x7f"'),
        ("\u00a0", '"\\u00a0"'),  # a blank that is not the ASCII one is not printable
        ("\U000e0001", '"\\U000e0001"'),
        ("日本", '"日本"'),
    ],
)
def test_text_is_quoted_as_go_quotes_it(text: str, quoted: str) -> None:
    assert quote(text) == quoted
