"""What Terraform declares, as far as it costs something; read from its files, so that no number stands twice.

Not a parser of Terraform's language: it finds what `terraform fmt` has laid out, and says so where it does not.
"""

import re
from dataclasses import dataclass
from pathlib import Path

_NAME = r"[\w-]+"


@dataclass(frozen=True, slots=True)
class Function:
    """A function's size. `warm`, `most`: instances in spike mode, at least and at most."""

    name: str
    cpu: float
    memory_gib: float
    warm: int
    most: int


@dataclass(frozen=True, slots=True)
class Deployed:
    """What is there whether anybody comes or not. `secrets`: each counted once for each place it is kept in."""

    functions: tuple[Function, ...]
    forwarding_rules: int
    policies: int
    policy_rules: int
    secrets: int
    jobs: int
    backup_days: int


@dataclass(frozen=True, slots=True)
class Scaling:
    """How far a function goes in one mode. `concurrency`: requests that an instance takes at a time."""

    concurrency: int
    warm: int
    most: int


@dataclass(frozen=True, slots=True)
class Queue:
    """How fast the queue hands out tasks in one mode, and how it brings one again that was refused.

    The pause doubles `doublings` times, and then grows by as much again and again, up to the longest
    (https://cloud.google.com/tasks/docs/reference/rest/v2/projects.locations.queues#RetryConfig).
    """

    tasks_per_second: float
    at_once: int
    shortest_pause_seconds: float
    longest_pause_seconds: float
    doublings: int


class NotFound(Exception):
    """Terraform's files are laid out otherwise than this module knows."""


def read(infra: Path) -> Deployed:
    """
    Raises:
        NotFound: names the file, and what was looked for in it.
    """
    armor, secrets = _file(infra / "armor.tf"), _file(infra / "secrets.tf")
    policies = armor.resources("google_compute_security_policy")
    throttles = len(armor.block(r"throttles = ").names())
    times = [throttles if re.search(r"^  for_each", policy.text, re.M) else 1 for policy in policies]
    production = _file(infra / "environments" / "production.tfvars")
    named = len(re.findall(r'"[\w-]+"', secrets.find(r"secrets = toset\(concat\(\s*\[([^\]]*)\]")))
    places = len(re.findall(r"\breplicas \{", secrets.text))
    return Deployed(
        functions=_functions(_file(infra / "functions.tf")),
        forwarding_rules=len(_file(infra / "balancer.tf").resources("google_compute_global_forwarding_rule")),
        policies=sum(times),
        # Not those inside `dynamic`, which are there during an attack only.
        policy_rules=sum(
            time * len(re.findall(r"^  rule \{", policy.text, re.M))
            for time, policy in zip(times, policies, strict=True)
        ),
        secrets=places * (named + len(production.block(r"relays = ").names())),
        jobs=len(_file(infra / "scheduler.tf").block(r"schedule = ").names()),
        backup_days=int(production.find(r"^backup_days\s*= (\d+)$")),
    )


def scaling(infra: Path, mode: str) -> dict[str, Scaling]:
    """By function. `mode`: rest or spike.

    Raises:
        NotFound: as `read`.
    """
    declared = _file(infra / "functions.tf").block(r"^  functions = ")
    return {name: _scaling(declared.block(rf"^    {name}\s*= "), mode) for name in declared.names()}


def _scaling(declared: "_Block", mode: str) -> Scaling:
    return Scaling(int(declared.find(r"concurrency\s*= (\d+)")), *_instances(declared, mode))


def queue(infra: Path, mode: str) -> Queue:
    """
    Raises:
        NotFound: as `read`.
    """
    file = _file(infra / "queue.tf")
    rates = file.block(r"^  queue_rates = ").block(rf"\b{mode} = ")
    return Queue(
        tasks_per_second=float(rates.find(r"\bsecond = ([\d.]+)")),
        at_once=int(rates.find(r"\bat_once = (\d+)")),
        shortest_pause_seconds=float(file.find(r'min_backoff\s*= "([\d.]+)s"')),
        longest_pause_seconds=float(file.find(r'max_backoff\s*= "([\d.]+)s"')),
        doublings=int(file.find(r"max_doublings\s*= (\d+)")),
    )


def _functions(file: "_Block") -> tuple[Function, ...]:
    cpu = float(file.find(r'^\s*available_cpu\s*= "([\d.]+)"'))
    declared = file.block(r"^  functions = ")
    return tuple(_function(name, declared.block(rf"^    {name}\s*= "), cpu) for name in declared.names())


def _function(name: str, declared: "_Block", cpu: float) -> Function:
    warm, most = _instances(declared, "spike")
    return Function(name, cpu, int(declared.find(r'memory\s*= "(\d+)Mi"')) / 1024, warm, most)


def _instances(declared: "_Block", mode: str) -> tuple[int, int]:
    """At least, and at most."""
    found = declared.find(rf"\b{mode} = (\{{[^}}]*\}})")
    warm, most = (int(number) for number in re.findall(r"(?:min|max) = (\d+)", found))
    return warm, most


@dataclass(frozen=True, slots=True)
class _Block:
    """A part of a file. `where`: for complaints."""

    where: str
    text: str

    def find(self, pattern: str) -> str:
        """What the pattern's group matches, in the only or the first place."""
        found = re.search(pattern, self.text, re.M)
        if found is None:
            raise NotFound(f"{self.where}: nothing looks like {pattern}")
        return found[1]

    def block(self, head: str) -> "_Block":
        """What stands between the braces after `head`."""
        found = re.search(head + r"\{", self.text, re.M)
        if found is None:
            raise NotFound(f"{self.where}: nothing looks like {head}")
        return _Block(f"{self.where}, {head}", self.text[found.end() : self._closing(found.end())])

    def resources(self, kind: str) -> list["_Block"]:
        """The bodies of all resources of a kind."""
        heads = re.findall(rf'^resource "{kind}" "{_NAME}" ', self.text, re.M)
        return [self.block(head) for head in heads]

    def names(self) -> list[str]:
        """The names that are given a value right here, not deeper down."""
        flat = re.sub(r'#.*$|"[^"]*"', "", self.text, flags=re.M)
        while flat != (flat := re.sub(r"\{[^{}]*\}|\([^()]*\)|\[[^\[\]]*\]", "", flat)):
            pass
        return re.findall(rf"({_NAME})\s*=", flat)

    def _closing(self, start: int) -> int:
        """Where the brace closes that was opened before `start`; those in strings come in pairs."""
        depth = 1
        for found in re.finditer(r"[{}]", self.text[start:]):
            depth += 1 if found[0] == "{" else -1
            if depth == 0:
                return start + found.start()
        raise NotFound(f"{self.where}: a brace is never closed")


def _file(path: Path) -> _Block:
    return _Block(path.name, path.read_text(encoding="utf-8"))
