"""Privacy-preserving street images: detect, replace under differential privacy, account."""
