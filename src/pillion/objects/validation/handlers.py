"""Rules for probes and lifecycle hooks (core/validation: validateProbe, validateLifecycle, validateHandler)."""

from __future__ import annotations

from pillion.objects.fielderrors import FieldError, Path, forbidden, invalid, required
from pillion.objects.fielderrors import not_supported as unsupported
from pillion.objects.models import core_v1
from pillion.objects.validation import names

_SCHEMES = ("HTTP", "HTTPS")
_NUMBERS = ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold")
_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc", "sleep")


def validate_lifecycle(
    lifecycle: core_v1.Lifecycle | None, grace_seconds: int | None, path: Path
) -> list[FieldError]:
    """`stopSignal` is dropped while its feature gate (ContainerStopSignals) is off: nothing is said of it."""
    errors: list[FieldError] = []
    if lifecycle is not None and lifecycle.postStart is not None:
        errors += _validate_handler(lifecycle.postStart, grace_seconds, path.child("postStart"))
    if lifecycle is not None and lifecycle.preStop is not None:
        errors += _validate_handler(lifecycle.preStop, grace_seconds, path.child("preStop"))
    return errors


def validate_liveness_probe(probe: core_v1.Probe | None, path: Path) -> list[FieldError]:
    """Of liveness and startup probes alike: the first success counts."""
    if probe is None:
        return []
    errors = _validate_probe(probe, path)
    if (probe.successThreshold or 0) != 1:
        errors.append(invalid(path.child("successThreshold"), probe.successThreshold or 0, "must be 1"))
    return errors


def validate_readiness_probe(probe: core_v1.Probe | None, path: Path) -> list[FieldError]:
    if probe is None:
        return []
    errors = _validate_probe(probe, path)
    if probe.terminationGracePeriodSeconds is not None:
        detail = "must not be set for readinessProbes"
        grace_path = path.child("terminationGracePeriodSeconds")
        errors.append(invalid(grace_path, probe.terminationGracePeriodSeconds, detail))
    return errors


def _validate_probe(probe: core_v1.Probe, path: Path) -> list[FieldError]:
    errors = _validate_handler(probe, None, path)
    for field in _NUMBERS:
        number = getattr(probe, field) or 0
        if number < 0:
            errors.append(invalid(path.child(field), number, "must be greater than or equal to 0"))
    grace = probe.terminationGracePeriodSeconds
    if grace is not None and grace <= 0:
        grace_path = path.child("terminationGracePeriodSeconds")
        errors.append(invalid(grace_path, grace, "must be greater than 0"))
    return errors


def _validate_handler(
    owner: core_v1.Probe | core_v1.LifecycleHandler, grace_seconds: int | None, path: Path
) -> list[FieldError]:
    """Exactly one handler: the first one met is looked at, every other one is forbidden."""
    errors: list[FieldError] = []
    present = [
        (field, handler) for field in _HANDLERS if (handler := getattr(owner, field, None)) is not None
    ]
    if not present:
        return [required(path, "must specify a handler type")]
    first, *others = present
    errors += _validate_action(first[1], grace_seconds, path.child(first[0]))
    for field, _ in others:
        errors.append(forbidden(path.child(field), "may not specify more than 1 handler type"))
    return errors


def _validate_action(handler: object, grace_seconds: int | None, path: Path) -> list[FieldError]:
    match handler:
        case core_v1.ExecAction():
            return [] if handler.command else [required(path.child("command"))]
        case core_v1.HTTPGetAction():
            return _validate_http_get(handler, path)
        case core_v1.TCPSocketAction() | core_v1.GRPCAction():
            return _validate_port(handler.port, path.child("port"))
        case core_v1.SleepAction():
            seconds = handler.seconds
            if grace_seconds is None or 0 <= seconds <= grace_seconds:
                return []
            grace = f"terminationGracePeriodSeconds ({grace_seconds})"
            return [invalid(path, seconds, f"must be non-negative and less than {grace}")]
        case _:
            return []


def _validate_http_get(action: core_v1.HTTPGetAction, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    if not action.path:
        errors.append(required(path.child("path")))
    errors += _validate_port(action.port, path.child("port"))
    if action.scheme not in _SCHEMES:
        errors.append(unsupported(path.child("scheme"), action.scheme or "", _SCHEMES))
    for header in action.httpHeaders or ():
        errors += names.check(path.child("httpHeaders"), header.name, names.http_header_name)
    return errors


def _validate_port(port: int | str | None, path: Path) -> list[FieldError]:
    if isinstance(port, str):
        return names.check(path, port, names.port_name)
    return [invalid(path, port or 0, sentence) for sentence in names.port_number(port or 0)]
