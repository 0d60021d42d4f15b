"""What processes weigh, from /proc."""

from __future__ import annotations

from pathlib import Path


def resident_mb(pid: int) -> float:
    """RSS: with the pages that it shares with others."""
    return _field(Path(f"/proc/{pid}/status"), "VmRSS:") / 1024


def proportional_mb(pid: int) -> float:
    """PSS: shared pages are divided by their users. 0 for a process that has ended."""
    try:
        return _field(Path(f"/proc/{pid}/smaps_rollup"), "Pss:") / 1024
    except (FileNotFoundError, ProcessLookupError):
        return 0.0


def cpu_seconds(pid: int) -> float:
    """User and system time since its start (proc_pid_stat(5): fields 14 and 15, in ticks of 10 ms)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def available_mb() -> float:
    """What the machine could still give to programs, kernel memory of containers taken into account."""
    return _field(Path("/proc/meminfo"), "MemAvailable:") / 1024


def monitors(state_dir: str) -> list[int]:
    """The conmon processes of a state directory."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_text(errors="replace").split("\0")
        except OSError:
            continue
        if words[0].endswith("conmon") and any(word.startswith(state_dir) for word in words):
            found.append(int(folder.name))
    return found


def _field(file: Path, name: str) -> float:
    """Kilobytes."""
    for line in file.read_text().splitlines():
        if line.startswith(name):
            return float(line.split()[1])
    raise ValueError(f"{file} has no {name}")
