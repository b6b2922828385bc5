# Asked from outside, through the balancer, as a signer would.
locals {
  uptime_checks = merge(
    { for name in keys(local.public_functions) : name => {
      path    = "/v1/health/${name}"
      content = "\"function\": ?\"${name}\""
    } },
    # From the cache, as readers get it: the way to it is longer than to the health of the function, and in an outage
    # the cache answers for ten minutes more.
    { count-json = {
      path    = "/v1/campaigns/${var.watched_campaign}/count"
      content = "\"total\": ?[0-9]+"
    } },
  )
}

resource "google_monitoring_uptime_check_config" "this" {
  for_each = local.uptime_checks

  display_name = "${var.environment}-${each.key}"
  period       = "60s"
  timeout      = "10s"
  checker_type = "STATIC_IP_CHECKERS"
  # Three places are the fewest that Google takes. Five checks from them are 648,000 a month; a million are free, and
  # a thousand more cost 0.30 dollars (https://cloud.google.com/stackdriver/pricing), 39 dollars a month for one check.
  selected_regions = ["EUROPE", "USA_VIRGINIA", "USA_IOWA"]

  monitored_resource {
    type = "uptime_url"
    labels = {
      project_id = var.project
      host       = var.domain
    }
  }

  http_check {
    path         = each.value.path
    port         = 443
    use_ssl      = true
    validate_ssl = true

    accepted_response_status_codes {
      status_class = "STATUS_CLASS_2XX"
    }
  }

  # A page of somebody else's is no answer, though it says 200.
  content_matchers {
    matcher = "MATCHES_REGEX"
    content = each.value.content
  }

  depends_on = [google_project_service.this]
}
