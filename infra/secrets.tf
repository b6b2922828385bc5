# Values are put in by `make secrets`, never by Terraform: its state would hold them.
locals {
  secrets = toset(concat(
    ["deliver-identities", "pepper", "token-keys"],
    [for name in keys(var.relays) : "smtp-password-${name}"],
    values(local.bounces_secrets),
  ))

  # One entry for each secret that a function reads.
  readings = merge([
    for name, function in local.functions : {
      for secret in values(function.secrets) : "${name}/${secret}" => { function = name, secret = secret }
    }
  ]...)
}

resource "google_secret_manager_secret" "this" {
  for_each = local.secrets

  secret_id = each.value

  # Without the pepper everybody could sign twice, and without deliver's identities what waits is lost. The password of
  # the mailbox of bounces goes when the mailbox is taken out.
  deletion_protection = local.is_protected && !contains(values(local.bounces_secrets), each.value)

  # A version that is destroyed is disabled at once, and can be enabled again for 30 days.
  version_destroy_ttl = "2592000s"

  replication {
    user_managed {
      replicas {
        location = "europe-west1"
      }
      replicas {
        location = "europe-west4"
      }
    }
  }

  depends_on = [google_project_service.this]
}

resource "google_secret_manager_secret_iam_member" "function" {
  for_each = local.readings

  secret_id = google_secret_manager_secret.this[each.value.secret].id
  role      = "roles/secretmanager.secretAccessor"
  member    = "serviceAccount:${google_service_account.function[each.value.function].email}"
}

# Who reads a secret is noted, and kept for 30 days by default.
resource "google_project_iam_audit_config" "secrets" {
  project = var.project
  service = "secretmanager.googleapis.com"

  audit_log_config {
    log_type = "DATA_READ"
  }
}
