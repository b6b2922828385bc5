# What must hold of production whatever else changes. Run by `make check`; nothing is created.
run "private_functions_are_not_public" {
  command = plan

  assert {
    condition     = google_cloudfunctions2_function.this["deliver"].service_config[0].ingress_settings == "ALLOW_INTERNAL_ONLY"
    error_message = "deliver can be reached from the internet"
  }
  assert {
    condition     = alltrue([for name, function in google_cloudfunctions2_function.this : function.service_config[0].ingress_settings == "ALLOW_INTERNAL_AND_GCLB" if name != "deliver"])
    error_message = "a public function can be reached past the balancer"
  }
  assert {
    condition     = !contains(keys(google_cloud_run_service_iam_member.public), "deliver")
    error_message = "everybody may call deliver"
  }
  assert {
    condition     = !contains(keys(google_compute_region_network_endpoint_group.function), "deliver")
    error_message = "the balancer leads to deliver"
  }
  assert {
    condition     = toset([for member in google_cloud_run_service_iam_member.deliver : member.role]) == toset(["roles/run.invoker"])
    error_message = "somebody may do more with deliver than call it"
  }
}

run "no_function_reads_anothers_secret" {
  command = plan

  assert {
    condition = {
      for name in keys(local.functions) : name => toset([for key, member in google_secret_manager_secret_iam_member.function : split("/", key)[1] if split("/", key)[0] == name])
      } == {
      sign    = toset([])
      deliver = toset(["deliver-identities", "pepper", "token-keys", "smtp-password-first"])
      confirm = toset(["token-keys"])
      count   = toset([])
      embed   = toset([])
    }
    error_message = "a function may read a secret that is not its own"
  }
  assert {
    condition     = alltrue([for member in google_secret_manager_secret_iam_member.function : member.role == "roles/secretmanager.secretAccessor"])
    error_message = "a function may do more with a secret than read it"
  }
  assert {
    condition     = length(distinct([for account in google_service_account.function : account.account_id])) == 5
    error_message = "two functions share an account"
  }
  assert {
    condition = alltrue([
      for name, function in google_cloudfunctions2_function.this :
      toset([for secret in function.service_config[0].secret_environment_variables : secret.secret]) == toset(values(local.functions[name].secrets))
    ])
    error_message = "a function is given a secret that it may not read, or not one that it may"
  }
}

run "no_role_is_broader_than_listed" {
  command = plan

  assert {
    condition = toset(concat(
      [for member in google_project_iam_member.store : member.role],
      [for member in google_project_iam_member.build : member.role],
      )) == toset([
      "roles/datastore.viewer", "roles/datastore.user", "roles/artifactregistry.writer", "roles/logging.logWriter",
    ])
    error_message = "a role on the project is not on the list"
  }
  assert {
    condition     = { for name, member in google_project_iam_member.store : name => member.role } == { deliver = "roles/datastore.user", confirm = "roles/datastore.user", count = "roles/datastore.viewer" }
    error_message = "a function may do more with the signatures than it needs"
  }
  assert {
    condition     = alltrue([for member in google_project_iam_member.store : member.condition[0].expression == "resource.name == 'projects/undersign-test/databases/(default)'"])
    error_message = "a role on the signatures reaches other databases"
  }
  assert {
    condition     = alltrue([for member in google_project_iam_member.spool : member.condition[0].expression == "resource.name == 'projects/undersign-test/databases/spool'"])
    error_message = "a role on the spool reaches other databases"
  }
  assert {
    condition     = toset(keys(google_project_iam_member.spool)) == toset(["sign", "deliver"]) && toset(google_project_iam_custom_role.spool_creator.permissions) == toset(["datastore.entities.create"])
    error_message = "sign may do more in the spool than create"
  }
  assert {
    condition     = toset(keys(google_cloud_tasks_queue_iam_member.enqueuer)) == toset(["sign", "deliver", "confirm"])
    error_message = "a function enqueues that has nothing to enqueue"
  }
}

run "nothing_is_indexed_and_what_expires_goes" {
  command = plan

  assert {
    condition     = toset(keys(google_firestore_field.all)) == toset(["signatures", "mailboxes", "dead_letters", "tally", "funnel", "history", "desk", "spool"])
    error_message = "a collection is indexed: a rising time in an index caps it at 500 writes a second"
  }
  assert {
    condition     = alltrue([for field in google_firestore_field.all : field.field == "*" && length(field.index_config) == 1 && length(field.index_config[0].indexes) == 0])
    error_message = "a collection has an index left"
  }
  assert {
    condition     = toset(keys(google_firestore_field.expire_at)) == toset(["signatures", "mailboxes", "dead_letters"]) && alltrue([for field in google_firestore_field.expire_at : length(field.ttl_config) == 1 && length(field.index_config[0].indexes) == 0])
    error_message = "something that was promised to be gone is kept"
  }
  assert {
    condition     = google_firestore_database.main.point_in_time_recovery_enablement == "POINT_IN_TIME_RECOVERY_ENABLED" && google_firestore_database.spool.point_in_time_recovery_enablement == "POINT_IN_TIME_RECOVERY_DISABLED"
    error_message = "signatures cannot be recovered, or the spool keeps what was swept"
  }
  assert {
    condition     = google_firestore_backup_schedule.daily.retention == "1209600s"
    error_message = "backups are not kept for backup_days"
  }
}

