# What is yours in staging. Change every line; `make deploy ENV=staging` tells what is missing.
environment    = "staging"
project        = "your-undersign-staging"
project_number = "100000000002"
domain         = "staging.petition.example.org"

relays = {
  first  = { host = "smtp.first-relay.example", user = "undersign" }
  second = { host = "smtp.second-relay.example", user = "undersign" }
}
relay = "first"

# The largest campaign: its count is asked for from outside every minute.
watched_campaign = "reclaim-your-face"

page_emails    = ["on-call@example.org"]
notice_emails  = ["petition@example.org"]
monthly_budget = 50
backup_days    = 14

# On for an announced broadcast, an hour before; off the morning after.
spike = false
