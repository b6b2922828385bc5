"""The load balancer leads every path to the function that answers it."""

import re
from typing import Any

from infra.deploy.terraform import outputs, resources
from shared.web import routes
from tests.infra.balancer import Balancer

#: What stands for a name in a path.
EXAMPLES = {"campaign": "reclaim-your-face", "token": "reclaim-your-face~abc.def", "file": "v1.js"}


def example(path: str) -> str:
    return re.sub(r"\{([^}]+)\}", lambda name: EXAMPLES[name[1]], path)


def test_every_path_reaches_its_function(plan: dict[str, Any]) -> None:
    """But for deliver's, which nobody reaches from outside."""
    balancer = Balancer(outputs(plan)["routes"])

    reached = {path: balancer.function(example(path)) for path in routes.function_by_path()}

    assert reached == {
        path: function if function in routes.PUBLIC else routes.DEFAULT
        for path, function in routes.function_by_path().items()
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
