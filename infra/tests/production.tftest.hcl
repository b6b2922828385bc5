# What must hold of production whatever else changes. Run by `make check`; nothing is created.
run "production_as_it_is_planned" {
  command = plan

  # Private functions are not public.
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

  # No function reads another's secret.
  assert {
    condition = {
      for name in keys(local.functions) : name => toset([for key, member in google_secret_manager_secret_iam_member.function : split("/", key)[1] if split("/", key)[0] == name])
      } == {
      sign    = toset([])
      deliver = toset(["deliver-identities", "pepper", "token-keys", "smtp-password-first", "smtp-password-second"])
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

  # No role is broader than listed.
  assert {
    condition = toset(concat(
      [for member in google_project_iam_member.store : member.role],
      [for member in google_project_iam_member.build : member.role],
      [google_project_iam_member.build_sources.role],
      )) == toset([
      "roles/datastore.viewer", "roles/datastore.user", "roles/artifactregistry.writer", "roles/logging.logWriter",
      "roles/storage.objectViewer",
    ])
    error_message = "a role on the project is not on the list"
  }
  assert {
    condition     = google_project_iam_member.build_sources.condition[0].expression == "resource.name.startsWith('projects/_/buckets/gcf-v2-sources-100000000001-europe-west1')"
    error_message = "builds may read other buckets than that of their sources, or not even that"
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
    condition     = toset(keys(google_cloud_tasks_queue_iam_member.enqueuer)) == toset(["sign/signatures", "sign/without-work", "deliver/signatures", "deliver/without-work", "deliver/reminders", "deliver/presses", "confirm/presses"])
    error_message = "a function enqueues where it has nothing to enqueue"
  }

  # Nothing is indexed and what expires goes.
  assert {
    condition     = toset(keys(google_firestore_field.all)) == toset(["signatures", "mailboxes", "domains", "dead_letters", "tally", "funnel", "funnel_writes", "history", "desk", "spool", "removals", "totals"])
    error_message = "a collection is indexed: a rising time in an index caps it at 500 writes a second"
  }
  assert {
    condition     = alltrue([for field in google_firestore_field.all : field.field == "*" && length(field.index_config) == 1 && length(field.index_config[0].indexes) == 0])
    error_message = "a collection has an index left"
  }
  assert {
    condition     = toset(keys(google_firestore_field.expire_at)) == toset(["signatures", "mailboxes", "domains", "funnel_writes", "dead_letters", "removals"]) && alltrue([for field in google_firestore_field.expire_at : length(field.ttl_config) == 1 && length(field.index_config[0].indexes) == 0])
    error_message = "something that was promised to be gone is kept"
  }
  assert {
    condition     = google_firestore_database.main["(default)"].point_in_time_recovery_enablement == "POINT_IN_TIME_RECOVERY_ENABLED" && google_firestore_database.spool.point_in_time_recovery_enablement == "POINT_IN_TIME_RECOVERY_DISABLED"
    error_message = "signatures cannot be recovered, or the spool keeps what was swept"
  }
  assert {
    condition     = google_firestore_backup_schedule.daily.retention == "1209600s"
    error_message = "backups are not kept for backup_days"
  }

  # Production cannot be deleted by mistake.
  assert {
    condition     = alltrue([for database in [google_firestore_database.main["(default)"], google_firestore_database.spool] : database.delete_protection_state == "DELETE_PROTECTION_ENABLED" && database.deletion_policy == "ABANDON"])
    error_message = "the databases of production are not protected"
  }
  assert {
    condition     = alltrue([for secret in google_secret_manager_secret.this : secret.deletion_protection])
    error_message = "a secret of production can be deleted"
  }

  # Functions wait once more for what they may newly do.
  assert {
    condition = (
      toset(split(" ", time_sleep.grants.triggers.queues)) == toset(keys(google_cloud_tasks_queue_iam_member.enqueuer))
      && toset(split(" ", time_sleep.grants.triggers.secrets)) == toset(keys(google_secret_manager_secret_iam_member.function))
    )
    error_message = "a function may be updated before a new grant is in force"
  }

  # Mails go out at the relays' rate and reminders last.
  assert {
    condition     = { for name, queue in google_cloud_tasks_queue.this : name => queue.rate_limits[0].max_dispatches_per_second } == { signatures = 96, presses = 500, reminders = 12, without-work = 1 }
    error_message = "60 and 40 mails a second are 96 for signatures, 1 for those without work, and 3 for reminders, of which every fourth task is mailed"
  }

  # A new project may start all that is planned.
  assert {
    condition     = { for name, function in google_cloudfunctions2_function.this : name => function.service_config[0].max_instance_count } == { sign = 6, deliver = 5, confirm = 5, count = 2, embed = 2 }
    error_message = "the caps are not a tenth of those for 200 processors"
  }
  assert {
    condition     = sum([for name, function in google_cloudfunctions2_function.this : function.service_config[0].max_instance_count * local.sizes.functions[name].cpu]) <= var.vcpu_quota
    error_message = "more instances may start than the quota allows"
  }
  assert {
    condition     = sum([for queue in google_cloud_tasks_queue.this : queue.rate_limits[0].max_concurrent_dispatches]) <= 5 * local.sizes.functions.deliver.concurrency
    error_message = "the queues call deliver more often at once than deliver has room for"
  }
  assert {
    condition     = alltrue([for function in google_cloudfunctions2_function.this : function.service_config[0].min_instance_count == 0])
    error_message = "an instance costs money while nobody signs"
  }
  assert {
    condition     = output.capacity.functions.sign == "6 instances, 1200 requests at a time" && output.capacity.queues.signatures == "96 tasks a second, 140 at a time"
    error_message = "the plan does not say what it can carry"
  }

  # The cache keeps nothing private.
  assert {
    condition     = { for name, backend in google_compute_backend_service.function : name => backend.enable_cdn } == { sign = false, confirm = false, count = true, embed = true }
    error_message = "POSTs or pages with tokens go through a cache"
  }
  assert {
    condition     = alltrue(flatten([for backend in google_compute_backend_service.function : [for policy in backend.cdn_policy : policy.cache_mode == "USE_ORIGIN_HEADERS" && !policy.negative_caching]]))
    error_message = "the cache keeps what the functions do not call public"
  }
  assert {
    condition     = alltrue([for backend in google_compute_backend_service.function : !backend.log_config[0].enable])
    error_message = "the balancer logs requests: paths with tokens, and clients' addresses"
  }

  # In an outage the count stays for ten minutes and pages for an hour.
  assert {
    condition     = { for name, backend in google_compute_backend_service.function : name => backend.cdn_policy[0].serve_while_stale if backend.enable_cdn } == { count = 600, embed = 3600 }
    error_message = "numbers or pages go as soon as a function does, or are served for longer than is documented"
  }

  # Only modern HTTPS.
  assert {
    condition     = google_compute_ssl_policy.modern.min_tls_version == "TLS_1_2" && google_compute_ssl_policy.modern.profile == "MODERN"
    error_message = "old TLS is taken"
  }
  assert {
    condition     = google_compute_url_map.http.default_url_redirect[0].https_redirect
    error_message = "http:// does not lead to https://"
  }

  # Deliver knows its callers by name.
  assert {
    condition     = toset(split(" ", google_cloudfunctions2_function.this["deliver"].service_config[0].environment_variables.DELIVER_CALLERS)) == toset([for role in google_cloud_run_service_iam_member.deliver : trimprefix(role.member, "serviceAccount:")])
    error_message = "deliver must check the tokens of those who have the role to call it, and of nobody else"
  }

  # No line of the log names its request.
  assert {
    condition     = alltrue([for function in google_cloudfunctions2_function.this : function.service_config[0].environment_variables.LOG_EXECUTION_ID == "false"])
    error_message = "the platform adds LOG_EXECUTION_ID=true, and all lines of one signer can be found"
  }

  # Nothing is kept outside the union.
  assert {
    condition     = google_firestore_database.main["(default)"].location_id == "eur3" && startswith(google_logging_project_bucket_config.eu.location, "europe-")
    error_message = "signatures or logs leave the Union"
  }
  assert {
    condition     = google_logging_project_bucket_config.eu.retention_days == 14 && strcontains(google_logging_project_sink.eu.filter, "run.googleapis.com/requests")
    error_message = "logs are kept for long, or hold requests"
  }

  # All relays mail each at its rate.
  assert {
    condition = jsondecode(google_cloudfunctions2_function.this["deliver"].service_config[0].environment_variables.RELAYS) == [
      { name = "first", host = "smtp.first-relay.example", port = 587, user = "undersign", mails_per_second = 60, connections = 12 },
      { name = "second", host = "smtp.second-relay.example", port = 2525, user = "undersign", mails_per_second = 40, connections = 10 },
    ]
    error_message = "deliver does not know a relay, its rate, or its own share of the connections"
  }
  assert {
    condition     = [for secret in google_cloudfunctions2_function.this["deliver"].service_config[0].secret_environment_variables : "${secret.key} from ${secret.secret}" if startswith(secret.key, "SMTP_")] == ["SMTP_PASSWORD_FIRST from smtp-password-first", "SMTP_PASSWORD_SECOND from smtp-password-second"]
    error_message = "deliver does not hold each relay's password"
  }

  # No mailbox of bounces is read unless one is given.
  assert {
    condition     = !contains(keys(google_cloud_scheduler_job.this), "bounces") && !contains(keys(google_secret_manager_secret.this), "bounces-password")
    error_message = "there is a job or a secret for a mailbox that nobody has given"
  }
}

run "the_queues_are_within_what_cloud_tasks_takes" {
  command = plan

  variables {
    vcpu_quota = 1000
    relays     = { first = { host = "smtp.first-relay.example", user = "undersign", mails_per_second = 900, connections = 100 } }
  }

  assert {
    condition     = alltrue([for queue in google_cloud_tasks_queue.this : queue.rate_limits[0].max_dispatches_per_second <= 500 && queue.rate_limits[0].max_concurrent_dispatches <= 5000])
    error_message = "a queue is faster than Cloud Tasks allows"
  }
  assert {
    condition     = google_cloudfunctions2_function.this["deliver"].service_config[0].timeout_seconds < 90
    error_message = "deliver may take longer than the queue waits: tasks would come twice"
  }

  expect_failures = [check.relays]
}

run "a_small_relay_mails_reminders_too" {
  command = plan

  variables {
    relays = { first = { host = "smtp.first-relay.example", user = "undersign", mails_per_second = 4 } }
  }

  assert {
    condition     = { for name, queue in google_cloud_tasks_queue.this : name => queue.rate_limits[0].max_dispatches_per_second } == { signatures = 3.71, presses = 500, reminders = 1, without-work = 0.04 }
    error_message = "reminders go out once a second at least"
  }
}

run "with_the_quota_for_a_rush_all_that_is_planned_may_start" {
  command = plan

  variables {
    vcpu_quota     = 200
    warm_instances = 2
  }

  assert {
    condition     = { for name, function in google_cloudfunctions2_function.this : name => function.service_config[0].max_instance_count } == { sign = 60, deliver = 50, confirm = 50, count = 20, embed = 20 }
    error_message = "the caps are not those of sizes.json"
  }
  assert {
    condition     = sum([for queue in google_cloud_tasks_queue.this : queue.rate_limits[0].max_concurrent_dispatches]) <= 50 * local.sizes.functions.deliver.concurrency
    error_message = "the queues call deliver more often at once than deliver has room for"
  }
  assert {
    condition     = alltrue([for function in google_cloudfunctions2_function.this : function.service_config[0].min_instance_count == 2])
    error_message = "a function is cold that was to be warm"
  }
}

run "a_relay_that_allows_few_connections_is_pointed_out" {
  command = plan

  variables {
    relays = { first = { host = "smtp.first-relay.example", user = "undersign", mails_per_second = 100, connections = 3 } }
  }

  expect_failures = [check.relays]
}

run "the_smallest_quota_holds_one_instance_of_each" {
  command = plan

  variables {
    vcpu_quota = 5
  }

  assert {
    condition     = alltrue([for function in google_cloudfunctions2_function.this : function.service_config[0].max_instance_count == 1])
    error_message = "a function cannot start, or the quota is exceeded"
  }
}

run "a_quota_without_a_processor_for_each_function_is_refused" {
  command = plan

  variables {
    vcpu_quota = 4
  }

  expect_failures = [var.vcpu_quota]
}

run "more_warm_instances_than_may_start_are_refused" {
  command = plan

  variables {
    warm_instances = 3
  }

  expect_failures = [var.warm_instances]
}

run "a_restored_database_takes_the_place_of_the_lost_one" {
  command = plan

  variables {
    database = "restored-1"
  }

  assert {
    condition     = keys(google_firestore_database.main) == ["restored-1"] && google_firestore_database.main["restored-1"].delete_protection_state == "DELETE_PROTECTION_ENABLED"
    error_message = "the restored database is not taken over, or is not protected"
  }
  assert {
    condition     = alltrue([for name in ["deliver", "confirm", "count"] : google_cloudfunctions2_function.this[name].service_config[0].environment_variables.FIRESTORE_DATABASE == "restored-1"])
    error_message = "a function stays with the lost database"
  }
  assert {
    condition     = alltrue([for member in google_project_iam_member.store : member.condition[0].expression == "resource.name == 'projects/undersign-test/databases/restored-1'"])
    error_message = "a function may not use the restored database"
  }
  assert {
    condition     = { for name, field in google_firestore_field.all : name => field.database if field.database != "restored-1" } == { spool = "spool", removals = "spool", totals = "spool" } && alltrue([for name, field in google_firestore_field.expire_at : field.database == (name == "removals" ? "spool" : "restored-1")])
    error_message = "the restored database is indexed, or keeps what has expired: no backup holds a TTL policy"
  }
  assert {
    condition     = google_firestore_backup_schedule.daily.database == "restored-1"
    error_message = "the restored database is not backed up"
  }
  assert {
    condition     = alltrue([for field in concat(values(google_firestore_field.all), values(google_firestore_field.expire_at)) : field.deletion_policy == "ABANDON"])
    error_message = "the lost database is indexed for twenty minutes, in the middle of the outage"
  }
}

run "the_database_of_the_spool_is_not_that_of_the_signatures" {
  command = plan

  variables {
    database = "spool"
  }

  expect_failures = [var.database]
}

run "a_relay_is_taken_out_by_its_rate_and_keeps_its_password" {
  command = plan

  variables {
    relays = {
      first       = { host = "smtp.first-relay.example", user = "undersign", mails_per_second = 0 }
      second-best = { host = "smtp.second-relay.example", user = "undersign", mails_per_second = 40 }
    }
    secret_versions = { deliver-identities = "1", pepper = "1", token-keys = "1", smtp-password-first = "1", smtp-password-second-best = "1" }
  }

  assert {
    condition     = jsondecode(google_cloudfunctions2_function.this["deliver"].service_config[0].environment_variables.RELAYS)[*].name == ["second-best"]
    error_message = "the relay that was taken out still mails, or the other does not"
  }
  assert {
    condition     = abs(google_cloud_tasks_queue.this["signatures"].rate_limits[0].max_dispatches_per_second - 38.4) < 0.001
    error_message = "the queue still counts on the relay that was taken out"
  }
  assert {
    condition     = contains(keys(google_secret_manager_secret.this), "smtp-password-first") && !contains(keys(google_secret_manager_secret_iam_member.function), "deliver/smtp-password-first")
    error_message = "the password is gone, or deliver still reads it"
  }
  assert {
    condition     = [for secret in google_cloudfunctions2_function.this["deliver"].service_config[0].secret_environment_variables : secret.secret if secret.key == "SMTP_PASSWORD_SECOND_BEST"] == ["smtp-password-second-best"]
    error_message = "deliver does not find the password under the relay's name"
  }
}

run "bounces_are_read_from_the_mailbox_that_is_given" {
  command = plan

  variables {
    bounces = { host = "imap.example.org", user = "bounces@example.org", folder = "Un delivered" }
    relays = {
      first  = { host = "smtp.first-relay.example", user = "undersign", mails_per_second = 60, envelope_sender = "bounces@example.org" }
      second = { host = "smtp.second-relay.example", user = "undersign", mails_per_second = 40 }
    }
    secret_versions = { deliver-identities = "1", pepper = "1", token-keys = "1", smtp-password-first = "1", smtp-password-second = "1", bounces-password = "3" }
  }

  assert {
    condition     = google_cloudfunctions2_function.this["deliver"].service_config[0].environment_variables.BOUNCES_URL == "imaps://bounces%40example.org@imap.example.org:993/Un%20delivered"
    error_message = "deliver does not know the mailbox"
  }
  assert {
    condition     = [for secret in google_cloudfunctions2_function.this["deliver"].service_config[0].secret_environment_variables : "${secret.secret} ${secret.version}" if secret.key == "BOUNCES_PASSWORD"] == ["bounces-password 3"]
    error_message = "deliver does not hold the mailbox's password"
  }
  assert {
    condition     = google_cloud_scheduler_job.this["bounces"].schedule == "*/10 * * * *"
    error_message = "nothing calls deliver to read the mailbox"
  }
  assert {
    condition     = [for relay in jsondecode(google_cloudfunctions2_function.this["deliver"].service_config[0].environment_variables.RELAYS) : lookup(relay, "envelope_sender", "none")] == ["bounces@example.org", "none"]
    error_message = "mails of the first relay do not come back to the mailbox, or those of the second do"
  }
}

run "a_mailbox_of_bounces_is_no_address" {
  command = plan

  variables {
    bounces = { host = "imaps://imap.example.org", user = "bounces" }
  }

  expect_failures = [var.bounces]
}

run "a_fourth_relay_that_mails_is_refused" {
  command = plan

  variables {
    relays = { for name in ["a", "b", "c", "d"] : name => { host = "${name}.relay.example", user = "undersign", mails_per_second = 10 } }
  }

  expect_failures = [var.relays]
}

run "relays_that_take_nothing_are_refused" {
  command = plan

  variables {
    relays = { first = { host = "smtp.first-relay.example", user = "undersign", mails_per_second = 0 } }
  }

  expect_failures = [var.relays]
}

run "a_region_outside_the_union_is_refused" {
  command = plan

  variables {
    region = "europe-west2"
  }

  expect_failures = [var.region]
}

run "a_region_without_cloud_tasks_is_refused" {
  command = plan

  variables {
    region = "europe-west4"
  }

  expect_failures = [var.region]
}

run "another_region_has_its_own_addresses_and_sources" {
  command = plan

  variables {
    region = "europe-west3"
  }

  assert {
    condition     = output.deliver_address == "https://deliver-100000000001.europe-west3.run.app" && endswith(google_project_iam_member.build_sources.condition[0].expression, "gcf-v2-sources-100000000001-europe-west3')")
    error_message = "the queue calls another region, or builds read the sources of another"
  }
  assert {
    condition     = google_firestore_database.main["(default)"].location_id == "eur3" && google_logging_project_bucket_config.eu.location == "europe-west3"
    error_message = "the signatures are not in the multi-region, or the log is elsewhere"
  }
}

run "a_secret_key_in_place_of_the_public_one_is_refused" {
  command = plan

  variables {
    deliver_recipient = "AGE-SECRET-KEY-1QQQQ"
  }

  expect_failures = [var.deliver_recipient]
}

# What Google names, so that the records can be read.
override_resource {
  target = google_certificate_manager_dns_authorization.public
  values = {
    dns_resource_record = [{ name = "_acme-challenge_abc.petition.example.org.", type = "CNAME", data = "def.authorize.certificatemanager.goog." }]
  }
}

run "production_as_it_is_created" {
  command = apply

  # Two policies throttle four functions.
  assert {
    condition = { for name, backend in google_compute_backend_service.function : name => backend.security_policy } == {
      sign    = google_compute_security_policy.public["signing"].id
      confirm = google_compute_security_policy.public["signing"].id
      count   = google_compute_security_policy.public["reading"].id
      embed   = google_compute_security_policy.public["reading"].id
    }
    error_message = "a function has no throttle, or that of another kind"
  }
  assert {
    condition     = length(google_compute_security_policy.public) == 2 && length(google_compute_security_policy.edge) == 0 && alltrue([for backend in google_compute_backend_service.function : backend.edge_security_policy == null])
    error_message = "policies are paid for that protect from nothing"
  }

  # The certificate is issued before anybody is led here.
  assert {
    condition     = google_certificate_manager_dns_authorization.public.type == "PER_PROJECT_RECORD" && google_certificate_manager_certificate.public.managed[0].dns_authorizations == tolist([google_certificate_manager_dns_authorization.public.id])
    error_message = "the certificate waits until the domain leads here: an hour of TLS errors"
  }
  assert {
    condition     = google_certificate_manager_certificate.public.managed[0].domains == tolist([var.domain]) && google_certificate_manager_certificate_map_entry.public.certificates == tolist([google_certificate_manager_certificate.public.id])
    error_message = "the certificate is not the domain's, or is not in the map"
  }
  assert {
    condition     = google_compute_target_https_proxy.public.certificate_map == "//certificatemanager.googleapis.com/${google_certificate_manager_certificate_map.public.id}" && google_certificate_manager_certificate_map_entry.public.map == google_certificate_manager_certificate_map.public.name
    error_message = "the balancer answers with another certificate"
  }
  assert {
    condition     = output.dns_records["_acme-challenge_abc.petition.example.org. CNAME"] == "def.authorize.certificatemanager.goog."
    error_message = "nobody is told the record for the certificate"
  }

  # Reached over IPv4 and IPv6.
  assert {
    condition     = { for name, address in google_compute_global_address.public : name => address.ip_version } == { ipv4 = "IPV4", ipv6 = "IPV6" }
    error_message = "an address of IPv4 or IPv6 is missing"
  }
  assert {
    condition = alltrue([for name, address in google_compute_global_address.public :
      google_compute_global_forwarding_rule.https[name].ip_address == address.id && google_compute_global_forwarding_rule.https[name].port_range == "443" &&
      google_compute_global_forwarding_rule.http[name].ip_address == address.id && google_compute_global_forwarding_rule.http[name].port_range == "80"
    ])
    error_message = "an address does not answer on both ports"
  }
  assert {
    condition     = output.dns_records["petition.example.org. A"] == google_compute_global_address.public["ipv4"].address && output.dns_records["petition.example.org. AAAA"] == google_compute_global_address.public["ipv6"].address
    error_message = "nobody is told an address"
  }
}

run "who_is_blocked_gets_no_cached_answer_either" {
  command = apply

  variables {
    blocked_ranges = ["192.0.2.0/24", "2001:db8::/48"]
  }

  assert {
    condition     = alltrue([for name, backend in google_compute_backend_service.function : backend.edge_security_policy == google_compute_security_policy.edge[0].id if local.functions[name].cached])
    error_message = "cached answers go to blocked addresses"
  }
  assert {
    condition     = anytrue([for rule in google_compute_security_policy.edge[0].rule : rule.action == "deny(403)" && contains(rule.match[0].config[0].src_ip_ranges, "2001:db8::/48")])
    error_message = "an address of IPv6 cannot be blocked"
  }
  assert {
    condition     = alltrue([for policy in values(google_compute_security_policy.public) : anytrue([for rule in policy.rule : rule.action == "deny(403)"])])
    error_message = "a function answers blocked addresses"
  }
}

run "a_new_domain_gets_a_certificate_of_its_own" {
  command = apply

  variables {
    domain = "other.example.org"
  }

  assert {
    condition     = google_certificate_manager_certificate.public.name == "undersign-other-example-org" && google_certificate_manager_certificate_map_entry.public.certificates == tolist([google_certificate_manager_certificate.public.id])
    error_message = "the new certificate would have to wait until the old one, which is in use, is deleted"
  }
}

run "reports_on_mail_go_where_they_wake_nobody" {
  command = apply

  variables {
    notice_emails = ["press@example.org", "petition@example.org"]
  }

  assert {
    condition     = endswith(output.dns_records["_dmarc.mail.petition.example.org. TXT"], "rua=mailto:petition@example.org")
    error_message = "a pager gets the reports on DMARC"
  }
}
