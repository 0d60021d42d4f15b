"""Regex rules as a graph: each rule knows those that may come after it.

Source: Fluent Bit's src/multiline/flb_ml_rule.c (`flb_ml_rule_create`, `set_to_state_map`).
"""

from __future__ import annotations

from typing import TypeAlias

from pillion.collector.multiline.joiners import Rule
from pillion.collector.parsers import compile_ruby

States: TypeAlias = tuple[tuple[str, str, str], ...]
"""(states with commas between them, pattern, next state or nothing)"""

START = "start_state"


def link(states: States) -> tuple[Rule, ...]:
    """Raises ValueError: the first rule starts no message, a pattern is none, a next state is nobody's."""
    names = [{name.strip() for name in where.split(",")} for where, _, _ in states]
    if not names or START not in names[0]:
        raise ValueError(f"the first rule must be of the state {START}")
    rules = [
        Rule(regex=compile_ruby(pattern), is_start=START in mine)
        for mine, (_, pattern, _) in zip(names, states, strict=True)
    ]
    for rule, (_, _, then) in zip(rules, states, strict=True):
        if not then:
            continue
        following = [other for mine, other in zip(names, rules, strict=True) if then in mine]
        if not following:
            raise ValueError(f"no rule is of the state {then}, which another goes on to")
        rule.then = tuple(other for other in following if not other.is_start)
        rule.ends = any(other.is_start for other in following)
    return tuple(rules)
