# The one map that drives the rest: what each function is given, may read and may do. `make matrix` prints it.
locals {
  # How large everything is; `make cost` and `make spike` read the same file.
  sizes = jsondecode(file("${path.module}/sizes.json"))

  # The most instances of each function: those of sizes.json where the quota holds them all, else its share of them.
  # There is no mode to switch on: nobody announces media coverage, and an instance that is not needed costs nothing.
  full_vcpu = sum([for function in values(local.sizes.functions) : function.cpu * function.instances])
  max_instances = {
    for name, function in local.sizes.functions :
    name => max(1, floor(function.instances * min(var.vcpu_quota, local.full_vcpu) / local.full_vcpu))
  }

  # Where the queue calls deliver. The address that Cloud Run makes of name and project number is known before the
  # function exists; its own attribute would be a cycle, for deliver's environment holds it as well.
  deliver_address = "https://deliver-${var.project_number}.${var.region}.run.app"

  store_environment = {
    STORE              = "firestore"
    FIRESTORE_PROJECT  = var.project
    FIRESTORE_DATABASE = local.database
  }

  queue_environment = {
    TASKS                 = "cloud_tasks"
    TASKS_QUEUES          = "projects/${var.project}/locations/${var.region}/queues"
    DELIVER_URL           = "${local.deliver_address}/v1/tasks/deliver"
    DELIVER_AUDIENCE      = local.deliver_address
    TASKS_SERVICE_ACCOUNT = google_service_account.queue.email
    DELIVER_RECIPIENT     = var.deliver_recipient
  }

  spool_environment = {
    SPOOL_PROJECT  = var.project
    SPOOL_DATABASE = google_firestore_database.spool.name
  }

  # Connections are given for all instances together, and by default for a second a mail: each instance keeps its share.
  # Cloud Run starts so many instances for all tasks that the queues have under way at once, for it keeps them at 60 % of
  # their concurrency (https://docs.cloud.google.com/run/docs/about-instance-autoscaling).
  mailing_instances = min(
    local.max_instances.deliver,
    ceil(sum(values(local.concurrent_dispatches)) / (0.6 * local.sizes.functions.deliver.concurrency)),
  )
  relays = { for name, relay in var.relays : name => relay if relay.mails_per_second > 0 }
  mail_environment = {
    MAIL = "smtp"
    RELAYS = jsonencode([
      for name in sort(keys(local.relays)) : { for key, value in {
        name             = name
        host             = local.relays[name].host
        port             = local.relays[name].port
        user             = local.relays[name].user
        mails_per_second = local.relays[name].mails_per_second
        connections      = max(1, floor(coalesce(local.relays[name].connections, local.relays[name].mails_per_second) / local.mailing_instances))
        envelope_sender  = local.relays[name].envelope_sender
      } : key => value if value != null }
    ])
  }

  mail_secrets = { for name in keys(local.relays) : "SMTP_PASSWORD_${upper(replace(name, "-", "_"))}" => "smtp-password-${name}" }

  bounces_environment = { for mailbox in var.bounces[*] : "BOUNCES_URL" => "imaps://${urlencode(mailbox.user)}@${mailbox.host}:${mailbox.port}/${replace(urlencode(mailbox.folder), "+", "%20")}" }
  # checkov:skip=CKV_SECRET_6:the name of a secret
  bounces_secrets = { for mailbox in var.bounces[*] : "BOUNCES_PASSWORD" => "bounces-password" }

  # public: the world may call it, through the balancer alone. enqueues: into which queues. store, spool: what it may
  # do with each database.
  functions = {
    sign = {
      public = true
      cached = false
      environment = merge(local.queue_environment, local.spool_environment, {
        # The balancer appends the client's address and its own
        # (https://cloud.google.com/load-balancing/docs/https#x-forwarded-for_header).
        TRUSTED_PROXIES = "2"
      })
      secrets  = {}
      enqueues = ["signatures", "without-work"]
      store    = null
      spool    = "create"
    }
    deliver = {
      public = false
      cached = false
      environment = merge(local.store_environment, local.queue_environment, local.spool_environment, local.mail_environment, local.bounces_environment, {
        # Those of google_cloud_run_service_iam_member.deliver, which it checks for itself as well.
        DELIVER_CALLERS = join(" ", [google_service_account.queue.email, google_service_account.scheduler.email])
      })
      secrets = merge(local.mail_secrets, local.bounces_secrets, {
        DELIVER_IDENTITIES = "deliver-identities"
        PEPPER             = "pepper"
        TOKEN_KEYS         = "token-keys"
      })
      # What a mail cap defers and what it sweeps from the spool, the reminders, and presses that came too early.
      enqueues = ["signatures", "without-work", "reminders", "presses"]
      store    = "write"
      spool    = "write"
    }
    confirm = {
      public      = true
      cached      = false
      environment = merge(local.store_environment, local.queue_environment)
      secrets     = { TOKEN_KEYS = "token-keys" }
      enqueues    = ["presses"]
      store       = "write"
      spool       = null
    }
    count = {
      public      = true
      cached      = true
      environment = local.store_environment
      secrets     = {}
      enqueues    = []
      store       = "read"
      spool       = null
    }
    embed = {
      public      = true
      cached      = true
      environment = {}
      secrets     = {}
      enqueues    = []
      store       = null
      spool       = null
    }
  }

  public_functions = { for name, function in local.functions : name => function if function.public }
}

