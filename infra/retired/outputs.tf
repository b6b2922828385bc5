output "rules" {
  description = "Where the last answer to each request is kept, in the order in which the rules are tried."
  value       = local.rules
}

output "links" {
  description = "What links in mails begin with, by campaign."
  value       = local.links
}
