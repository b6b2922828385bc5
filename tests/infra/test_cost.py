"""What a campaign costs: the arithmetic, the prices, what the code uses, and docs/costs.md."""

import dataclasses
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from datetime import date, timedelta
from typing import Any

import pytest

from infra.cost import cost, sizes, usage
from infra.cost.cost import Charge, Price
from infra.cost.sizes import FunctionSize
from infra.cost.usage import Assumptions, Driver, Use, renewals
from shared.campaigns import live
from shared.stats import count, funnel
from shared.store.entities import Address, GrantMail, MailKind
from shared.store.firestore import SPREAD_SECONDS, TALLY_DOCUMENTS, FirestoreStore
from tests.shared.store.test_store_contract import make_address, submission
from tests.support.clock import NOW
from tests.support.counting_proxy import CountingProxy
from tests.support.deployment import REPOSITORY

PRICES = cost.load_prices()
FUNCTIONS = sizes.functions()
USUAL = Assumptions()
PAGE = cost.PAGE.read_text(encoding="utf-8")


def price(value: float = 1, per: float = 1, free: float = 0, free_per: str = "month") -> Price:
    return Price(
        value=value,
        per=per,
        unit="pieces",
        currency="USD",
        free=free,
        free_per=free_per,
        source="https://example.org",
        noted=date(2026, 11, 24),
        verified=True,
        check="",
    )


def without_free_tiers() -> Mapping[str, Price]:
    return {name: dataclasses.replace(each, free=0) for name, each in PRICES.items()}


def by_driver(charged: list[Charge], driver: Driver) -> float:
    return cost.total(charge for charge in charged if charge.use.driver is driver)


def pieces(quantity: float) -> Use:
    return Use("Service", "pieces", "piece", quantity, Driver.MONTH)


def test_a_price_is_for_as_many_as_it_says() -> None:
    """Two and a half million at 40 cents a million are a dollar."""
    assert price(value=0.40, per=1_000_000).cost(2_500_000) == pytest.approx(1)


def test_a_free_tier_is_given_once_to_the_first_uses() -> None:
    """Ten are free: the first takes six of them, the second the other four, the third none."""
    charged = cost.charges([pieces(6), pieces(6), pieces(6)], {"piece": price(value=2, free=10)}, busy_days=1)

    assert [(charge.free, charge.cost) for charge in charged] == [(6, 0), (4, 4), (0, 12)]


def test_a_daily_quota_counts_on_busy_days_alone() -> None:
    """On the other days it lapses unused."""
    daily = {"piece": price(free=10, free_per="day")}

    assert [cost.charges([pieces(100)], daily, days)[0].cost for days in (0, 3, 30)] == [100, 70, 0]


@pytest.mark.parametrize("signatures", [0, 1, 1000, 10_000_000])
@pytest.mark.parametrize("viewers", [0, 1, 50_000_000])
def test_nothing_is_ever_cheaper_than_nothing(signatures: float, viewers: float) -> None:
    """No free tier turns into a refund, and no quantity is negative."""
    for charge in cost.estimate(signatures, viewers, USUAL, PRICES, FUNCTIONS):
        assert charge.use.quantity >= charge.free >= 0, charge
        assert charge.cost >= 0, charge


def test_a_month_without_anybody_costs_what_is_there_anyway() -> None:
    """Nothing that depends on people, and all of the rest."""
    quiet = cost.estimate(0, 0, USUAL, PRICES, FUNCTIONS)

    assert cost.total(quiet) == by_driver(quiet, Driver.MONTH) > 0
    assert {charge.use.quantity for charge in quiet if charge.use.driver is not Driver.MONTH} == {0}


