"""What is read of people: identifiers, history, evidence, Segment's shapes of it."""
