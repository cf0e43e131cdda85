"""The Segment-compatible tracking API: bodies as real SDKs send them, in; live items of the inbox, out."""
