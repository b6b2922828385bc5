locals {
  # What is lost for good if somebody deletes it by mistake: databases and secrets.
  is_protected = var.environment == "production" && !var.retiring

  # The database of the signatures, once it is there.
  database = google_firestore_database.main[var.database].name

  # Every collection that holds documents, and whether they expire. All fields of all of them are exempt from
  # indexes: nothing is ever queried but by name, and a rising indexed field, a time above all, caps a collection at
  # about 500 writes a second.
  collections = {
    signatures    = { database = local.database, expires = true }
    mailboxes     = { database = local.database, expires = true }
    domains       = { database = local.database, expires = true }
    dead_letters  = { database = local.database, expires = true }
    tally         = { database = local.database, expires = false }
    funnel        = { database = local.database, expires = false }
    funnel_writes = { database = local.database, expires = true }
    history       = { database = local.database, expires = false }
    desk          = { database = local.database, expires = false }
    spool         = { database = google_firestore_database.spool.name, expires = false }
    removals      = { database = google_firestore_database.spool.name, expires = true }
    totals        = { database = google_firestore_database.spool.name, expires = false }
  }

  # Firestore's multi-region in the European Union, in Belgium and the Netherlands, wherever the functions are: what was
  # signed outlives the loss of either, and no database can be moved (https://cloud.google.com/firestore/docs/locations).
  firestore_location = "eur3"

  store_roles = {
    read  = "roles/datastore.viewer"
    write = "roles/datastore.user"
  }
}

# By name, so that a restored one takes the place of another: the other leaves the state, and stays as it is.
resource "google_firestore_database" "main" {
  for_each = toset([var.database])

  name                              = each.key
  location_id                       = local.firestore_location
  type                              = "FIRESTORE_NATIVE"
  concurrency_mode                  = "OPTIMISTIC"
  point_in_time_recovery_enablement = "POINT_IN_TIME_RECOVERY_ENABLED"
  delete_protection_state           = local.is_protected ? "DELETE_PROTECTION_ENABLED" : "DELETE_PROTECTION_DISABLED"
  # Whatever becomes of the configuration, the signatures stay.
  deletion_policy = local.is_protected ? "ABANDON" : "DELETE"

  depends_on = [google_project_service.this]
}

# One that was restored is there already, for Terraform cannot restore. Where the state holds it, this does nothing.
import {
  for_each = coalesce(var.database_exists, var.database != "(default)") ? toset([var.database]) : toset([])
  to       = google_firestore_database.main[each.key]
  id       = "projects/${var.project}/databases/${each.key}"
}

# While Cloud Tasks is away. A database of its own, because roles are given per database: sign may only create in it.
# Beside the spool it keeps notes of what was withdrawn or erased, which a restore of the signatures must not undo, and
# the last total of each campaign, by which it shows that the signatures came back empty or older.
resource "google_firestore_database" "spool" {
  name             = "spool"
  location_id      = local.firestore_location
  type             = "FIRESTORE_NATIVE"
  concurrency_mode = "OPTIMISTIC"
  # What has been swept into the queue must be gone.
  point_in_time_recovery_enablement = "POINT_IN_TIME_RECOVERY_DISABLED"
  delete_protection_state           = local.is_protected ? "DELETE_PROTECTION_ENABLED" : "DELETE_PROTECTION_DISABLED"
  deletion_policy                   = local.is_protected ? "ABANDON" : "DELETE"

  depends_on = [google_project_service.this]
}

resource "google_firestore_field" "all" {
  for_each = local.collections

  database   = each.value.database
  collection = each.key
  field      = "*"
  # Of a database that is left behind: clearing it would build the indexes for up to 20 minutes, amid an outage.
  deletion_policy = "ABANDON"

  index_config {}
}

resource "google_firestore_field" "expire_at" {
  for_each = { for name, collection in local.collections : name => collection if collection.expires }

  database   = each.value.database
  collection = each.key
  field      = "expire_at"
  # As above.
  deletion_policy = "ABANDON"
  # Setting it up takes Google minutes, and longer where there is much to delete, as after a restore. Nothing waits for
  # it: the code takes what has expired for absent.
  skip_wait = true

  ttl_config {}
  index_config {}

  # One change of a collection at a time.
  depends_on = [google_firestore_field.all]
}

resource "google_firestore_backup_schedule" "daily" {
  database  = local.database
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
    expression = "resource.name == 'projects/${var.project}/databases/${local.database}'"
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
