"""The vocabulary of test/e2e_node/container_lifecycle_pod_construction.go, over the log of a simulation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pillion.lifecycle.record import Waiting
from pillion.lifecycle.states import ContainerView, view_all
from pillion.lifecycle.turn import Turn
from pillion.plan.podplan import PodPlan
from pillion.testing.simulation import ProbeScript, Script, Simulation
from pillion.units import Instant

Claim = Callable[["Results"], bool]


@dataclass(frozen=True)
class Results:
    """What happened to a pod. An order holds by position in the log; times only tell how long."""

    sim: Simulation

    def _places(self, what: str, name: str) -> list[int]:
        wanted = f"{what} {name}"
        return [
            i for i, (_, text) in enumerate(self.sim.log) if text == wanted or text.startswith(f"{wanted} ")
        ]

    def starts(self, name: str) -> bool:
        return bool(self._places("start", name))

    def exits(self, name: str) -> bool:
        return bool(self._places("exit", name))

    def starts_before(self, name: str, other: str) -> bool:
        return min(self._places("start", name)) < max(self._places("start", other))

    def first_starts_before(self, name: str, other: str) -> bool:
        return self._places("start", name)[0] < self._places("start", other)[0]

    def exits_before(self, name: str, other: str) -> bool:
        """The first exit of the one lies before the first start of the other."""
        return self._places("exit", name)[0] < self._places("start", other)[0]

    def ends_before(self, name: str, other: str) -> bool:
        """The last exit of the one lies before the last exit of the other."""
        return self._places("exit", name)[-1] < self._places("exit", other)[-1]

    def run_together(self, name: str, other: str) -> bool:
        def spans(of: str) -> list[tuple[int, int]]:
            ends = [*self._places("exit", of), len(self.sim.log) + 1]
            return list(zip(self._places("start", of), ends, strict=False))

        return any(a < d and c < b for a, b in spans(name) for c, d in spans(other))

    def has_restarted(self, name: str) -> bool:
        return len(self._places("start", name)) > 1

    def at(self, text: str) -> float:
        return self.sim.times(text)[0]

    @property
    def phase(self) -> str:
        return self.sim.record.phase

    @property
    def is_initialized(self) -> bool:
        return self.sim.record.initialized

    def restarts(self, name: str) -> int:
        return self._view(name).restart_count

    def waits_for(self, name: str, reason: str) -> bool:
        state = self._view(name).state
        return isinstance(state, Waiting) and state.reason == reason

    def exit_code(self, name: str) -> int | None:
        return self.sim.newest(name).exit_code

    def _view(self, name: str) -> ContainerView:
        turn = Turn(self.sim.plan, self.sim.record, self.sim.seen(), Instant(self.sim.now))
        return view_all(turn)[name]


@dataclass(frozen=True)
class Group:
    """One pod of the suite, and the claims its Its make about it, by the line of the It."""

    title: str
    plan: PodPlan
    scripts: dict[str, Script | Sequence[Script]]
    claims: dict[int, Claim]
    probes: dict[str, ProbeScript] = field(default_factory=dict)
    acts: tuple[tuple[float, Callable[[Simulation], None]], ...] = ()
    until: float = 300.0

    def run(self) -> Results:
        sim = Simulation(self.plan, self.scripts, self.probes)
        for at, act in self.acts:
            sim.run(until=at)
            act(sim)
        sim.run(until=self.until)
        return Results(sim)
