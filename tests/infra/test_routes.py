"""The balancer and the local server lead every path to the same function."""

import re
from typing import Any

from functions.devserver import FUNCTIONS, URL_MAP
from infra.deploy.terraform import outputs, resources
from tests.infra.balancer import Balancer

#: What stands for a name in the local server's map.
EXAMPLES = {"campaign": "reclaim-your-face", "token": "reclaim-your-face~abc.def", "rest:path": "a/b.js"}


def example(path: str) -> str:
    return re.sub(r"\{([^}]+)\}", lambda name: EXAMPLES[name[1]], path)


def test_every_path_reaches_the_function_that_it_reaches_locally(plan: dict[str, Any]) -> None:
    """But for deliver's, which nobody reaches from outside."""
    balancer = Balancer(outputs(plan)["routes"])

    reached = {path: balancer.function(example(path)) for path in URL_MAP}

    local = {path: function if function != "deliver" else "embed" for path, function in URL_MAP.items()}
    assert reached == local
    assert {balancer.function(f"/v1/health/{name}") for name in FUNCTIONS if name != "deliver"} == {
        name for name in FUNCTIONS if name != "deliver"
    }


def test_the_balancer_tries_the_routes_in_their_order(plan: dict[str, Any]) -> None:
    """The page with the numbers is count's, although everything else below /c/ is embed's."""
    [paths] = [
        each["path_matcher"][0] for each in resources(plan, "google_compute_url_map") if each["path_matcher"]
    ]

    rules = sorted(paths["route_rules"], key=lambda rule: rule["priority"])

    assert [[match["path_template_match"] for match in rule["match_rules"]] for rule in rules] == [
        route["paths"] for route in outputs(plan)["routes"]
    ]
    assert Balancer(outputs(plan)["routes"]).function("/c/reclaim-your-face/progress") == "count"
