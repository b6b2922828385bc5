# Who is alerted of what. Whether RUNBOOK.md and the code know the same names is tested in tests/infra/test_watch.py.

# What Google names when it makes them, so that a plan can be asked where an alert goes.
override_resource {
  target          = google_monitoring_notification_channel.page
  override_during = plan
  values          = { name = "channel-that-wakes" }
}

override_resource {
  target          = google_monitoring_notification_channel.mail
  override_during = plan
  values          = { name = "channel-for-the-morning" }
}

run "alerts_as_they_are_planned" {
  command = plan

  # What loses signatures wakes somebody.
  assert {
    condition = alltrue([for alert in [
      "sign-errors", "confirm-errors", "down", "full", "nowhere-to-keep", "spool-in-use", "queue-late",
      "queue-stands-still", "deliver-errors", "deliver-silent", "unopenable-task", "firestore-away",
    ] : toset(google_monitoring_alert_policy.this[alert].notification_channels) == toset(["channel-that-wakes"])])
    error_message = "what loses signatures must go to page_emails"
  }
  assert {
    condition = alltrue([for name, alert in google_monitoring_alert_policy.this :
      alert.severity == "CRITICAL" && length(alert.alert_strategy[0].notification_channel_strategy) == 1
    if contains(alert.notification_channels, "channel-that-wakes")])
    error_message = "what wakes somebody is CRITICAL, and is repeated"
  }
  assert {
    condition     = alltrue([for alert in google_monitoring_alert_policy.this : alert.enabled])
    error_message = "an alert is off though nobody switched it off"
  }

  # The rest waits for the morning.
  assert {
    condition = alltrue([for alert in [
      "unexpected", "mail-deferred", "relay-left-out", "mail-refused", "mail-unresolved", "removal-not-noted", "provider-lost", "count-stale", "count-down",
      "overlay-stale", "schedule-failed", "slow", "certificate", "bounces-unreadable",
    ] : toset(google_monitoring_alert_policy.this[alert].notification_channels) == toset(["channel-for-the-morning"])])
    error_message = "what loses no signature must wake nobody"
  }

  # No label says who somebody is.
  assert {
    condition = length(setsubtract(
      flatten([for metric in google_logging_metric.event : [for label in metric.metric_descriptor[0].labels : label.key]]),
      ["campaign", "stage", "provider", "kind", "outcome", "error", "reply", "relay", "service", "status"],
    )) == 0
    error_message = "labels are kept for two years: neither country, partner nor place, and nothing about a person"
  }

  # Asked from outside over HTTPS.
  assert {
    condition = toset([for check in google_monitoring_uptime_check_config.this : check.http_check[0].path]) == toset([
      "/v1/health/sign", "/v1/health/confirm", "/v1/health/count", "/v1/health/embed",
      "/v1/campaigns/reclaim-your-face/count",
    ])
    error_message = "every public function and the count are asked; deliver cannot be"
  }
  assert {
    condition = alltrue([for check in google_monitoring_uptime_check_config.this : alltrue([
      check.http_check[0].use_ssl, check.http_check[0].validate_ssl, check.period == "60s", length(check.selected_regions) == 3,
    ])])
    error_message = "over HTTPS, with a valid certificate, every minute, from three places: five checks stay free"
  }
}

run "nobody_is_woken_before_the_domain_leads_here" {
  command = plan

  variables {
    alerting = false
  }

  assert {
    condition     = !anytrue([for alert in google_monitoring_alert_policy.this : alert.enabled])
    error_message = "an alert rings before anything can answer from outside"
  }
}

run "every_alert_links_to_its_paragraph" {
  command = plan

  variables {
    runbook_url = "https://git.example.org/fork/RUNBOOK.md"
  }

  assert {
    condition = alltrue([for name, alert in google_monitoring_alert_policy.this : alltrue([
      strcontains(alert.documentation[0].content, "https://git.example.org/fork/RUNBOOK.md#${name}"),
      alert.documentation[0].links[0].url == "https://git.example.org/fork/RUNBOOK.md#${name}",
      strcontains(alert.documentation[0].subject, name),
      length(alert.conditions) == 1,
    ])])
    error_message = "each alert links to the paragraph of its name"
  }
}

run "no_budget_without_a_billing_account" {
  command = plan

  variables {
    billing_account = ""
  }

  assert {
    condition     = length(google_billing_budget.month) == 0
    error_message = "those who may not see the billing account must still be able to deploy"
  }
}

run "the_budget_tells_of_this_project" {
  command = plan

  variables {
    billing_account = "012345-6789AB-CDEF01"
    monthly_budget  = 120
  }

  assert {
    condition     = toset(google_billing_budget.month[0].budget_filter[0].projects) == toset(["projects/${var.project_number}"])
    error_message = "of this project alone"
  }
  assert {
    condition     = toset([for rule in google_billing_budget.month[0].threshold_rules : "${rule.threshold_percent} ${rule.spend_basis}"]) == toset(["0.5 CURRENT_SPEND", "0.9 CURRENT_SPEND", "1 CURRENT_SPEND", "1 FORECASTED_SPEND"])
    error_message = "half, nine tenths and all of it, and what is to be expected"
  }
  assert {
    condition     = google_billing_budget.month[0].amount[0].specified_amount[0].units == "120"
    error_message = "as much as configured"
  }
}
