# What is yours in production. Change every line; `make deploy ENV=production` tells what is missing.
environment    = "production"
project        = "your-undersign-production"
project_number = "100000000001"
domain         = "petition.example.org"

# All of them mail, each at the rate that it has agreed to in writing.
relays = {
  first  = { host = "smtp.first-relay.example", user = "undersign", mails_per_second = 50 }
  second = { host = "smtp.second-relay.example", user = "undersign", mails_per_second = 50 }
}

# The largest campaign: its count is asked for from outside every minute.
watched_campaign = "reclaim-your-face"

page_emails    = ["on-call@example.org"]
notice_emails  = ["petition@example.org"]
monthly_budget = 200
backup_days    = 14

# What Cloud Run may use in this region; 20 in a new project. Ask for 200 before you expect a rush.
vcpu_quota = 20

# true once the domain leads here: until then nothing answers from outside, and somebody would be woken for it.
alerting = false
