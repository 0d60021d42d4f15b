"""What a story tells, and what it must not."""

from __future__ import annotations

from tests.unit.lifecycle.builders import main, pod

from pillion.lifecycle import Hook, HookFinished, Observation, PodRecord, decide
from pillion.lifecycle.story import tell
from pillion.units import Instant


def test_a_story_says_why_a_hook_failed_but_not_what_it_put_out() -> None:
    outcome = HookFinished(
        at=Instant(1),
        name="main",
        id="c",
        hook=Hook.PRE_STOP,
        error="command 'login' exited with 3: the password is hunter2",
        cause="command 'login' exited with 3",
    )
    seen = Observation(outcomes=(outcome,))
    decision = decide(pod(main()), PodRecord(), seen, Instant(1))
    texts = [entry.text for entry in tell(None, seen, PodRecord(), decision, Instant(1))]
    assert "preStop hook failed: command 'login' exited with 3" in texts
    assert "hunter2" not in repr(texts)
