# What all tests begin with: a production of nobody's.
environment       = "production"
project           = "undersign-test"
project_number    = "100000000001"
domain            = "petition.example.org"
bundles_bucket    = "undersign-test-bundles"
deliver_recipient = "age1qyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqs3290gq"
relays = {
  first  = { host = "smtp.first-relay.example", user = "undersign", mails_per_second = 60 }
  second = { host = "smtp.second-relay.example", port = 2525, user = "undersign", mails_per_second = 40, connections = 50 }
}
secret_versions = { deliver-identities = "1", pepper = "1", token-keys = "1", smtp-password-first = "1", smtp-password-second = "1" }
page_emails     = ["on-call@example.org"]
notice_emails   = ["petition@example.org"]
bundles = {
  sign    = "sign-0000000000000000000000000000000000000000000000000000000000000001.zip"
  deliver = "deliver-0000000000000000000000000000000000000000000000000000000000000001.zip"
  confirm = "confirm-0000000000000000000000000000000000000000000000000000000000000001.zip"
  count   = "count-0000000000000000000000000000000000000000000000000000000000000001.zip"
  embed   = "embed-0000000000000000000000000000000000000000000000000000000000000001.zip"
}
