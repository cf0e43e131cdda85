"""Programs that use the real SDKs, each in a process of its own: `PROGRAM URL WRITE_KEY`.

Each sends calls of every kind and half of the numbered tracks, says `sent`, waits for a line on standard input, sends
the other half, and says `done` once the SDK holds nothing back.
"""
