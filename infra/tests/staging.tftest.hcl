# Staging is production on a smaller bill: it may be thrown away, and nothing else differs.
variables {
  environment    = "staging"
  project_number = "100000000002"
  domain         = "staging.petition.example.org"
}

run "staging_can_be_thrown_away" {
  command = plan

  assert {
    condition     = google_firestore_database.main["(default)"].delete_protection_state == "DELETE_PROTECTION_DISABLED" && google_firestore_database.main["(default)"].deletion_policy == "DELETE"
    error_message = "staging cannot be thrown away"
  }
  assert {
    condition     = google_firestore_database.main["(default)"].point_in_time_recovery_enablement == "POINT_IN_TIME_RECOVERY_ENABLED" && google_firestore_database.main["(default)"].location_id == "eur3"
    error_message = "staging rehearses another database than production's"
  }
}

run "an_organisation_that_forbids_all_users_is_served_as_well" {
  command = plan

  variables {
    public_by_all_users = false
  }

  assert {
    condition     = length(google_cloud_run_service_iam_member.public) == 0
    error_message = "allUsers is bound although it is forbidden"
  }
}
