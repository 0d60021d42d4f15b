"""Updates while serving: the configuration and the certificates, taken when they are good, said when they are not."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import msgspec

from pillion.errors import HostError, ManifestError, PillionError
from pillion.proxy.application import ports, preparation
from pillion.proxy.application.delivery import Delivery, ask_envoy
from pillion.proxy.application.eventrecords import Notice, Reason, notice
from pillion.proxy.application.expiry import Stage, stage
from pillion.proxy.application.messages import LOG
from pillion.proxy.application.preparation import Prepared, prepare
from pillion.proxy.application.reading import Read, read_again, read_certificates_again
from pillion.proxy.application.state import CONFIGURATION, Outcome, State
from pillion.proxy.application.watching import Signature, Watched, changed, look
from pillion.proxy.certificates.faults import CertificateError
from pillion.proxy.certificates.material import Material
from pillion.proxy.envoy.admin import AdminError
from pillion.proxy.envoy.launch import Call, EnvoyProcess
from pillion.proxy.envoy.validation import EnvoyRefusedError
from pillion.units import Instant

if TYPE_CHECKING:
    from pillion.clock import Clock
    from pillion.proxy.configuration.values import Certificate, Configuration

RETRY = 30.0
"""Seconds after which a certificate that was refused is read again: one that was not valid yet may be now."""

_REFUSED = "update refused, what was there goes on serving: "
_ENDS = {Stage.LATE: Reason.CERTIFICATE_ENDING, Stage.OVER: Reason.CERTIFICATE_EXPIRED}

Found = Mapping[str, Material | CertificateError]


class RestartNeededError(ManifestError):
    """The running Envoy cannot take the change."""


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """The Envoy that serves."""

    call: Call
    delivery: Delivery
    envoy: EnvoyProcess
    tell: Callable[[Notice], None]
    """Whoever looks at the Pod."""


class Updates:
    """What is served, and how it becomes something else."""

    def __init__(
        self,
        prepared: Prepared,
        signatures: Mapping[str, Signature],
        running: Running,
        state: State,
        clock: Clock,
    ) -> None:
        """`signatures`: of the files, as they were when `prepared` was read."""
        self._prepared = prepared
        self._running = running
        self._state = state
        self._clock = clock
        self._log = logging.getLogger(LOG)
        self._held = frozenset(place.bound for place in ports.places(prepared.configuration))
        self._watched = Watched(used=signatures, seen=signatures)
        self._wanted_paths: tuple[str, ...] = ()
        """Of certificates that a refused configuration names: it may be refused because they are not there yet."""
        self._retry_at = clock.now()
        self._last_errors: dict[str, str] = {}
        self._stages: dict[str, Stage] = {}
        self._show(prepared)

    async def look(self) -> bool:
        """Take what has changed. Whether something is changing at this moment, so that a look soon is worth it."""
        paths, self._watched = changed(self._watched, look(self._paths()))
        now = self._clock.now()
        if paths & {self._prepared.configuration.file, *self._wanted_paths}:
            await self.take_configuration()
        elif paths or self._is_retry_due(now):
            await self._take_certificates()
        self._tell_of_ends(now)
        return not self._watched.is_settled

    async def take_configuration(self) -> None:
        """Read everything again. What is wrong is logged and counted, and what was served stays."""
        signatures = look(self._paths())
        try:
            read = await read_again(self._prepared.configuration.file, self._clock.now())
            signatures |= read.signatures
            self._wanted_paths = preparation.watched_paths(read.configuration)
            prepared, errors = self._check(read)
            await ask_envoy(self._running.call, prepared.configuration, prepared.snapshot)
            await self._running.delivery.deliver(prepared.snapshot, self._running.envoy)
        except PillionError as error:
            self._refuse(CONFIGURATION, _reason(error), error)
            # They are none the worse for it.
            await self._take_certificates()
            return
        finally:
            # As they were before they were read: what has changed since is seen at the next look.
            self._watched = Watched(used=signatures, seen=signatures)
        self._wanted_paths = ()
        if not self._state.configuration.is_successful:
            self._tell(
                Reason.CONFIGURATION_TAKEN, f"the configuration was taken: {prepared.configuration.file}"
            )
        self._held |= {place.bound for place in ports.places(prepared.configuration)}
        self._state.configuration = Outcome(successful_at=self._clock.now())
        self._state.updates[CONFIGURATION] += 1
        self._state.certificates = {
            name: outcome for name, outcome in self._state.certificates.items() if name in prepared.materials
        }
        self._replace(prepared, errors)
        for warning in prepared.configuration.warnings:
            self._log.warning("%s", warning)
        self._log.info("the configuration was taken: %s", prepared.configuration.file)

    def _check(self, read: Read) -> tuple[Prepared, Mapping[str, CertificateError]]:
        """With the faults of certificates that stay as they are. Raises PillionError."""
        old, configuration = self._prepared, read.configuration
        if reasons := preparation.restart_reasons(old.configuration, configuration):
            raise RestartNeededError(
                "\n".join(
                    f"{configuration.file}: {reason}: it cannot change while Envoy runs; restart the container"
                    for reason in reasons
                )
            )
        preparation.check_access_log(configuration)
        ports.check_free(configuration.file, ports.places(configuration), self._held)
        kept, errors = keep_served(read.found, old, configuration)
        return prepare(configuration, kept), errors

    async def _take_certificates(self) -> None:
        old = self._prepared
        read = await read_certificates_again(old.configuration, self._clock.now())
        kept, errors = keep_served(read.found, old, old.configuration)
        try:
            prepared = prepare(old.configuration, kept)
            if prepared.snapshot != old.snapshot:
                await self._running.delivery.deliver(prepared.snapshot, self._running.envoy)
        except PillionError as error:
            names = [name for name in kept if kept[name] != old.materials[name]]
            for name in names:
                self._refuse(name, _reason(error), error)
            self._retry_at = Instant(self._clock.now() + RETRY)
            return
        self._replace(prepared, errors)

    def _replace(self, prepared: Prepared, errors: Mapping[str, CertificateError]) -> None:
        """What Envoy has taken is what is served."""
        old, self._prepared = self._prepared, prepared
        now = self._clock.now()
        for name, material in prepared.materials.items():
            if name in errors:
                self._refuse_certificate(errors[name])
                continue
            if material != old.materials.get(name):
                self._state.updates[name] += 1
                self._take(name, f"the certificate {name} was taken{_described(material)}", now)
            elif not self._state.certificates[name].is_successful:
                self._take(name, f"the certificate {name} is as it was when it was taken last", now)
        if errors:
            self._retry_at = Instant(now + RETRY)
        self._show(prepared)

    def _take(self, name: str, text: str, now: Instant) -> None:
        self._log.info("%s", text)
        before = self._state.certificates.get(name)
        is_awaited = before is not None and not before.is_successful
        if is_awaited or self._stages.get(name, Stage.FINE) is not Stage.FINE:
            self._tell(Reason.CERTIFICATE_TAKEN, text)
        self._state.certificates[name] = Outcome(successful_at=now)

    def _show(self, prepared: Prepared) -> None:
        self._state.serving = prepared.configuration
        self._state.leafs = {
            name: material.leaf for name, material in prepared.materials.items() if material.leaf is not None
        }
        for name in prepared.materials:
            self._state.certificates.setdefault(name, Outcome(successful_at=self._clock.now()))

    # ── refusals ─────────────────────────────────────────────────────────────────────────────────────────────────────
    def _refuse(self, what: str, reason: str, error: PillionError) -> None:
        self._state.rejected[what, reason] += 1
        if what == CONFIGURATION:
            self._state.configuration.is_successful = False
        else:
            self._state.certificates[what].is_successful = False
        for line in str(error).splitlines():
            self._log.error("%s%s", _REFUSED, line)
        kind = Reason.CONFIGURATION_REFUSED if what == CONFIGURATION else Reason.CERTIFICATE_REFUSED
        self._tell(kind, f"{_REFUSED}{error}")

    def _tell(self, reason: Reason, text: str) -> None:
        self._running.tell(notice(reason, text))

    def _refuse_certificate(self, error: CertificateError) -> None:
        """Once for each change: nothing new is said when it is read again in vain."""
        outcome = self._state.certificates[error.name]
        if str(error) == self._last_errors.get(error.name) and not outcome.is_successful:
            return
        self._last_errors[error.name] = str(error)
        for fault in error.faults[:1]:
            self._refuse(error.name, fault.reason.value, error)

    def _is_retry_due(self, now: Instant) -> bool:
        return now >= self._retry_at and any(
            not outcome.is_successful for outcome in self._state.certificates.values()
        )

    def _tell_of_ends(self, now: Instant) -> None:
        for name, leaf in self._state.leafs.items():
            found = stage(leaf, now)
            if found is not self._stages.get(name, Stage.FINE):
                self._stages[name] = found
                if found is not Stage.FINE:
                    text = f"the certificate {name} (serial {leaf.serial}) {found.value}"
                    self._log.warning("%s", text)
                    self._tell(_ENDS[found], text)

    def _paths(self) -> tuple[str, ...]:
        configuration = self._prepared.configuration
        return (configuration.file, *preparation.watched_paths(configuration), *self._wanted_paths)


def keep_served(
    found: Found, old: Prepared, configuration: Configuration
) -> tuple[Found, Mapping[str, CertificateError]]:
    """With what is served in the place of certificates that have become bad; and their faults.

    An entry that is new, or says something new, must be good.
    """
    before = {one.name: _asked(one) for one in old.configuration.certificates}
    kept: dict[str, Material | CertificateError] = {}
    errors: dict[str, CertificateError] = {}
    asked = {one.name: _asked(one) for one in configuration.certificates}
    for name, one in found.items():
        if isinstance(one, Material) or before.get(name) != asked[name]:
            kept[name] = one
        else:
            kept[name] = old.materials[name]
            errors[name] = one
    return kept, errors


def _asked(certificate: Certificate) -> Certificate:
    """Of an entry, wherever it stands."""
    return msgspec.structs.replace(certificate, line=0)


def _reason(error: PillionError) -> str:
    """The label in metrics."""
    match error:
        case RestartNeededError():
            return "restart_needed"
        case ports.PortsTakenError():
            return "port_taken"
        case EnvoyRefusedError():
            return "refused_by_envoy"
        case HostError():
            return "unreadable"
        case ManifestError():
            return "invalid"
        case AdminError():
            return "envoy_silent"
        case _:
            return "internal"


def _described(material: Material) -> str:
    leaf = material.leaf
    if leaf is None:
        return ""
    names = ", ".join((*leaf.uris, *leaf.dns, *leaf.ips))
    return f": serial {leaf.serial}, {names}"
