"""Pod, image and the facts of the moment → ContainerSpec: one container, ready to be created.

kuberuntime_container.go: startContainer, generateContainerConfig, in their order, because the first error is the one
people see: target, environment, mounts, then the user. What containerd takes from the image is here too; what it adds
of its own is `containers.bundle`.
"""

from collections.abc import Mapping
from types import MappingProxyType

from pillion.errors import Bug
from pillion.objects.models import core_v1
from pillion.plan.containerspec import ContainerSpec, ImageConfig, Mount
from pillion.plan.environment import build_environment
from pillion.plan.expansion import expand_all
from pillion.plan.facts import NodeFacts, PodFacts
from pillion.plan.hostnames import kernel_hostname
from pillion.plan.identity import resolve_identity
from pillion.plan.mounts import arrange_mounts, provided_files, volume_mounts
from pillion.plan.podplan import ContainerPlan, PodPlan
from pillion.plan.pods import AnyContainer, container_named, spec_of
from pillion.plan.references import CREATE_ERROR, ConfigError, Configs, EnvFiles, NoEnvFiles
from pillion.plan.resources import container_resources
from pillion.plan.security import resolve_security
from pillion.statedir import StateDir


def resolve_container(
    pod: core_v1.Pod,
    plan: PodPlan,
    container_plan: ContainerPlan,
    *,
    attempt: int,
    sandbox_attempt: int,
    image: ImageConfig,
    configs: Configs,
    node: NodeFacts,
    facts: PodFacts,
    state: StateDir,
    env_files: EnvFiles | None = None,
    instances: Mapping[str, str] = MappingProxyType({}),
) -> ContainerSpec:
    """Everything the runtime needs for one start. The same arguments give the same specification.

    `instances` has the ID of each container's newest instance, by name: one of them may be somebody's target.
    Raises ConfigError with Kubernetes' reason and message when something is missing or not allowed.
    """
    spec = spec_of(pod)
    container = container_named(pod, container_plan.name)
    if container is None:
        raise Bug(f"cannot resolve container {container_plan.name!r}: pod {plan.name} has no such container")
    target_id = _target_id(container, instances)
    env = build_environment(
        pod, container, configs=configs, env_files=env_files or NoEnvFiles(), node=node, facts=facts
    )
    volumes = volume_mounts(pod, container, env, state)
    identity = resolve_identity(pod, container, image)
    security = resolve_security(pod, container)
    hostname = node.hostname if plan.host_network else kernel_hostname(pod, node.cluster_domain)
    files = provided_files(
        plan.uid,
        state,
        mounted=volumes,
        has_hosts_file=plan.host_network or bool(facts.ips),
        read_only_root=security.read_only_root,
    )
    termination_path = container.terminationMessagePath or "/dev/termination-log"
    termination_file = str(state.termination_message(plan.uid, container.name, attempt))
    termination = Mount(source=termination_file, destination=termination_path)
    logs = state.pod_logs(plan.namespace, plan.name, plan.uid)
    return ContainerSpec(
        pod_uid=plan.uid,
        namespace=plan.namespace,
        pod_name=plan.name,
        sandbox_attempt=sandbox_attempt,
        name=container.name,
        role=container_plan.role,
        attempt=attempt,
        hash=container_plan.hash,
        image=container_plan.image,
        image_id=image.image_id,
        root_layers=image.root_layers,
        additions=image.additions,
        argv=build_argv(container, image, env),
        env=tuple((dict(image.env) | env).items()),
        cwd=container.workingDir or image.working_dir or "/",
        identity=identity,
        mounts=arrange_mounts(image.mounts, (*volumes, *files, termination)),
        resources=container_resources(pod, container, node.memory_bytes),
        security=security,
        hostname=hostname,
        tty=bool(container.tty),
        stdin=bool(container.stdin),
        stdin_once=bool(container.stdinOnce),
        stop_signal=image.stop_signal or "SIGTERM",
        termination_message_path=termination_path,
        termination_message_host_path=termination_file,
        termination_message_policy=container.terminationMessagePolicy or "File",
        log_path=str(state.container_log(logs, container.name, attempt)),
        host_pid=bool(spec.hostPID),
        share_process_namespace=bool(spec.shareProcessNamespace),
        # Only who would have a process namespace of its own can have another's (generateLinuxContainerConfig).
        target_id=None if spec.hostPID or spec.shareProcessNamespace else target_id,
    )


def _target_id(container: AnyContainer, instances: Mapping[str, str]) -> str | None:
    """Running or not is the runtime's question (kuberuntime_container.go: getTargetID). Raises ConfigError."""
    if not isinstance(container, core_v1.EphemeralContainer) or not container.targetContainerName:
        return None
    name = container.targetContainerName
    if name not in instances:
        raise ConfigError(f"unable to find target container {name}")
    return instances[name]


def build_argv(container: AnyContainer, image: ImageConfig, env: dict[str, str]) -> tuple[str, ...]:
    """`command` replaces ENTRYPOINT and CMD; `args` alone replaces CMD (containerd: WithProcessArgs).

    Raises ConfigError when there is nothing to run.
    """
    command = expand_all(container.command or (), env)
    args = expand_all(container.args or (), env)
    if not command:
        command = () if image.entrypoint == ("",) else image.entrypoint
        args = args or image.cmd
    if not command and not args:
        raise ConfigError("failed to generate spec: no command specified", CREATE_ERROR)
    return (*command, *args)
