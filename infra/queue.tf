resource "google_cloud_tasks_queue" "deliver" {
  name     = "deliver"
  location = var.region

  # Cloud Tasks dispatches 500 tasks a second at most (https://cloud.google.com/tasks/docs/quotas); the relay must be
  # able to take as many mails, so the rate at rest is far below.
  rate_limits {
    max_dispatches_per_second = local.sizes.queue.rates[local.mode].dispatches_per_second
    max_concurrent_dispatches = local.sizes.queue.rates[local.mode].concurrent_dispatches
  }

  # Retrying ends only when both are exceeded. deliver itself dead-letters a task that it cannot open after 30
  # attempts, and drops what is older than 30 days.
  retry_config {
    max_attempts       = 100
    max_retry_duration = "2592000s"
    min_backoff        = "${local.sizes.queue.min_backoff_seconds}s"
    max_backoff        = "${local.sizes.queue.max_backoff_seconds}s"
    max_doublings      = local.sizes.queue.max_doublings
  }

  # A log line a task would cost more than the task.
  stackdriver_logging_config {
    sampling_ratio = 0.001
  }

  depends_on = [google_project_service.this]
}

# As whom the queue calls deliver.
resource "google_service_account" "queue" {
  account_id   = "undersign-queue"
  display_name = "As whom the queue calls deliver"
}

resource "google_cloud_tasks_queue_iam_member" "enqueuer" {
  for_each = { for name, function in local.functions : name => function if function.enqueues }

  name     = google_cloud_tasks_queue.deliver.name
  location = var.region
  role     = "roles/cloudtasks.enqueuer"
  member   = "serviceAccount:${google_service_account.function[each.key].email}"
}

# An enqueuer of tasks that carry the queue's token must be allowed to act as the queue.
resource "google_service_account_iam_member" "acts_as_queue" {
  for_each = { for name, function in local.functions : name => function if function.enqueues }

  service_account_id = google_service_account.queue.name
  role               = "roles/iam.serviceAccountUser"
  member             = "serviceAccount:${google_service_account.function[each.key].email}"
}
