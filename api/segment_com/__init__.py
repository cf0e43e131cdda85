"""APIs compatible with Segment, the company: tracking and the Profile API."""
