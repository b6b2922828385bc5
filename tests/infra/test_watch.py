"""Monitoring: metrics, alerts, dashboard and runbook name the same things as the code does.

Neither Terraform nor Google checks these names: a metric whose event was renamed counts nothing for ever, and an
alert on it never rings.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared import log
from shared.queue import QueueName
from shared.stats.funnel import Stage
from shared.store.entities import MailKind, Status, Withdrawal
from shared.web.routes import FUNCTIONS

ROOT = Path(__file__).parents[2]
INFRA = ROOT / "infra"
RUNBOOK = (INFRA / "RUNBOOK.md").read_text()
METRICS = (INFRA / "metrics.tf").read_text()
ALERTS = (INFRA / "alerts.tf").read_text()
DASHBOARD = (INFRA / "dashboard.tf").read_text().replace('\\"', '"')
#: The commands that read or change what a deployment stores.
ON_A_STORE = {
    *("access", "audit", "campaign", "erase", "export", "hand-over", "move", "offline", "purge", "restore"),
    "stats",
}
#: Comes from Cloud Billing, not from an alert.
BUDGET = "budget"
#: Labels that Google's own metrics and resources bring along, those among them that we ask for.
GOOGLES_LABELS = {
    *("monitored_resource", "service_name", "queue_id", "job_id", "check_id", "le", "state", "api_method"),
    *("response_code", "response_code_class", "backend_target_name", "cache_result"),
}


def keys(text: str, local: str) -> dict[str, str]:
    """The entries of a map in `locals`, as `terraform fmt` lays them out, and the text of each."""
    [block] = re.findall(rf"^  {local} = {{\n(.*?)^  }}$", text, re.DOTALL | re.MULTILINE)
    entries = re.split(r"^    ([a-z_-]+) += {$", block, flags=re.MULTILINE)
    return dict(zip(entries[1::2], entries[2::2], strict=True))


def queries() -> Iterator[str]:
    """Every query of an alert or a chart."""
    for alert in keys(ALERTS, "alerts").values():
        yield from re.findall(r"<<-EOT\n(.*?)\n +EOT", alert, re.DOTALL)
    yield from re.findall(r'"((?:\d+ \* )?(?:sum|histogram_quantile).*)"$', DASHBOARD, re.MULTILINE)


def events_in_the_code() -> set[str]:
    """The first argument of each `log.event` and `log.exception`, and what caches log."""
    found = set()
    for folder in ("functions", "shared"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call):
                    name = ast.unparse(node.func)
                    if name in {"log.event", "log.exception", "event"} and isinstance(node.args[0], ast.Constant):
                        found.add(str(node.args[0].value))
                    if name == "StaleWhileRevalidate":
                        found |= {
                            str(ast.literal_eval(each.value)) for each in node.keywords if each.arg == "log_event"
                        }
    return found


def anchors() -> list[str]:
    """Every heading as GitHub makes a link of it."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", RUNBOOK, flags=re.DOTALL), re.MULTILINE)
    return [re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings]


def test_each_alert_has_its_paragraph_and_each_paragraph_its_alert() -> None:
    """The link in the mail leads to what to do."""
    chapters = RUNBOOK.split("\n# When it wakes you\n")[1].split("\n# Before the first mail")[0]
    paragraphs = re.findall(r"^## (.+)$", chapters, re.MULTILINE)

    assert sorted(paragraphs) == sorted([*keys(ALERTS, "alerts"), BUDGET])
    assert len(anchors()) == len(set(anchors()))


def test_what_wakes_somebody_stands_under_that_chapter() -> None:
    """And the rest under the other, in the same order as in the table at the top."""
    to = {
        name: re.findall(r'^      to += "(.+)"$', alert, re.MULTILINE)
        for name, alert in keys(ALERTS, "alerts").items()
    }
    waking, morning = RUNBOOK.split("\n# When it wakes you\n")[1].split("\n# A mail for the morning\n")
    morning = morning.split("\n# Before the first mail")[0]

    assert {name for name, channel in to.items() if channel == ["page"]} == set(
        re.findall(r"^## (.+)$", waking, re.MULTILINE)
    )
    assert {name for name, channel in to.items() if channel == ["mail"]} | {BUDGET} == set(
        re.findall(r"^## (.+)$", morning, re.MULTILINE)
    )
    [row] = re.findall(r"^\| (\[sign-errors].*) \| (.*) \|$", RUNBOOK, re.MULTILINE)
    assert [re.findall(r"\[(.+?)]", cell) for cell in row] == [
        re.findall(r"^## (.+)$", chapter, re.MULTILINE) for chapter in (waking, morning)
    ]