def test_what_remains_after_the_end_costs_half_of_a_quiet_month_and_hardly_more_than_its_address() -> None:
    """Without functions, databases, policies and alerts."""
    left = cost.total(cost.charges(usage.retired(), PRICES, busy_days=0))

    address = PRICES["forwarding_rules"].cost(usage.HOURS_A_MONTH)
    assert address < left < address + 1
    assert left < cost.total(cost.estimate(0, 0, USUAL, PRICES, FUNCTIONS)) * 0.55


def test_twice_the_signatures_double_what_depends_on_them() -> None:
    """And nothing else but what is kept fresh, which grows more slowly."""
    prices = without_free_tiers()

    once, twice = (cost.estimate(many, 500_000, USUAL, prices, FUNCTIONS) for many in (100_000, 200_000))

    assert by_driver(twice, Driver.SIGNATURES) == pytest.approx(2 * by_driver(once, Driver.SIGNATURES))
    assert by_driver(twice, Driver.VIEWERS) == by_driver(once, Driver.VIEWERS)
    assert by_driver(twice, Driver.MONTH) == by_driver(once, Driver.MONTH)
    assert 1 < by_driver(twice, Driver.AWAKE) / by_driver(once, Driver.AWAKE) < 2


def test_twice_the_viewers_double_what_depends_on_them() -> None:
    """And leave alone what signatures cost."""
    prices = without_free_tiers()

    once, twice = (cost.estimate(100_000, many, USUAL, prices, FUNCTIONS) for many in (500_000, 1_000_000))

    assert by_driver(twice, Driver.VIEWERS) == pytest.approx(2 * by_driver(once, Driver.VIEWERS))
    assert by_driver(twice, Driver.SIGNATURES) == by_driver(once, Driver.SIGNATURES)


def test_a_copy_is_renewed_at_every_call_or_whenever_it_is_stale() -> None:
    """Rare calls each find it stale; of many, one in five seconds does."""
    assert renewals(calls=10, seconds=1_000_000, fresh_seconds=5) == pytest.approx(10, rel=0.001)
    assert renewals(calls=10**9, seconds=1000, fresh_seconds=5) == pytest.approx(200, rel=0.001)
    assert renewals(calls=100, seconds=500, fresh_seconds=5) == 50
    assert renewals(calls=100, seconds=0, fresh_seconds=5) == 0


def test_a_million_of_the_simplest_signatures_by_hand() -> None:
    """Everybody confirms at once, opens the mail once, and nobody withdraws."""
    simplest = Assumptions(
        confirmed_share=1,
        reminded_share=0,
        small_domain_share=0,
        opens_a_mail=1,
        withdrawn_share=0,
        partner_share=0,
        requests_at_once=1,
    )

    charged = cost.estimate(1_000_000, 0, simplest, without_free_tiers(), FUNCTIONS)

    paid = {(each.use.service, each.use.what): each for each in charged if each.use.driver is Driver.SIGNATURES}
    # Two admitted, one settled, two confirmed: 5 × 1.80 dollars.
    assert paid["Firestore", "writes"].cost == pytest.approx(9.0)
    # 2 to admit, 2 for the reminder that is not due, 1 to confirm, 3 for the desk: 8 × 0.60 dollars.
    assert paid["Firestore", "reads"].cost == pytest.approx(4.8)
    # The mailbox expires, the signature is purged: 2 × 0.20 dollars.
    deleted = paid["Firestore", "deleted by expiry"].cost + paid["Firestore", "deleted by `purge`"].cost
    assert deleted == pytest.approx(0.4)
    # Two tasks, each created and delivered: 4 × 0.40 dollars.
    assert paid["Cloud Tasks", "created and delivered"].cost == pytest.approx(1.6)
    # sign, deliver twice, confirm's page and button: 5 × 0.40 dollars.
    assert paid["Cloud Run", "requests of signers and the queue"].cost == pytest.approx(2.0)
    # One mail takes 0.6 seconds, four requests a tenth each: a million seconds at 24 dollars.
    assert paid["Cloud Run", "processor for them"].cost == pytest.approx(24.0)
    assert paid["Cloud Run", "memory for them"].cost == pytest.approx(1.25)
    # sign, confirm's page and button.
    assert paid["Cloud Armor", "requests of signers"].cost == pytest.approx(2.25)


