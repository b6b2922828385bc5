locals {
  # Every collection that holds documents, and whether they expire. All fields of all of them are exempt from
  # indexes: nothing is ever queried but by name, and a rising indexed field, a time above all, caps a collection at
  # about 500 writes a second.
  collections = {
    signatures    = { database = google_firestore_database.main.name, expires = true }
    mailboxes     = { database = google_firestore_database.main.name, expires = true }
    dead_letters  = { database = google_firestore_database.main.name, expires = true }
    tally         = { database = google_firestore_database.main.name, expires = false }
    funnel        = { database = google_firestore_database.main.name, expires = false }
    funnel_writes = { database = google_firestore_database.main.name, expires = true }
    history       = { database = google_firestore_database.main.name, expires = false }
    desk          = { database = google_firestore_database.main.name, expires = false }
    spool         = { database = google_firestore_database.spool.name, expires = false }
    removals      = { database = google_firestore_database.spool.name, expires = true }
  }

  store_roles = {
    read  = "roles/datastore.viewer"
    write = "roles/datastore.user"
  }
}

resource "google_firestore_database" "main" {
  name                              = "(default)"
  location_id                       = var.firestore_location
  type                              = "FIRESTORE_NATIVE"
  concurrency_mode                  = "OPTIMISTIC"
  point_in_time_recovery_enablement = "POINT_IN_TIME_RECOVERY_ENABLED"
  delete_protection_state           = var.environment == "production" ? "DELETE_PROTECTION_ENABLED" : "DELETE_PROTECTION_DISABLED"
  # Whatever becomes of the configuration, the signatures stay.
  deletion_policy = var.environment == "production" ? "ABANDON" : "DELETE"

  depends_on = [google_project_service.this]
}

# While Cloud Tasks is away. A database of its own, because roles are given per database: sign may only create in it.
# Beside the spool it keeps notes of what was withdrawn or erased, which a restore of the signatures must not undo.
resource "google_firestore_database" "spool" {
  name             = "spool"
  location_id      = var.firestore_location
  type             = "FIRESTORE_NATIVE"
  concurrency_mode = "OPTIMISTIC"
  # What has been swept into the queue must be gone.
  point_in_time_recovery_enablement = "POINT_IN_TIME_RECOVERY_DISABLED"
  delete_protection_state           = var.environment == "production" ? "DELETE_PROTECTION_ENABLED" : "DELETE_PROTECTION_DISABLED"
  deletion_policy                   = var.environment == "production" ? "ABANDON" : "DELETE"

  depends_on = [google_project_service.this]
}

resource "google_firestore_field" "all" {
  for_each = local.collections

  database   = each.value.database
  collection = each.key
  field      = "*"

  index_config {}
}

resource "google_firestore_field" "expire_at" {
  for_each = { for name, collection in local.collections : name => collection if collection.expires }

  database   = each.value.database
  collection = each.key
  field      = "expire_at"

  ttl_config {}
  index_config {}
}

resource "google_firestore_backup_schedule" "daily" {
  database  = google_firestore_database.main.name
  retention = "${var.backup_days * 86400}s"

  daily_recurrence {}
}

resource "google_project_iam_member" "store" {
  for_each = { for name, function in local.functions : name => function if function.store != null }

  project = var.project
  role    = local.store_roles[each.value.store]
  member  = "serviceAccount:${google_service_account.function[each.key].email}"

  condition {
    title      = "signatures only"
    expression = "resource.name == 'projects/${var.project}/databases/${google_firestore_database.main.name}'"
  }
}

# sign may create in the spool, and neither read nor change what is there.
resource "google_project_iam_custom_role" "spool_creator" {
  role_id     = "undersignSpoolCreator"
  title       = "Creates documents in the spool"
  permissions = ["datastore.entities.create"]
}

resource "google_project_iam_member" "spool" {
  for_each = { for name, function in local.functions : name => function if function.spool != null }

  project = var.project
  role    = each.value.spool == "create" ? google_project_iam_custom_role.spool_creator.id : local.store_roles[each.value.spool]
  member  = "serviceAccount:${google_service_account.function[each.key].email}"

  condition {
    title      = "spool only"
    expression = "resource.name == 'projects/${var.project}/databases/${google_firestore_database.spool.name}'"
  }
}
