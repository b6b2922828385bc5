output "public_url" {
  description = "Where the public reaches everything."
  value       = local.public_url
}

output "dns_records" {
  description = "What to enter at the registrar, A and AAAA once the certificate is there (infra/README.md); ask the relay for what stands in <angle brackets>."
  value = merge(
    {
      "${var.domain}. A"               = google_compute_global_address.public["ipv4"].address
      "${var.domain}. AAAA"            = google_compute_global_address.public["ipv6"].address
      "${var.domain}. CAA"             = "0 issue \"pki.goog\""
      "mail.${var.domain}. TXT"        = "v=spf1 ${join(" ", [for name in keys(var.relays) : "include:<spf host of the relay ${name}>"])} -all"
      "_dmarc.mail.${var.domain}. TXT" = "v=DMARC1; p=reject; adkim=s; aspf=r; rua=mailto:${sort(tolist(var.notice_emails))[0]}"
    },
    {
      for record in google_certificate_manager_dns_authorization.public.dns_resource_record :
      "${record.name} ${record.type}" => record.data
    },
    { for name in keys(var.relays) : "<selector of the relay ${name}>._domainkey.mail.${var.domain}. TXT" => "<DKIM key of the relay ${name}>" },
    { for name in keys(var.relays) : "<reverse name of the address of the relay ${name}>. PTR" => "<host of the relay ${name}; the relay enters it>" },
  )
}

output "capacity" {
  description = "What this plan can carry: the most instances of each function and the requests that they take at a time, and the tasks that each queue dispatches in a second. docs/performance.md says how a rush fares with 20 and with 200 processors."
  value = {
    functions = {
      for name, instances in local.max_instances :
      name => "${instances} instances, ${instances * local.sizes.functions[name].concurrency} requests at a time"
    }
    queues = {
      for name, rate in local.dispatches_per_second :
      name => "${rate} tasks a second, ${local.concurrent_dispatches[name]} at a time"
    }
  }
}

output "deliver_address" {
  description = "Where the queues and the scheduler call deliver."
  value       = local.deliver_address
}

output "routes" {
  description = "Which function answers which path, in the order in which they are tried."
  value       = [for name in local.route_order : { function = name, paths = local.routes[name] }]
}

# Warnings of what is allowed, and yet leaves a relay partly unused, or asks more of it than was agreed.
check "relays" {
  assert {
    condition     = local.fresh_per_second <= local.sizes.queues.max_dispatches_per_second
    error_message = "The relays take ${local.mails_per_second} mails a second, and a queue of Cloud Tasks dispatches ${local.sizes.queues.max_dispatches_per_second} at most: the rest is never used."
  }
  assert {
    condition     = alltrue([for relay in values(local.relays) : coalesce(relay.connections, relay.mails_per_second) >= local.mailing_instances])
    error_message = "A relay allows fewer connections than deliver has instances in a rush (${local.mailing_instances}), each of which opens one: it may refuse some. Agree on more with the relay, and set connections."
  }
}