def test_a_million_viewers_by_hand() -> None:
    """Who look once and never again, all of it from the cache."""
    simplest = Assumptions(polls_a_view=1, redirected_share=0, hit_ratio=1)

    charged = cost.estimate(0, 1_000_000, simplest, without_free_tiers(), FUNCTIONS)

    paid = {(each.use.service, each.use.what): each.cost for each in charged if each.use.driver is Driver.VIEWERS}
    # Page, script, texts, badge, count and five images: 10 × 0.75 dollars.
    assert paid["CDN", "requests"] == pytest.approx(7.5)
    # 64 GB are 59.6 GiB, at 8 cents.
    assert paid["CDN", "data to viewers"] == pytest.approx(4.77, abs=0.005)
    assert paid["CDN", "data into the cache"] == paid["Cloud Run", "processor for them"] == 0


def test_mail_is_told_apart_and_as_a_range() -> None:
    """Its price is the relay's, and differs tenfold."""
    mails, cheapest, dearest = cost.mail(800, USUAL, PRICES)

    assert mails == pytest.approx(1000 + 250)
    assert cheapest == pytest.approx(0.125)
    assert dearest == pytest.approx(1.25)
    assert not [
        charge for charge in cost.estimate(800, 0, USUAL, PRICES, FUNCTIONS) if "mail_" in charge.use.price
    ]


def test_an_instance_by_hand() -> None:
    """A processor with half a GiB: a month of 730 hours in which it is idle, and an hour in which it is not."""
    size = FunctionSize(cpu=1, memory_gib=0.5, concurrency=80, min_instances=0, max_instances=10)

    [price] = cost.instance_prices({"sign": size}, PRICES).values()

    assert price.warm == pytest.approx(730 * 3600 * (0.0000025 + 0.5 * 0.0000025))
    assert price.busy == pytest.approx(3600 * (0.000024 + 0.5 * 0.0000025))


def test_busy_instances_that_show_the_count_read_it_again_and_again() -> None:
    """Each of them for itself: 501 documents in five seconds, in a rush."""
    size = FunctionSize(cpu=1, memory_gib=0.5, concurrency=80, min_instances=0, max_instances=1)

    prices = cost.instance_prices(dict.fromkeys(("count", "confirm", "sign"), size), PRICES)

    assert prices["count"].busy == prices["confirm"].busy
    assert prices["count"].busy == pytest.approx(prices["sign"].busy + 501 * 720 * 0.06 / 100_000)


def test_all_instances_of_a_quota_are_priced() -> None:
    """As many as it allows, each busy for an hour."""
    rows = {name: cells for name, *cells in cost.instance_rows(PRICES)}

    hour = cost.instance_prices(FUNCTIONS, PRICES)["sign"].busy
    assert rows["sign"][1:] == ["6", f"{6 * hour:.2f}", "60", f"{60 * hour:.2f}"]
    assert [rows["sum"][1], rows["sum"][3]] == ["20", "200"]


def test_an_hour_of_a_tracker_storm_by_hand() -> None:
    """40,000 reads a second are paid for at the CDN; 20 a second reach the function."""
    used = {(use.service, use.what): use for use in usage.storm(FUNCTIONS)}
    paid = {what: PRICES[use.price].cost(use.quantity) for what, use in used.items()}

    # 144 million, at 0.75 dollars a million; 216 GB are 201 GiB, at 8 cents.
    assert paid["CDN", "requests"] == pytest.approx(108)
    assert paid["CDN", "data to viewers"] == pytest.approx(16.09, abs=0.01)
    # A hundred places, every five seconds.
    assert used["Cloud Run", "requests the cache misses"].quantity == pytest.approx(72_000, rel=0.01)
    assert "108.00 dollars" in cost.storm_text(PRICES, FUNCTIONS)


