variable "environment" {
  description = "Which of the two this was, staging or production."
  type        = string
}

variable "project" {
  description = "The Google Cloud project's id."
  type        = string
}

variable "domain" {
  description = "The host under which the public reaches everything."
  type        = string
}

variable "bucket" {
  description = "The name of the bucket for the last answers."
  type        = string
}

variable "campaigns" {
  description = "The ids of the campaigns, whose links in mails lead to a page that says that all is over."
  type        = set(string)
}

variable "languages" {
  description = "The languages that have a folder in the bucket."
  type        = set(string)
}

variable "page_policy" {
  description = "The Content-Security-Policy of the pages, as the functions gave it."
  type        = string

  validation {
    condition     = can(regex("; frame-ancestors 'none'$", var.page_policy))
    error_message = "page_policy: it must end by saying that nobody may frame a page."
  }
}
