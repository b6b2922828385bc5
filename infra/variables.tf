variable "environment" {
  description = "Which of the two this is; each has a project of its own."
  type        = string

  validation {
    condition     = contains(["staging", "production"], var.environment)
    error_message = "environment: write staging or production."
  }
}

variable "project" {
  description = "The Google Cloud project's id."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project))
    error_message = "project: write the project's id, as in undersign-production, not its name or number."
  }
}

variable "project_number" {
  description = "The Google Cloud project's number, which its functions' own addresses are made of."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{6,20}$", var.project_number))
    error_message = "project_number: write the number that `gcloud projects describe` prints."
  }
}

variable "region" {
  description = "Where the functions, the queues and the logs are: a region of the European Union that has all that they need."
  type        = string
  default     = "europe-west1"

  validation {
    # Cloud Tasks is in five European regions (https://cloud.google.com/tasks/docs/locations), of which London and Zurich
    # are not in the Union; the others have all the rest, too. Cloud Build may be limited in new projects, to
    # europe-west1 in Europe (https://cloud.google.com/build/docs/locations, "Restricted regions for some projects").
    condition     = contains(["europe-west1", "europe-west3", "europe-central2"], var.region)
    error_message = "region: choose europe-west1, europe-west3 or europe-central2, the regions of the European Union that have Cloud Tasks. Without a reason for another choose europe-west1: a new project may be allowed to build nowhere else in Europe."
  }
}

variable "database" {
  description = "The Firestore database of the signatures. After a restore, the name of the new one (infra/RUNBOOK.md)."
  type        = string
  default     = "(default)"

  validation {
    # https://cloud.google.com/firestore/docs/manage-databases#database_id
    condition     = var.database == "(default)" || (can(regex("^[a-z][a-z0-9-]{2,61}[a-z0-9]$", var.database)) && var.database != "spool")
    error_message = "database: write (default), or 4 to 63 small letters, digits and hyphens, as in restored-1; spool is that of the spool."
  }
}

variable "database_exists" {
  description = "Whether the database is taken over rather than created, unless Terraform has it already: by default where it has a name of its own, for a restore has created it."
  type        = bool
  default     = null
}

variable "domain" {
  description = "The host under which the public reaches everything, as in petition.example.org."
  type        = string

  validation {
    condition     = can(regex("^([a-z0-9-]+\\.)+[a-z]{2,}$", var.domain))
    error_message = "domain: write a host alone, in small letters, as in petition.example.org."
  }
}

variable "bundles_bucket" {
  description = "The bucket that holds the functions' bundles; `make bootstrap` makes it."
  type        = string
}

variable "bundles" {
  description = "The bundle of each function, an object of the bundles' bucket that is named by its content."
  type        = map(string)

  validation {
    condition     = alltrue([for function in ["sign", "deliver", "confirm", "count", "embed"] : can(regex("^${function}-[0-9a-f]{64}\\.zip$", var.bundles[function]))])
    error_message = "bundles: name a bundle for each function, as in sign = \"sign-<SHA-256>.zip\"; infra/deploy/deploy.py does."
  }
}

variable "deliver_recipient" {
  description = "The age public key of deliver, to which what is accepted is sealed; `make secrets` prints it."
  type        = string

  validation {
    condition     = can(regex("^age1[02-9ac-hj-np-z]{58}$", var.deliver_recipient))
    error_message = "deliver_recipient: write the public key (age1…). The secret key belongs into Secret Manager alone."
  }
}

variable "secret_versions" {
  description = "The version of each secret that is in force, by its name; `make secrets` writes it. Named, so that a rotated key makes new revisions."
  type        = map(string)

  validation {
    condition     = alltrue([for version in values(var.secret_versions) : can(regex("^[1-9][0-9]*$", version))])
    error_message = "secret_versions: write the number of a version, as in token-keys = \"1\"."
  }
}

variable "relays" {
  description = "The mail relays by name, each with host, port and user; its password is the secret smtp-password-<name>. mails_per_second: what it has agreed to take; 0 takes it out, and keeps its password. connections: how many it allows at a time, from all instances together; as many as mails a second, unless given. envelope_sender: the address that its mails come back to (MAIL FROM), where it allows another than the sender's. Two, so that mail goes on when one of them turns away."
  type = map(object({
    host             = string
    port             = optional(number, 587)
    user             = string
    mails_per_second = number
    connections      = optional(number)
    envelope_sender  = optional(string)
  }))

  validation {
    condition     = alltrue([for name in keys(var.relays) : length(name) <= 20 && can(regex("^[a-z][a-z0-9]*(-[a-z0-9]+)*$", name))])
    error_message = "relays: name each with small letters, digits and single hyphens, 20 at most, as in first or second-eu."
  }

  validation {
    condition     = alltrue([for relay in values(var.relays) : (relay.mails_per_second == 0 || relay.mails_per_second >= 1) && coalesce(relay.connections, 1) >= 1])
    error_message = "relays: each takes a mail a second at least, or none (mails_per_second = 0), and allows a connection."
  }

  validation {
    condition     = sum([for relay in values(var.relays) : relay.mails_per_second]) >= 2
    error_message = "relays: together they take 2 mails a second at least: one for a signature, and one for a reminder."
  }

  validation {
    condition     = length([for relay in values(var.relays) : relay if relay.mails_per_second > 0]) <= 3
    error_message = "relays: three at most mail at a time, or a task that meets them all as they hang takes longer than its queue waits. Write mails_per_second = 0 for the others."
  }
}

