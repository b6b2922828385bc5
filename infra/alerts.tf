# Who is alerted of what. One map: whatever loses signatures, or may within the hour, wakes somebody (page); the
# rest is a mail for the morning (mail). Each key is a heading of RUNBOOK.md, which says what to do; a test compares the
# two.
#
# Queries are PromQL, the one language here that can compare, divide and notice absence
# (https://cloud.google.com/monitoring/promql/promql-mapping says how metrics are named in it). What is counted from
# the log comes some minutes late, so those queries look back ten minutes and more; 25 hours is the most they may.
# `x > 20 and x / y > 0.05`: a share means something only from some number on.
locals {
  alerts = {
    sign-errors = {
      to      = "page"
      summary = "Signers get an error when they send the form."
      # As the balancer saw it: what never reached the function is among it. The widget tries again by itself and a
      # person does so once; from one in a hundred on, signatures are being lost. Five, so that one does not wake.
      query = <<-EOT
        sum(increase(loadbalancing_googleapis_com:https_request_count{monitored_resource="https_lb_rule",backend_target_name="sign",response_code_class="500"}[5m])) > 5
        and
        sum(increase(loadbalancing_googleapis_com:https_request_count{monitored_resource="https_lb_rule",backend_target_name="sign",response_code_class="500"}[5m]))
        / sum(increase(loadbalancing_googleapis_com:https_request_count{monitored_resource="https_lb_rule",backend_target_name="sign"}[5m])) > 0.01
      EOT
      for   = "120s"
    }
    confirm-errors = {
      to      = "page"
      summary = "Signers get an error when they press the button that makes their signature count."
      # Two in a hundred, for those who see an error here still have the mail and press again.
      query = <<-EOT
        sum(increase(loadbalancing_googleapis_com:https_request_count{monitored_resource="https_lb_rule",backend_target_name="confirm",response_code_class="500"}[5m])) > 5
        and
        sum(increase(loadbalancing_googleapis_com:https_request_count{monitored_resource="https_lb_rule",backend_target_name="confirm",response_code_class="500"}[5m]))
        / sum(increase(loadbalancing_googleapis_com:https_request_count{monitored_resource="https_lb_rule",backend_target_name="confirm"}[5m])) > 0.02
      EOT
      for   = "120s"
    }
    down = {
      to      = "page"
      summary = "The form, signing or confirming does not answer from outside."
      # Two of three places, for three minutes: one place alone has a bad line.
      query = <<-EOT
        avg by (check_id) (avg_over_time(monitoring_googleapis_com:uptime_check_check_passed{monitored_resource="uptime_url",check_id=~"${join("|", [for name in ["embed", "sign", "confirm"] : google_monitoring_uptime_check_config.this[name].uptime_check_id])}"}[3m])) < 0.5
      EOT
      for   = "60s"
    }
    full = {
      to      = "page"
      summary = "A function turns people or tasks away, because no more instances may be started."
      # 429 comes from the platform alone: our functions never answer it, and what Cloud Armor turns away does not
      # come so far.
      query = <<-EOT
        sum by (service_name) (increase(run_googleapis_com:request_count{monitored_resource="cloud_run_revision",service_name=~"sign|deliver|confirm|embed",response_code="429"}[5m])) > 10
      EOT
      for   = "0s"
    }
    nowhere-to-keep = {
      to      = "page"
      summary = "sign could put a signature neither into the queue nor into the spool, and asked the signer to come back."
      # One is enough: it needs two services to be away at the same time.
      query = <<-EOT
        sum(increase(logging_googleapis_com:user_unavailable{monitored_resource="cloud_run_revision",service_name="sign"}[10m])) > 0
      EOT
      for   = "0s"
    }
    spool-in-use = {
      to      = "page"
      summary = "Cloud Tasks does not take tasks; signatures are accepted into the spool."
      # One enqueue in some thousands runs into its deadline while nothing is wrong, and the next sweep fetches it.
      query = <<-EOT
        sum(increase(logging_googleapis_com:user_spooled{monitored_resource="cloud_run_revision"}[10m])) > 2
        and
        sum(increase(logging_googleapis_com:user_spooled{monitored_resource="cloud_run_revision"}[10m]))
        / sum(increase(logging_googleapis_com:user_accepted{monitored_resource="cloud_run_revision"}[10m])) > 0.01
      EOT
      for   = "0s"
    }
    queue-late = {
      to      = "page"
      summary = "Signatures or presses wait in their queue for more than ten minutes, and with them the mails to signers."
      # How late tasks are tried, in milliseconds: the age of the oldest that is due. After ten minutes people have
      # closed their inbox. Reminders may be late.
      query = <<-EOT
        histogram_quantile(0.95, sum by (le, queue_id) (rate(cloudtasks_googleapis_com:queue_task_attempt_delays_bucket{monitored_resource="cloud_tasks_queue",queue_id=~"signatures|presses"}[5m]))) > 600000
      EOT
      for   = "300s"
    }
    queue-stands-still = {
      to      = "page"
      summary = "Signatures are accepted, and none is tried: their queue is paused, or deliver cannot be called."
      # A queue that tries nothing has no delays to measure.
      query = <<-EOT
        sum(increase(logging_googleapis_com:user_accepted{monitored_resource="cloud_run_revision"}[15m])) > 5
        unless
        sum(increase(cloudtasks_googleapis_com:queue_task_attempt_count{monitored_resource="cloud_tasks_queue",queue_id="signatures"}[15m])) > 0
      EOT
      for   = "300s"
    }
    deliver-errors = {
      to      = "page"
      summary = "deliver fails at every fifth task, or puts off most of them: signatures wait, and their mails with them."
      # 5xx: the database or every relay is down, or Cloud Tasks. Ten, for Cloud Tasks then slows its queues down, and
      # hardly tries any more. 409 concerns one task, as when a recipient is greylisted, so some are always there; where
      # they are most of all, a relay is up and takes nothing.
      query = <<-EOT
        (
          sum(increase(run_googleapis_com:request_count{monitored_resource="cloud_run_revision",service_name="deliver",response_code_class="5xx"}[10m])) > 10
          and
          sum(increase(run_googleapis_com:request_count{monitored_resource="cloud_run_revision",service_name="deliver",response_code_class="5xx"}[10m]))
          / sum(increase(run_googleapis_com:request_count{monitored_resource="cloud_run_revision",service_name="deliver"}[10m])) > 0.2
        )
        or
        (
          sum(increase(run_googleapis_com:request_count{monitored_resource="cloud_run_revision",service_name="deliver",response_code="409"}[10m])) > 20
          and
          sum(increase(run_googleapis_com:request_count{monitored_resource="cloud_run_revision",service_name="deliver",response_code="409"}[10m]))
          / sum(increase(run_googleapis_com:request_count{monitored_resource="cloud_run_revision",service_name="deliver"}[10m])) > 0.5
        )
      EOT
      for   = "300s"
    }
    deliver-silent = {
      to      = "page"
      summary = "deliver has not swept the spool for twenty minutes: it is down, or the scheduler cannot call it."
      # deliver cannot be asked from outside; the sweep, every five minutes, is its heartbeat. Ten minutes more, so
      # that a first deployment has time for one.
      query = <<-EOT
        absent_over_time(logging_googleapis_com:user_swept{monitored_resource="cloud_run_revision"}[20m])
      EOT
      for   = "600s"
    }
    unopenable-task = {
      to      = "page"
      summary = "deliver holds a task that it cannot open (a key is missing, or somebody made it up), or has given one up."
      # It is tried for a day before it is dead-lettered, so one that is seen early is not lost. Those that a relay
      # rejects are tried for as long.
      query = <<-EOT
        sum(increase(logging_googleapis_com:user_unopenable_task{monitored_resource="cloud_run_revision"}[15m])) > 0
        or
        sum(increase(logging_googleapis_com:user_dead_lettered{monitored_resource="cloud_run_revision"}[15m])) > 0
      EOT
      for   = "0s"
    }
    mails-unconfirmed = {
      to      = "page"
      summary = "Most mails of a campaign go to people who do not confirm: somebody may be mailing strangers through it."
      # As a share of the mails of the same hour, so that a rush does not trip it, however large: seven in ten open
      # within five minutes. 300 mails, and for a quarter of an hour, since at the start of a rush the confirmations are
      # those minutes behind; a test plays the rushes that we know.
      query = <<-EOT
        sum by (campaign) (increase(logging_googleapis_com:user_funnel{monitored_resource="cloud_run_revision",stage="mailed"}[1h])) > 300
        unless
        sum by (campaign) (increase(logging_googleapis_com:user_funnel{monitored_resource="cloud_run_revision",stage="confirmed"}[1h]))
        / sum by (campaign) (increase(logging_googleapis_com:user_funnel{monitored_resource="cloud_run_revision",stage="mailed"}[1h])) > 0.4
      EOT
      for   = "900s"
    }
    firestore-away = {
      to      = "page"
      summary = "deliver or confirm cannot use the database."
      # Single ones are contention, and come again by themselves.
      query = <<-EOT
        sum(increase(logging_googleapis_com:user_store_unavailable{monitored_resource="cloud_run_revision"}[10m])) > 10
        or
        sum(increase(logging_googleapis_com:user_unavailable{monitored_resource="cloud_run_revision",service_name=~"deliver|confirm"}[10m])) > 10
      EOT
      for   = "120s"
    }
    count-fell = {
      to      = "page"
      summary = "The total has fallen by more than withdrawals explain: the database is empty, older or damaged."
      # deliver looks every ten minutes, and says so each time until the total is right or was accepted; count says it
      # once. One line is enough: with an empty database every link in a mail is answered as one that has expired.
      query = <<-EOT
        sum by (campaign) (increase(logging_googleapis_com:user_count_fell{monitored_resource="cloud_run_revision"}[25m])) > 0
      EOT
      for   = "0s"
    }

    unexpected = {
      to      = "mail"
      summary = "A function met a fault of ours, or found something in the spool that is no task."
      # What it does to signers, sign-errors, confirm-errors and deliver-errors say; this one says where.
      query = <<-EOT
        sum by (service_name) (increase(logging_googleapis_com:user_unexpected{monitored_resource="cloud_run_revision"}[15m])) > 0
        or
        sum by (service_name) (increase(logging_googleapis_com:user_spool_holds_junk{monitored_resource="cloud_run_revision"}[15m])) > 0
      EOT
      for   = "0s"
    }
    mail-deferred = {
      to      = "mail"
      summary = "The relays put off every fifth mail."
      # Greylisting stays far below. A relay that takes nothing wakes somebody, by deliver-errors.
      query = <<-EOT
        sum(increase(logging_googleapis_com:user_mail_deferred{monitored_resource="cloud_run_revision"}[30m])) > 20
        and
        sum(increase(logging_googleapis_com:user_mail_deferred{monitored_resource="cloud_run_revision"}[30m]))
        / sum(increase(logging_googleapis_com:user_mail_decisions{monitored_resource="cloud_run_revision",outcome=~"confirm|reminder|signed"}[30m])) > 0.2
      EOT
      for   = "300s"
    }
    relay-left-out = {
      to      = "mail"
      summary = "A relay fails again and again; its mails go through the others, which get more than they agreed to take."
      # Each instance leaves it out for two seconds, then for twice as long, up to two minutes: five times are a minute
      # of one instance. While no relay works, deliver-errors wakes somebody.
      query = <<-EOT
        sum by (relay) (increase(logging_googleapis_com:user_relay_left_out{monitored_resource="cloud_run_revision"}[15m])) > 5
      EOT
      for   = "120s"
    }
    mail-refused = {
      to      = "mail"
      summary = "Every twentieth mail goes to a mailbox that does not exist."
      # Typing errors are one or two in a hundred. At five, relays begin to ask what we are doing, at ten they stop
      # sending (https://docs.aws.amazon.com/ses/latest/dg/reputationdashboard-bounce-rate.html, as one of them).
      query = <<-EOT
        sum(increase(logging_googleapis_com:user_mail_refused{monitored_resource="cloud_run_revision"}[1h])) > 20
        and
        sum(increase(logging_googleapis_com:user_mail_refused{monitored_resource="cloud_run_revision"}[1h]))
        / sum(increase(logging_googleapis_com:user_mail_decisions{monitored_resource="cloud_run_revision",outcome=~"confirm|reminder|signed"}[1h])) > 0.05
      EOT
      for   = "300s"
    }
    mail-unresolved = {
      to      = "mail"
      summary = "Connections to the relay break off while it takes our mails."
      # Each of these waits for an hour before it is tried again, since it may have gone out.
      query = <<-EOT
        sum(increase(logging_googleapis_com:user_mail_unresolved{monitored_resource="cloud_run_revision"}[30m])) > 20
      EOT
      for   = "300s"
    }
    deliver-open = {
      to      = "mail"
      summary = "deliver is called by others than the queue and the scheduler, or Cloud Run lets everybody call it."
      # deliver refuses them itself. Neither can happen while the role and the ingress are as they were applied.
      query = <<-EOT
        sum(increase(logging_googleapis_com:user_platform_checks_nobody{monitored_resource="cloud_run_revision"}[30m])) > 0
        or
        sum(increase(logging_googleapis_com:user_caller_refused{monitored_resource="cloud_run_revision"}[30m])) > 0
      EOT
      for   = "0s"
    }
    removal-not-noted = {
      to      = "mail"
      summary = "Signatures were withdrawn without a note of it: a restore of an older database would bring them back."
      # One is a person who would be counted against their will.
      query = <<-EOT
        sum(increase(logging_googleapis_com:user_removal_not_noted{monitored_resource="cloud_run_revision"}[30m])) > 0
      EOT
      for   = "0s"
    }
    provider-lost = {
      to      = "mail"
      summary = "People with one mail provider confirm half as often as the others: our mail does not reach their inbox."
      # Compared with all of the same six hours, for the share itself rises and falls with the time of day. Fifty
      # mails, below which chance alone does it. No confirmation at all is a zero here, not nothing.
      query = <<-EOT
        (
          sum by (provider) (increase(logging_googleapis_com:user_funnel{monitored_resource="cloud_run_revision",stage="confirmed"}[6h]))
          or
          0 * sum by (provider) (increase(logging_googleapis_com:user_funnel{monitored_resource="cloud_run_revision",stage="mailed"}[6h]))
        )
        / (sum by (provider) (increase(logging_googleapis_com:user_funnel{monitored_resource="cloud_run_revision",stage="mailed"}[6h])) > 50)
        < 0.5 * scalar(
          sum(increase(logging_googleapis_com:user_funnel{monitored_resource="cloud_run_revision",stage="confirmed"}[6h]))
          / sum(increase(logging_googleapis_com:user_funnel{monitored_resource="cloud_run_revision",stage="mailed"}[6h]))
        )
      EOT
      for   = "600s"
    }
    count-stale = {
      to      = "mail"
      summary = "Readers see an old number."
      # An instance says so once a minute while the database is away; a few are a slow read.
      query = <<-EOT
        sum(increase(logging_googleapis_com:user_count_is_stale{monitored_resource="cloud_run_revision"}[10m])) > 4
        or
        sum(increase(logging_googleapis_com:user_history_is_stale{monitored_resource="cloud_run_revision"}[10m])) > 4
      EOT
      for   = "120s"
    }
    count-down = {
      to      = "mail"
      summary = "The counter does not answer from outside. Signing goes on."
      query   = <<-EOT
        avg by (check_id) (avg_over_time(monitoring_googleapis_com:uptime_check_check_passed{monitored_resource="uptime_url",check_id=~"${join("|", [for name in ["count", "count-json"] : google_monitoring_uptime_check_config.this[name].uptime_check_id])}"}[5m])) < 0.5
      EOT
      for     = "300s"
    }
    overlay-stale = {
      to      = "mail"
      summary = "A function does not learn whether a campaign is paused, or a partner admitted."
      # It goes on with what it knew. Each instance complains at most once a minute.
      query = <<-EOT
        sum by (service_name) (increase(logging_googleapis_com:user_overlay_is_stale{monitored_resource="cloud_run_revision"}[15m])) > 10
      EOT
      for   = "300s"
    }
    schedule-failed = {
      to      = "mail"
      summary = "A job of the scheduler fails again and again: the history has holes, or the spool is not emptied."
      # A job is tried four times; one that fails once and then succeeds is no incident.
      query = <<-EOT
        sum by (job_id) (increase(logging_googleapis_com:user_schedule_failed{monitored_resource="cloud_scheduler_job"}[30m])) > 3
      EOT
      for   = "0s"
    }
    slow = {
      to      = "mail"
      summary = "Every twentieth request takes longer than three seconds."
      # A cold start takes one or two; in a quiet night they are every twentieth, hence the hundred requests.
      query = <<-EOT
        histogram_quantile(0.95, sum by (le, service_name) (rate(run_googleapis_com:request_latencies_bucket{monitored_resource="cloud_run_revision",service_name=~"sign|confirm|count|embed"}[10m]))) > 3000
        and on (service_name)
        sum by (service_name) (increase(run_googleapis_com:request_count{monitored_resource="cloud_run_revision"}[10m])) > 100
      EOT
      for   = "300s"
    }
    certificate = {
      to      = "mail"
      summary = "The certificate ends within two weeks, and has not been renewed."
      # Google renews a month before (https://cloud.google.com/load-balancing/docs/ssl-certificates/google-managed-certs).
      query = <<-EOT
        min(monitoring_googleapis_com:uptime_check_time_until_ssl_cert_expires{monitored_resource="uptime_url"}) < 14
      EOT
      for   = "600s"
    }
  }

  # Where each kind of alert goes.
  channels = {
    page = [for channel in google_monitoring_notification_channel.page : channel.name]
    mail = [for channel in google_monitoring_notification_channel.mail : channel.name]
  }
}

