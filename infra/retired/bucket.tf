# The last answers of the functions, which infra/deploy/last_answers.py has copied.
resource "google_storage_bucket" "answers" {
  #checkov:skip=CKV_GCP_62:a log of who reads would hold the readers' addresses
  #checkov:skip=CKV_GCP_114:everybody may read what is here, as before
  name     = var.bucket
  location = "EU"

  uniform_bucket_level_access = true

  versioning {
    enabled = true
  }

  # What is not here gets the page that the functions had for it, and the root its own, instead of a list of all objects.
  website {
    main_page_suffix = "index.html"
    not_found_page   = "404.html"
  }

  depends_on = [google_project_service.this]
}

# To see that an object is not there, and answer 404 for it, takes the right to list them.
resource "google_storage_bucket_iam_member" "everybody" {
  #checkov:skip=CKV_GCP_28:everybody may read what is here, as before
  bucket = google_storage_bucket.answers.name
  role   = "roles/storage.objectViewer"
  member = "allUsers"
}

locals {
  # One bucket, by three ways, for what comes with each kind of answer. Pages behave as they did; what is framed asks for
  # nothing any more, so that any page may frame it.
  headers = {
    pages  = ["Content-Security-Policy: ${var.page_policy}", "Referrer-Policy: no-referrer"]
    frames = ["Content-Security-Policy: ${replace(var.page_policy, "frame-ancestors 'none'", "frame-ancestors *")}", "Referrer-Policy: no-referrer"]
    data   = []
  }
}

resource "google_compute_backend_bucket" "answers" {
  for_each = local.headers

  name             = "undersign-${each.key}"
  bucket_name      = google_storage_bucket.answers.name
  enable_cdn       = true
  compression_mode = "AUTOMATIC"
  custom_response_headers = concat(
    ["X-Content-Type-Options: nosniff", "Strict-Transport-Security: max-age=31536000", "Access-Control-Allow-Origin: *"],
    each.value,
  )

  cdn_policy {
    cache_mode        = "USE_ORIGIN_HEADERS"
    serve_while_stale = 86400
    # What one language gets must not be kept for another.
    cache_key_policy {
      query_string_whitelist = ["lang", "embed"]
    }
  }

  depends_on = [google_storage_bucket_iam_member.everybody]
}
