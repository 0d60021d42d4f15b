"""The whole scraper in this process, against an agent of ours and a receiver of remote write."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from logging import getLogger
from pathlib import Path
from typing import Any

import pytest

from pillion.errors import PillionError
from pillion.http.server import Asked, Response, serve
from pillion.scraper.application.running import Application
from pillion.scraper.configuration import Configuration, Flags, load
from pillion.scraper.exposition import Format, page_reader
from pillion.scraper.labels import Matcher, MatchType

LOG = getLogger("tests")


class World:
    """An agent, the scraper's configuration file, and the scraper."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "prometheus.yml"
        self.folder = folder
        self.scrapes = 0
        self.pushes: list[Asked] = []
        self.push_status = HTTPStatus.NO_CONTENT
        self.port = 0
        self.receiver_answers = asyncio.Event()
        self.receiver_answers.set()
        self.application: Application

    async def answer(self, asked: Asked) -> Response:
        if asked.method == "POST":
            self.pushes.append(asked)
            await self.receiver_answers.wait()
            return Response(status=self.push_status)
        self.scrapes += 1
        return Response(type="text/plain; version=0.0.4", body=b"# TYPE n counter\nn %d\n" % self.scrapes)

    def configure(self, text: str = "", *, interval: str = "1s", job: str = "agent") -> None:
        self.file.write_text(
            f"global: {{scrape_interval: {interval}, scrape_timeout: {interval}}}\n"
            f"scrape_configs:\n- job_name: {job}\n"
            f"  static_configs: [{{targets: ['127.0.0.1:{self.port}']}}]\n{text}"
        )

    def load(self) -> Configuration:
        return load(self.file.read_text(), str(self.file), {})

    def values(self, name: str) -> list[float]:
        matcher = Matcher(MatchType.EQUAL, "__name__", name)
        found = self.application.window.ranges([matcher], 0, 1 << 60, 1_000_000)
        return [value for series in found for value in series.values]

    async def until(self, fact: Callable[[], object]) -> None:
        async with asyncio.timeout(60):
            while not fact():  # noqa: ASYNC110 - facts of any kind
                await asyncio.sleep(0.01)


def live(
    folder: Path, scenario: Callable[[World], Awaitable[None]], text: str = "", **flags: Any
) -> tuple[World, int]:
    """The scenario while the scraper runs; it has to end it. The exit status."""

    async def main() -> tuple[World, int]:
        world = World(folder)
        async with serve("127.0.0.1", 0, world.answer, LOG, body_limit=1 << 20) as world.port:
            world.configure(text.replace("PORT", str(world.port)))
            world.application = Application(
                world.load(),
                Flags(
                    config_file=str(world.file),
                    storage_path=str(folder / "data"),
                    listen_addresses=("127.0.0.1:0",),
                    **flags,
                ),
                {},
                world.load,
            )
            async with asyncio.TaskGroup() as tasks:
                running = tasks.create_task(world.application.run())
                await scenario(world)
                async with asyncio.timeout(60):
                    status = await running
                world.receiver_answers.set()
                return world, status

    return asyncio.run(main())


REMOTE = "remote_write: [{url: 'http://127.0.0.1:PORT/write', queue_config: {batch_send_deadline: 50ms}}]\n"


