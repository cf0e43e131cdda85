"""What people do with messages: how likely they answer, when they look, and how right both estimates are."""
