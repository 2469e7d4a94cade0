"""The provisioning file: models, reading, problems with remedies."""
