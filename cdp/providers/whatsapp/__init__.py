"""WhatsApp Cloud API (Meta): messages."""
