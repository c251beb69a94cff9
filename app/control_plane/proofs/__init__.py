"""Zero-knowledge proofs of an improvement: what circuits are known, and whether a proof holds."""
