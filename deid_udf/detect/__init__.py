"""Where faces and plates are: detectors behind one protocol, and the union of those that a policy names."""
