output "public_url" {
  description = "Where the public reaches everything."
  value       = local.public_url
}

output "dns_records" {
  description = "What to enter at the registrar; ask the relay for what stands in <angle brackets>."
  value = {
    "${var.domain}. A"                              = google_compute_global_address.public.address
    "${var.domain}. CAA"                            = "0 issue \"pki.goog\""
    "mail.${var.domain}. TXT"                       = "v=spf1 include:<spf host of the relay ${var.relay}> -all"
    "<selector>._domainkey.mail.${var.domain}. TXT" = "<DKIM key of the relay ${var.relay}>"
    "_dmarc.mail.${var.domain}. TXT"                = "v=DMARC1; p=reject; adkim=s; aspf=r; rua=mailto:${sort(tolist(var.page_emails))[0]}"
    "<reverse name of the relay's address>. PTR"    = "<host of the relay; the relay enters it>"
  }
}

output "deliver_address" {
  description = "Where the queue and the scheduler call deliver."
  value       = local.deliver_address
}

output "routes" {
  description = "Which function answers which path, in the order in which they are tried."
  value       = [for name in local.route_order : { function = name, paths = local.routes[name] }]
}
