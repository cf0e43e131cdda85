"""Amazon SES: e-mail; its events come through SNS."""
