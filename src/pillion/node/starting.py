"""Starting a container: image, configuration, create, start; and making containers ahead of their start.

Creating is the expensive half of a start and is invisible to the rules, so all containers of a new pod are created at
once, side by side, and then *started* in order. What was made ahead is used only if the same specification comes out
when the turn of the container has come; if a ConfigMap changed meanwhile, it is made anew.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec

from pillion.containers.images import ImageError, PullPolicy
from pillion.containers.runtime import CreateError, StartError
from pillion.errors import HostError
from pillion.lifecycle import ContainerStarted, ContainerStartFailed, Note
from pillion.node.drivers import Drivers
from pillion.objects.models import core_v1
from pillion.plan.containerspec import ContainerSpec, ImageConfig
from pillion.plan.facts import PodFacts
from pillion.plan.podplan import ContainerPlan, PodPlan
from pillion.plan.pods import container_named
from pillion.plan.references import ConfigError
from pillion.plan.resolve import resolve_container
from pillion.units import go_milliseconds
from pillion.volumes import SubPathError

CONFIG_ERROR = "CreateContainerConfigError"


class PodAtHand(msgspec.Struct, frozen=True, kw_only=True):
    """The pod as it is now, for work that outlives a decision."""

    pod: core_v1.Pod
    plan: PodPlan
    facts: PodFacts
    sandbox_attempt: int


class Starter:
    """Starts the containers of one pod."""

    def __init__(self, drivers: Drivers) -> None:
        self._drivers = drivers
        self._ahead: dict[str, asyncio.Task[tuple[ContainerSpec, str] | None]] = {}

    def prepare(self, at_hand: PodAtHand, tasks: asyncio.TaskGroup) -> None:
        """Create ahead whatever can be: not what a container before it might still change (sub paths, env files)."""
        spec = at_hand.pod.spec
        assert spec is not None
        if spec.shareProcessNamespace or spec.hostPID:
            return  # a process that waits for its start would be seen by the others
        if self._drivers.runtime.containers(at_hand.plan.uid):
            return  # a pod that begins again: which attempt each container comes to is not known here
        for plan in at_hand.plan.inits + at_hand.plan.mains:
            container = container_named(at_hand.pod, plan.name)
            if container is not None and not _depends_on_files(container):
                self._ahead[plan.name] = tasks.create_task(self._create_ahead(at_hand, plan))

    async def discard(self) -> None:
        """Remove what was made ahead and never started. Raises HostError; what is left is there for another try."""
        for name, task in list(self._ahead.items()):
            made = await task
            if made is not None:
                await self._drivers.runtime.remove(made[1])
            self._ahead.pop(name, None)

    async def start(
        self, at_hand: PodAtHand, plan: ContainerPlan, attempt: int
    ) -> ContainerStarted | ContainerStartFailed:
        """One whole start. Every way in which it can fail comes back as an outcome."""
        clock = self._drivers.clock
        notes: list[Note] = []

        def failed(reason: str, message: str) -> ContainerStartFailed:
            return ContainerStartFailed(
                at=clock.now(), name=plan.name, reason=reason, message=message, notes=tuple(notes)
            )

        try:
            image = await self._ensure_image(at_hand, plan, notes)
            container_id = await self._create(at_hand, plan, attempt, image)
        except ImageError as error:
            notes.extend(_image_notes(error, plan.image))
            return failed(error.reason, str(error))
        except ConfigError as error:
            return failed(error.reason, str(error))
        except SubPathError as error:
            return failed(CONFIG_ERROR, str(error))
        except CreateError as error:
            return failed(error.reason, str(error))
        except (HostError, OSError) as error:
            return failed("CreateContainerError", str(error))
        notes.append(Note(type="Normal", reason="Created", message="Container created"))
        try:
            await self._drivers.runtime.start(container_id)
        except (StartError, HostError, OSError) as error:
            return failed("RunContainerError", str(error))
        notes.append(Note(type="Normal", reason="Started", message="Container started"))
        return ContainerStarted(at=clock.now(), name=plan.name, id=container_id, notes=tuple(notes))

    async def _ensure_image(self, at_hand: PodAtHand, plan: ContainerPlan, notes: list[Note]) -> ImageConfig:
        container = container_named(at_hand.pod, plan.name)
        policy = PullPolicy(
            container.imagePullPolicy or "IfNotPresent" if container is not None else "IfNotPresent"
        )
        began = self._drivers.clock.now()
        resolved = await self._drivers.images.ensure(plan.image, policy)
        if resolved.was_present:
            text = f'Container image "{plan.image}" already present on machine and can be accessed by the pod'
        else:
            # To the millisecond (image_manager.go: EnsureImageExists).
            took = go_milliseconds(int((self._drivers.clock.now() - began) * 1000))
            notes.append(Note(type="Normal", reason="Pulling", message=f'Pulling image "{plan.image}"'))
            text = f'Successfully pulled image "{plan.image}" in {took} ({took} including waiting)'
            # The host's filesystem as an image has no size; kubelets before 1.30 named none either.
            if resolved.config.size_bytes:
                text += f". Image size: {resolved.config.size_bytes} bytes."
        notes.append(Note(type="Normal", reason="Pulled", message=text))
        if resolved.config.substitutes is not None:
            notes.append(Note(type="Normal", reason="StandIn", message=resolved.config.substitutes))
        return resolved.config

    async def _create(self, at_hand: PodAtHand, plan: ContainerPlan, attempt: int, image: ImageConfig) -> str:
        wanted = self._resolve(at_hand, plan, attempt, image)
        ahead = self._ahead.pop(plan.name, None)
        if ahead is not None:
            made = await ahead
            if made is not None:
                spec, container_id = made
                if spec == wanted:
                    return container_id
                await self._drivers.runtime.remove(container_id)
        return await self._make(at_hand, wanted)

    async def _create_ahead(
        self, at_hand: PodAtHand, plan: ContainerPlan
    ) -> tuple[ContainerSpec, str] | None:
        """None when it cannot be made now: the start itself will find out why, and say so."""
        try:
            image = await self._ensure_image(at_hand, plan, [])
            spec = self._resolve(at_hand, plan, 0, image)
            return spec, await self._make(at_hand, spec)
        except (ImageError, ConfigError, CreateError, HostError, OSError):
            return None

    def _resolve(
        self, at_hand: PodAtHand, plan: ContainerPlan, attempt: int, image: ImageConfig
    ) -> ContainerSpec:
        drivers = self._drivers
        return resolve_container(
            at_hand.pod,
            at_hand.plan,
            plan,
            attempt=attempt,
            sandbox_attempt=at_hand.sandbox_attempt,
            image=image,
            configs=drivers.configs,
            node=drivers.node,
            facts=at_hand.facts,
            state=drivers.state,
            env_files=drivers.volumes.env_files(at_hand.plan.uid),
            instances={seen.name: seen.id for seen in reversed(drivers.runtime.containers(at_hand.plan.uid))},
        )

    async def _make(self, at_hand: PodAtHand, spec: ContainerSpec) -> str:
        mounts = []
        for index, mount in enumerate(spec.mounts):
            if mount.sub_path is None:
                mounts.append(mount)
                continue
            source = await self._drivers.volumes.prepare_sub_path(
                at_hand.plan.uid, mount, container=spec.name, index=index
            )
            mounts.append(msgspec.structs.replace(mount, source=source, sub_path=None))
        _provide_file(Path(spec.termination_message_host_path), mode=0o666)
        return await self._drivers.runtime.create(msgspec.structs.replace(spec, mounts=tuple(mounts)))


def _depends_on_files(container: core_v1.Container | core_v1.EphemeralContainer) -> bool:
    return any(mount.subPath or mount.subPathExpr for mount in container.volumeMounts or ()) or any(
        variable.valueFrom is not None and variable.valueFrom.fileKeyRef is not None
        for variable in container.env or ()
    )


def _provide_file(path: Path, *, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    path.chmod(mode)


def _image_notes(error: ImageError, image: str) -> list[Note]:
    """image_manager.go: EnsureImageExists, pullImage."""
    match error.reason:
        case "ErrImagePull":
            return [
                Note(type="Normal", reason="Pulling", message=f'Pulling image "{image}"'),
                Note(type="Warning", reason="Failed", message=f'Failed to pull image "{image}": {error}'),
            ]
        case "ErrImageNeverPull":
            return [Note(type="Warning", reason="ErrImageNeverPull", message=str(error))]
        case _:
            return [Note(type="Warning", reason="InspectFailed", message=str(error))]
