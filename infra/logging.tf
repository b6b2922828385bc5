# Log lines hold no address, name, token or IP address, and stay in the Union for `log_days`. What the platform itself
# would write of each request (paths with tokens, the clients' addresses) is stored nowhere.
locals {
  request_logs = join(" OR ", [
    "log_id(\"run.googleapis.com/requests\")",
    "log_id(\"requests\")",
    "log_id(\"cloudtasks.googleapis.com/task_operations_log\")",
    "log_id(\"cloudscheduler.googleapis.com/executions\")",
  ])
}

resource "google_logging_project_bucket_config" "eu" {
  project        = var.project
  location       = var.region
  bucket_id      = "undersign"
  retention_days = var.log_days
  description    = "All log lines of Undersign"

  depends_on = [google_project_service.this]
}

resource "google_logging_project_sink" "eu" {
  name                   = "undersign"
  destination            = "logging.googleapis.com/${google_logging_project_bucket_config.eu.id}"
  filter                 = "NOT (${local.request_logs})"
  unique_writer_identity = true
}

# _Default is not bound to a region. Nothing goes there.
resource "google_logging_project_exclusion" "everything" {
  name        = "nothing-outside-the-union"
  description = "The sink undersign keeps what is worth keeping, in ${var.region}"
  filter      = "timestamp > \"1970-01-01T00:00:00Z\""

  depends_on = [google_project_service.this]
}
