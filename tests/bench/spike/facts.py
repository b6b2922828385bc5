"""What the simulation assumes: of Google's platform, and of people."""

from dataclasses import dataclass

from infra.cost.usage import TALLY_DOCUMENTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """Of Google's platform in Europe. Latencies are medians, spread lognormally with `latency_sigma`.

    Google promises none of the latencies. Its limits are soft where it calls them so; here they all are hard, so
    that the simulation errs on the side of waiting.
    """

    # Cloud Run. https://docs.cloud.google.com/run/docs/about-instance-autoscaling

    #: Ours: until an instance has been placed and its image is there, before our process starts. No page of
    #: Google's says; third parties see 0.5 to 3 s with the process in it.
    placing_seconds: float = 1.5
    #: "Cloud Run autoscaler evaluates these every 5 seconds", an older version of the page; now "periodically".
    autoscaler_period_seconds: float = 5
    #: "over a one minute window".
    autoscaler_window_seconds: float = 60
    #: "targeting to keep scheduled instances to a 60% CPU utilization", and 60 % of the maximum concurrency.
    target_utilization: float = 0.6
    #: "up to 3.5 times average startup time of container instances of this service, or 10 seconds, whichever is
    #: greater": so long a request waits for an instance, then it is answered with 429.
    pending_seconds: float = 10
    pending_starts: float = 3.5
    #: "idle for up to 15 minutes". https://docs.cloud.google.com/run/docs/about-instance-autoscaling
    idle_seconds: float = 900
    #: Ours: a vCPU works as fast as a core of the machine on which the figures were measured.
    vcpu_speed: float = 1

    # Cloud Tasks.

    #: The round trip of a creation; 20 ms is what the project's measurements of sign assume, too.
    create_task_seconds: float = 0.020
    #: From when a task may go until its request is on the way. Ours; no page says.
    dispatch_seconds: float = 0.050
    #: The client in shared/queue/cloud_tasks.py gives up after so long, and sign falls back to the spool.
    create_timeout_seconds: float = 8
    #: The sweep of the spool, infra/scheduler.tf.
    sweep_seconds: float = 300
    #: "no more than 500 operations per second to a cold queue", and 50 % more each 5 minutes, here for creations.
    #: https://cloud.google.com/tasks/docs/manage-cloud-task-scaling
    create_ramp_per_second: float = 500
    #: Dispatches "ramp up slowly when the queue is newly created or idle and if large numbers of tasks suddenly
    #: become available" (https://cloud.google.com/tasks/docs/common-pitfalls). No page says how slowly. Ours: ten
    #: a second at once, and half as many again each ten seconds. `make spike` shows what follows if it is slower.
    dispatch_ramp_per_second: float = 10
    dispatch_ramp_period_seconds: float = 10
    #: Tokens that the queue saves up while nothing is due, as a share of its rate a second: `gcloud tasks queues
    #: describe` tells maxBurstSize 100 at 500 a second.
    queue_burst_seconds: float = 0.2

    # Firestore, eur3.

    #: Ours: a read by key, and a commit to a quorum in two regions.
    read_seconds: float = 0.012
    commit_seconds: float = 0.040
    #: "500 operations per second to a new collection, then increase traffic by 50% every 5 minutes".
    #: https://firebase.google.com/docs/firestore/best-practices#ramping_up_traffic
    collection_ramp_per_second: float = 500
    ramp_growth: float = 1.5
    ramp_period_seconds: float = 300
    #: Of a tally. Each process takes them in turn, from a document of its own on, and in a quiet time few of them;
    #: here each confirmation takes one at random, which is a little worse.
    tally_documents: int = TALLY_DOCUMENTS
    #: "sustained": https://firebase.google.com/docs/firestore/solutions/counters
    document_writes_per_second: float = 1
    #: Ours: so many writes a document takes in a burst before the rule above holds it back.
    document_burst_writes: float = 5
    #: `TIMEOUT_SECONDS` of shared/databases/firestore.py.
    call_timeout_seconds: float = 10

    # The mail relays.

    #: Ours: of one mail on a connection that is open already: four round trips, and the relay stores it.
    relay_seconds: float = 0.2
    #: Ours: so many relays share the mails, and each allows so many connections for each mail a second, as in
    #: infra/variables.tf. infra/functions.tf divides them between the instances of deliver.
    relays: int = 2
    relay_connections: float = 1

    latency_sigma: float = 0.4

    # Cloud CDN. https://cloud.google.com/cdn/docs/caching

    #: Ours: caches that each ask for their own copy: some in each of the dozens of places in and around Europe.
    #: Concurrent misses in one of them become one request ("request coalescing", on by default), and while a copy
    #: is renewed, the old one is served (`serve_while_stale`).
    caches: int = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """Ours, all of it, beside what infra/cost/usage.py assumes already: who confirms, how often links are
    opened.
    """

    #: From mail to opened link, lognormal. Seven in ten within five minutes, and nearly all within twelve hours:
    #: what Maître, a service for waiting lists, reports of 3.7 million mails
    #: (https://smmhacks.com/success-stories/maitre-found-some-pretty-intriguing-conclusions-after-analysing-3691345-sent-emails/).
    opening_median_seconds: float = 120
    opening_sigma: float = 1.75
    opening_longest_seconds: float = 12 * 3600
    #: On the page with the button.
    reading_seconds: float = 8
    #: After a mail that was not followed; `REMINDER_AFTER` of deliver.
    reminded_after_seconds: float = 24 * 3600
    #: Somebody whose button answered "try again" presses it again after so long.
    again_seconds: float = 30
    #: Pages with the count that are opened for each signature: in March 2019, 100,000 viewers who asked each ten
    #: seconds came with 33 counted signatures a second, which are 42 presses; one view reads the count ten times
    #: (infra/cost/usage.py). Nobody has published the reads themselves.
    views_a_press: float = 24


GOOGLE = Platform()
PEOPLE = People()
