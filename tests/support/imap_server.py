"""An IMAP server: Debian's Dovecot, without root, with one account and a certificate of its own."""

import grp
import imaplib
import os
import pwd
import shutil
import ssl
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.emulator import free_port, wait_for_port
from tests.support.missing import missing
from tests.support.relay import AUTHORITY, client_tls

USER, PASSWORD = "bounces", "hunter2hunter2"

#: As in https://doc.dovecot.org/2.3/configuration_manual/howto/rootless/.
_CONFIGURATION = """
base_dir = {folder}/run
log_path = {folder}/log
default_internal_user = {user}
default_login_user = {user}
default_internal_group = {group}
protocols = imap
ssl = required
ssl_cert = <{folder}/certificate.pem
ssl_key = <{folder}/key.pem
mail_location = maildir:{folder}/mail
first_valid_uid = 1
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={folder}
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = 0
  }}
  inet_listener imaps {{
    address = 127.0.0.1
    port = {port}
    ssl = yes
  }}
}}
service anvil {{
  chroot =
}}
"""


@dataclass(frozen=True)
class ImapServer:
    """Where it listens. `tls`: a client's context, which trusts its certificate."""

    port: int
    tls: ssl.SSLContext

    @contextmanager
    def _session(self) -> Iterator[imaplib.IMAP4_SSL]:
        with imaplib.IMAP4_SSL("127.0.0.1", self.port, ssl_context=self.tls) as imap:
            imap.login(USER, PASSWORD)
            imap.select()
            yield imap

    def put(self, *messages: bytes) -> None:
        """Deliver messages into the mailbox."""
        with self._session() as imap:
            for message in messages:
                assert imap.append("INBOX", "", "", message)[0] == "OK"

    def left(self) -> list[tuple[bytes, bool]]:
        """Return the messages in the mailbox, oldest first, and whether they were seen."""
        with self._session() as imap:
            found = []
            for number in imap.search(None, "ALL")[1][0].split():
                [message, *_] = imap.fetch(number, "(FLAGS BODY.PEEK[])")[1]
                assert isinstance(message, tuple)
                found.append((message[1], b"\\Seen" in message[0]))
            return found

    def clear(self) -> None:
        """Empty the mailbox."""
        with self._session() as imap:
            for number in imap.search(None, "ALL")[1][0].split():
                imap.store(number, "+FLAGS", r"(\Deleted)")
            imap.expunge()


def _configure(folder: Path, port: int, user: str | None, group: str | None) -> Path:
    """Write certificate and configuration for `user` (None: who runs the tests); return the latter."""
    account = pwd.getpwnam(user) if user else pwd.getpwuid(os.geteuid())
    certificate = AUTHORITY.issue_cert("localhost", "127.0.0.1")
    certificate.cert_chain_pems[0].write_to_path(folder / "certificate.pem")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    file = folder / "dovecot.conf"
    file.write_text(
        _CONFIGURATION.format(
            folder=folder,
            port=port,
            password=PASSWORD,
            user=account.pw_name,
            group=group or grp.getgrgid(account.pw_gid).gr_name,
            uid=account.pw_uid,
            gid=account.pw_gid,
        )
    )
    for each in (folder, *folder.iterdir()):
        os.chown(each, account.pw_uid, account.pw_gid)
    return file


@contextmanager
def imap_server() -> Iterator[ImapServer]:
    """Run the server, as nobody where the tests run as root, which it refuses."""
    dovecot = shutil.which("dovecot", path=f"{os.environ['PATH']}:/usr/sbin")
    version = subprocess.run([dovecot, "--version"], capture_output=True, check=True).stdout if dovecot else b""
    if dovecot is None or not version.startswith(b"2.3"):
        missing("Dovecot 2.3 (apt-get install dovecot-imapd)")
        return
    user, group = ("nobody", "nogroup") if os.geteuid() == 0 else (None, None)
    with tempfile.TemporaryDirectory(prefix="dovecot-") as made:  # not under pytest's, which is its user's alone
        folder, port = Path(made), free_port()
        file = _configure(folder, port, user, group)
        server = subprocess.Popen(
            [dovecot, "-F", "-c", file], user=user, group=group, extra_groups=[] if user else None
        )
        try:
            assert wait_for_port(port), (folder / "log").read_text()
            yield ImapServer(port, client_tls())
        finally:
            server.terminate()
            server.wait()