def test_an_agent_is_scraped_until_sigterm_and_once_more(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.until(lambda: len(world.values("n")) >= 2)
        seen = world.scrapes
        os.kill(os.getpid(), signal.SIGTERM)
        await world.until(lambda: world.scrapes > seen)

    world, status = live(tmp_path, scenario)
    assert status == 0
    assert world.values("n") == [float(number) for number in range(1, world.scrapes + 1)]
    assert set(world.values("up")) == {1}
    assert not (tmp_path / "data").exists()


def test_sighup_reads_the_configuration_again_and_a_bad_one_changes_nothing(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        application = world.application
        await world.until(lambda: world.values("n"))
        world.file.write_text("scrape_configs: [{}]")
        os.kill(os.getpid(), signal.SIGHUP)
        await world.until(lambda: not application.is_reload_successful)
        assert "prometheus_config_last_reload_successful 0" in application.metrics()
        assert [target.pool for target in application.targets.active()] == ["agent"]
        world.configure(job="other")
        os.kill(os.getpid(), signal.SIGHUP)
        await world.until(lambda: application.targets.pools() == ["other"])
        assert application.is_reload_successful
        application.quit()

    assert live(tmp_path, scenario)[1] == 0


def test_our_own_metrics_are_a_page(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.until(lambda: len(world.values("n")) >= 2)
        text = world.application.metrics()
        page = page_reader(Format.TEXT_0).read(text.encode())
        assert len(set(page.series.labels)) == len(page.series.labels)
        for line in (
            'prometheus_sd_discovered_targets{config="agent",name="scrape"} 1',
            'prometheus_target_scrape_pool_targets{scrape_job="agent"} 1',
            "prometheus_target_scrapes_exceeded_sample_limit_total 0",
            "process_resident_memory_bytes",
            'prometheus_target_interval_length_seconds{interval="1s",quantile="0.5"}',
            'prometheus_target_sync_length_seconds_count{scrape_job="agent"} 1',
            'pillion_window_samples_dropped_total{reason="age"} 0',
            "pillion_window_samples ",
        ):
            assert line in text
        world.application.quit()

    live(tmp_path, scenario)


def test_the_web_server_answers_queries_about_what_was_scraped(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.until(lambda: world.values("n") and world.application.ports)
        reader, writer = await asyncio.open_connection("127.0.0.1", world.application.ports[0])
        writer.write(b"GET /api/v1/query?query=up HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = await reader.read()
        writer.close()
        assert b'"status":"success"' in answer
        assert b'"job":"agent"' in answer
        world.application.quit()

    live(tmp_path, scenario)


def test_the_targets_are_shown(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.until(lambda: world.application.is_ready)
        targets = world.application.targets
        await world.until(lambda: targets.active() and targets.active()[0].health == "up")
        (target,) = targets.active()
        assert dict(target.labels) == {"job": "agent", "instance": f"127.0.0.1:{world.port}"}
        assert target.url == f"http://127.0.0.1:{world.port}/metrics"
        assert [each.name for each in target.metadata] == ["n"]
        assert target.discovered["__scrape_interval__"] == "1s"
        world.application.quit()

    live(tmp_path, scenario)


def test_what_was_scraped_last_reaches_the_receiver_before_the_end(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.until(lambda: world.pushes)
        assert "prometheus_remote_storage_samples_total{" in world.application.metrics()
        os.kill(os.getpid(), signal.SIGTERM)

    world, status = live(tmp_path, scenario, REMOTE, flush_deadline=30_000)
    assert status == 0
    assert world.pushes[0].headers["content-encoding"] == "snappy"


def test_a_receiver_that_never_answers_holds_up_the_end_until_the_deadline_only(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        world.receiver_answers.clear()
        await world.until(lambda: world.pushes)
        os.kill(os.getpid(), signal.SIGTERM)

    _, status = live(tmp_path, scenario, REMOTE, flush_deadline=500)
    assert status == 0
    assert any(file.stat().st_size > 100 for file in (tmp_path / "data").rglob("0*"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_it_at_once_and_the_rest_stays_in_the_log(
    tmp_path: Path, number: signal.Signals
) -> None:
    async def scenario(world: World) -> None:
        world.push_status = HTTPStatus.SERVICE_UNAVAILABLE
        await world.until(lambda: world.pushes)
        os.kill(os.getpid(), number)
        await world.until(lambda: not world.application.is_ready)
        os.kill(os.getpid(), number)

    _, status = live(tmp_path, scenario, REMOTE, flush_deadline=3_600_000)
    assert status == 128 + number
    assert any(file.is_file() for file in (tmp_path / "data").rglob("*"))


@pytest.mark.parametrize(
    ("addresses", "text"),
    [(("127.0.0.1:BUSY",), "cannot listen on 127.0.0.1"), (("9090",), "9090: it is not HOST:PORT")],
)
@pytest.mark.parametrize("configured", ["", REMOTE], ids=["looked at", "forwarding"])
def test_what_keeps_it_from_starting_is_said_and_leaves_nothing_behind(
    tmp_path: Path, addresses: tuple[str, ...], text: str, configured: str
) -> None:
    async def main() -> None:
        world = World(tmp_path)
        async with serve("127.0.0.1", 0, world.answer, LOG) as world.port:
            world.configure(configured.replace("PORT", str(world.port)))
            listen = tuple(address.replace("BUSY", str(world.port)) for address in addresses)
            flags = Flags(storage_path=str(tmp_path / "data"), listen_addresses=listen)
            with pytest.raises(PillionError) as error:
                await Application(world.load(), flags, {}, world.load).run()
            assert text in str(error.value)
            assert len(asyncio.all_tasks()) <= 2

    asyncio.run(main())


def test_a_log_that_cannot_be_written_keeps_it_from_starting(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    async def main() -> None:
        world = World(tmp_path)
        world.configure(REMOTE.replace("PORT", "9"))
        flags = Flags(storage_path=str(tmp_path / "file" / "data"), listen_addresses=("127.0.0.1:0",))
        with pytest.raises(PillionError):
            await Application(world.load(), flags, {}, world.load).run()

    asyncio.run(main())
