# Warns, and stops nothing: a petition that is switched off at its peak has lost more than money.
locals {
  budget_steps = {
    half     = { of = 0.5, basis = "CURRENT_SPEND" }
    most     = { of = 0.9, basis = "CURRENT_SPEND" }
    all      = { of = 1.0, basis = "CURRENT_SPEND" }
    expected = { of = 1.0, basis = "FORECASTED_SPEND" }
  }
}

resource "google_billing_budget" "month" {
  count = var.billing_account == "" ? 0 : 1

  billing_account = var.billing_account
  display_name    = "Undersign, ${var.environment}"

  budget_filter {
    projects        = ["projects/${var.project_number}"]
    calendar_period = "MONTH"
  }

  # Without a currency it is the billing account's.
  amount {
    specified_amount {
      units = tostring(floor(var.monthly_budget))
    }
  }

  dynamic "threshold_rules" {
    for_each = local.budget_steps
    content {
      threshold_percent = threshold_rules.value.of
      spend_basis       = threshold_rules.value.basis
    }
  }

  # The billing account's administrators are notified in any case; a budget takes five more channels.
  all_updates_rule {
    monitoring_notification_channels = slice(local.channels.mail, 0, min(5, length(local.channels.mail)))
  }

  depends_on = [google_project_service.this]
}
