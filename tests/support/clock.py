"""The clock of the tests."""

from datetime import UTC, datetime

#: The moment at which most tests take place.
NOW = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)