# Mail, for it needs nothing but an address. Let the pager or phone of the person on call ring for what comes to
# these addresses, and see in a fire drill that it does (RUNBOOK.md).
resource "google_monitoring_notification_channel" "page" {
  for_each = var.page_emails

  display_name = "Undersign wakes ${each.value}"
  type         = "email"
  labels       = { email_address = each.value }

  depends_on = [google_project_service.this]
}

resource "google_monitoring_notification_channel" "mail" {
  for_each = var.notice_emails

  display_name = "Undersign writes to ${each.value}"
  type         = "email"
  labels       = { email_address = each.value }

  depends_on = [google_project_service.this]
}

resource "google_monitoring_alert_policy" "this" {
  for_each = local.alerts

  display_name          = "${var.environment}: ${each.key}"
  enabled               = var.alerting
  combiner              = "OR"
  severity              = each.value.to == "page" ? "CRITICAL" : "WARNING"
  notification_channels = local.channels[each.value.to]
  user_labels           = { to = each.value.to }

  conditions {
    display_name = each.value.summary

    condition_prometheus_query_language {
      query               = trimspace(each.value.query)
      duration            = each.value.for
      evaluation_interval = "60s"
      # A metric exists only once something was counted: the first deployment would be refused
      # (https://github.com/hashicorp/terraform-provider-google/issues/11102). In return nobody checks the names, but
      # tests/infra/test_watch.py.
      disable_metric_validation = true
    }
  }

  alert_strategy {
    # Over when the query says so; where it says nothing any more, after half an hour, the shortest there is.
    auto_close = "1800s"

    # For those who slept through the first one.
    dynamic "notification_channel_strategy" {
      for_each = each.value.to == "page" ? [1] : []
      content {
        notification_channel_names = local.channels.page
        renotify_interval          = "1800s"
      }
    }
  }

  documentation {
    mime_type = "text/markdown"
    subject   = "${each.value.to == "page" ? "NOW" : "Later"}: ${each.key} (Undersign, ${var.environment})"
    content   = <<-EOT
      ${each.value.summary}

      What to look at, and what to do: ${var.runbook_url}#${each.key}
    EOT

    links {
      display_name = "Runbook: ${each.key}"
      url          = "${var.runbook_url}#${each.key}"
    }
  }

  depends_on = [google_logging_metric.event, google_logging_metric.schedule_failed]
}
