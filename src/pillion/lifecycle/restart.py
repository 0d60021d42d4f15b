"""Whether an exited container runs again (pkg/kubelet/container/helpers.go, pkg/api/v1/pod/util.go).

The first matching rule of the container wins, then its own policy, then the pod's. Only exit codes are looked at, never
who ended the container.
"""

from __future__ import annotations

from pillion.lifecycle.observation import ContainerSeen, RuntimeState
from pillion.plan.podplan import ContainerPlan, PodPlan, RestartPolicy, Role

RESTART_ALL = "RestartAllContainers"


def matching_action(container: ContainerPlan, exit_code: int) -> str | None:
    """The action of the first rule that matches, if the container has a policy of its own."""
    if container.restart_policy is None:
        return None
    for rule in container.restart_rules:
        if (exit_code in rule.values) == (rule.operator == "In"):
            return rule.action
    return None


def restarts_after(container: ContainerPlan, pod_policy: RestartPolicy, exit_code: int) -> bool:
    """Whether this exit code leads to another start (ContainerShouldRestart)."""
    if matching_action(container, exit_code) is not None:
        return True
    policy = container.restart_policy or pod_policy
    match policy:
        case RestartPolicy.ALWAYS:
            return True
        case RestartPolicy.ON_FAILURE:
            return exit_code != 0
        case RestartPolicy.NEVER:
            return False


def should_start(
    container: ContainerPlan, plan: PodPlan, newest: ContainerSeen | None, *, deleting: bool
) -> bool:
    """Whether a container that is not running is to be started now (ShouldContainerBeRestarted)."""
    if deleting:
        return False
    if newest is None:
        return True
    match newest.state:
        case RuntimeState.RUNNING:
            return False
        case RuntimeState.CREATED | RuntimeState.UNKNOWN:
            return True
        case RuntimeState.EXITED:
            return restarts_after(container, plan.restart_policy, newest.exit_code or 0)


def restarts_on_failure(container: ContainerPlan, pod_policy: RestartPolicy) -> bool:
    """Whether a kill by a probe is followed by a start; rules have no exit code to look at yet."""
    return (container.restart_policy or pod_policy) is not RestartPolicy.NEVER


def wants_restart_of_all(plan: PodPlan, newest: dict[str, ContainerSeen]) -> tuple[str, ...]:
    """Names of exited containers whose exit code matches a RestartAllContainers rule (ShouldAllContainersRestart)."""
    names = []
    for container in plan.inits + plan.mains:
        seen = newest.get(container.name)
        if (
            container.restart_rules
            and container.role is not Role.EPHEMERAL
            and seen is not None
            and seen.state is RuntimeState.EXITED
            and matching_action(container, seen.exit_code or 0) == RESTART_ALL
        ):
            names.append(container.name)
    return tuple(names)
