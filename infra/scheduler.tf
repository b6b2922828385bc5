locals {
  # What is called on deliver, and when.
  schedule = {
    snapshot = { cron = "0 * * * *", why = "Keeps the count of the hour, for its history" }
    fold     = { cron = "*/10 * * * *", why = "Gathers the documents of the tally that have been quiet" }
    sweep    = { cron = "*/5 * * * *", why = "Puts what waits in the spool into the queue" }
    bounces  = { cron = "*/10 * * * *", why = "Reads what has come back to the mailbox of bounces" }
  }
}

resource "google_service_account" "scheduler" {
  account_id   = "undersign-scheduler"
  display_name = "As whom the scheduler calls deliver"
}

resource "google_cloud_scheduler_job" "this" {
  for_each = { for name, job in local.schedule : name => job if name != "bounces" || var.bounces != null }

  name             = each.key
  description      = each.value.why
  region           = var.region
  schedule         = each.value.cron
  time_zone        = "Etc/UTC"
  attempt_deadline = "90s"

  retry_config {
    retry_count          = 3
    min_backoff_duration = "30s"
  }

  http_target {
    http_method = "POST"
    uri         = "${local.deliver_address}/v1/tasks/${each.key}"

    oidc_token {
      service_account_email = google_service_account.scheduler.email
      audience              = local.deliver_address
    }
  }

  # Not before it may call deliver.
  depends_on = [google_cloud_run_service_iam_member.deliver]
}
