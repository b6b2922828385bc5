# What must hold after a petition is over. Run by `make check`; nothing is created.
run "the_last_answers" {
  command = plan

  # Each language has its folder.
  assert {
    condition = [for rule in google_compute_url_map.https.path_matcher[0].route_rules : rule.route_action[0].url_rewrite[0].path_prefix_rewrite if length(rule.route_action) > 0] == [
      "/de/framed/c/", "/en/framed/c/", "/fr/framed/c/", "/framed/c/", "/de/c/", "/en/c/", "/fr/c/", "/c/",
      "/de/v1/campaigns/", "/en/v1/campaigns/", "/fr/v1/campaigns/",
    ]
    error_message = "a language is not led to its folder, or the more special rule comes too late"
  }
  assert {
    condition     = join(",", [for rule in google_compute_url_map.https.path_matcher[0].route_rules : rule.priority]) == join(",", range(1, 14))
    error_message = "two rules have the same priority, or one is missing"
  }
  assert {
    condition     = alltrue([for backend in google_compute_backend_bucket.answers : toset(backend.cdn_policy[0].cache_key_policy[0].query_string_whitelist) == toset(["lang", "embed"])])
    error_message = "the cache would answer in another reader's language"
  }

  # Links in mails lead to a page.
  assert {
    condition = {
      for rule in google_compute_url_map.https.path_matcher[0].route_rules :
      rule.url_redirect[0].path_redirect => toset([for match in rule.match_rules : match.prefix_match]) if length(rule.url_redirect) > 0
      } == {
      "/c/storks/links" = toset(["/v1/confirm/storks~", "/v1/withdraw/storks~"])
      "/c/swifts/links" = toset(["/v1/confirm/swifts~", "/v1/withdraw/swifts~"])
    }
    error_message = "a link in an old mail leads nowhere"
  }

  # Pages are protected as before and numbers can be read anywhere.
  assert {
    condition     = contains(google_compute_backend_bucket.answers["pages"].custom_response_headers, "Content-Security-Policy: default-src 'none'; style-src 'sha256-x'; frame-ancestors 'none'")
    error_message = "the pages have lost their Content-Security-Policy"
  }
  assert {
    condition     = contains(google_compute_backend_bucket.answers["frames"].custom_response_headers, "Content-Security-Policy: default-src 'none'; style-src 'sha256-x'; frame-ancestors *")
    error_message = "a partner's page cannot frame the last count"
  }
  assert {
    condition     = alltrue([for backend in google_compute_backend_bucket.answers : length(setsubtract(["X-Content-Type-Options: nosniff", "Access-Control-Allow-Origin: *"], backend.custom_response_headers)) == 0])
    error_message = "a partner's page cannot read the last count, or a browser may guess what an answer is"
  }

  # Everybody may read and nobody may write.
  assert {
    condition     = google_storage_bucket_iam_member.everybody.role == "roles/storage.objectViewer" && google_storage_bucket.answers.uniform_bucket_level_access
    error_message = "everybody may do more with the last answers than read them"
  }
}
