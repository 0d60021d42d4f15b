"""The CA and the administrator's token are made anew while the server runs: whoever reads the kubeconfig gets in."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import yaml

from pillion.clock import Clock, LoopClock
from pillion.daemon.assembly import Config
from pillion.daemon.controlplane import ControlPlane
from pillion.daemon.httpserver import HttpServer, listen
from pillion.daemon.serve import renew, write_kubeconfig
from pillion.units import Instant

pytestmark = pytest.mark.host
YEAR = 365 * 86_400


class Calendar(Clock):
    def __init__(self) -> None:
        self._clock = LoopClock()
        self.years = 0

    def now(self) -> Instant:
        return Instant(self._clock.now() + self.years * YEAR)


class Lab:
    def __init__(self, folder: Path) -> None:
        self.calendar = Calendar()
        self._listener = listen(0)
        self.port: int = self._listener.getsockname()[1]
        self.plane = ControlPlane(Config(state_dir=str(folder / "state")), self.calendar, self.port)

    async def run(self, life: Callable[[Lab], Awaitable[None]]) -> None:
        plane = self.plane
        saved = await plane.open()
        self.http = HttpServer(plane.app, self._listener, plane.authority.certificate, plane.authority.key)
        try:
            async with asyncio.TaskGroup() as tasks, asyncio.timeout(30):
                ready = asyncio.Event()
                running = tasks.create_task(plane.run(saved, ready))
                await ready.wait()
                tasks.create_task(self.http.run_until_told())
                await self.http.wait_started()
                write_kubeconfig(plane, self.port)
                await life(self)
                self.http.stop()
                running.cancel()
        finally:
            await plane.close()
            self._listener.close()

    def kubeconfig(self) -> tuple[str, str]:
        """Its CA and its token."""
        config = yaml.safe_load(Path(self.plane.state.kubeconfig).read_text())
        ca = config["clusters"][0]["cluster"]["certificate-authority-data"]
        return base64.b64decode(ca).decode(), config["users"][0]["user"]["token"]

    async def status(self) -> int:
        """Of a request by the kubeconfig as it is now. Raises ssl.SSLCertVerificationError."""
        ca, token = self.kubeconfig()
        tls = ssl.create_default_context(cadata=ca)
        # The server has aged, this machine has not: of the certificate's time, only its end is looked at.
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=tls)
        writer.write(
            f"GET /api/v1/namespaces HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
        )
        status = int((await reader.readline()).split()[1])
        writer.close()
        return status


def test_a_token_whose_file_is_gone_is_made_anew_and_the_kubeconfig_has_it(tmp_path: Path) -> None:
    async def life(lab: Lab) -> None:
        ca, token = lab.kubeconfig()
        assert await lab.status() == 200
        (Path(lab.plane.state.pki) / "admin.token").unlink()
        await renew(lab.plane, lab.http, lab.port)
        assert lab.kubeconfig()[0] == ca
        assert lab.kubeconfig()[1] != token
        assert await lab.status() == 200

    asyncio.run(_run(tmp_path, life))


def test_a_ca_that_is_lost_is_made_anew_for_clients_and_for_pods(tmp_path: Path) -> None:
    async def life(lab: Lab) -> None:
        ca, token = lab.kubeconfig()
        (Path(lab.plane.state.pki) / "ca.crt").unlink()
        await renew(lab.plane, lab.http, lab.port)
        fresh = lab.kubeconfig()
        assert fresh[0] != ca
        assert fresh[1] == token
        assert await lab.status() == 200
        for namespace in ("default", "kube-system"):
            published = lab.plane.api.get("configmaps", namespace, "kube-root-ca.crt")
            assert published is not None
            assert published["data"]["ca.crt"] == fresh[0], namespace

    asyncio.run(_run(tmp_path, life))


def test_ten_years_later_there_is_another_ca(tmp_path: Path) -> None:
    async def life(lab: Lab) -> None:
        ca = lab.kubeconfig()[0]
        lab.calendar.years = 1
        await renew(lab.plane, lab.http, lab.port)
        assert lab.kubeconfig()[0] == ca, "the server's own certificate is nobody else's business"
        lab.calendar.years = 10
        await renew(lab.plane, lab.http, lab.port)
        assert lab.kubeconfig()[0] != ca

    asyncio.run(_run(tmp_path, life))


async def _run(folder: Path, life: Callable[[Lab], Awaitable[None]]) -> None:
    await Lab(folder).run(life)
