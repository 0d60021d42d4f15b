"""`pillion image`: load, list and remove images that did not come from a registry."""

from __future__ import annotations

import asyncio
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import click

from pillion.errors import PillionError

if TYPE_CHECKING:
    from pillion.containers.images import ImageStore

_UNITS = ("B", "kB", "MB", "GB", "TB")
_THOUSAND = 1000


@click.group()
@click.option(
    "--state-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("/var/lib/pillion"),
    envvar="PILLION_STATE_DIR",
    show_default=True,
    help="Where pillion keeps its images.",
)
@click.pass_context
def image(context: click.Context, state_dir: Path) -> None:
    """Load, list and remove images."""
    context.obj = state_dir


@image.command()
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path), metavar="FILE..."
)
@click.pass_obj
def load(state_dir: Path, files: tuple[Path, ...]) -> None:
    """Load the images of archives: what `docker save` writes, or an OCI layout (tar file or folder)."""
    store = _open_store(state_dir)
    for file in files:
        try:
            loaded = asyncio.run(store.load(file))
        except PillionError as error:
            raise click.ClickException(str(error)) from error
        for one in loaded:
            for name in one.names or ("<none>",):
                click.echo(f"Loaded {name} ({_short_id(one.image_id)})")


@image.command()
@click.pass_obj
def ls(state_dir: Path) -> None:
    """List loaded images."""
    rows = [("NAME", "IMAGE ID", "SIZE", "CREATED")]
    for one in _open_store(state_dir).ls():
        created = (one.created or "")[:10]
        rows += [
            (name, _short_id(one.image_id), _size(one.size_bytes), created)
            for name in one.names or ("<none>",)
        ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        click.echo("   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


@image.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME|ID...")
@click.pass_obj
def rm(state_dir: Path, names: tuple[str, ...]) -> None:
    """Remove loaded images. An image that a container runs on stays."""
    store = _open_store(state_dir)
    for name in names:
        try:
            asyncio.run(store.rm(name))
        except PillionError as error:
            raise click.ClickException(str(error)) from error
        click.echo(f"Removed {name}")


def _open_store(state_dir: Path) -> ImageStore:
    from pillion.containers.images import ImageSources, ImageStore
    from pillion.statedir import StateDir

    return ImageStore(StateDir(PurePosixPath(state_dir.absolute())), ImageSources())


def _short_id(image_id: str) -> str:
    """Twelve digits, as everybody shows them."""
    return image_id.removeprefix("sha256:")[:12]


def _size(size_bytes: int) -> str:
    size = float(size_bytes)
    for unit in _UNITS[:-1]:
        if size < _THOUSAND:
            return f"{size:.3g}{unit}"
        size /= _THOUSAND
    return f"{size:.3g}{_UNITS[-1]}"
