# What the deployment has made, taken over as it is. Where the state holds it already, these do nothing.
locals {
  global       = "projects/${var.project}/global"
  certificates = "projects/${var.project}/locations/global"
  domain_name  = "undersign-${replace(var.domain, ".", "-")}"
  versions     = toset(["ipv4", "ipv6"])
}

import {
  for_each = local.versions
  to       = google_compute_global_address.public[each.key]
  id       = "${local.global}/addresses/undersign-${each.key}"
}

import {
  to = google_certificate_manager_dns_authorization.public
  id = "${local.certificates}/dnsAuthorizations/${local.domain_name}"
}

import {
  to = google_certificate_manager_certificate.public
  id = "${local.certificates}/certificates/${local.domain_name}"
}

import {
  to = google_certificate_manager_certificate_map.public
  id = "${local.certificates}/certificateMaps/undersign"
}

import {
  to = google_certificate_manager_certificate_map_entry.public
  id = "${local.certificates}/certificateMaps/undersign/certificateMapEntries/undersign"
}

import {
  to = google_compute_ssl_policy.modern
  id = "${local.global}/sslPolicies/undersign"
}

import {
  to = google_compute_url_map.https
  id = "${local.global}/urlMaps/undersign"
}

import {
  to = google_compute_target_https_proxy.public
  id = "${local.global}/targetHttpsProxies/undersign"
}

import {
  for_each = local.versions
  to       = google_compute_global_forwarding_rule.https[each.key]
  id       = "${local.global}/forwardingRules/undersign-https-${each.key}"
}

import {
  to = google_compute_url_map.http
  id = "${local.global}/urlMaps/undersign-http"
}

import {
  to = google_compute_target_http_proxy.public
  id = "${local.global}/targetHttpProxies/undersign"
}

import {
  for_each = local.versions
  to       = google_compute_global_forwarding_rule.http[each.key]
  id       = "${local.global}/forwardingRules/undersign-http-${each.key}"
}