@pytest.mark.parametrize(
    "wrong", [{"hit_ratio": 1.1}, {"confirmed_share": 0}, {"polls_a_view": -1}, {"busy_days": 32}]
)
def test_an_impossible_assumption_is_refused(wrong: Mapping[str, Any]) -> None:
    """A share is between nothing and all."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Assumptions(**wrong)


def test_every_price_says_where_it_is_from_and_how_sure_it_is() -> None:
    """In one currency, for a unit, from a page, with a day and a reason."""
    for name, each in PRICES.items():
        assert each.value >= 0, name
        assert each.per > 0, name
        assert each.free >= 0, name
        assert each.currency == "USD", name
        assert each.unit, name
        assert each.free_per in {"day", "month"}, name
        assert each.source.startswith("https://"), name
        assert type(each.noted) is date, name
        assert each.check, name
        assert each.verified or re.search("memory|third part|copy", each.check), name


def test_every_price_is_used_and_every_use_has_its_price() -> None:
    """An unused price would be kept up to date for nothing."""
    used = {use.price for use in (*usage.month(1, 1, FUNCTIONS, USUAL), *usage.retired())}
    apart = {"mail_cheapest", "mail_dearest", "run_idle_cpu", "run_idle_memory"}

    assert used | apart == set(PRICES)


def test_the_code_keeps_its_copies_as_long_as_is_calculated() -> None:
    """Half the seconds would cost twice the reads."""
    assert count.MAX_AGE.total_seconds() == usage.COUNT_FRESH_SECONDS
    assert live.MAX_AGE.total_seconds() == usage.OVERLAY_FRESH_SECONDS
    assert funnel.WRITE_SECONDS == usage.FUNNEL_WRITE_SECONDS
    assert (TALLY_DOCUMENTS, SPREAD_SECONDS) == (usage.TALLY_DOCUMENTS, usage.SPREAD_SECONDS)


def test_the_widget_polls_as_often_as_is_calculated() -> None:
    """Seven counts in a minute of reading; the rest of the ten is for tabs left open."""
    script = (REPOSITORY / "functions" / "embed" / "static" / "v1.js").read_text(encoding="utf-8")
    [seconds] = re.findall(r"^const REFRESH_SECONDS = (\d+);", script, re.M)

    assert 1 + 60 / int(seconds) <= USUAL.polls_a_view
    assert f"every {seconds} seconds" in Assumptions.__dataclass_fields__["polls_a_view"].metadata["why"]


@pytest.fixture
async def store(proxy: CountingProxy) -> AsyncIterator[FirestoreStore]:
    made = FirestoreStore("undersign-test", "(default)")
    # The emulator's first answer takes seconds, and a read that times out is repeated.
    await made.overlay("no-campaign")
    proxy.forget()
    yield made
    made.close()


async def test_each_step_reads_and_writes_as_many_documents_as_is_calculated(
    store: FirestoreStore, proxy: CountingProxy, campaign_id: str
) -> None:
    """Of one signature: admitted, mailed, reminded, confirmed, withdrawn. Opening its link does neither."""
    address: Address = make_address(campaign_id)
    signed = submission()

    def taken() -> tuple[int, int]:
        """Reads and writes since the last time."""
        counted = proxy.reads.total(), proxy.writes.total()
        proxy.forget()
        return counted

    admitted = await store.admit(address, signed, NOW)
    assert taken() == (usage.ADMIT_READS, usage.ADMIT_WRITES)
    assert isinstance(admitted, GrantMail)
    await store.settle(admitted, sent=True)
    assert taken() == (0, usage.SETTLE_WRITES)

    tomorrow = NOW + timedelta(days=1)
    reminder = await store.claim(address, signed.id, MailKind.REMINDER, tomorrow)
    assert taken() == (usage.REMINDER_READS, usage.REMINDER_WRITES)
    assert isinstance(reminder, GrantMail)
    await store.settle(reminder, sent=True)
    assert taken() == (0, usage.SETTLE_WRITES)

    await store.confirm(campaign_id, address.digest, signed.id, tomorrow)
    assert taken() == (usage.CONFIRM_READS, usage.CONFIRM_WRITES)
    await store.claim(address, signed.id, MailKind.REMINDER, tomorrow)
    assert taken() == (usage.REMINDER_READS, 0)
    await store.withdraw(campaign_id, address.digest, tomorrow, deferred=False)
    assert taken() == (usage.CONFIRM_READS, usage.CONFIRM_WRITES)


async def test_a_small_mail_domain_costs_as_many_documents_more_as_is_calculated(
    store: FirestoreStore, proxy: CountingProxy, campaign_id: str
) -> None:
    """The domain is counted when its address is new, and read again for the reminder."""
    address = make_address(campaign_id, "d" * 52)
    signed = submission()

    admitted = await store.admit(address, signed, NOW)

    assert isinstance(admitted, GrantMail)
    assert proxy.reads.total() == usage.ADMIT_READS + usage.DOMAIN_READS
    assert proxy.writes.total() == usage.ADMIT_WRITES + usage.DOMAIN_WRITES
    proxy.forget()
    await store.claim(address, signed.id, MailKind.REMINDER, NOW + timedelta(days=1))
    assert proxy.reads.total() == usage.REMINDER_READS + usage.DOMAIN_READS
    assert proxy.writes.total() == usage.REMINDER_WRITES


def test_the_page_says_what_the_script_calculates() -> None:
    """For the usual numbers; after a change, `make cost ARGS=--write` writes it."""
    chapter = cost.markdown(*cost.EXAMPLES[-1], USUAL)

    assert cost.with_chapter(PAGE, chapter) == PAGE


def test_only_what_stands_between_the_comments_is_replaced() -> None:
    """Others write the rest."""
    page = f"before\n{cost.BEGIN}\nold\n{cost.END}\nafter\n"

    assert cost.with_chapter(page, "new") == f"before\n{cost.BEGIN}\n\nnew\n\n{cost.END}\nafter\n"


def test_the_command_prints_a_month() -> None:
    """With the variables of make, and with one assumption changed."""
    printed = make("SIGNATURES=20000", "VIEWERS=30000", "ARGS=--polls-a-view 7")

    assert "20,000 confirmed signatures and 30,000 viewers" in printed
    sums = re.findall(r"^= (.*?) +([\d.,]+)$", printed, re.M)
    assert [name for name, _ in sums] == [*Driver, "all of it, without mail"]
    *parts, whole = (float(amount.replace(",", "")) for _, amount in sums)
    assert sum(parts) == pytest.approx(whole, abs=0.03)
    assert re.search(r"--polls-a-view +7 ", printed)
    assert "could not be verified" in printed


def test_a_number_that_is_not_whole_is_refused() -> None:
    """A dot would make fifty thousand signatures fifty."""
    refused = subprocess.run(
        [sys.executable, "-m", "infra.cost.cost", "--signatures", "50.000"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )

    assert refused.returncode == 2
    assert "argument --signatures: write a whole number in digits alone" in refused.stderr
    assert 'as in 50000 or 50_000, and not "50.000"' in refused.stderr


def test_what_instances_cost_can_be_asked_for_alone() -> None:
    """Each function on its line."""
    printed = make("ARGS=--instances")

    assert re.findall(r"^(\w+) +\d", printed, re.M) == ["sign", "deliver", "confirm", "count", "embed", "sum"]
    assert "signatures" not in printed


def make(*arguments: str) -> str:
    """What `make cost` prints, with nothing installed but Python."""
    done = subprocess.run(
        ["make", "--silent", "cost", *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    return done.stdout
