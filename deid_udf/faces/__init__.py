"""Steps II and III of the paper for faces: landmarks, alignment, projection, and new content in place of the old."""
