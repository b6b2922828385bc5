"""Targets for the figures; docs/performance.md shows the table."""

from shared.web.routes import FUNCTIONS
from tests.bench.figures import Target

TARGETS = (
    Target(
        "sign/64/rate_to_empty",
        0.22,
        "sign, 64 connections: requests a second compared with empty",
        at_most=False,
    ),
    Target("sign/64/rate_to_sync", 15, "sign compared with the synchronous default doing the same", at_most=False),
    Target("sign/64/cpu_ms", 0.45, "sign: CPU time per request"),
    Target("sign/64/cpu_to_empty", 6, "sign: CPU time compared with empty"),
    Target("count/warm/rate_to_empty", 0.85, "count, warm: requests a second compared with empty", at_most=False),
    Target("cold/embed/wall_to_empty", 1.2, "embed: cold start compared with empty"),
    Target("cold/count/wall_to_empty", 1.4, "count: cold start compared with empty"),
    Target("cold/sign/wall_to_empty", 1.8, "sign: cold start compared with empty"),
    Target("cold/deliver/wall_to_empty", 2, "deliver: cold start compared with empty"),
    Target("cold/confirm/wall_to_empty", 2, "confirm: cold start compared with empty"),
    *(Target(f"memory/{name}/busy", 128, f"{name}: memory at 250 concurrent requests") for name in FUNCTIONS),
    Target("calls/sign/tasks", 1, "sign: tasks per signature"),
    Target("calls/deliver/firestore", 3, "deliver: Firestore calls per signature"),
    Target("calls/confirm/firestore", 2, "confirm: Firestore calls per signature"),
    Target("calls/count/firestore", 0.05, "count: Firestore calls per reader"),
    Target("mail/cpu_to_default", 0.4, "a mail over TLS: CPU time compared with the libraries' defaults"),
    Target("tally/confirm_longest_ms", 1000, "confirm: the longest of 6,600 in 20 seconds, 330 a second"),
    *(
        Target(f"outages/{without}/p95_ms", 1000, f"{without}, after ten seconds: 95 % wait at most")
        for without in (
            "sign without queue",
            "sign without database",
            "sign without count",
            "confirm without database",
        )
    ),
    Target("growth/confirm", 1.1, "confirm: 100,000 records compared with 1,000"),
    Target("growth/tally", 1.1, "count: 100,000 records compared with 1,000, by the emulator's query"),
    Target("growth/tally_by_name", 1.1, "the same documents by name"),
)
