# Paths to functions, and a cache for what everybody may read.
locals {
  # Which function answers which path. shared/web/routes.py has the same paths; a test holds the two together. What
  # is not here is embed's, which leads to the page that is meant or answers 404; deliver is not reachable from
  # outside at all.
  routes = {
    sign = [
      "/v1/campaigns/{campaign=*}/signatures",
      "/v1/campaigns/{campaign=*}/links",
      "/v1/health/sign",
    ]
    confirm = [
      "/v1/confirm/{token=*}",
      "/v1/withdraw/{token=*}",
      "/v1/health/confirm",
    ]
    count = [
      "/v1/campaigns/{campaign=*}/count",
      "/v1/campaigns/{campaign=*}/count.csv",
      "/v1/campaigns/{campaign=*}/count.svg",
      "/v1/campaigns/{campaign=*}/eci/report/progression",
      "/v1/campaigns/{campaign=*}/eci/report/map",
      "/v1/campaigns/{campaign=*}/uk.json",
      "/v1/campaigns/{campaign=*}/uk/count.json",
      "/v1/campaigns/{campaign=*}/overlay",
      "/v1/campaigns/{campaign=*}/history",
      "/v1/campaigns/{campaign=*}/history.csv",
      "/v1/campaigns/{campaign=*}/history/hours",
      "/v1/campaigns/{campaign=*}/history/hours.csv",
      "/v1/campaigns/{campaign=*}/milestones.atom",
      "/c/{campaign=*}/progress",
      "/c/{campaign=*}/stream",
      "/v1/health/count",
    ]
    embed = [
      "/v1/campaigns/{campaign=*}/form",
      "/c/**",
      "/embed/**",
      "/v1/oembed",
      "/v1/openapi.json",
      "/v1/health/embed",
    ]
  }

  # In the order of the map above: count's pages come before /c/**.
  route_order = ["sign", "confirm", "count", "embed"]

  # The query parameters that make another answer of one of the function's routes; a test holds them against the
  # routes. Any other is no part of the cache's key, and no function reads it. These may have few values: a query with
  # another one, or with a parameter of another route, is redirected (shared/web/query.py), so that nobody can fill the
  # cache with copies for made-up ones.
  cache_keys = {
    count = ["lang", "partner", "embed", "theme", "size"]
    embed = ["lang", "partner", "embed", "moved"]
  }

  # Seconds for which the cache serves an answer that is no longer fresh while it asks for it again. In an outage, what
  # it has stays up for so long: a number for ten minutes, a page for an hour. stale-while-revalidate in an answer takes
  # its place, for what may be older or must not be so old; browsers follow that as well, and this they never see.
  # stale-if-error means nothing to Cloud CDN (https://cloud.google.com/cdn/docs/serving-stale-content).
  serve_while_stale = { count = 600, embed = 3600 }
}

resource "google_compute_region_network_endpoint_group" "function" {
  for_each = local.public_functions

  name                  = each.key
  region                = var.region
  network_endpoint_type = "SERVERLESS"

  cloud_run {
    service = google_cloudfunctions2_function.this[each.key].name
  }
}

resource "google_compute_backend_service" "function" {
  for_each = local.public_functions

  name                  = each.key
  load_balancing_scheme = "EXTERNAL_MANAGED"
  protocol              = "HTTPS"
  security_policy       = google_compute_security_policy.public[each.value.cached ? "reading" : "signing"].id
  # Cloud Armor counts every request that a policy looks at, and cached answers are most of them: there is nothing
  # to look for until somebody is blocked.
  edge_security_policy = each.value.cached ? one(google_compute_security_policy.edge[*].id) : null

  # Only what everybody may read: sign takes POSTs alone, and the pages of confirm belong to one signer each.
  enable_cdn = each.value.cached
  # Here and not in the functions: their answers would vary by Accept-Encoding, and the cache would keep a copy for
  # every value of that header. Never for the pages behind links: how well those compress could give a token away
  # (BREACH, https://breachattack.com).
  compression_mode = each.value.cached ? "AUTOMATIC" : null

  backend {
    group = google_compute_region_network_endpoint_group.function[each.key].id
  }

  dynamic "cdn_policy" {
    for_each = each.value.cached ? [1] : []
    content {
      # What the functions say of each answer holds: only what they call public is kept.
      cache_mode        = "USE_ORIGIN_HEADERS"
      serve_while_stale = local.serve_while_stale[each.key]
      # So that a hundred thousand readers do not see one slow minute's errors.
      negative_caching = false

      cache_key_policy {
        include_host           = true
        include_protocol       = false
        include_query_string   = true
        query_string_whitelist = local.cache_keys[each.key]
      }
    }
  }

  # Request logs would hold tokens and clients' addresses.
  log_config {
    enable = false
  }
}

resource "google_compute_url_map" "https" {
  name            = "undersign"
  default_service = google_compute_backend_service.function["embed"].id

  host_rule {
    hosts        = [var.domain]
    path_matcher = "paths"
  }

  path_matcher {
    name            = "paths"
    default_service = google_compute_backend_service.function["embed"].id

    dynamic "route_rules" {
      for_each = local.route_order
      content {
        priority = route_rules.key + 1
        service  = google_compute_backend_service.function[route_rules.value].id

        dynamic "match_rules" {
          for_each = local.routes[route_rules.value]
          content {
            path_template_match = match_rules.value
          }
        }
      }
    }
  }
}
