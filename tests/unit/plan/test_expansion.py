import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillion.plan.expansion import expand

ENV = {"A": "1", "B": "$(A)", "EMPTY": "", "a b": "odd", "(": "paren"}


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("", ""),
        ("plain", "plain"),
        ("$(A)", "1"),
        ("x$(A)y$(A)", "x1y1"),
        ("$(B)", "$(A)"),
        ("$(EMPTY)", ""),
        ("$(UNKNOWN)", "$(UNKNOWN)"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$$$$(A)", "$$(A)"),
        ("$$", "$"),
        ("$", "$"),
        ("a$", "a$"),
        ("$A", "$A"),
        ("$(A", "$(A"),
        ("$(", "$("),
        ("$()", "$()"),
        ("$(a b)", "odd"),
        ("$($(A))", "$($(A))"),
        ("$(()", "paren"),
        ("${A}", "${A}"),
        ("$(A)$(UNKNOWN)$$", "1$(UNKNOWN)$"),
        ("line\n$(A)", "line\n1"),
    ],
)
def test_references_are_replaced_as_kubernetes_replaces_them(text, expanded):
    assert expand(text, ENV.get) == expanded


DOLLARED = st.text(alphabet="$()AB x\n")


@given(DOLLARED)
def test_nothing_is_lost_when_no_name_is_known(text):
    """Every `$$` becomes `$`, from left to right; everything else stays."""
    left_alone = re.sub(r"\$\$|\$\([^)]*\)", lambda match: "$" if match[0] == "$$" else match[0], text)
    assert expand(text, lambda _: None) == left_alone


@given(st.text())
def test_a_doubled_text_survives_expansion_whatever_the_environment(text):
    assert expand(text.replace("$", "$$"), lambda _: "gone") == text


@given(st.text(), st.text())
def test_a_replaced_value_is_not_looked_at_again(value, around):
    plain = around.replace("$", "")
    assert expand(f"{plain}$(A){plain}", {"A": value}.get) == f"{plain}{value}{plain}"
