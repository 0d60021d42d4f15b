"""Identity: a pod whose annotation asks for one gets its certificate and key as a volume, as by a mesh's webhook."""

from __future__ import annotations

from typing import Any

from pillion.apiserver import statuses
from pillion.apiserver.admission.chain import is_new_pod
from pillion.apiserver.seams import AdmissionRequest
from pillion.inject import add_identity, check_identity

Tree = dict[str, Any]


class Identity:
    async def admit(self, request: AdmissionRequest) -> Tree | None:
        if not is_new_pod(request) or request.object is None:
            return request.object
        if errors := check_identity(request.object):
            raise statuses.invalid("Pod", request.name, errors)
        return add_identity(request.object)
