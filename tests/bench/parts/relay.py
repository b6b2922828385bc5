"""A mail relay that accepts every mail, with STARTTLS and a login, as a real one does.

python -m tests.bench.parts.relay
"""

import asyncio
import logging

from tests.bench.settings import authority_file
from tests.support.relay import AUTHORITY, relay, server_tls


async def main() -> None:
    logging.getLogger("mail.log").setLevel(logging.ERROR)  # aiosmtpd warns of every login
    async with relay(server_tls()) as running:
        AUTHORITY.cert_pem.write_to_path(str(authority_file(running.port)))
        print(running.port, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