variable "bounces" {
  description = "The mailbox that mails come back to, which deliver reads over IMAP with TLS every ten minutes (infra/README.md); its password is the secret bounces-password. Without it, bounces and complaints are not noticed."
  type = object({
    host   = string
    port   = optional(number, 993)
    user   = string
    folder = optional(string, "INBOX")
  })
  default = null

  validation {
    condition     = alltrue([for mailbox in var.bounces[*] : can(regex("^[A-Za-z0-9.-]+$", mailbox.host)) && mailbox.user != "" && can(regex("^[ !#-\\[\\]-~]+$", mailbox.folder))])
    error_message = "bounces: write a host alone, as in imap.example.org, the account's user, and a folder in ASCII without quotation marks."
  }
}

variable "vcpu_quota" {
  description = "How many processors Cloud Run may use in this region: 20 in a new project. The caps of the functions' instances follow. Ask Google for 200 first, and for the 100 GiB of memory that go with them, of which a new project has 40 (infra/README.md); then write them here."
  type        = number
  default     = 20

  validation {
    condition     = var.vcpu_quota >= 5 && floor(var.vcpu_quota) == var.vcpu_quota
    error_message = "vcpu_quota: write a whole number, 5 at least: each function needs a processor. The quota is at https://console.cloud.google.com/iam-admin/quotas (Cloud Run Admin API, CPU allocation in your region)."
  }
}

variable "warm_instances" {
  description = "How many instances of each function are kept warm, day and night: the first signer after a quiet hour then waits no second for a start. `make cost` says what each costs."
  type        = number
  default     = 0

  validation {
    condition     = var.warm_instances >= 0 && floor(var.warm_instances) == var.warm_instances && var.warm_instances <= min(values(local.max_instances)...)
    error_message = "warm_instances: a whole number, no more than the quota lets each function start (${min(values(local.max_instances)...)} with vcpu_quota = ${var.vcpu_quota}). Write fewer, or raise the quota first."
  }
}

variable "backup_days" {
  description = "How many days a daily backup of the signatures is kept. Campaign files must promise no less (privacy.backup_days)."
  type        = number
  default     = 14

  validation {
    condition     = var.backup_days >= 7 && var.backup_days <= 98
    error_message = "backup_days: 7 (point-in-time recovery keeps so long in any case) to 98 (Firestore's most)."
  }
}

variable "log_days" {
  description = "How many days log lines are kept. They hold no address, name, token or IP address."
  type        = number
  default     = 14

  validation {
    condition     = var.log_days >= 1 && var.log_days <= 90
    error_message = "log_days: 1 to 90."
  }
}

variable "page_emails" {
  description = "Who is woken when signatures may be lost."
  type        = set(string)

  validation {
    condition     = length(var.page_emails) > 0
    error_message = "page_emails: name somebody; an alert that nobody reads is no alert."
  }
}

variable "notice_emails" {
  description = "Who is written to for the rest. The first of them in the alphabet gets the reports on DMARC, several a day."
  type        = set(string)

  validation {
    condition     = length(var.notice_emails) > 0
    error_message = "notice_emails: name somebody; the reports on DMARC must go somewhere, and not to a pager."
  }
}

variable "alerting" {
  description = "Whether alerts go out. False until the domain leads here: until then nothing answers from outside, and somebody would be woken for it."
  type        = bool
  default     = true
}

variable "billing_account" {
  description = "The billing account's id, for the budget; empty where you may not see it."
  type        = string
  default     = ""
}

variable "monthly_budget" {
  description = "In the billing account's currency: notice_emails are notified at half of it, nine tenths and all of it."
  type        = number
  default     = 100
}

variable "blocked_ranges" {
  description = "Addresses (CIDR, ten at most) that get 403 everywhere, cached answers included. For an attack under way."
  type        = set(string)
  default     = []

  validation {
    condition     = length(var.blocked_ranges) <= 10 && alltrue([for range in var.blocked_ranges : can(cidrhost(range, 0))])
    error_message = "blocked_ranges: ten CIDR ranges at most, as in 192.0.2.0/24 or 2001:db8::/48."
  }
}

variable "public_by_all_users" {
  description = "False where an organisation's policy forbids allUsers (constraints/iam.allowedPolicyMemberDomains): then the invoker check of the public functions is switched off by `make deploy` instead."
  type        = bool
  default     = true
}

variable "runbook_url" {
  description = "Where RUNBOOK.md can be read at 8 pm, by those who are woken: each alert links to its paragraph. Name your fork."
  type        = string
  default     = "https://github.com/undersign/undersign/blob/main/infra/RUNBOOK.md"

  validation {
    condition     = can(regex("^https://[^#\\s]+$", var.runbook_url))
    error_message = "runbook_url: write an https address without a #."
  }
}

variable "watched_campaign" {
  description = "The campaign whose count is asked for from outside every minute: the largest."
  type        = string
  default     = "reclaim-your-face"
}

variable "retiring" {
  description = "Whether all is being removed, so that databases and secrets lose their protection. Given by `make retire` alone, after its questions."
  type        = bool
  default     = false
}
