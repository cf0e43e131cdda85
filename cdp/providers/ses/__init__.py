"""Amazon SES: e-mail. Its events are delivered through SNS."""
