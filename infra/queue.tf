# A queue for each purpose, so that none delays another: what waits longest is mail, for the relays take only so much.
locals {
  # What all relays take. Reminders, and signatures without the work that their campaign asks for, get little of it and
  # never delay a fresh signature, nor each other; the rest is the signatures'. Each signature has a reminder's task, and
  # about every fourth of them is mailed: the others have confirmed by then.
  mails_per_second        = sum([for relay in values(var.relays) : relay.mails_per_second])
  reminders_per_second    = max(1, local.mails_per_second * local.sizes.queues.reminders_percent / 100 * local.sizes.queues.tasks_per_reminder)
  without_work_per_second = local.mails_per_second * local.sizes.queues.without_work_percent / 100
  fresh_per_second        = local.mails_per_second - local.reminders_per_second / local.sizes.queues.tasks_per_reminder - local.without_work_per_second

  # Cloud Tasks dispatches 500 tasks a second at most from a queue (https://cloud.google.com/tasks/docs/quotas). Presses
  # mail nothing and go as fast as that.
  dispatches_per_second = {
    signatures   = min(local.sizes.queues.max_dispatches_per_second, local.fresh_per_second)
    presses      = local.sizes.queues.max_dispatches_per_second
    reminders    = local.reminders_per_second
    without-work = local.without_work_per_second
  }

  # Tasks under way at once are the rate, times how long deliver takes for one. The times in sizes.json are longer than
  # usual, so that a queue keeps its rate while deliver is slow: 2 s for a mail that usually takes 0.6, 0.2 s for a press,
  # which is a read and a commit. Where the database takes longer, this is what spares it: fewer presses a second.
  #
  # Nor may the queues call deliver more often at once than it has room for. Cloud Run would answer 429, and Cloud Tasks
  # then slows down the whole queue. Each has its share of the room; the schedule's calls have the rest.
  deliver_room = local.max_instances.deliver * local.sizes.functions.deliver.concurrency
  concurrent_dispatches = {
    for name, rate in local.dispatches_per_second : name => max(1, min(
      ceil(rate * local.sizes.queues.milliseconds[name] / 1000),
      floor(local.deliver_room * local.sizes.queues.deliver_percent[name] / 100),
    ))
  }
}

resource "google_cloud_tasks_queue" "this" {
  for_each = local.dispatches_per_second

  name     = each.key
  location = var.region

  rate_limits {
    max_dispatches_per_second = each.value
    max_concurrent_dispatches = local.concurrent_dispatches[each.key]
  }

  # Retrying ends only when both are exceeded. deliver itself dead-letters a task that it cannot open, or whose mail is
  # rejected, after 30 attempts, and drops what is older than 30 days.
  retry_config {
    max_attempts       = 100
    max_retry_duration = "2592000s"
    min_backoff        = "${local.sizes.queues.min_backoff_seconds}s"
    max_backoff        = "${local.sizes.queues.max_backoff_seconds}s"
    max_doublings      = local.sizes.queues.max_doublings
  }

  # A log line a task would cost more than the task.
  stackdriver_logging_config {
    sampling_ratio = 0.001
  }

  depends_on = [google_project_service.this]
}

# As whom the queues call deliver.
resource "google_service_account" "queue" {
  account_id   = "undersign-queue"
  display_name = "As whom the queues call deliver"
}

# Which function may enqueue what.
locals {
  enqueuings = merge([
    for name, function in local.functions : {
      for queue in function.enqueues : "${name}/${queue}" => { function = name, queue = queue }
    }
  ]...)
}

resource "google_cloud_tasks_queue_iam_member" "enqueuer" {
  for_each = local.enqueuings

  name     = google_cloud_tasks_queue.this[each.value.queue].name
  location = var.region
  role     = "roles/cloudtasks.enqueuer"
  member   = "serviceAccount:${google_service_account.function[each.value.function].email}"
}

# An enqueuer of tasks that carry the queues' token must be allowed to act as this account.
resource "google_service_account_iam_member" "acts_as_queue" {
  for_each = { for name, function in local.functions : name => function if length(function.enqueues) > 0 }

  service_account_id = google_service_account.queue.name
  role               = "roles/iam.serviceAccountUser"
  member             = "serviceAccount:${google_service_account.function[each.key].email}"
}
