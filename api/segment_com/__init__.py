"""All that speaks the language of Segment, the company: tracking calls and the Profile API."""
