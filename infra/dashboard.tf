# One page for the evening of the broadcast, from what signers feel at the top to what it costs at the bottom. A row is
# a list of charts; each chart a map from legend to query, or one query whose series are named by a label.
locals {
  lb  = "loadbalancing_googleapis_com:https"
  run = "monitored_resource=\"cloud_run_revision\""

  dashboard = [
    {
      title = "Signatures"
      charts = [
        {
          title = "A minute"
          lines = {
            accepted  = "60 * sum(rate(logging_googleapis_com:user_accepted{${local.run}}[5m]))"
            confirmed = "60 * sum(rate(logging_googleapis_com:user_confirmed{${local.run}}[5m]))"
            held      = "60 * sum(rate(logging_googleapis_com:user_held{${local.run}}[5m]))"
            withdrawn = "60 * sum(rate(logging_googleapis_com:user_withdrawn{${local.run}}[5m]))"
          }
        },
        {
          title = "Confirmed of mailed, by class of mail provider, six hours"
          lines = {
            "$${labels.provider}" = "sum by (provider) (increase(logging_googleapis_com:user_funnel{${local.run},stage=\"confirmed\"}[6h])) / sum by (provider) (increase(logging_googleapis_com:user_funnel{${local.run},stage=\"mailed\"}[6h]))"
          }
        },
        {
          title = "Confirmed of accepted, by campaign, six hours"
          lines = {
            "$${labels.campaign}" = "sum by (campaign) (increase(logging_googleapis_com:user_funnel{${local.run},stage=\"confirmed\"}[6h])) / sum by (campaign) (increase(logging_googleapis_com:user_funnel{${local.run},stage=\"accepted\"}[6h]))"
          }
        },
      ]
    },
    {
      title = "Queues"
      charts = [
        {
          title = "Age of the oldest task that is due, ms, 95 of 100"
          lines = {
            "$${labels.queue_id}" = "histogram_quantile(0.95, sum by (le, queue_id) (rate(cloudtasks_googleapis_com:queue_task_attempt_delays_bucket{monitored_resource=\"cloud_tasks_queue\"}[5m])))"
          }
        },
        {
          title = "Tasks in each queue, reminders of tomorrow among them"
          lines = {
            "$${labels.queue_id}" = "sum by (queue_id) (cloudtasks_googleapis_com:queue_depth{monitored_resource=\"cloud_tasks_queue\"})"
          }
        },
        {
          title = "Attempts a second, by queue and answer"
          lines = {
            "$${labels.queue_id} $${labels.response_code}" = "sum by (queue_id, response_code) (rate(cloudtasks_googleapis_com:queue_task_attempt_count{monitored_resource=\"cloud_tasks_queue\"}[5m]))"
          }
        },
        {
          title = "Into the spool a minute, sweeps, and breakers that opened"
          lines = {
            "no answer from $${labels.service}" = "60 * sum by (service) (rate(logging_googleapis_com:user_breaker_opened{${local.run}}[10m]))"
            spooled                             = "60 * sum(rate(logging_googleapis_com:user_spooled{${local.run}}[10m]))"
            sweeps                              = "60 * sum(rate(logging_googleapis_com:user_swept{${local.run}}[10m]))"
          }
        },
      ]
    },
    {
      title = "Mail"
      charts = [
        {
          title = "What became of tasks, a minute"
          lines = {
            "$${labels.kind} $${labels.outcome}" = "60 * sum by (kind, outcome) (rate(logging_googleapis_com:user_mail_decisions{${local.run}}[5m]))"
          }
        },
        {
          title = "Put off by the relays, a minute, by reply"
          lines = {
            "$${labels.relay} $${labels.reply} $${labels.error}" = "60 * sum by (relay, reply, error) (rate(logging_googleapis_com:user_mail_deferred{${local.run}}[10m]))"
            "$${labels.relay} left out"                          = "60 * sum by (relay) (rate(logging_googleapis_com:user_relay_left_out{${local.run}}[10m]))"
          }
        },
        {
          title = "Not delivered, a minute, by class of provider"
          lines = {
            "$${labels.provider} put off"    = "60 * sum by (provider) (rate(logging_googleapis_com:user_mail_deferred{${local.run}}[10m]))"
            "$${labels.provider} refused"    = "60 * sum by (provider) (rate(logging_googleapis_com:user_mail_refused{${local.run}}[10m]))"
            "$${labels.provider} unresolved" = "60 * sum by (provider) (rate(logging_googleapis_com:user_mail_unresolved{${local.run}}[10m]))"
          }
        },
      ]
    },
    {
      title = "Readers"
      charts = [
        {
          title = "Requests a second, by function"
          lines = {
            "$${labels.backend_target_name}" = "sum by (backend_target_name) (rate(${local.lb}_request_count{monitored_resource=\"https_lb_rule\"}[5m]))"
          }
        },
        {
          title = "Answered by the cache"
          lines = {
            "$${labels.backend_target_name}" = "sum by (backend_target_name) (rate(${local.lb}_request_count{monitored_resource=\"https_lb_rule\",backend_target_name=~\"count|embed\",cache_result=\"HIT\"}[5m])) / sum by (backend_target_name) (rate(${local.lb}_request_count{monitored_resource=\"https_lb_rule\",backend_target_name=~\"count|embed\"}[5m]))"
          }
        },
        {
          title = "Old copies served, a minute"
          lines = {
            count   = "60 * sum(rate(logging_googleapis_com:user_count_is_stale{${local.run}}[10m]))"
            history = "60 * sum(rate(logging_googleapis_com:user_history_is_stale{${local.run}}[10m]))"
            overlay = "60 * sum(rate(logging_googleapis_com:user_overlay_is_stale{${local.run}}[10m]))"
          }
        },
      ]
    },
    {
      title = "Functions"
      charts = [
        {
          title = "95 of 100 answers within, ms"
          lines = {
            "$${labels.service_name}" = "histogram_quantile(0.95, sum by (le, service_name) (rate(run_googleapis_com:request_latencies_bucket{${local.run}}[5m])))"
          }
        },
        {
          title = "Answers with 5xx, of all"
          lines = {
            "$${labels.service_name}" = "sum by (service_name) (rate(run_googleapis_com:request_count{${local.run},response_code_class=\"5xx\"}[5m])) / sum by (service_name) (rate(run_googleapis_com:request_count{${local.run}}[5m]))"
          }
        },
        {
          title = "Instances"
          lines = {
            "$${labels.service_name} $${labels.state}" = "sum by (service_name, state) (run_googleapis_com:container_instance_count{${local.run}})"
          }
        },
        {
          title = "Faults, an hour"
          lines = {
            unopenable_task    = "sum(increase(logging_googleapis_com:user_unopenable_task{${local.run}}[1h]))"
            unavailable        = "sum(increase(logging_googleapis_com:user_unavailable{${local.run}}[1h]))"
            store_unavailable  = "sum(increase(logging_googleapis_com:user_store_unavailable{${local.run}}[1h]))"
            unexpected         = "sum(increase(logging_googleapis_com:user_unexpected{${local.run}}[1h]))"
            spool_holds_junk   = "sum(increase(logging_googleapis_com:user_spool_holds_junk{${local.run}}[1h]))"
            funnel_not_written = "sum(increase(logging_googleapis_com:user_funnel_not_written{${local.run}}[1h]))"
            schedule_failed    = "sum(increase(logging_googleapis_com:user_schedule_failed{monitored_resource=\"cloud_scheduler_job\"}[1h]))"
          }
        },
      ]
    },
    {
      title = "What costs"
      charts = [
        {
          title = "Firestore, documents an hour"
          lines = {
            read    = "sum(increase(firestore_googleapis_com:document_read_count{monitored_resource=\"firestore_instance\"}[1h]))"
            written = "sum(increase(firestore_googleapis_com:document_write_count{monitored_resource=\"firestore_instance\"}[1h]))"
            deleted = "sum(increase(firestore_googleapis_com:document_delete_count{monitored_resource=\"firestore_instance\"}[1h]))"
          }
        },
        {
          title = "Cloud Tasks, operations an hour"
          lines = {
            "$${labels.api_method}" = "sum by (api_method) (increase(cloudtasks_googleapis_com:api_request_count[1h]))"
            attempts                = "sum(increase(cloudtasks_googleapis_com:queue_task_attempt_count{monitored_resource=\"cloud_tasks_queue\"}[1h]))"
          }
        },
        {
          title = "From the balancer, bytes an hour"
          lines = {
            "$${labels.backend_target_name} $${labels.cache_result}" = "sum by (backend_target_name, cache_result) (increase(${local.lb}_response_bytes_count{monitored_resource=\"https_lb_rule\"}[1h]))"
          }
        },
        {
          title = "Instances that are paid for; log lines, bytes an hour"
          lines = {
            "$${labels.service_name}" = "sum by (service_name) (rate(run_googleapis_com:container_billable_instance_time{${local.run}}[5m]))"
            "log bytes"               = "sum(increase(logging_googleapis_com:byte_count{${local.run}}[1h]))"
          }
        },
      ]
    },
  ]

  # Twelve columns; a row is its title and its charts side by side, five units high. What is zero or empty is left out:
  # Cloud Monitoring drops it, and each plan would put it back.
  dashboard_top = [
    {
      width  = 4
      height = 4
      widget = {
        title = "When something is wrong"
        text = {
          format  = "MARKDOWN"
          content = "Each alert has its paragraph in the [runbook](${var.runbook_url}).\n\n[What signers see](${local.public_url}/c/${var.watched_campaign})\n\nThe log: `gcloud logging read 'severity>=WARNING' --bucket=${google_logging_project_bucket_config.eu.bucket_id} --location=${var.region} --view=_AllLogs --freshness=1h`"
        }
      }
    },
    {
      xPos   = 4
      width  = 8
      height = 4
      widget = {
        title        = "Alerts that are open"
        incidentList = {}
      }
    },
  ]

  dashboard_titles = [for number, row in local.dashboard : {
    yPos   = 4 + 5 * number
    width  = 12
    height = 1
    widget = {
      title         = row.title
      sectionHeader = {}
    }
  }]

  dashboard_charts = flatten([for number, row in local.dashboard : [for place, chart in row.charts : merge(
    place > 0 ? { xPos = place * 12 / length(row.charts) } : {},
    {
      yPos   = 5 + 5 * number
      width  = 12 / length(row.charts)
      height = 4
      widget = {
        title = chart.title
        xyChart = {
          dataSets = [for legend, query in chart.lines : {
            plotType        = "LINE"
            legendTemplate  = legend
            timeSeriesQuery = { prometheusQuery = query }
          }]
        }
      }
    },
  )]])
}

resource "google_monitoring_dashboard" "this" {
  dashboard_json = jsonencode({
    displayName = "Undersign, ${var.environment}"
    mosaicLayout = {
      columns = 12
      tiles   = concat(local.dashboard_top, local.dashboard_titles, local.dashboard_charts)
    }
  })

  depends_on = [google_logging_metric.event, google_logging_metric.schedule_failed]
}
