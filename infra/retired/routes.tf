# A bucket does not look at the query. So each language has a folder with all answers in it, and rules lead there; without
# a language, or with another, there are those without a folder. The global external load balancer takes rewrites and
# matches of the query in rules that lead to a bucket, and a URL map of up to 1 MB
# (https://docs.cloud.google.com/load-balancing/docs/url-map-concepts,
# https://docs.cloud.google.com/load-balancing/docs/routing-config-size-quota).
locals {
  # From the first that matches; those with more conditions come first. frames: pages with embed=1.
  rules = concat(
    [for language in sort(var.languages) : { from = "/c/", to = "/${language}/framed/c/", query = { lang = language, embed = "1" }, headers = "frames" }],
    [{ from = "/c/", to = "/framed/c/", query = { embed = "1" }, headers = "frames" }],
    [for language in sort(var.languages) : { from = "/c/", to = "/${language}/c/", query = { lang = language }, headers = "pages" }],
    [{ from = "/c/", to = "/c/", query = {}, headers = "pages" }],
    [for language in sort(var.languages) : { from = "/v1/campaigns/", to = "/${language}/v1/campaigns/", query = { lang = language }, headers = "data" }],
  )

  # What links in mails begin with; their token names the campaign.
  links = { for campaign in var.campaigns : campaign => ["/v1/confirm/${campaign}~", "/v1/withdraw/${campaign}~"] }
}

resource "google_compute_url_map" "https" {
  name            = "undersign"
  default_service = google_compute_backend_bucket.answers["data"].id

  host_rule {
    hosts        = [var.domain]
    path_matcher = "paths"
  }

  path_matcher {
    name            = "paths"
    default_service = google_compute_backend_bucket.answers["data"].id

    dynamic "route_rules" {
      for_each = sort(keys(local.links))
      iterator = campaign
      content {
        priority = campaign.key + 1

        dynamic "match_rules" {
          for_each = local.links[campaign.value]
          content {
            prefix_match = match_rules.value
          }
        }

        url_redirect {
          path_redirect          = "/c/${campaign.value}/links"
          redirect_response_code = "SEE_OTHER"
          strip_query            = true
        }
      }
    }

    dynamic "route_rules" {
      for_each = local.rules
      iterator = rule
      content {
        priority = length(local.links) + rule.key + 1
        service  = google_compute_backend_bucket.answers[rule.value.headers].id

        match_rules {
          prefix_match = rule.value.from

          dynamic "query_parameter_matches" {
            for_each = rule.value.query
            content {
              name        = query_parameter_matches.key
              exact_match = query_parameter_matches.value
            }
          }
        }

        route_action {
          url_rewrite {
            path_prefix_rewrite = rule.value.to
          }
        }
      }
    }
  }
}
