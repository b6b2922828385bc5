"""What processes use of the machine, from Linux's /proc (https://man7.org/linux/man-pages/man5/proc.5.html)."""

import os
from pathlib import Path

_PROC = Path("/proc")
_TICK = os.sysconf("SC_CLK_TCK") if _PROC.exists() else 100


def are_visible() -> bool:
    """Whether this is a Linux."""
    return (_PROC / "self" / "stat").exists()


def children(process: int) -> set[int]:
    """Those it started and that still run."""
    return {other for other, (parent, _) in _all().items() if parent == process}


def cpu_seconds(process: int, *, with_children: bool) -> float:
    """Used by it, and by those it started, and so on."""
    running = _all()
    wanted, found = [process], 0.0
    while wanted:
        one = wanted.pop()
        found += running[one][1] if one in running else 0
        if with_children:
            wanted += [other for other, (parent, _) in running.items() if parent == one]
    return found


def machine_seconds() -> float:
    """Used by anybody on the machine: user, nice, system."""
    user, nice, system = (_PROC / "stat").read_text().split()[1:4]
    return (int(user) + int(nice) + int(system)) / _TICK


def _all() -> dict[int, tuple[int, float]]:
    """The parent and the used seconds of each."""
    found = {}
    for folder in _PROC.glob("[0-9]*"):
        try:
            # The name in brackets may hold anything; what follows is numbers.
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended meanwhile
        found[int(folder.name)] = (int(fields[1]), (int(fields[11]) + int(fields[12])) / _TICK)
    return found
