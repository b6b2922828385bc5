terraform {
  required_version = ">= 1.11"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 7.45"
    }
  }

  # Bucket and prefix are given by infra/deploy/retire.py: a state beside that of the deployment.
  backend "gcs" {}
}

provider "google" {
  project               = var.project
  billing_project       = var.project
  user_project_override = true

  default_labels = {
    app         = "undersign"
    environment = var.environment
  }
}

resource "google_project_service" "this" {
  for_each = toset(["certificatemanager.googleapis.com", "compute.googleapis.com", "storage.googleapis.com"])

  service            = each.value
  disable_on_destroy = false
}