resource "google_service_account" "function" {
  for_each = local.functions

  account_id   = "fn-${each.key}"
  display_name = "Runs the function ${each.key}"
}

resource "google_cloudfunctions2_function" "this" {
  #checkov:skip=CKV_GCP_124:the public ones are reached through the balancer, which ALLOW_INTERNAL_AND_GCLB is for; deliver is internal
  for_each = local.functions

  name        = each.key
  location    = var.region
  description = "Undersign: ${each.key}"

  build_config {
    runtime         = "python313"
    entry_point     = each.key
    service_account = google_service_account.build.id

    source {
      storage_source {
        bucket = var.bundles_bucket
        object = var.bundles[each.key]
      }
    }
  }

  service_config {
    # More than one request at a time needs a whole processor. Memory: measured peaks are below half of it.
    available_cpu                    = tostring(local.sizes.functions[each.key].cpu)
    available_memory                 = "${local.sizes.functions[each.key].memory_mib}Mi"
    max_instance_request_concurrency = local.sizes.functions[each.key].concurrency
    # deliver's is below the 90 seconds that the queue waits: otherwise a task is retried while it is still being
    # delivered.
    timeout_seconds    = local.sizes.functions[each.key].timeout_seconds
    min_instance_count = var.warm_instances
    max_instance_count = local.max_instances[each.key]
    # The public ones through the balancer alone: their own address would bypass Cloud Armor and the CDN.
    ingress_settings               = each.value.public ? "ALLOW_INTERNAL_AND_GCLB" : "ALLOW_INTERNAL_ONLY"
    service_account_email          = google_service_account.function[each.key].email
    all_traffic_on_latest_revision = true

    environment_variables = merge(
      {
        FUNCTION_USE_ASGI = "true"
        # Unless it is given, the platform adds "true": each line of the log would name the request that it belongs to
        # (https://cloud.google.com/functions/docs/release-notes#June_18_2024).
        LOG_EXECUTION_ID = "false"
        PUBLIC_URL       = local.public_url
        # Otherwise pydantic reads the metadata of every package to find plugins of its own, and there are none.
        PYDANTIC_DISABLE_PLUGINS = "__all__"
      },
      each.value.environment,
    )

    dynamic "secret_environment_variables" {
      for_each = each.value.secrets
      content {
        key        = secret_environment_variables.key
        project_id = var.project
        secret     = google_secret_manager_secret.this[secret_environment_variables.value].secret_id
        version    = var.secret_versions[secret_environment_variables.value]
      }
    }
  }

  depends_on = [time_sleep.grants]
}

# A build that may not read its source fails, and so does a revision that may not read its secrets. Google needs about
# a minute until a grant is in force everywhere; without the wait, half of the builds in the provider's own tests failed
# (https://github.com/hashicorp/terraform-provider-google/issues/20571).
resource "time_sleep" "grants" {
  create_duration = "60s"

  # Once more, where a function is to use what it could not use before.
  triggers = {
    database = local.database
    secrets  = join(" ", sort(keys(local.readings)))
    queues   = join(" ", sort(keys(local.enqueuings)))
  }

  depends_on = [
    google_project_iam_member.build,
    google_project_iam_member.build_sources,
    google_storage_bucket_iam_member.build,
    google_secret_manager_secret_iam_member.function,
    google_project_iam_member.store,
    google_project_iam_member.spool,
    google_cloud_tasks_queue_iam_member.enqueuer,
    google_service_account_iam_member.acts_as_queue,
  ]
}

# Everybody may call the public ones; that they come through the balancer is ensured by ingress_settings.
resource "google_cloud_run_service_iam_member" "public" {
  #checkov:skip=CKV_GCP_102:anybody may sign a petition and read its count
  for_each = var.public_by_all_users ? local.public_functions : {}

  location = var.region
  service  = google_cloudfunctions2_function.this[each.key].name
  role     = "roles/run.invoker"
  member   = "allUsers"
}

# deliver: the queue and the scheduler, and nobody else.
resource "google_cloud_run_service_iam_member" "deliver" {
  for_each = {
    queue     = google_service_account.queue.email
    scheduler = google_service_account.scheduler.email
  }

  location = var.region
  service  = google_cloudfunctions2_function.this["deliver"].name
  role     = "roles/run.invoker"
  member   = "serviceAccount:${each.value}"
}

# Builds the bundles into images. Its own account: the default one may write everywhere.
resource "google_service_account" "build" {
  account_id   = "undersign-build"
  display_name = "Builds the functions"
}

resource "google_project_iam_member" "build" {
  for_each = toset(["roles/artifactregistry.writer", "roles/logging.logWriter"])

  project = var.project
  role    = each.value
  member  = "serviceAccount:${google_service_account.build.email}"
}

# Cloud Functions copies each bundle into a bucket of its own, which it creates with the first function, and builds from
# there. So the role cannot be given on that bucket; the condition is its name.
resource "google_project_iam_member" "build_sources" {
  project = var.project
  role    = "roles/storage.objectViewer"
  member  = "serviceAccount:${google_service_account.build.email}"

  condition {
    title      = "sources of builds only"
    expression = "resource.name.startsWith('projects/_/buckets/gcf-v2-sources-${var.project_number}-${var.region}')"
  }
}

resource "google_storage_bucket_iam_member" "build" {
  bucket = var.bundles_bucket
  role   = "roles/storage.objectViewer"
  member = "serviceAccount:${google_service_account.build.email}"
}
