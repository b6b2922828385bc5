"""What Terraform declares is read from its own files, as it stands there."""

from collections.abc import Callable
from pathlib import Path

import pytest

from infra.deploy import deployed
from infra.deploy.deployed import Function, Queue, Scaling
from tests.support.deployment import REPOSITORY

INFRA = REPOSITORY / "infra"


def test_every_function_is_read_with_its_size() -> None:
    """Those that the platform is given, each with a processor, memory and its instances in spike mode."""
    found = {function.name: function for function in deployed.read(INFRA).functions}

    assert set(found) == {"sign", "deliver", "confirm", "count", "embed"}
    assert found["sign"] == Function("sign", cpu=1, memory_gib=0.5, warm=3, most=60)
    assert all(0 < function.warm <= function.most for function in found.values())


def test_what_is_there_in_any_month_is_counted() -> None:
    """Two addresses to forward, five policies, five secrets in two places, two jobs."""
    found = deployed.read(INFRA)

    assert (found.forwarding_rules, found.policies, found.policy_rules) == (2, 5, 9)
    assert (found.secrets, found.jobs, found.backup_days) == (10, 2, 14)


@pytest.mark.parametrize(
    ("file", "was", "becomes", "name", "value"),
    [
        ("armor.tf", "embed = 6000 }", "embed = 6000, desk = 10 }", "policies", 6),
        ("armor.tf", "embed = 6000 }", "embed = 6000, desk = 10 }", "policy_rules", 11),
        ("secrets.tf", '"pepper", ', '"pepper", "salt", ', "secrets", 12),
        (
            "scheduler.tf",
            "    sweep ",
            '    dust = { cron = "* * * * *", why = "a = {b}" }\n    sweep ',
            "jobs",
            3,
        ),
        ("environments/production.tfvars", "= 14", "= 30", "backup_days", 30),
    ],
)
def test_what_is_declared_more_counts_more(
    tmp_path: Path, file: str, was: str, becomes: str, name: str, value: int
) -> None:
    """The numbers are the files' and nobody's memory."""
    changed = _changed(tmp_path, file, was, becomes)

    assert getattr(deployed.read(changed), name) == value


def test_another_number_of_warm_instances_is_seen(tmp_path: Path) -> None:
    """Of the function that it was changed for, and of no other."""
    changed = _changed(tmp_path, "functions.tf", "spike = { min = 3, max = 60 }", "spike = { min = 7, max = 80 }")

    functions = deployed.read(changed).functions

    assert [(each.warm, each.most) for each in functions if each.name == "sign"] == [(7, 80)]
    assert [each for each in functions if each.warm == 7] == [functions[0]]


def test_each_mode_has_its_own_instances() -> None:
    """With the requests that one of them takes at a time, which are the same in both."""
    rest, spike = (deployed.scaling(INFRA, mode) for mode in ("rest", "spike"))

    assert (rest["sign"], spike["sign"]) == (Scaling(200, 0, 20), Scaling(200, 3, 60))
    assert set(rest) == set(spike) == {"sign", "deliver", "confirm", "count", "embed"}


def test_each_mode_has_its_own_rate_of_the_queue() -> None:
    """And the pauses after a refusal, which are the same in both."""
    assert deployed.queue(INFRA, "rest") == Queue(50, 200, 5, 3600, 10)
    assert deployed.queue(INFRA, "spike") == Queue(400, 1500, 5, 3600, 10)


@pytest.mark.parametrize("read", [deployed.scaling, deployed.queue])
def test_a_mode_that_is_not_declared_is_named(read: Callable[[Path, str], object]) -> None:
    """Instead of a guess."""
    with pytest.raises(deployed.NotFound, match="broadcast"):
        read(INFRA, "broadcast")


def test_a_layout_that_nobody_knows_is_named(tmp_path: Path) -> None:
    """Rather an error than a price without the warm instances."""
    changed = _changed(tmp_path, "functions.tf", "spike = {", "broadcast = {")

    with pytest.raises(deployed.NotFound, match=r"functions\.tf.*spike"):
        deployed.read(changed)


def _changed(folder: Path, file: str, was: str, becomes: str) -> Path:
    """A copy of the files, one of them changed."""
    for source in [*INFRA.glob("*.tf"), INFRA / "environments" / "production.tfvars"]:
        target = folder / source.relative_to(INFRA)
        target.parent.mkdir(exist_ok=True)
        target.write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
    text = (folder / file).read_text(encoding="utf-8")
    assert was in text
    (folder / file).write_text(text.replace(was, becomes, 1), encoding="utf-8")
    return folder