@pytest.mark.parametrize("name", keys(ALERTS, "alerts"))
def test_each_paragraph_answers_an_operators_four_questions(name: str) -> None:
    """What is it for signers, where do I look, what do I do, and when is it over."""
    paragraph = RUNBOOK.split(f"\n## {name}\n")[1].split("\n## ")[0]

    assert re.search(r"^\*\*For (signers|readers):\*\*", paragraph, re.MULTILINE)
    for question in ("Look at:", "Over"):
        assert f"**{question}**" in paragraph
    assert "**Do:**" in paragraph or "go to [" in paragraph.lower() or "go back" in paragraph


def test_no_link_in_the_runbook_leads_nowhere() -> None:
    """At 8 pm there is no time to search."""
    assert set(re.findall(r"]\(#(.+?)\)", RUNBOOK)) <= set(anchors())


@pytest.mark.parametrize("file", ["infra/RUNBOOK.md", "docs/organisers.md"])
def test_every_command_for_a_deployment_names_it(file: str) -> None:
    """Without, it would work on what `make run` keeps on the laptop, and end well."""
    text = (ROOT / file).read_text()
    if file == "docs/organisers.md":  # all before is tried out on one machine
        text = text.split("\n## On a deployment\n")[1]
    commands = re.findall(r"(?<![/\w])undersign (--environment production )?((?:[a-z-]+)(?: [a-z-]+)?)", text)
    without = {words for named, words in commands if not named and words.split()[0] in ON_A_STORE}

    assert any(named for named, _ in commands)
    assert without == set()


def test_each_metric_counts_an_event_that_the_code_logs() -> None:
    """A renamed event would count nothing, and nobody would notice."""
    counted = set(
        re.findall(
            r'\\"([a-z_]+)\\"', " ".join(re.findall(r"jsonPayload\.event=(.*?)(?: AND|$)", METRICS, re.MULTILINE))
        )
    )

    assert counted
    assert counted <= events_in_the_code()


def test_no_label_is_anything_that_may_not_be_logged() -> None:
    """Labels outlive the log by two years; what identifies a person or grants a right is not even logged."""
    labels = {
        name: set(re.findall(r'"([a-z_]+)"', re.findall(r"labels += (\[.*])", text)[0]))
        for name, text in keys(METRICS, "metrics").items()
    }

    assert set().union(*labels.values()) <= log.FIELDS - {"country", "partner", "locale", "place"}


def test_outcomes_kinds_and_stages_are_those_of_the_code() -> None:
    """They are words of enumerations, which a filter only quotes."""
    asked = "\n".join([METRICS.replace('\\"', '"'), *queries()])
    outcomes = set(
        re.findall(r"[a-z_]+", " ".join(re.findall(r'outcome=[~(]?"([a-z|_" OR]+)"', asked)).replace("OR", ""))
    )

    assert outcomes == {
        Status.CONFIRMED,
        Status.HELD,
        *MailKind,
        Withdrawal.UNCOUNTED,
        Withdrawal.CANCELLED,
        "later",
    }
    assert set(re.findall(r'stage="(.+?)"', asked)) <= set(Stage)


def test_alerts_and_charts_query_existing_metrics_and_use_all_of_them() -> None:
    """Google does not check their names, so that a first deployment goes through."""
    defined = {*keys(METRICS, "metrics"), "schedule_failed"}

    assert set(re.findall(r"logging_googleapis_com:user_([a-z_]+)", "\n".join(queries()))) == defined


def test_queries_name_existing_functions() -> None:
    """By the name of the function's service, or of its backend."""
    named = re.findall(r'(?:service_name|backend_target_name)=~?"([a-z|]+)"', "\n".join(queries()))

    assert named
    assert {name for names in named for name in names.split("|")} <= set(FUNCTIONS)


def test_queries_name_existing_queues() -> None:
    """A queue that does not exist is never late."""
    named = re.findall(r'queue_id=~?"([a-z|-]+)"', "\n".join(queries()))

    assert named
    assert {name for names in named for name in names.split("|")} <= set(QueueName)


def test_queries_group_by_existing_labels() -> None:
    """A label that does not exist is no error in PromQL, just one series without it."""
    metrics = keys(METRICS, "metrics")
    for query in queries():
        asked = set(re.findall(r"[a-z_]+", " ".join(re.findall(r"(?:by|on) \((.*?)\)", query))))
        asked |= set(re.findall(r"([a-z_]+)=~?\"", query))
        own = {
            label
            for name in re.findall(r"user_([a-z_]+)", query)
            for label in re.findall(r'"([a-z_]+)"', metrics.get(name, ""))
        }

        assert asked <= GOOGLES_LABELS | own, query


def test_no_query_looks_back_further_than_it_may() -> None:
    """An alert on metrics from the log sees 25 hours; and, as these come late, nothing within a few minutes."""
    for alert in keys(ALERTS, "alerts").values():
        minutes = [int(number) * {"m": 1, "h": 60}[unit] for number, unit in re.findall(r"\[(\d+)([mh])]", alert)]
        if "logging_googleapis_com" in alert:
            assert min(minutes) >= 10
            assert max(minutes) <= 25 * 60
