locals {
  # Requests a minute from one address. An office, a university or a mobile carrier is one address with thousands of
  # people behind it, so these only stop machines; what one mailbox can be sent is capped by deliver anyway. Whether
  # Google takes a network of IPv6 (/64) for one address is not documented; blocked_ranges can block one.
  #
  # A threshold holds for each function by itself (https://cloud.google.com/armor/docs/rate-limiting-overview), so one
  # policy does for sign and confirm, and one for those with a cache in front, count and embed.
  throttles = { signing = 1200, reading = 6000 }
}

resource "google_compute_security_policy" "public" {
  #checkov:skip=CKV_GCP_73:there is no Java behind it, so no Log4j, and the rule would refuse names and texts at random
  for_each = local.throttles

  name        = each.key
  description = "Throttles one address at ${each.value} requests a minute"

  dynamic "rule" {
    for_each = length(var.blocked_ranges) > 0 ? [1] : []
    content {
      action      = "deny(403)"
      priority    = 500
      description = "Blocked by hand"

      match {
        versioned_expr = "SRC_IPS_V1"
        config {
          src_ip_ranges = var.blocked_ranges
        }
      }
    }
  }

  rule {
    action      = "throttle"
    priority    = 1000
    description = "Machines, not offices"

    match {
      versioned_expr = "SRC_IPS_V1"
      config {
        src_ip_ranges = ["*"]
      }
    }

    rate_limit_options {
      conform_action = "allow"
      exceed_action  = "deny(429)"
      enforce_on_key = "IP"

      rate_limit_threshold {
        count        = each.value
        interval_sec = 60
      }
    }
  }

  rule {
    action      = "allow"
    priority    = 2147483647
    description = "Everybody else"

    match {
      versioned_expr = "SRC_IPS_V1"
      config {
        src_ip_ranges = ["*"]
      }
    }
  }

  depends_on = [google_project_service.this]

  # Or a policy would be deleted before its functions have another, which Google refuses.
  lifecycle {
    create_before_destroy = true
  }
}

# Cached answers never reach the policies above; only one at the edge sees who asks for them. It costs as much
# as the others, and is there only while somebody is blocked.
resource "google_compute_security_policy" "edge" {
  #checkov:skip=CKV_GCP_73:an edge policy cannot hold such rules, and there is no Java behind it
  count = length(var.blocked_ranges) > 0 ? 1 : 0

  name        = "edge"
  description = "Blocks by hand what asks for cached answers"
  type        = "CLOUD_ARMOR_EDGE"

  rule {
    action      = "deny(403)"
    priority    = 500
    description = "Blocked by hand"

    match {
      versioned_expr = "SRC_IPS_V1"
      config {
        src_ip_ranges = var.blocked_ranges
      }
    }
  }

  rule {
    action      = "allow"
    priority    = 2147483647
    description = "Everybody else"

    match {
      versioned_expr = "SRC_IPS_V1"
      config {
        src_ip_ranges = ["*"]
      }
    }
  }

  depends_on = [google_project_service.this]

  # As above: the functions let go of it before it is deleted.
  lifecycle {
    create_before_destroy = true
  }
}
