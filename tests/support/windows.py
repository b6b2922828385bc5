"""Use the desk in a process that lacks what Windows lacks: `python -m tests.support.windows`, in an empty folder.

It prints the modules of the desk that it has imported, what commands print, and what each page has answered.
"""

import asyncio
import importlib
import os
import signal
import sys
import tempfile
from pathlib import Path
from types import ModuleType

import httpx

#: Modules that exist on Unix only, and packages for Unix only.
MODULES = (
    "crypt curses fcntl grp gunicorn nis posix pty pwd readline resource spwd syslog termios tty uvloop".split()
)
#: What Windows lacks of others; https://docs.python.org/3/library/ says of each name where it exists.
NAMES: dict[ModuleType, list[str]] = {
    os: """O_CLOEXEC O_DIRECTORY O_NOCTTY O_NOFOLLOW O_SYNC WNOHANG chown chroot ctermid fchdir fchmod fchown
        fdatasync fork forkpty getegid geteuid getgid getgroups getloadavg getpgid getpgrp getpriority
        getsid getuid killpg lchown lockf mkfifo mknod nice openpty pathconf pidfd_open pipe2 posix_spawn
        pread pwrite readv register_at_fork sched_getaffinity sendfile setegid seteuid setgid setpgid
        setpriority setsid setuid statvfs sync sysconf tcgetpgrp ttyname uname wait wait3 wait4 writev""".split(),
    signal: """SIGALRM SIGBUS SIGCHLD SIGCONT SIGHUP SIGKILL SIGPIPE SIGPROF SIGQUIT SIGSTOP SIGTSTP SIGTTIN
        SIGTTOU SIGUSR1 SIGUSR2 SIGWINCH alarm pause pthread_kill pthread_sigmask setitimer sigwait""".split(),
}
_HOST = "127.0.0.1:8123"


def remove() -> None:
    """Remove what Windows lacks. The standard library's own modules of this machine have been imported above."""
    for name in MODULES:
        sys.modules[name] = None  # type: ignore[assignment]  # an import of it fails
    for module, names in NAMES.items():
        for name in names:
            module.__dict__.pop(name, None)


def import_desk(root: Path) -> None:
    """Import each module of the desk, and print its name."""
    for file in sorted((root / "desk").rglob("*.py")):
        name = ".".join(file.relative_to(root).with_suffix("").parts)
        importlib.import_module(name)
        print(name)


async def open_pages(campaign: str) -> None:
    """Open each page of the desk that needs no more than a campaign, and print its status and its path."""
    from desk.web.application import create_app
    from desk.web.guard import LINK
    from desk.web.session import Session
    from shared.clock import utc_now

    session = Session(8123, utc_now())
    app = create_app(session, _HOST, lambda: None)
    paths = [str(vars(route)["path"]) for route in app.routes if "GET" in vars(route)["methods"]]
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(
        transport=transport, base_url=f"http://{_HOST}", follow_redirects=True
    ) as browser:
        await browser.get(LINK, params={"token": session.link_token})
        for path in paths:
            named = path.replace("{campaign}", campaign)
            if "{" not in named:
                print((await browser.get(named)).status_code, named)


def run(command: str, entered: str = "") -> None:
    """Run a command, and print what it prints."""
    from typer.testing import CliRunner

    from desk.main import app

    print(CliRunner().invoke(app, command.split(), input=entered, catch_exceptions=False).output)


if __name__ == "__main__":
    tempfile.gettempdir()
    remove()
    import_desk(Path(__file__).parents[2])
    run("keygen ann.age", "correct horse battery\n" * 2)
    run("keys-page")
    asyncio.run(open_pages(sys.argv[1]))
