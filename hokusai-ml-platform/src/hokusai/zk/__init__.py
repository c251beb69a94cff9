"""Zero-knowledge proofs of an improvement: Groth16 over BN254, in Python without further packages.

A proof shows the counts of a comparison of two models on one test set, and that these were
computed from the labels and predictions to which commitments were published, without revealing a
label or a prediction. The gateway's docs/proofs.md says in plain words what that proves, and what
it does not.
"""
