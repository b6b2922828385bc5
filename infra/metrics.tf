# Counts what the functions log: one line of JSON an event, see shared/log.py.
#
# That almost nothing is stored (logging.tf) takes nothing away from these: log-based metrics of a project count all
# entries that Cloud Logging receives, whatever its sinks include or exclude
# (https://cloud.google.com/logging/docs/logs-based-metrics). Only metrics of a bucket would not.
#
# Labels are kept for two years, much longer than the lines. So there is none for the country: "one from Malta at
# 20:03" is nothing that we have to remember, and the public count says as much as it may. Which function it was, the
# resource says (service_name). Each label multiplies the number of series, of which a metric may have 30,000:
# there are a few campaigns, 18 classes of providers, and a few dozen of the rest.
locals {
  metrics = {
    accepted = {
      filter = "jsonPayload.event=\"accepted\""
      labels = ["campaign"]
      why    = "Signatures that sign has accepted"
    }
    confirmed = {
      # Not those that were confirmed already, nor links that have expired.
      filter = "jsonPayload.event=\"confirm\" AND jsonPayload.outcome=\"confirmed\""
      labels = ["campaign"]
      why    = "Signatures that were confirmed, those among them that wait in the queue for the database"
    }
    held = {
      # Those that wait in the queue for the database are taken for confirmed ones: only deliver finds them held.
      filter = "jsonPayload.event=\"confirm\" AND jsonPayload.outcome=\"held\""
      labels = ["campaign"]
      why    = "Signatures that were confirmed and are held, because they may be a bot's"
    }
    withdrawn = {
      filter = "jsonPayload.event=\"withdraw\" AND jsonPayload.outcome=(\"uncounted\" OR \"cancelled\" OR \"later\")"
      labels = ["campaign", "outcome"]
      why    = "Signatures that were withdrawn"
    }
    funnel = {
      filter = "jsonPayload.event=\"funnel\""
      labels = ["campaign", "stage", "provider"]
      why    = "How far signatures have come, by class of mail provider"
    }
    mail_decisions = {
      filter = "jsonPayload.event=\"mail_decision\""
      labels = ["kind", "outcome"]
      why    = "What became of each task: a mail (confirm, reminder, signed), or why none"
    }
    mail_refused = {
      filter = "jsonPayload.event=\"mail_refused\""
      labels = ["kind", "provider"]
      why    = "Mails that were refused for good, because there is no such mailbox"
    }
    mail_deferred = {
      filter = "jsonPayload.event=\"mail_deferred\""
      labels = ["error", "reply", "provider", "relay"]
      why    = "Mails that a relay did not take for now, by its SMTP reply"
    }
    relay_left_out = {
      filter = "jsonPayload.event=\"relay_left_out\""
      labels = ["relay", "error", "reply"]
      why    = "Times that an instance left out a relay that had failed, for two minutes at most"
    }
    mail_unresolved = {
      filter = "jsonPayload.event=\"mail_unresolved\""
      labels = ["kind", "provider"]
      why    = "Mails of which nobody knows whether the relay has taken them"
    }
    unopenable_task = {
      filter = "jsonPayload.event=\"unopenable_task\""
      labels = ["error"]
      why    = "Attempts at tasks that deliver cannot open"
    }
    dead_lettered = {
      filter = "jsonPayload.event=\"dead_lettered\""
      labels = ["error"]
      why    = "Tasks that deliver has given up after a day: they wait for a person among the dead letters"
    }
    unavailable = {
      filter = "jsonPayload.event=\"unavailable\""
      labels = ["error"]
      why    = "Requests answered with 503, because the queue or the database was away"
    }
    unexpected = {
      filter = "jsonPayload.event=\"unexpected\""
      labels = ["error"]
      why    = "Requests answered with 500: faults of ours"
    }
    store_unavailable = {
      filter = "jsonPayload.event=\"store_unavailable\""
      labels = ["error"]
      why    = "Presses of a button that confirm queued, because the database was away"
    }
    spooled = {
      filter = "jsonPayload.event=\"spooled\""
      labels = ["error"]
      why    = "Tasks that went into the spool, because Cloud Tasks did not take them"
    }
    removal_not_noted = {
      filter = "jsonPayload.event=\"removal_not_noted\""
      labels = ["error"]
      why    = "Withdrawals that are in force, but that a restore of the database would undo"
    }
    platform_checks_nobody = {
      filter = "jsonPayload.event=\"platform_checks_nobody\""
      labels = []
      why    = "Times that an instance of deliver found that Cloud Run lets everybody call it"
    }
    caller_refused = {
      filter = "jsonPayload.event=\"caller_refused\""
      labels = ["error"]
      why    = "Calls of deliver without a token of the queue or the scheduler"
    }
    breaker_opened = {
      filter = "jsonPayload.event=\"breaker_opened\""
      labels = ["service"]
      why    = "Times that an instance stopped asking a service that did not answer, until a probe found it back"
    }
    spool_holds_junk = {
      filter = "jsonPayload.event=\"spool_holds_junk\""
      labels = []
      why    = "Documents in the spool that are no tasks"
    }
    swept = {
      filter = "jsonPayload.event=\"swept\""
      labels = []
      why    = "Sweeps of the spool: deliver's heartbeat"
    }
    count_is_stale = {
      filter = "jsonPayload.event=\"count_is_stale\""
      labels = ["campaign"]
      why    = "Times that count served an old total"
    }
    count_fell = {
      filter = "jsonPayload.event=\"count_fell\""
      labels = ["campaign"]
      why    = "Looks at a total that had fallen by more than withdrawals explain"
    }
    history_is_stale = {
      filter = "jsonPayload.event=\"history_is_stale\""
      labels = ["campaign"]
      why    = "Times that count served an old history"
    }
    overlay_is_stale = {
      filter = "jsonPayload.event=\"overlay_is_stale\""
      labels = ["campaign"]
      why    = "Times that a function did not learn whether a campaign is paused"
    }
    funnel_not_written = {
      filter = "jsonPayload.event=(\"funnel_not_written\" OR \"funnel_is_full\")"
      labels = []
      why    = "Numbers of the funnel that are late or lost; never the count"
    }
  }
}

resource "google_logging_metric" "event" {
  for_each = local.metrics

  name        = each.key
  description = each.value.why
  filter      = "resource.type=\"cloud_run_revision\" AND ${each.value.filter}"

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"
    unit        = "1"

    dynamic "labels" {
      for_each = each.value.labels
      content {
        key        = labels.value
        value_type = "STRING"
      }
    }
  }

  label_extractors = { for label in each.value.labels : label => "EXTRACT(jsonPayload.${label})" }

  depends_on = [google_project_service.this]
}

# The scheduler's own log, which is counted without being stored. Which job it was, the resource says (job_id).
resource "google_logging_metric" "schedule_failed" {
  name        = "schedule_failed"
  description = "Attempts of the scheduler that failed"
  filter      = "resource.type=\"cloud_scheduler_job\" AND severity>=ERROR"

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"
    unit        = "1"
  }

  depends_on = [google_project_service.this]
}
