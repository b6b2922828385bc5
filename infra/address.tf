# The public addresses, their certificate, and what leads from them to the URL map. infra/retired has this file, too: when
# a petition is over, it takes all of this over as it is, so that neither the DNS nor TLS has a gap.

# IPv4 and IPv6: https://cloud.google.com/load-balancing/docs/ipv6.
resource "google_compute_global_address" "public" {
  for_each = toset(["ipv4", "ipv6"])

  name       = "undersign-${each.key}"
  ip_version = upper(each.key)

  depends_on = [google_project_service.this]
}

# A record in the DNS proves that the domain is ours, so that the certificate is there before anybody is led here: a
# petition that moves here has no hour of TLS errors. It has a name of its own, beside those that another host or
# project needs for its certificates (https://cloud.google.com/certificate-manager/docs/dns-authorizations).
resource "google_certificate_manager_dns_authorization" "public" {
  name   = "undersign-${replace(var.domain, ".", "-")}"
  domain = var.domain
  type   = "PER_PROJECT_RECORD"

  # A new domain gets a certificate before the old one goes.
  lifecycle {
    create_before_destroy = true
  }

  depends_on = [google_project_service.this]
}

resource "google_certificate_manager_certificate" "public" {
  name = google_certificate_manager_dns_authorization.public.name

  managed {
    domains            = [google_certificate_manager_dns_authorization.public.domain]
    dns_authorizations = [google_certificate_manager_dns_authorization.public.id]
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "google_certificate_manager_certificate_map" "public" {
  name = "undersign"

  depends_on = [google_project_service.this]
}

resource "google_certificate_manager_certificate_map_entry" "public" {
  name         = "undersign"
  map          = google_certificate_manager_certificate_map.public.name
  matcher      = "PRIMARY"
  certificates = [google_certificate_manager_certificate.public.id]
}

resource "google_compute_ssl_policy" "modern" {
  name            = "undersign"
  profile         = "MODERN"
  min_tls_version = "TLS_1_2"

  depends_on = [google_project_service.this]
}

resource "google_compute_target_https_proxy" "public" {
  name            = "undersign"
  url_map         = google_compute_url_map.https.id
  certificate_map = "//certificatemanager.googleapis.com/${google_certificate_manager_certificate_map.public.id}"
  ssl_policy      = google_compute_ssl_policy.modern.id

  # A map without an entry would answer nobody.
  depends_on = [google_certificate_manager_certificate_map_entry.public]
}

resource "google_compute_global_forwarding_rule" "https" {
  for_each = google_compute_global_address.public

  name                  = "undersign-https-${each.key}"
  target                = google_compute_target_https_proxy.public.id
  ip_address            = each.value.id
  port_range            = "443"
  load_balancing_scheme = "EXTERNAL_MANAGED"
}

# http:// leads to https://, and does nothing else.
resource "google_compute_url_map" "http" {
  name = "undersign-http"

  default_url_redirect {
    https_redirect         = true
    redirect_response_code = "MOVED_PERMANENTLY_DEFAULT"
    strip_query            = false
  }

  depends_on = [google_project_service.this]
}

resource "google_compute_target_http_proxy" "public" {
  name    = "undersign"
  url_map = google_compute_url_map.http.id
}

resource "google_compute_global_forwarding_rule" "http" {
  for_each = google_compute_global_address.public

  name                  = "undersign-http-${each.key}"
  target                = google_compute_target_http_proxy.public.id
  ip_address            = each.value.id
  port_range            = "80"
  load_balancing_scheme = "EXTERNAL_MANAGED"
}
