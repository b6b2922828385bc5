# What all tests begin with: a petition of nobody's.
environment = "production"
project     = "undersign-test"
domain      = "petition.example.org"
bucket      = "undersign-test-retired"
campaigns   = ["swifts", "storks"]
languages   = ["de", "en", "fr"]
page_policy = "default-src 'none'; style-src 'sha256-x'; frame-ancestors 'none'"