run "production_cannot_be_deleted_by_mistake" {
  command = plan

  assert {
    condition     = alltrue([for database in [google_firestore_database.main, google_firestore_database.spool] : database.delete_protection_state == "DELETE_PROTECTION_ENABLED" && database.deletion_policy == "ABANDON"])
    error_message = "the databases of production are not protected"
  }
  assert {
    condition     = alltrue([for secret in google_secret_manager_secret.this : secret.deletion_protection])
    error_message = "a secret of production can be deleted"
  }
}

run "the_queue_is_within_what_cloud_tasks_takes" {
  command = plan

  variables {
    spike = true
  }

  assert {
    condition     = google_cloud_tasks_queue.deliver.rate_limits[0].max_dispatches_per_second <= 500 && google_cloud_tasks_queue.deliver.rate_limits[0].max_concurrent_dispatches <= 5000
    error_message = "the queue is faster than Cloud Tasks allows"
  }
  assert {
    condition     = local.sizes.functions.deliver.instances.spike.max * local.sizes.functions.deliver.concurrency >= google_cloud_tasks_queue.deliver.rate_limits[0].max_concurrent_dispatches
    error_message = "the queue calls deliver more often at once than deliver has room for"
  }
  assert {
    condition     = google_cloudfunctions2_function.this["deliver"].service_config[0].timeout_seconds < 90
    error_message = "deliver may take longer than the queue waits: tasks would come twice"
  }
  assert {
    condition     = alltrue([for name, function in google_cloudfunctions2_function.this : function.service_config[0].min_instance_count >= 1])
    error_message = "a function is cold when the broadcast begins"
  }
}

run "at_rest_the_queue_fits_as_well" {
  command = plan

  assert {
    condition     = local.sizes.functions.deliver.instances.rest.max * local.sizes.functions.deliver.concurrency >= google_cloud_tasks_queue.deliver.rate_limits[0].max_concurrent_dispatches
    error_message = "the queue calls deliver more often at once than deliver has room for"
  }
  assert {
    condition     = alltrue([for function in google_cloudfunctions2_function.this : function.service_config[0].min_instance_count == 0])
    error_message = "an instance costs money while nobody signs"
  }
}

run "the_cache_keeps_nothing_private" {
  command = plan

  assert {
    condition     = { for name, backend in google_compute_backend_service.function : name => backend.enable_cdn } == { sign = false, confirm = false, count = true, embed = true }
    error_message = "POSTs or pages with tokens go through a cache"
  }
  assert {
    condition     = alltrue(flatten([for backend in google_compute_backend_service.function : [for policy in backend.cdn_policy : policy.cache_mode == "USE_ORIGIN_HEADERS" && policy.serve_while_stale > 0]]))
    error_message = "the cache keeps what the functions do not call public"
  }
  assert {
    condition     = alltrue([for backend in google_compute_backend_service.function : !backend.log_config[0].enable])
    error_message = "the balancer logs requests: paths with tokens, and clients' addresses"
  }
  assert {
    condition     = alltrue([for name, backend in google_compute_backend_service.function : contains(keys(google_compute_security_policy.public), name)])
    error_message = "a backend has no throttle"
  }
}

run "who_is_blocked_gets_no_cached_answer_either" {
  command = apply

  variables {
    blocked_ranges = ["192.0.2.0/24"]
  }

  assert {
    condition     = alltrue([for name, backend in google_compute_backend_service.function : backend.edge_security_policy != null if local.functions[name].cached])
    error_message = "cached answers go to blocked addresses"
  }
  assert {
    condition     = alltrue([for policy in values(google_compute_security_policy.public) : anytrue([for rule in policy.rule : rule.action == "deny(403)"])])
    error_message = "a function answers blocked addresses"
  }
}

run "only_modern_https" {
  command = plan

  assert {
    condition     = google_compute_ssl_policy.modern.min_tls_version == "TLS_1_2" && google_compute_ssl_policy.modern.profile == "MODERN"
    error_message = "old TLS is taken"
  }
  assert {
    condition     = google_compute_url_map.http.default_url_redirect[0].https_redirect
    error_message = "http:// does not lead to https://"
  }
}

run "nothing_is_kept_outside_the_union" {
  command = plan

  assert {
    condition     = google_firestore_database.main.location_id == "eur3" && startswith(google_logging_project_bucket_config.eu.location, "europe-")
    error_message = "signatures or logs leave the Union"
  }
  assert {
    condition     = google_logging_project_bucket_config.eu.retention_days == 14 && strcontains(google_logging_project_sink.eu.filter, "run.googleapis.com/requests")
    error_message = "logs are kept for long, or hold requests"
  }
}

run "a_second_relay_is_one_variable_away" {
  command = plan

  variables {
    relay = "second"
  }

  assert {
    condition     = google_cloudfunctions2_function.this["deliver"].service_config[0].environment_variables.SMTP_HOST == "smtp.second-relay.example" && google_cloudfunctions2_function.this["deliver"].service_config[0].environment_variables.SMTP_PORT == "2525"
    error_message = "deliver still mails by the first relay"
  }
  assert {
    condition     = contains(keys(google_secret_manager_secret_iam_member.function), "deliver/smtp-password-second") && !contains(keys(google_secret_manager_secret_iam_member.function), "deliver/smtp-password-first")
    error_message = "deliver does not hold the second relay's password, or still the first one's"
  }
}

run "a_region_outside_the_union_is_refused" {
  command = plan

  variables {
    region = "europe-west2"
  }

  expect_failures = [var.region]
}

run "a_secret_key_in_place_of_the_public_one_is_refused" {
  command = plan

  variables {
    deliver_recipient = "AGE-SECRET-KEY-1QQQQ"
  }

  expect_failures = [var.deliver_recipient]
}
